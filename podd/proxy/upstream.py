"""Connections to programs in containers: HTTP/1.1 as a client speaks it, on the server's own parser.

One exchange at a time is on a connection. What a program sends is read no faster than it is taken from here.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

import httptools

SAFE = ("GET", "HEAD", "OPTIONS")

HELD = 256 * 1024
"""Bytes of an answer that may wait here; then the program is not read until they are taken."""

HEAD = 256 * 1024
"""The most bytes before the body of an answer."""

RESTING = 64
"""Connections to one port that are kept while nothing is asked."""

REST_SECONDS = 30
FRESH_SECONDS = 1
"""What must not be asked twice goes on a connection that rested no longer: the program may be about to close
one that did, and whether it took the request would not be known."""


class BadAnswer(Exception):
    """What came is no answer as HTTP has them."""


class Closed(Exception):
    """The connection ended before the answer did. `silent`: before it began."""

    def __init__(self, *, silent: bool) -> None:
        super().__init__("the connection was closed")
        self.silent = silent


class Unreachable(Exception):
    """The port took no connection."""


class ConnectTimeout(Unreachable):
    """The port took no connection in time, and did not refuse it either."""


class Silent(Exception):
    """Nothing came for too long."""


@dataclass(slots=True)
class Head:
    """The beginning of an answer. `length` of its body if that was told."""

    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    length: int | None = None
    coding: bytes = b""


class Connection(asyncio.Protocol):
    """A connection to a program. `idle` seconds without a sign of life during an exchange end it."""

    def __init__(self, idle: float | None) -> None:
        self._loop = asyncio.get_running_loop()
        self._idle = idle
        self._transport: asyncio.Transport
        self._failure: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._heard = 0.0
        self._paused = False
        self.rested_since = 0.0

    # For the one that asks

    def ask(self, head: bytes, method: str, *, body: bool) -> None:
        """Send the head of a request, and expect an answer. With a body, `write` and `finish` follow."""
        self._sent = not body
        self._parser = httptools.HttpResponseParser(self)
        self._bodiless = method == "HEAD"
        self._head = Head()
        self._head_bytes = self._headers_bytes = 0
        self._begun = self._complete = self._stray = self._may_stay = False
        self._pieces: deque[bytes] = deque()
        self._held = 0
        self._heard = self._loop.time()
        if self._idle is not None:
            self._alarm = self._loop.call_later(self._idle, self._look)
        self._transport.write(head)

    async def write(self, data: bytes) -> None:
        """More of the request; returns when there is room for the next."""
        if self._failure is not None:
            raise self._failure
        self._transport.write(data)
        if self._writable is not None:
            await self._writable
        self._heard = self._loop.time()

    def finish(self, data: bytes) -> None:
        """The end of the request."""
        if self._failure is None:
            self._transport.write(data)
            self._sent = True

    async def head(self) -> Head:
        while not self._begun:
            await self._news()
        return self._head

    async def more(self) -> tuple[bytes, bool]:
        """What has come of the body since, and whether that was the last of it."""
        while not (self._pieces or self._complete):
            await self._news()
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self._held = 0
        if self._paused:
            self._paused = False
            self._heard = self._loop.time()
            self._transport.resume_reading()
        return data, self._complete

    def fail(self, failure: Exception) -> None:
        """End it; whoever waits for something gets to know why."""
        if self._failure is None:
            self._failure = failure
        self._transport.abort()
        self._wake()

    def settle(self) -> bool:
        """The exchange is over; whether the connection can have another."""
        if self._alarm is not None:
            self._alarm.cancel()
        fit = self._sent and self._complete and self._may_stay and not self._stray and self._failure is None
        self._parser = None
        self.rested_since = self._loop.time()
        return fit and self._writable is None

    def close(self) -> None:
        self._transport.abort()

    @property
    def open(self) -> bool:
        return self._failure is None

    # For the loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by name

    def data_received(self, data: bytes) -> None:
        if self._parser is None:  # nothing was asked
            self.fail(Closed(silent=True))
            return
        self._heard = self._loop.time()
        if not self._begun:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not (self._complete and self._bodiless):
                self.fail(BadAnswer(str(error.__context__ or error)))
        if not self._begun and self._head_bytes > HEAD:
            self.fail(BadAnswer("its headers are too long"))
        if self._held > HELD and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        if self._parser is not None and self._begun and not self._framed():
            self._complete = True  # and without a failure: so did the program say that this is all
            self._wake()

    def connection_lost(self, _exc: Exception | None) -> None:
        if self._failure is None:
            heard = self._parser is not None and self._head_bytes > 0
            self._failure = Closed(silent=not heard)
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._wake()

    def pause_writing(self) -> None:
        self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None

    # For the parser

    def on_message_begin(self) -> None:
        self._stray = self._complete

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._begun:  # a trailer, or a second answer
            return
        self._headers_bytes += len(name) + len(value)
        if self._headers_bytes > HEAD:
            raise BadAnswer("its headers are too long")
        name = name.lower()
        self._head.headers.append((name, value))
        if name == b"content-length":
            self._head.length = int(value)
        elif name == b"transfer-encoding":
            self._head.coding = value.strip().lower()

    def on_headers_complete(self) -> None:
        if self._begun:
            return
        assert self._parser is not None
        head = self._head
        head.status = self._parser.get_status_code()
        if head.status == 101:
            raise BadAnswer("it changed the protocol unasked")
        if head.status < 200:
            self._head = Head()
            return
        if head.status > 599:
            raise BadAnswer(f"its status is {head.status}")
        if head.coding not in (b"", b"chunked"):
            raise BadAnswer("its transfer coding is not known here")
        self._begun = True
        if self._bodiless:
            self._may_stay = self._parser.should_keep_alive()
            self._complete = True

    def on_body(self, body: bytes) -> None:
        if self._complete:
            self._stray = True
            return
        self._pieces.append(body)
        self._held += len(body)

    def on_message_complete(self) -> None:
        assert self._parser is not None
        if self._begun and not self._complete:
            self._may_stay = self._parser.should_keep_alive()
            self._complete = True

    # Private

    def _framed(self) -> bool:
        return self._head.length is not None or bool(self._head.coding)

    async def _news(self) -> None:
        if self._failure is not None:
            raise self._failure
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _look(self) -> None:
        """Whether the program is alive. One that is not read has nothing to say about that."""
        assert self._idle is not None
        quiet = 0.0 if self._paused else self._loop.time() - self._heard
        if quiet >= self._idle:
            self.fail(Silent())
        else:
            self._alarm = self._loop.call_later(self._idle - quiet, self._look)


class Connections:
    """Connections to all programs. `connect` is how many seconds a port may take to accept one, `idle` as for
    Connection."""

    def __init__(self, *, connect: float, idle: float | None) -> None:
        self._connect = connect
        self._idle = idle
        self._resting: dict[tuple[str, int], deque[Connection]] = {}
        self._sweep: asyncio.TimerHandle | None = None

    def close(self) -> None:
        if self._sweep is not None:
            self._sweep.cancel()
        for resting in self._resting.values():
            for connection in resting:
                connection.close()
        self._resting.clear()

    @asynccontextmanager
    async def ask(
        self, address: str, port: int, head: bytes, method: str, *, body: bool
    ) -> AsyncIterator[Connection]:
        """Ask, on a connection that rested or a new one. The caller writes the body, if there is one, and
        reads the answer. Raises Unreachable."""
        connection = await self._asked(address, port, head, method, body)
        whole = False
        try:
            yield connection
            whole = True
        finally:
            if connection.settle() and whole:
                self._rest((address, port), connection)
            else:
                connection.close()

    # Private

    async def _asked(self, address: str, port: int, head: bytes, method: str, body: bool) -> Connection:
        """What may be asked twice is asked again when a connection that rested was closed meanwhile."""
        twice = method in SAFE and not body
        seconds = REST_SECONDS if twice else FRESH_SECONDS
        while (connection := self._rested((address, port), seconds)) is not None:
            connection.ask(head, method, body=body)
            if not twice:
                return connection
            try:
                await connection.head()
            except Closed as closed:
                if closed.silent:
                    connection.settle()
                    continue
            except Exception:  # whoever reads the answer meets it again
                return connection
            except asyncio.CancelledError:
                connection.settle()
                connection.close()
                raise
            return connection
        connection = await self._new(address, port)
        connection.ask(head, method, body=body)
        return connection

    async def _new(self, address: str, port: int) -> Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect):
                _, connection = await loop.create_connection(lambda: Connection(self._idle), address, port)
        except TimeoutError as error:
            raise ConnectTimeout from error
        except OSError as error:
            raise Unreachable from error
        return connection

    def _rested(self, key: tuple[str, int], seconds: float) -> Connection | None:
        """The one used last, if it is good for this."""
        resting = self._resting.get(key)
        while resting:
            connection = resting.pop()
            if not connection.open:
                continue
            if asyncio.get_running_loop().time() - connection.rested_since <= seconds:
                return connection
            resting.append(connection)
            return None
        return None

    def _rest(self, key: tuple[str, int], connection: Connection) -> None:
        resting = self._resting.setdefault(key, deque())
        if len(resting) >= RESTING:
            resting.popleft().close()
        resting.append(connection)
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(REST_SECONDS, self._close_old)

    def _close_old(self) -> None:
        self._sweep = None
        now = asyncio.get_running_loop().time()
        for key, resting in list(self._resting.items()):
            while resting and (not resting[0].open or now - resting[0].rested_since > REST_SECONDS):
                resting.popleft().close()
            if not resting:
                del self._resting[key]
        if self._resting:
            self._sweep = asyncio.get_running_loop().call_later(REST_SECONDS, self._close_old)
