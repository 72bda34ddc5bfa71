"""Passes one request on to a program that listens in a container, and its answer back.

Bodies go through in pieces, in both directions at once, no faster than the slower side takes them. There is
no limit on how long that takes, only on how long nothing at all comes. A client that leaves ends the request
to the program as well.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from functools import partial

import aiohttp
import structlog
from litestar.types import HTTPScope, Receive, Scope, Send, WebSocketScope
from yarl import URL

from podd.domain.session import without_session
from podd.proxy.client import client_of
from podd.proxy.refusal import Headers, Refusal
from podd.proxy.upstream import (
    BadAnswer,
    Closed,
    Connection,
    Connections,
    ConnectTimeout,
    Head,
    Silent,
    Unreachable,
)

log = structlog.get_logger()

LONGEST_HEADER = 64 * 1024

# RFC 9110, 7.6.1: they are about this one connection. A `Connection` header names more of them.
HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-connection proxy-authenticate proxy-authorization te trailer "
    b"transfer-encoding upgrade".split()
)
OURS = frozenset({b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-prefix", b"expect"})
BODILESS = (204, 304)


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where a request goes: `path` is raw. `without` names request headers (in lower case) that are kept from
    the program; `answer_headers` go with every answer. `most` bytes may be sent each way and `seconds` may
    pass in all; None: as much as it takes."""

    address: str
    port: int
    path: str
    prefix: str = ""
    without: frozenset[bytes] = frozenset()
    answer_headers: Headers = field(default_factory=list)
    most: int | None = None
    seconds: float | None = None


class Forwarder:
    """Keeps connections to programs for further requests. `idle` seconds without a sign of life from a
    program end a request (None: never); `message` bytes is the largest WebSocket message."""

    def __init__(self, *, connect: float, idle: float | None, message: int) -> None:
        self._connections = Connections(connect=connect, idle=idle)
        self._connect = connect
        self._idle = idle
        self._message = message
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        self._connections.close()
        if self._session is not None:
            await self._session.close()

    async def http(self, scope: HTTPScope, receive: Receive, send: Send, upstream: Upstream) -> None:
        """One request and its answer. Raises Refusal when there was no answer to begin."""
        answer = _Answer(send, upstream)
        client = client_of(scope)
        try:
            async with asyncio.timeout(upstream.seconds) as limit:
                with client.when_left(partial(_end, limit)):
                    await self._exchange(scope, receive, answer, upstream)
        except (TimeoutError, Closed, BadAnswer, Silent, Unreachable, Refusal) as error:
            if client.left:
                return
            refusal = error if isinstance(error, Refusal) else self._why(error, upstream)
            if not answer.begun:
                raise refusal from error
            # Too late to say so. Without a proper end, what was a part is not taken for the whole.
            log.info("answer cut off", port=upstream.port, reason=refusal.message)

    async def websocket(
        self, scope: WebSocketScope, receive: Receive, send: Send, upstream: Upstream
    ) -> None:
        """One WebSocket for as long as it lasts. Raises Refusal when the program does not take it."""
        await receive()  # websocket.connect
        headers = [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in _request_headers(scope, upstream)
            if not name.startswith(b"sec-websocket-")
        ]
        try:
            inner = await self._http().ws_connect(
                _url(scope, upstream),
                protocols=scope["subprotocols"],
                headers=headers,
                max_msg_size=self._message,
                compress=0,
            )
        except aiohttp.WSServerHandshakeError as error:
            refused = error.status if 400 <= error.status < 600 else 502
            raise Refusal(refused, "The program does not take a WebSocket here.") from error
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise self._why(_as_ours(error), upstream) from error
        async with inner:
            answered = [(name.lower(), value) for name, value in inner._response.raw_headers]
            await send(
                {
                    "type": "websocket.accept",
                    "subprotocol": inner.protocol,
                    "headers": [
                        (name, value)
                        for name, value in _kept(answered, HOP_BY_HOP)
                        if not name.startswith(b"sec-websocket-") and name not in (b"date", b"content-length")
                    ]
                    + upstream.answer_headers,
                }
            )
            await _first_to_end(_to_program(receive, inner), _to_client(inner, send))

    # Private

    def _http(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, force_close=True, use_dns_cache=False),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._connect, sock_read=self._idle),
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
                max_line_size=LONGEST_HEADER,
                max_field_size=LONGEST_HEADER,
                trust_env=False,
            )
        return self._session

    async def _exchange(
        self, scope: HTTPScope, receive: Receive, answer: "_Answer", upstream: Upstream
    ) -> None:
        framing = _framing(scope)
        asked = self._connections.ask(
            upstream.address,
            upstream.port,
            _request_head(scope, upstream, framing),
            scope["method"],
            body=framing is not None,
        )
        async with asked as connection, _sending(receive, connection, framing, upstream.most):
            await answer.begin(await connection.head())
            last = False
            while not last:
                piece, last = await connection.more()
                await answer.more(piece, last)

    def _why(self, error: Exception, upstream: Upstream) -> Refusal:
        port = upstream.port
        match error:
            case ConnectTimeout():
                return Refusal(504, f"Nothing in the container takes connections on port {port}.", retry=5)
            case Unreachable():
                message = (
                    f"Nothing listens on port {port} in the container yet. If it stays so: the program must "
                    "listen on 0.0.0.0, not on 127.0.0.1."
                )
                return Refusal(502, message, retry=5)
            case Silent():
                return Refusal(504, f"The program on port {port} did not answer for {self._idle:.0f} s.")
            case TimeoutError():
                return Refusal(504, f"The program on port {port} was not done in {upstream.seconds:.0f} s.")
            case Closed():
                return Refusal(502, f"The program on port {port} closed the connection without an answer.")
        return Refusal(502, f"What answers on port {port} does not speak HTTP as it should: {error}.")


