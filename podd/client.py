"""Speaks to a podd: over the operator's socket on this machine, or to PODD_URL with PODD_API_KEY."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self, TypeVar

import httpx
from pydantic import BaseModel, ValidationError
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect, unix_connect

T = TypeVar("T", bound=BaseModel)


class ClientError(Exception):
    """The request did not succeed; the message says why and what to do."""


class Client:
    """`Client.local(data_dir)` or `Client.remote(url, key)`; `Client.find` chooses by the environment."""

    def __init__(self, http: httpx.Client, where: str, socket_path: str = "") -> None:
        self._http = http
        self._where = where
        self._socket_path = socket_path

    @classmethod
    def find(cls, data_dir: Path) -> Self:
        url = os.environ.get("PODD_URL")
        return cls.remote(url, os.environ.get("PODD_API_KEY", "")) if url else cls.local(data_dir)

    @classmethod
    def local(cls, data_dir: Path) -> Self:
        path = data_dir / "podd.sock"
        transport = httpx.HTTPTransport(uds=str(path))
        return cls(
            httpx.Client(transport=transport, base_url="http://podd", timeout=30), str(path), str(path)
        )

    @classmethod
    def remote(cls, url: str, key: str) -> Self:
        """Raises ClientError for what cannot be a URL or a key."""
        if not key.isascii() or any(character.isspace() for character in key):
            raise ClientError("PODD_API_KEY is not a key: a key has neither spaces nor accents.")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        try:
            return cls(httpx.Client(base_url=url, headers=headers, timeout=30), url)
        except httpx.InvalidURL as error:
            raise _no_answer(url, error) from error

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def post(self, path: str, body: BaseModel, answer: type[T]) -> T:
        """Send `body`, read `answer`. Raises ClientError."""
        return self._ask("POST", path, body.model_dump(mode="json", exclude_none=True), answer)

    def get(self, path: str, answer: type[T]) -> T:
        """Read `answer`. Raises ClientError."""
        return self._ask("GET", path, None, answer)

    def text(self, path: str) -> str:
        """Read a text. Raises ClientError."""
        return self._send("GET", path, None).text

    @contextmanager
    def socket(self, path: str) -> Iterator[ClientConnection]:
        """A WebSocket there. Raises ClientError when there is none to be had."""
        url = self._http.base_url.copy_with(raw_path=path.encode())
        address = str(url.copy_with(scheme="wss" if url.scheme == "https" else "ws"))
        try:
            if self._socket_path:
                connection = unix_connect(self._socket_path, address)
            else:
                connection = connect(address, proxy=None)
        except (OSError, WebSocketException) as error:
            raise _no_answer(self._where, error) from error
        with connection:
            yield connection

    def _ask(self, method: str, path: str, body: object, answer: type[T]) -> T:
        response = self._send(method, path, body)
        try:
            return answer.model_validate_json(response.content)
        except ValidationError as error:
            raise ClientError(
                f"What answers at {self._where} makes no sense. Is that podd, and of this version?"
            ) from error

    def _send(self, method: str, path: str, body: object) -> httpx.Response:
        try:
            response = self._http.request(method, path, json=body)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _no_answer(self._where, error) from error
        if not response.is_success:
            raise ClientError(_reason(response))
        return response


def _no_answer(where: str, error: Exception) -> ClientError:
    return ClientError(
        f"podd does not answer at {where}: {error}. Is it running? "
        "Start it with `podd serve`, or set PODD_DATA_DIR or PODD_URL to where it is."
    )


def _reason(response: httpx.Response) -> str:
    try:
        body = response.json()
    except ValueError:
        body = {}
    detail = body.get("detail") or body.get("error") if isinstance(body, dict) else None
    return str(detail or f"podd answered {response.status_code}.")
