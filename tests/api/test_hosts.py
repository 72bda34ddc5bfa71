"""By which names podd may be called."""

import pytest
from litestar.types import Message

from podd.api.hosts import KnownHosts, names_of
from podd.config import Settings

NAMES = names_of(
    Settings(
        allowed_hosts=["gpu.lan", "*.home.example"],
        proxy={"domain": "pods.example.org"},
        public_url="https://podd.example.net",
    )
)


async def answered(host: str, kind: str = "http") -> list[Message]:
    """What is answered before podd itself is asked."""
    sent = list[Message]()

    async def send(message: Message) -> None:
        sent.append(message)

    async def podd(scope: object, receive: object, send: object) -> None:
        pass

    scope = {"type": kind, "headers": [(b"host", host.encode())] if host else []}
    await KnownHosts(podd, NAMES)(scope, None, send)  # type: ignore[arg-type]
    return sent


@pytest.mark.parametrize(
    "host",
    "localhost:8484 127.0.0.1 [::1]:8484 192.168.1.5:8484 GPU.lan a.home.example podd.example.net. "
    "x-80.proxy.pods.example.org pods.example.org "
    "api.runpod.io x-80.proxy.runpod.net e.api.runpod.ai".split(),
)
async def test_its_own_names_and_addresses_lead_to_podd(host: str) -> None:
    assert await answered(host) == []


@pytest.mark.parametrize(
    "host",
    "evil.example gpu.lan.evil.example home.example evilpods.example.org "
    "127.0.0.1.evil.example 1.2.3".split(),
)
async def test_a_name_that_was_made_to_lead_here_leads_nowhere(host: str) -> None:
    start, _ = await answered(host)
    assert start["type"] == "http.response.start"
    assert start["status"] == 421
    (closed,) = await answered(host, "websocket")
    assert closed["type"] == "websocket.close"
