"""2. The whole life of a job (submit, take, done, status), against Huey on SQLite and Celery on Redis.

So many clients as slots submit all jobs, each one after the other, and then read all results.
"""

import asyncio
import time
from collections.abc import Callable
from functools import partial

import uvloop

from tests.bench import peers, place
from tests.bench.table import Line, Point, alternating, median
from tests.bench.wire import Connection, share_out
from tests.e2e.daemon import Daemon

SLOTS = (1, 16)
BODY = b'{"input": {"prompt": "hello"}}'


def measure(rounds: int, quick: bool) -> Point:
    number = 400 if quick else 2000
    lines: list[Line] = []
    with place.daemon() as podd, peers.ready() as found:
        for slots in SLOTS:
            with place.endpoint(podd, slots) as target, found.consumers(slots) as sides:
                runs: dict[str, Callable[[], float]] = {
                    name: partial(side, number, slots) for name, side in sides.items()
                }
                runs["podd"] = partial(through_podd, podd, target, number, slots)
                rates = alternating(rounds, runs)
            lines += _lines(slots, rates)
    lines += [Line(f"left out: {what}", "", note=why) for what, why in found.missing.items()]
    return Point(2, "the whole life of a job, raw worker", lines)


def _lines(slots: int, rates: dict[str, list[float]]) -> list[Line]:
    at = f"{slots} slot{'s' if slots > 1 else ''}"
    lines = [Line(f"{at}: {name}", f"{median(found):,.0f} jobs/s") for name, found in rates.items()]
    for name in rates.keys() - {"podd"}:
        ratio = median([ours / theirs for ours, theirs in zip(rates["podd"], rates[name], strict=True)])
        least = 0.5 if slots == 1 and name.startswith("Huey") else 1.0
        lines.append(Line(f"{at}: podd against {name}", f"{ratio:.2f} x", f">= {least}", ratio >= least))
    return lines


def through_podd(podd: Daemon, endpoint_id: str, number: int, clients: int) -> float:
    return uvloop.run(_lives(podd, endpoint_id, number, clients))


async def _lives(podd: Daemon, endpoint_id: str, number: int, clients: int) -> float:
    requests = place.requests_to(podd)
    run = requests.post(f"/v2/{endpoint_id}/run", BODY)
    connections = [Connection(requests.address) for _ in range(clients)]
    job_ids: list[str] = []

    async def submit(client: int, _number: int) -> None:
        job_ids.append((await connections[client].ask(run)).json()["id"])

    async def read(client: int, number: int) -> None:
        asking = requests.get(f"/v2/{endpoint_id}/status-sync/{job_ids[number]}?wait=60000")
        found = (await connections[client].ask(asking)).json()
        assert found["status"] == "COMPLETED", found

    begun = time.perf_counter()
    await share_out(clients, number, submit)
    await share_out(clients, number, read)
    took = time.perf_counter() - begun
    await asyncio.gather(*(connection.__aexit__(None, None, None) for connection in connections))
    return number / took
