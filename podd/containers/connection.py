"""The HTTP API of one Docker Engine: one client for all threads, a timeout on every wait, podd's errors.

What is asked and what the answer means is decided elsewhere.
"""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, Never

import docker
import requests
import urllib3
from docker.errors import APIError, DockerException, create_api_error_from_http_exception
from docker.types import CancellableStream
from docker.utils import kwargs_from_env, parse_host

from podd.containers import answers
from podd.ports import EngineAway, EngineError

Judge = Callable[[int | None, str], EngineError]

_CHUNK = 64 * 1024
# The SDK keeps one pool of connections for each URL, and closes the one used least when there are too many,
# even under a thread that is about to use it. So there is room for more than are ever asked for at once.
_POOLS = 256
_IDLE_EACH = 64


class Silent(EngineError):
    """A stream brought nothing for longer than its reader wanted to wait."""


class Connection:
    """A client that connects when first needed and may be used by many threads at once."""

    def __init__(self, base_url: str | None, timeout: float) -> None:
        self._base_url = base_url
        self._timeout = timeout
        self._lock = threading.Lock()
        self._client: docker.APIClient | None = None
        self._streams: set[Stream | Duplex] = set()
        self._closed = False
        self.heard: Callable[[str, float], None] = lambda _outcome, _seconds: None

    @contextmanager
    def api(self, judge: Judge | None = None) -> Iterator[docker.APIClient]:
        """The client; what it raises leaves as podd's errors. `judge` turns a refusal into the right one."""
        begun, outcome = time.perf_counter(), "ok"
        try:
            yield self._connected()
        except APIError as error:
            outcome = "refused"
            self._raise(error, judge or answers.failure)
        except json.JSONDecodeError as error:
            outcome = "away"
            raise EngineAway("The Docker Engine broke off in the middle of an answer.") from error
        except (requests.RequestException, urllib3.exceptions.HTTPError, DockerException) as error:
            outcome = "away"
            raise EngineAway(f"The Docker Engine cannot be reached: {error}.") from error
        finally:
            self.heard(outcome, time.perf_counter() - begun)

    @contextmanager
    def stream(
        self,
        method: str,
        path: str,
        *,
        silence: float,
        judge: Judge | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Iterator["Stream"]:
        """A long answer, read as it comes. A read that brings nothing for `silence` seconds raises Silent."""
        with self.api(judge) as client:
            try:
                response = client.request(
                    method,
                    f"{client.base_url}/v{client.api_version}{path}",
                    params=params,
                    headers=headers,
                    json=body,
                    stream=True,
                    timeout=(self._timeout, silence),
                )
                response.raise_for_status()
            except requests.ReadTimeout as error:
                raise Silent("The Docker Engine has not answered for a while.") from error
            except requests.HTTPError as error:
                create_api_error_from_http_exception(error)
        stream = Stream(response)
        self._enter(stream)
        try:
            yield stream
        finally:
            with self._lock:
                self._streams.discard(stream)
            response.close()

    def duplex(self, path: str, body: Mapping[str, Any]) -> "Duplex":
        """A POST whose connection then is a command's: what is sent is its input, what comes its output. The
        SDK has this too, but loses what comes together with the engine's consent. Raises EngineError where
        the engine is not on this machine and its connection is a secured one."""
        with self.api() as client:
            version = client.api_version
        opened = Duplex(_call(self._where(), self._timeout), self._leave)
        try:
            opened.ask(f"/v{version}{path}", json.dumps(body).encode())
        except OSError as error:
            opened.close()
            raise EngineAway(f"The Docker Engine cannot be reached: {error}.") from error
        except EngineError:
            opened.close()
            raise
        self._enter(opened)
        return opened

    def close(self) -> None:
        """End every open stream and refuse further calls."""
        with self._lock:
            self._closed = True
            client, self._client = self._client, None
            streams = list(self._streams)
        for stream in streams:
            stream.close()
        if client is not None:
            client.close()

    @property
    def closed(self) -> bool:
        return self._closed

    def _connected(self) -> docker.APIClient:
        if self._closed:
            raise EngineAway("The connection to the Docker Engine has been closed.")
        client = self._client
        if client is None:
            # Outside the lock: while the engine hangs, each thread waits its own timeout, not everyone's.
            client = self._connect()
            with self._lock:
                spare, self._client = (client, self._client) if self._client else (None, client)
                client = self._client
            if spare is not None:
                spare.close()
        return client

    def _connect(self) -> docker.APIClient:
        options: dict[str, Any] = {
            "timeout": self._timeout,
            "num_pools": _POOLS,
            "max_pool_size": _IDLE_EACH,
        }
        options |= {"base_url": self._base_url} if self._base_url else kwargs_from_env()
        _knock(options.get("base_url"), self._timeout)
        return docker.APIClient(**options)

    def _where(self) -> str:
        return str(parse_host(self._base_url or kwargs_from_env().get("base_url")))

    def _leave(self, stream: "Duplex") -> None:
        with self._lock:
            self._streams.discard(stream)

    def _enter(self, stream: "Stream | Duplex") -> None:
        with self._lock:
            self._streams.add(stream)
        if self._closed:
            stream.close()

    def _raise(self, error: APIError, judge: Judge) -> Never:
        message = str(error.explanation or error)
        if "client version" in message:
            # The engine was exchanged for one that speaks other versions: the next call negotiates anew.
            with self._lock:
                self._client = None
            raise EngineAway(f"The Docker Engine has changed: {answers.reason(message)}.") from error
        raise judge(error.status_code, message) from error


class Stream:
    """The body of one long answer. close(), from any thread, ends whoever is reading it."""

    def __init__(self, response: requests.Response) -> None:
        self._response = response

    def chunks(self) -> Iterator[bytes]:
        """The body as it arrives. Raises Silent, and EngineAway when the connection breaks."""
        try:
            yield from self._response.raw.stream(_CHUNK, decode_content=False)
        except urllib3.exceptions.ReadTimeoutError as error:
            raise Silent("The Docker Engine has sent nothing for a while.") from error
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise EngineAway(f"The connection to the Docker Engine broke: {error}.") from error

    def messages(self) -> Iterator[dict[str, Any]]:
        """The body as JSON objects, one a line. Same errors as `chunks`."""
        rest = b""
        try:
            for chunk in self.chunks():
                *lines, rest = (rest + chunk).split(b"\n")
                yield from (json.loads(line) for line in lines if line.strip())
            if rest.strip():
                yield json.loads(rest)
        except json.JSONDecodeError as error:
            raise EngineAway("The Docker Engine broke off in the middle of a message.") from error

    def close(self) -> None:
        # The SDK's own way to the socket under a response; a reader that has just finished leaves none.
        with suppress(OSError, AttributeError):
            CancellableStream(iter(()), self._response).close()


class Duplex:
    """A connection that has become the streams of a command. One thread reads, one at a time sends; close(),
    from any thread, ends both."""

    def __init__(self, connection: socket.socket, left: Callable[["Duplex"], None]) -> None:
        self._socket = connection
        self._left = left
        self._early = b""

    def ask(self, path: str, body: bytes) -> None:
        """Raises EngineError when the engine does not consent, and OSError."""
        self._socket.sendall(
            f"POST {path} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        answer = b""
        while b"\r\n\r\n" not in answer:
            chunk = self._socket.recv(_CHUNK)
            if not chunk or len(answer) > _CHUNK:
                raise EngineAway("The Docker Engine broke off in the middle of an answer.")
            answer += chunk
        head, _, self._early = answer.partition(b"\r\n\r\n")
        status = int(head.split(None, 2)[1])
        if status not in (101, 200):
            raise answers.failure(status, _message(self._early))

    def be_patient(self) -> None:
        """From now on, silence is fine."""
        with suppress(OSError):
            self._socket.settimeout(None)

    def chunks(self) -> Iterator[bytes]:
        """What comes, until the command has closed its output, or the connection breaks."""
        if self._early:
            yield self._early
        with suppress(OSError):
            while chunk := self._socket.recv(_CHUNK):
                yield chunk

    def send(self, data: bytes) -> None:
        """Waits until it is taken. Raises OSError."""
        self._socket.sendall(data)

    def end_sending(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._left(self)
        self._socket.close()


def _call(url: str, timeout: float) -> socket.socket:
    """Connected to the engine, with this timeout for a start."""
    scheme, _, where = url.partition("://")
    try:
        if scheme == "http+unix":
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(timeout)
            connection.connect(where)
            return connection
        if scheme in ("http", "tcp"):
            host, _, port = where.rpartition(":")
            return socket.create_connection((host.strip("[]"), int(port.rstrip("/"))), timeout)
    except OSError as error:
        raise EngineAway(f"The Docker Engine cannot be reached at {where}: {error.strerror}.") from error
    raise EngineError(f"Shells cannot be opened through a Docker Engine at {url}: use its socket.")


def _message(body: bytes) -> str:
    with suppress(ValueError, AttributeError):
        return str(json.loads(body).get("message", ""))
    return body.decode(errors="replace")


def _knock(url: str | None, timeout: float) -> None:
    """See that there is a socket to talk to. The SDK would say it less clearly, and leave its own open."""
    scheme, _, path = str(parse_host(url)).partition("://")
    if scheme != "http+unix":
        return
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(timeout)
        try:
            sock.connect(path)
        except OSError as error:
            raise EngineAway(f"The Docker Engine cannot be reached at {path}: {error.strerror}.") from error