class Framing(Enum):
    """How a request says where its body ends."""

    LENGTH = "content-length"
    CHUNKED = "transfer-encoding"


@asynccontextmanager
async def _sending(
    receive: Receive, connection: Connection, framing: Framing | None, most: int | None
) -> AsyncIterator[None]:
    """The body of the request is on its way meanwhile; an answer may well come before its end."""
    if framing is None:
        yield
        return
    sending = asyncio.create_task(_send(receive, connection, framing, most))
    try:
        yield
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def _send(receive: Receive, connection: Connection, framing: Framing, most: int | None) -> None:
    size, more, chunked = 0, True, framing is Framing.CHUNKED
    while more:
        message = await receive()
        if message["type"] != "http.request":
            connection.fail(Closed(silent=True))
            return
        body, more = message["body"], message["more_body"]
        size += len(body)
        if most is not None and size > most:
            connection.fail(too_large(most))
            return
        if body:
            try:
                await connection.write(b"%x\r\n%b\r\n" % (len(body), body) if chunked else body)
            except Exception:  # whoever reads the answer knows what to make of it
                return
    connection.finish(b"0\r\n\r\n" if chunked else b"")


class _Answer:
    """The program's answer on its way to the client."""

    def __init__(self, send: Send, upstream: Upstream) -> None:
        self._send = send
        self._upstream = upstream
        self._sent = 0
        self.begun = False

    async def begin(self, head: Head) -> None:
        most = self._upstream.most
        if most is not None and (head.length or 0) > most:
            raise Refusal(502, f"The program's answer is longer than {most // 2**20} MiB.")
        # The server in front writes its own date.
        dropped = HOP_BY_HOP | {b"date"} | ({b"content-length"} if head.status in BODILESS else set())
        headers = [
            (name, self._place(value) if name == b"location" else value)
            for name, value in _kept(head.headers, dropped)
        ]
        self.begun = True
        await self._send(
            {
                "type": "http.response.start",
                "status": head.status,
                "headers": headers + self._upstream.answer_headers,
            }
        )

    async def more(self, piece: bytes, last: bool) -> None:
        self._sent += len(piece)
        if self._upstream.most is not None and self._sent > self._upstream.most:
            raise Refusal(502, "The program's answer is too long.")
        await self._send({"type": "http.response.body", "body": piece, "more_body": not last})

    def _place(self, location: bytes) -> bytes:
        """A redirect within the program stays below the prefix it does not know of."""
        prefix = self._upstream.prefix.encode()
        if prefix and location.startswith(b"/") and not location.startswith(b"//"):
            return prefix + location
        return location


def too_large(most: int) -> Refusal:
    return Refusal(400, f"exceeded max body size of {most // 2**20}MiB")


def header(scope: Scope, name: bytes) -> str:
    """The first header of that name (in lower case), or nothing."""
    for key, value in scope["headers"]:
        if key == name:
            return value.decode("latin-1")
    return ""


# Private


def _url(scope: Scope, upstream: Upstream) -> URL:
    query = scope["query_string"].decode("latin-1")
    host = f"[{upstream.address}]" if ":" in upstream.address else upstream.address
    path = f"{upstream.path}?{query}" if query else upstream.path
    return URL(f"http://{host}:{upstream.port}{path}", encoded=True)


def _end(limit: asyncio.Timeout) -> None:
    """Let what the limit is about end now."""
    if not limit.expired():
        limit.reschedule(0)


