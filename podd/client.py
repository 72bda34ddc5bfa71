"""Speaks to a podd: to PODD_URL with PODD_API_KEY, over the operator's socket on this machine, or to where
`podd login` has signed in."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx
from pydantic import BaseModel, ValidationError
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect, unix_connect

T = TypeVar("T", bound=BaseModel)


ACCOUNT_HEADER = "X-Podd-Account"
OPERATOR_KEYS = "podd_"
"""How the operator's keys begin."""


class ClientError(Exception):
    """The request did not succeed; the message says why and what to do. `status` is HTTP's, 0 when nobody
    answered."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Login(BaseModel):
    """Where somebody has signed in, and with which key."""

    url: str
    key: str

    @staticmethod
    def file() -> Path:
        home = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
        return Path(home).expanduser() / "podd" / "login.json"

    @classmethod
    def kept(cls) -> Self | None:
        try:
            return cls.model_validate_json(cls.file().read_bytes())
        except (OSError, ValidationError):
            return None

    def keep(self) -> Path:
        """Write it down where only its owner reads it. Raises OSError."""
        file = self.file()
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        aside = file.with_suffix(".new")
        aside.unlink(missing_ok=True)
        with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as written:  # noqa: PTH123
            written.write(self.model_dump_json())
        return aside.replace(file)


class Client:
    """`Client.local(data_dir)` or `Client.remote(url, key)`; `Client.find` chooses by the environment.
    `is_operator` says whose way in it is, `is_local` that it is the socket; `where` is the URL or its
    path."""

    def __init__(self, http: httpx.Client, where: str, *, is_operator: bool, socket_path: str = "") -> None:
        self.is_operator = is_operator
        self.where = where
        self.is_local = bool(socket_path)
        self._http = http
        self._socket_path = socket_path

    @classmethod
    def find(cls, data_dir: Path) -> Self:
        """To PODD_URL; else over the socket, for whom it is open; else to where `podd login` was."""
        key = os.environ.get("PODD_API_KEY") or os.environ.get("RUNPOD_API_KEY", "")
        if url := os.environ.get("PODD_URL"):
            return cls.remote(url, key)
        login = None if os.access(data_dir / "podd.sock", os.W_OK) else Login.kept()
        return cls.remote(login.url, login.key) if login else cls.local(data_dir)

    @classmethod
    def local(cls, data_dir: Path) -> Self:
        path = data_dir / "podd.sock"
        transport = httpx.HTTPTransport(uds=str(path))
        http = httpx.Client(transport=transport, base_url="http://podd", timeout=30)
        return cls(http, str(path), is_operator=True, socket_path=str(path))

    @classmethod
    def remote(cls, url: str, key: str) -> Self:
        """Raises ClientError for what cannot be a URL or a key."""
        if not key.isascii() or any(character.isspace() for character in key):
            raise ClientError("PODD_API_KEY is not a key: a key has neither spaces nor accents.")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        try:
            http = httpx.Client(base_url=url, headers=headers, timeout=30)
            return cls(http, url, is_operator=key.startswith(OPERATOR_KEYS))
        except httpx.InvalidURL as error:
            raise _no_answer(url, error) from error

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def in_place_of(self, account: str) -> None:
        """From now on the operator acts in the place of the account with this id or e-mail address; with ""
        as the operator again."""
        self._http.headers.pop(ACCOUNT_HEADER, None)
        if account:
            self._http.headers[ACCOUNT_HEADER] = account

    def call(self, method: str, path: str, body: object = None) -> Any:
        """Any request; its JSON, None where the answer is empty. Raises ClientError."""
        response = self._send(method, path, body)
        try:
            return response.json() if response.content else None
        except ValueError as error:
            raise self._no_sense() from error

    def events(self, path: str) -> Iterator[Any]:
        """The data of server-sent events, as they come, until the other side has no more. Raises
        ClientError."""
        try:
            with self._http.stream("GET", path, timeout=httpx.Timeout(30, read=60)) as response:
                if not response.is_success:
                    response.read()
                    raise ClientError(_reason(response), response.status_code)
                for line in response.iter_lines():
                    if line.startswith("data:"):
                        yield json.loads(line.removeprefix("data:"))
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, ValueError) as error:
            raise _no_answer(self.where, error) from error

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
                connection = unix_connect(self._socket_path, address, compression=None)
            else:
                connection = connect(address, proxy=None, compression=None)
        except (OSError, WebSocketException) as error:
            raise _no_answer(self.where, error) from error
        with connection:
            yield connection

    def _ask(self, method: str, path: str, body: object, answer: type[T]) -> T:
        response = self._send(method, path, body)
        try:
            return answer.model_validate_json(response.content)
        except ValidationError as error:
            raise self._no_sense() from error

    def _no_sense(self) -> ClientError:
        return ClientError(f"What answers at {self.where} makes no sense. Is that podd, and of this version?")

    def _send(self, method: str, path: str, body: object) -> httpx.Response:
        try:
            response = self._http.request(method, path, json=body)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _no_answer(self.where, error) from error
        if not response.is_success:
            raise ClientError(_reason(response), response.status_code)
        return response


def _no_answer(where: str, error: Exception) -> ClientError:
    return ClientError(
        f"podd does not answer at {where}: {error}. Is it running? "
        "Start it with `podd serve`, or set PODD_DATA_DIR or PODD_URL to where it is, or `podd login`."
    )


def _reason(response: httpx.Response) -> str:
    try:
        body = response.json()
    except ValueError:
        body = {}
    detail = body.get("detail") or body.get("error") if isinstance(body, dict) else None
    more = body.get("errors") if isinstance(body, dict) else None
    said = [str(detail or f"podd answered {response.status_code}.")]
    return " ".join(said + [str(one) for one in more or [] if isinstance(one, str)])
