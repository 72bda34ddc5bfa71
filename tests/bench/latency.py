"""3. One job after the other through /runsync, against the SDK's own server in the worker's process."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import uvloop

from tests.bench import place
from tests.bench.table import Line, Point, alternating, median, percentile
from tests.bench.wire import Connection, Requests
from tests.e2e.daemon import HANDLERS
from tests.waiting import eventually

BODY = b'{"input": {"return": "echo"}}'


def measure(rounds: int, quick: bool) -> Point:
    number = 200 if quick else 1000
    with place.daemon() as podd, place.endpoint(podd, 1) as target, sdk_server() as theirs:
        ours, disk = place.requests_to(podd), podd.data_dir / "bench-floor"
        found = alternating(
            rounds,
            {
                "SDK's server": lambda: uvloop.run(one_by_one(theirs, "/runsync", number)),
                "podd": lambda: uvloop.run(one_by_one(ours, f"/v2/{target}/runsync", number)),
                "disk": lambda: syncs(str(disk), number),
            },
        )
    p50 = {name: median([percentile(took, 50) for took in all_]) for name, all_ in found.items()}
    p99 = {name: median([percentile(took, 99) for took in all_]) for name, all_ in found.items()}
    ratio = median(
        [
            percentile(ours, 50) / percentile(theirs, 50)
            for ours, theirs in zip(found["podd"], found["SDK's server"], strict=True)
        ]
    )
    lines = [
        Line(f"{name}, p50 / p99", f"{p50[name]:.2f} / {p99[name]:.2f} ms")
        for name in ("SDK's server", "podd")
    ]
    floor = Line("floor: three syncs of the disk, p50 / p99", f"{p50['disk']:.2f} / {p99['disk']:.2f} ms")
    return Point(
        3,
        "/runsync echo, one at a time, raw worker",
        [*lines, Line("podd against the SDK's server, p50", f"{ratio:.2f} x", "<= 4", ratio <= 4), floor],
    )


async def one_by_one(requests: Requests, path: str, number: int) -> list[float]:
    """Milliseconds of each."""
    request, took = requests.post(path, BODY), []
    async with Connection(requests.address) as connection:
        for _ in range(number):
            begun = time.perf_counter()
            answer = await connection.ask(request)
            took.append((time.perf_counter() - begun) * 1000)
            assert answer.json()["status"] == "COMPLETED", answer
            await asyncio.sleep(0)
    return took


def syncs(path: str, number: int) -> list[float]:
    """What a job's three commits (submitted, taken, done) cost at least: milliseconds for three times a page
    written and synced."""
    took, page = [], os.urandom(4096)
    file = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        os.write(file, page * 1024)
        for _ in range(number):
            begun = time.perf_counter()
            for part in range(3):
                os.pwrite(file, page, 4096 * part)
                os.fdatasync(file)
            took.append((time.perf_counter() - begun) * 1000)
    finally:
        os.close(file)
    return took


@contextmanager
def sdk_server() -> Iterator[Requests]:
    """The SDK's own server with a handler that echoes."""
    port = place.free_port()
    options = ["--rp_serve_api", "--rp_api_port", str(port), "--rp_api_host", "127.0.0.1"]
    words = [sys.executable, str(HANDLERS), "single", *options, "--rp_log_level", "ERROR"]
    with place.child(words, stdin=subprocess.DEVNULL):
        url = f"http://127.0.0.1:{port}"
        eventually(lambda: place.listens(url), 60)
        yield Requests(url, "none")