def _framing(scope: HTTPScope) -> Framing | None:
    for name, value in scope["headers"]:
        if name == b"transfer-encoding":
            if value.strip().lower() != b"chunked":
                raise Refusal(501, "The only transfer coding that is understood here is `chunked`.")
            return Framing.CHUNKED
        if name == b"content-length":
            return Framing.LENGTH if value.strip(b"0 ") else None
    return None


def _request_head(scope: HTTPScope, upstream: Upstream, framing: Framing | None) -> bytes:
    query = scope["query_string"]
    target = upstream.path.encode("latin-1") + (b"?" + query if query else b"")
    lines = [b"%b %b HTTP/1.1" % (scope["method"].encode(), target)]
    lines += [b"%b: %b" % header for header in _request_headers(scope, upstream)]
    if framing is Framing.CHUNKED:
        lines.append(b"transfer-encoding: chunked")
    head = b"\r\n".join(lines)
    # The server in front lets none of these in; a second request must not come from here, whatever it does.
    if head.count(b"\n") >= len(lines) or head.count(b"\r") >= len(lines) or b"\0" in head:
        raise Refusal(400, "A header has a line break in it.")
    return head + b"\r\n\r\n"


def _request_headers(scope: Scope, upstream: Upstream) -> Headers:
    """As the client sent them, `Host` included, less what is about its connection to podd and
    what signs it in there; and who it is."""
    came_from: list[bytes] = []
    kept = []
    for name, value in _kept(list(scope["headers"]), HOP_BY_HOP | upstream.without):
        if name == b"x-forwarded-for":
            came_from.append(value)
        elif name == b"cookie":
            if value := without_session(value):
                kept.append((name, value))
        elif name not in OURS:
            kept.append((name, value))
    if scope["client"]:
        came_from.append(scope["client"][0].encode())
    secure = scope["scheme"] in ("https", "wss")
    kept.append((b"x-forwarded-for", b", ".join(came_from)))
    kept.append((b"x-forwarded-proto", b"https" if secure else b"http"))
    kept.append((b"x-forwarded-host", header(scope, b"host").encode("latin-1")))
    if upstream.prefix:
        kept.append((b"x-forwarded-prefix", upstream.prefix.encode("latin-1")))
    return kept


def _as_ours(error: Exception) -> Exception:
    match error:
        case aiohttp.ConnectionTimeoutError():
            return ConnectTimeout()
        case aiohttp.ServerTimeoutError():
            return Silent()
        case aiohttp.ClientConnectorError():
            return Unreachable()
        case aiohttp.ServerDisconnectedError() | OSError():
            return Closed(silent=True)
    return error


def _kept(
    headers: Sequence[tuple[bytes, bytes]], dropped: frozenset[bytes] | set[bytes]
) -> list[tuple[bytes, bytes]]:
    """All but those dropped and those that `Connection` names. Names come in lower case."""
    named = {
        word.strip().lower() for name, value in headers if name == b"connection" for word in value.split(b",")
    }
    return [(name, value) for name, value in headers if name not in dropped and name not in named]


async def _first_to_end(*directions: object) -> None:
    tasks = [asyncio.ensure_future(direction) for direction in directions]  # type: ignore[call-overload]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _to_program(receive: Receive, inner: aiohttp.ClientWebSocketResponse) -> None:
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            code = message.get("code") or 1005
            reason = str(message.get("reason") or "").encode()
            await inner.close(code=code if _may_be_sent(code) else 1001, message=reason)
            return
        if message["type"] == "websocket.receive":
            with suppress(ConnectionError, aiohttp.ClientError):
                if message.get("text") is not None:
                    await inner.send_str(str(message["text"]))
                else:
                    await inner.send_bytes(message["bytes"] or b"")


async def _to_client(inner: aiohttp.ClientWebSocketResponse, send: Send) -> None:
    reason = ""
    while True:
        message = await inner.receive()
        if message.type is aiohttp.WSMsgType.TEXT:
            await send({"type": "websocket.send", "text": message.data, "bytes": None})
        elif message.type is aiohttp.WSMsgType.BINARY:
            await send({"type": "websocket.send", "bytes": message.data, "text": None})
        else:
            if message.type is aiohttp.WSMsgType.CLOSE:
                reason = message.extra or ""
            break
    code = inner.close_code or 1006
    # 1014: whoever is behind the gateway is gone.
    await send({"type": "websocket.close", "code": code if _may_be_sent(code) else 1014, "reason": reason})


def _may_be_sent(code: int) -> bool:
    return 1000 <= code < 5000 and code not in (1004, 1005, 1006, 1015)
