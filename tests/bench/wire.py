"""A connection that is kept, and nothing around it: what is measured is then the other side.

Requests go out as they were made, once; of an answer only its status and body are looked at.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, cast
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes

    def json(self) -> Any:
        assert self.status == 200, (self.status, self.body[:500])
        return json.loads(self.body)


class Requests:
    """Makes requests for one server and key, ready to be sent."""

    def __init__(self, url: str, key: str) -> None:
        parts = urlsplit(url)
        self.address = (parts.hostname or "", parts.port or 80)
        self._host = parts.netloc
        self._key = key

    def get(self, path: str) -> bytes:
        return self._head("GET", path) + b"\r\n"

    def post(self, path: str, body: bytes) -> bytes:
        length = b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
        return self._head("POST", path) + length + body

    def _head(self, method: str, path: str) -> bytes:
        return (
            f"{method} {path} HTTP/1.1\r\nhost: {self._host}\r\nauthorization: Bearer {self._key}\r\n"
            "connection: keep-alive\r\n"
        ).encode()


class Connection(asyncio.Protocol):
    """One request at a time; a connection that was closed is made anew."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._address = address
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Answer] | None = None
        self._got = b""
        self._whole = 0  # bytes of the answer under way, once that is known
        self._body = 0
        self.made = 0

    async def __aenter__(self) -> "Connection":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._transport is not None:
            self._transport.abort()

    async def ask(self, request: bytes) -> Answer:
        loop = asyncio.get_running_loop()
        if self._transport is None or self._transport.is_closing():
            await loop.create_connection(lambda: self, *self._address)
            self.made += 1
        assert self._transport is not None
        self._answer = loop.create_future()
        self._transport.write(request)
        return await self._answer

    # For asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # of uvloop
        self._got, self._whole = b"", 0

    def data_received(self, data: bytes) -> None:
        self._got += data
        if not self._whole:
            end = self._got.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self._got[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            self._body = end + 4
            self._whole = self._body + length
            if b"connection: close" in head and self._transport is not None:
                self._closing = True
            else:
                self._closing = False
        if len(self._got) >= self._whole:
            answer = Answer(int(self._got[9:12]), self._got[self._body : self._whole])
            self._got, self._whole = b"", 0
            if self._closing and self._transport is not None:
                self._transport.close()
                self._transport = None
            if self._answer is not None and not self._answer.done():
                self._answer.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError("closed before the answer"))


async def share_out(
    clients: int, number: int, work: Callable[[int, int], Awaitable[None]], seconds: float = 0
) -> tuple[float, int]:
    """`work(client, n)` for each n below `number`, by so many clients at once, each as soon as it is free;
    with `seconds` instead, as often as it goes. What it took in seconds, and how often it was done."""
    begun = time.perf_counter()
    done = 0

    async def one(client: int) -> None:
        nonlocal done
        while done < number if not seconds else time.perf_counter() - begun < seconds:
            n, done = done, done + 1
            await work(client, n)

    await asyncio.gather(*(one(client) for client in range(clients)))
    return time.perf_counter() - begun, done
