"""Passes one request on to a program that listens in a container, and its answer back.

Bodies go through in pieces, in both directions at once, no faster than the slower side takes them. There is
no limit on how long that takes, only on how long nothing at all comes. A client that leaves ends the request
to the program as well.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from dataclasses import dataclass, field

import aiohttp
import structlog
from litestar.types import HTTPScope, Receive, Scope, Send, WebSocketScope
from yarl import URL

from podd.proxy.refusal import Headers, Refusal

log = structlog.get_logger()

PIECE = 256 * 1024
LONGEST_HEADER = 64 * 1024

# RFC 9110, 7.6.1: they are about this one connection. A `Connection` header names more of them.
HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-connection proxy-authenticate proxy-authorization te trailer "
    b"transfer-encoding upgrade".split()
)
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
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect, sock_read=idle)
        self._idle = idle
        self._message = message
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def http(self, scope: HTTPScope, receive: Receive, send: Send, upstream: Upstream) -> None:
        """One request and its answer. Raises Refusal when there was no answer to begin."""
        body = _Body(receive, upstream.most)
        answer = _Answer(send, upstream)
        exchange = asyncio.create_task(self._exchange(scope, body, answer, upstream))
        reading = asyncio.create_task(body.read())
        try:
            async with asyncio.timeout(upstream.seconds):
                await asyncio.wait({exchange, reading}, return_when=asyncio.FIRST_COMPLETED)
                if not exchange.done() and body.gone:
                    return
                await exchange
        except (TimeoutError, aiohttp.ClientError, OSError, Refusal) as error:
            refusal = body.refusal or (error if isinstance(error, Refusal) else self._why(error, upstream))
            if not answer.begun:
                raise refusal from error
            # Too late to say so. Without a proper end, what was a part is not taken for the whole.
            log.info("answer cut off", port=upstream.port, reason=refusal.message)
        finally:
            for task in (exchange, reading):
                task.cancel()
            await asyncio.gather(exchange, reading, return_exceptions=True)

    async def websocket(
        self, scope: WebSocketScope, receive: Receive, send: Send, upstream: Upstream
    ) -> None:
        """One WebSocket for as long as it lasts. Raises Refusal when the program does not take it."""
        await receive()  # websocket.connect
        headers = _request_headers(scope, upstream)
        headers = [(name, value) for name, value in headers if not name.startswith("sec-websocket-")]
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
            raise self._why(error, upstream) from error
        async with inner:
            answered = inner._response.raw_headers
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
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30, use_dns_cache=False),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                timeout=self._timeout,
                skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
                read_bufsize=PIECE,
                max_line_size=LONGEST_HEADER,
                max_field_size=LONGEST_HEADER,
                trust_env=False,
            )
        return self._session

    async def _exchange(self, scope: HTTPScope, body: "_Body", answer: "_Answer", upstream: Upstream) -> None:
        request = self._http().request(
            scope["method"],
            _url(scope, upstream),
            headers=_request_headers(scope, upstream),
            data=body.pieces() if _has_body(scope) else None,
            allow_redirects=False,
        )
        async with request as response:
            await answer.begin(response)
            async for piece in response.content.iter_any():
                await answer.more(piece)
            await answer.end()

    def _why(self, error: Exception, upstream: Upstream) -> Refusal:
        port = upstream.port
        match error:
            case aiohttp.ConnectionTimeoutError():
                return Refusal(504, f"Nothing in the container takes connections on port {port}.", retry=5)
            case aiohttp.ServerTimeoutError():
                return Refusal(504, f"The program on port {port} did not answer for {self._idle:.0f} s.")
            case TimeoutError():
                return Refusal(504, f"The program on port {port} was not done in {upstream.seconds:.0f} s.")
            case aiohttp.ClientConnectorError():
                message = (
                    f"Nothing listens on port {port} in the container yet. If it stays so: the program must "
                    "listen on 0.0.0.0, not on 127.0.0.1."
                )
                return Refusal(502, message, retry=5)
            case aiohttp.ServerDisconnectedError() | OSError():
                return Refusal(502, f"The program on port {port} closed the connection without an answer.")
        return Refusal(502, f"What answers on port {port} does not speak HTTP as it should: {error}.")


class _Body:
    """What the client sends, a piece ahead at most; and whether it is still there."""

    def __init__(self, receive: Receive, most: int | None) -> None:
        self._receive = receive
        self._most = most
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue(1)
        self.gone = False
        self.refusal: Refusal | None = None

    async def read(self) -> None:
        """Until the client leaves, or has nothing more to say while it waits for the answer."""
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self.gone = True
                return
            if message["type"] == "http.request":
                if message["body"]:
                    await self._pieces.put(message["body"])
                if not message["more_body"]:
                    await self._pieces.put(None)

    async def pieces(self) -> AsyncIterator[bytes]:
        size = 0
        while (piece := await self._pieces.get()) is not None:
            size += len(piece)
            if self._most is not None and size > self._most:
                self.refusal = too_large(self._most)  # aiohttp would only say that it could not send
                raise self.refusal
            yield piece


class _Answer:
    """The program's answer on its way to the client."""

    def __init__(self, send: Send, upstream: Upstream) -> None:
        self._send = send
        self._upstream = upstream
        self._sent = 0
        self.begun = False

    async def begin(self, response: aiohttp.ClientResponse) -> None:
        most = self._upstream.most
        if most is not None and (response.content_length or 0) > most:
            raise Refusal(502, f"The program's answer is longer than {most // 2**20} MiB.")
        # The server in front writes its own date.
        dropped = HOP_BY_HOP | {b"date"} | ({b"content-length"} if response.status in BODILESS else set())
        headers = [
            (name, self._place(value) if name == b"location" else value)
            for name, value in _kept(response.raw_headers, dropped)
        ]
        self.begun = True
        await self._send(
            {
                "type": "http.response.start",
                "status": response.status,
                "headers": headers + self._upstream.answer_headers,
            }
        )

    async def more(self, piece: bytes) -> None:
        self._sent += len(piece)
        if self._upstream.most is not None and self._sent > self._upstream.most:
            raise Refusal(502, "The program's answer is too long.")
        await self._send({"type": "http.response.body", "body": piece, "more_body": True})

    async def end(self) -> None:
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

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
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


