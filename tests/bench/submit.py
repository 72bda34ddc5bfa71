"""1. A durable /run with 64 clients at once, against a bare Litestar route on the same server stack."""

import os
from dataclasses import dataclass

import uvloop

from tests.bench import place
from tests.bench.table import Line, Point, alternating, median
from tests.bench.wire import Connection, Requests, share_out

CLIENTS = 64
BODY = b'{"input": {"prompt": "' + b"x" * 200 + b'"}}'


@dataclass(frozen=True)
class Load:
    """Requests a second, and the share of a core that server and client had."""

    rate: float
    server: float
    client: float


def measure(rounds: int, quick: bool) -> Point:
    seconds = 2.0 if quick else 5.0
    with (
        place.daemon() as podd,
        place.module("tests.bench.bare") as (url, bare),
        place.endpoint(podd, 0) as target,
    ):
        assert podd.process is not None
        pid = podd.process.pid
        ours, theirs = place.requests_to(podd), Requests(url, "none")
        found = alternating(
            rounds,
            {
                "podd": lambda: uvloop.run(load(ours, target, pid, seconds)),
                "bare": lambda: uvloop.run(load(theirs, target, bare.pid, seconds)),
            },
        )
    ratio = median([a.rate / b.rate for a, b in zip(found["podd"], found["bare"], strict=True)])
    return Point(
        1,
        "/run, 64 keep-alive clients",
        [
            _line("bare Litestar POST route", found["bare"]),
            _line("podd /run, each on disk when answered", found["podd"]),
            Line("ratio", f"{ratio:.2f} x", ">= 0.5", ratio >= 0.5),
        ],
    )


def _line(what: str, loads: list[Load]) -> Line:
    rate, server, client = (
        median([getattr(x, name) for x in loads]) for name in ("rate", "server", "client")
    )
    cost = f"{server / rate * 1000:.2f} ms of processor time each; "
    return Line(
        what,
        f"{rate:,.0f} requests/s",
        note=f"{cost}server {server:.0%} of a core, client {client:.0%}",
    )


async def load(requests: Requests, endpoint_id: str, pid: int, seconds: float) -> Load:
    request = requests.post(f"/v2/{endpoint_id}/run", BODY)
    connections = [Connection(requests.address) for _ in range(CLIENTS)]

    async def one(client: int, _number: int) -> None:
        answer = await connections[client].ask(request)
        assert answer.status == 200, answer

    await share_out(CLIENTS, CLIENTS * 4, one)
    before, own = place.used(pid), place.used(os.getpid())
    took, done = await share_out(CLIENTS, 0, one, seconds)
    return Load(done / took, (place.used(pid) - before) / took, (place.used(os.getpid()) - own) / took)
