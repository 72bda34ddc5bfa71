"""http as no more than the way to https."""

import pytest
from litestar.types import Message

from podd.api.to_https import ToHttps


class Visited:
    def __init__(self) -> None:
        self.scopes: list[str] = []

    async def __call__(self, scope: object, receive: object, send: object) -> None:
        self.scopes.append("visited")


async def visit(server: str, *, kind: str = "http", port: int = 8443) -> tuple[int, list[Message]]:
    """How often podd itself was reached, and what was answered before it."""
    app, sent = Visited(), list[Message]()

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": kind,
        "server": (server, 80),
        "raw_path": b"/proxy/a%2Fb/",
        "query_string": b"q=1",
        "headers": [(b"host", b"gpu.example:8484")],
    }
    await ToHttps(app, port, "10.9.0.1")(scope, None, send)  # type: ignore[arg-type]
    return len(app.scopes), sent


@pytest.mark.parametrize(
    ("port", "place"), [(8443, b"https://gpu.example:8443"), (443, b"https://gpu.example")]
)
async def test_the_same_place_over_https_is_named(port: int, place: bytes) -> None:
    reached, (start, _) = await visit("192.0.2.1", port=port)
    assert reached == 0
    assert start["type"] == "http.response.start"
    assert start["status"] == 308
    assert (b"location", place + b"/proxy/a%2Fb/?q=1") in start["headers"]


async def test_a_websocket_is_refused() -> None:
    reached, (closed,) = await visit("192.0.2.1", kind="websocket")
    assert reached == 0
    assert closed["type"] == "websocket.close"


async def test_containers_go_on_by_http() -> None:
    assert await visit("10.9.0.1") == (1, [])