# Private


def _url(scope: Scope, upstream: Upstream) -> URL:
    query = scope["query_string"].decode("latin-1")
    host = f"[{upstream.address}]" if ":" in upstream.address else upstream.address
    path = f"{upstream.path}?{query}" if query else upstream.path
    return URL(f"http://{host}:{upstream.port}{path}", encoded=True)


def _has_body(scope: Scope) -> bool:
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value.strip(b"0"))
        for name, value in scope["headers"]
    )


def _request_headers(scope: Scope, upstream: Upstream) -> list[tuple[str, str]]:
    """As the client sent them, `Host` included, less what is about its connection to podd; and who it is."""
    came_from: list[str] = []
    kept = []
    for name, value in _kept(scope["headers"], HOP_BY_HOP | upstream.without):
        if name == b"x-forwarded-for":
            came_from.append(value.decode("latin-1"))
        elif name not in (b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-prefix", b"expect"):
            kept.append((name.decode("latin-1"), value.decode("latin-1")))
    if scope["client"]:
        came_from.append(scope["client"][0])
    secure = scope["scheme"] in ("https", "wss")
    kept.append(("X-Forwarded-For", ", ".join(came_from)))
    kept.append(("X-Forwarded-Proto", "https" if secure else "http"))
    kept.append(("X-Forwarded-Host", header(scope, b"host")))
    if upstream.prefix:
        kept.append(("X-Forwarded-Prefix", upstream.prefix))
    return kept


def _kept(
    headers: Iterable[tuple[bytes, bytes]], dropped: frozenset[bytes] | set[bytes]
) -> list[tuple[bytes, bytes]]:
    """All but those dropped and those that `Connection` names. Names come in lower case."""
    lower = [(name.lower(), value) for name, value in headers]
    named = {
        word.strip().lower() for name, value in lower if name == b"connection" for word in value.split(b",")
    }
    return [(name, value) for name, value in lower if name not in dropped and name not in named]


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
