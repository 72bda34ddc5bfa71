"""The connection of a client, as the proxy and podd's own API see it: uvicorn's, with limits on what may come
before a body, and with word of a client that leaves while nobody reads from it."""

import asyncio
import functools
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from litestar.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

TOO_LONG = "The request's headers are too long."
_KEY = "podd.client"
_ENDED = (7, 8)
"""TCP_CLOSE, TCP_CLOSE_WAIT: the other side has closed, or is gone."""


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """`head_bytes` is the most that may come before a body and `head_seconds` how long that may take, from
    the first byte on or from the connection; a client that is not read is looked after every
    `check_seconds`. When podd leaves, a connection has `leave_seconds` for its first request."""

    head_bytes: int
    head_seconds: float
    check_seconds: float
    leave_seconds: float


class Client:
    """Whoever is at the other end of a connection. It has one request at a time."""

    def __init__(self) -> None:
        self.left = False
        self._told: Callable[[], object] | None = None

    @contextmanager
    def when_left(self, tell: Callable[[], object]) -> Iterator[None]:
        """`tell` is called when the client leaves, at once if it has."""
        self._told = tell
        if self.left:
            tell()
        try:
            yield
        finally:
            self._told = None

    def leave(self) -> None:
        self.left = True
        if self._told is not None:
            self._told()


def client_of(scope: Scope) -> Client:
    client: Client = scope[_KEY]  # type: ignore[literal-required]
    return client


def client_protocol(limits: ClientLimits) -> type[asyncio.Protocol]:
    """What uvicorn takes for its `http`."""
    return functools.partial(_Protocol, limits)  # type: ignore[return-value]


class _Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class _Protocol(HttpToolsProtocol):
    def __init__(self, limits: ClientLimits, **of_uvicorn: Any) -> None:
        super().__init__(**of_uvicorn)
        self._limits = limits
        self._head_bytes = 0
        self._in_head = True
        self._head_alarm: asyncio.TimerHandle | None = None
        self._look: asyncio.TimerHandle | None = None
        self._refused: _Refused | None = None
        self._asked = False
        self._leaving = False
        self._client = Client()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        connection = transport.get_extra_info("socket")
        if connection.family == socket.AF_UNIX:
            self.client = (f"uid {_uid_of_peer(connection)}", 0)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._calm()
        self._client.leave()

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes and not self.transport.is_closing():
            if self._head_bytes > self._limits.head_bytes:
                self._answer(_Refused(431, TOO_LONG))
            elif self._head_alarm is None:
                self._expect_head()
        if self.flow.read_paused and self._look is None:
            self._look_later()

    def handle_websocket_upgrade(self) -> None:
        self._calm()
        super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        self._answer(self._refused or _Refused(400, msg))

    def shutdown(self) -> None:
        """A connection just accepted was not refused: its first request, which may be on its way,
        is still answered."""
        if not (self._asked or self._leaving):
            self._leaving = True
            self.loop.call_later(self._limits.leave_seconds, self.shutdown)
        else:
            super().shutdown()

    def timeout_keep_alive_handler(self) -> None:
        self._calm()
        super().timeout_keep_alive_handler()

    # For the parser

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope[_KEY] = self._client  # type: ignore[literal-required]

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # a trailer must not pass for a header
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._head_bytes > self._limits.head_bytes and self._head_size() > self._limits.head_bytes:
            self._refused = _Refused(431, TOO_LONG)
            raise self._refused
        self._head_bytes = 0
        if self._head_alarm is not None:
            self._head_alarm.cancel()
            self._head_alarm = None
        hosts = sum(name == b"host" for name, _ in self.headers)
        if hosts != 1 and (hosts or self.parser.get_http_version() == "1.1"):
            self._refused = _Refused(400, "A request has exactly one Host.")
            raise self._refused
        super().on_headers_complete()
        self._asked = True
        if self._leaving and isinstance(self.cycle, RequestResponseCycle):  # else a WebSocket begins
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_head = True

    # Private

    def _head_size(self) -> int:
        """Without what came in the same piece behind it."""
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _expect_head(self) -> None:
        self._head_alarm = self.loop.call_later(self._limits.head_seconds, self._too_slow)

    def _too_slow(self) -> None:
        self._head_alarm = None
        if not self.transport.is_closing():
            self._answer(_Refused(408, "The request did not come in time."))

    def _answer(self, refused: _Refused) -> None:
        """Only where nothing else is being answered on this connection."""
        if self.cycle is None or self.cycle.response_complete:
            title = HTTPStatus(refused.status).phrase
            text = str(refused).encode()
            self.transport.write(
                f"HTTP/1.1 {refused.status} {title}\r\ncontent-type: text/plain; charset=utf-8\r\n"
                f"content-length: {len(text)}\r\nconnection: close\r\n\r\n".encode()
                + text
            )
        self.transport.close()

    def _calm(self) -> None:
        for alarm in (self._head_alarm, self._look):
            if alarm is not None:
                alarm.cancel()
        self._head_alarm = self._look = None

    def _look_later(self) -> None:
        self._look = self.loop.call_later(self._limits.check_seconds, self._look_after)

    def _look_after(self) -> None:
        """While nobody reads from it, a connection does not say that its other end is gone. (Nor can it be
        known of one that went with more to send than fits on the way: its end waits behind that.)"""
        self._look = None
        if self.flow.read_paused and not self.transport.is_closing():
            if _has_ended(self.transport.get_extra_info("socket")):
                self.transport.abort()
            else:
                self._look_later()


def _uid_of_peer(connection: socket.socket) -> int:
    """Who is at the other end of a Unix socket."""
    size = struct.calcsize("3i")
    _pid, uid, _gid = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    return int(uid)


def _has_ended(connection: socket.socket) -> bool:
    if connection.family == socket.AF_UNIX:
        return False
    state: int = struct.unpack("B", connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1))[0]
    return state in _ENDED
