"""What runs in containers in these tests: a real web server, on an address of the loopback."""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn

Message = MutableMapping[str, Any]
App = Callable[[Any, Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[None]]


class Program:
    """`app` on `address`, where `port` is one of its own unless given."""

    def __init__(self, app: App, address: str = "127.0.0.2", port: int = 0) -> None:
        self._listener = socket.create_server((address, port))
        self.port: int = self._listener.getsockname()[1]
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                interface="asgi3",
                lifespan="off",
                log_config=None,
                ws="websockets-sansio",
                ws_max_size=2**27,
            )
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(10)
        self._loop.close()
        self._listener.close()

    def _run(self) -> None:
        self._loop.run_until_complete(self._server._serve([self._listener]))


async def read_all(receive: Callable[[], Awaitable[Any]]) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def answer(
    send: Callable[[Any], Awaitable[None]],
    body: bytes = b"",
    status: int = 200,
    headers: list[tuple[bytes, bytes]] | None = None,
) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers or []})
    await send({"type": "http.response.body", "body": body})
