"""4. What the accelerator does for a stock SDK worker with one slot that echoes.

Jobs one at a time through /runsync, and in bulk (queued one by one with /run, until all are done); the time
from a new endpoint to the end of its first job; and, as the floor, the SDK's own server in the worker's
process: no queue, no storage, no keys.
"""

import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass

import httpx

from tests.bench import place
from tests.bench.queue import rate_of
from tests.bench.table import Line, Point, alternating
from tests.e2e.daemon import HANDLERS, Daemon
from tests.waiting import eventually

PLAIN_JOBS = 5
INPUT = {"input": {"return": "echo"}}


@dataclass(frozen=True)
class Round:
    """Seconds to the end of the first job, milliseconds at the median one at a time, jobs per second."""

    first: float
    p50: float
    bulk: float


def measure(rounds: int, quick: bool) -> Point:
    number, plain = (100, PLAIN_JOBS) if quick else (500, 20)
    with place.daemon() as podd:
        found = alternating(
            rounds,
            {
                "accelerator on": lambda: through_podd(podd, number, {}),
                "accelerator off": lambda: through_podd(podd, plain, {"PODD_ACCELERATE": "0"}),
                "floor: the SDK's own server": lambda: in_process(number),
            },
        )
    lines = [
        Line(name, f"{m.bulk:,.1f} jobs/s", note=f"/runsync p50 {m.p50:.2f} ms, first job {m.first:.2f} s")
        for name, m in ((name, median(all_)) for name, all_ in found.items())
    ]
    pairs = zip(found["accelerator on"], found["accelerator off"], strict=True)
    ratio = statistics.median(on.bulk / off.bulk for on, off in pairs)
    lines.append(Line("on against off", f"{ratio:.0f} x", ">= 150", ratio >= 150))
    return Point(4, "stock SDK worker, one slot", lines)


def median(rounds: list[Round]) -> Round:
    return Round(*(statistics.median(getattr(r, name) for r in rounds) for name in ("first", "p50", "bulk")))


def through_podd(daemon: Daemon, number: int, env: dict[str, str]) -> Round:
    headers = {"Authorization": f"Bearer {daemon.key}"}
    begun = time.perf_counter()
    endpoint_id = daemon.create_endpoint("single", env=env, workersMin=1, workersMax=1, idleTimeout=600)
    try:
        daemon.finished(endpoint_id, daemon.run(endpoint_id, INPUT["input"]))
        first = time.perf_counter() - begun
        with httpx.Client(base_url=daemon.url, headers=headers, timeout=60, trust_env=False) as client:
            p50 = one_at_a_time(client, f"/v2/{endpoint_id}/runsync", number)
            with rate_of(number) as rate:
                for _ in range(number):
                    client.post(f"/v2/{endpoint_id}/run", json=INPUT).raise_for_status()
                eventually(lambda: all_done(client, endpoint_id), 600)
        return Round(first, p50, rate[0])
    finally:
        daemon.delete_endpoint(endpoint_id)


def all_done(client: httpx.Client, endpoint_id: str) -> bool:
    jobs = client.get(f"/v2/{endpoint_id}/health").json()["jobs"]
    return bool(jobs["inQueue"] + jobs["inProgress"] == 0)


def in_process(number: int) -> Round:
    port = 20_000 + os.getpid() % 10_000
    begun = time.perf_counter()
    options = ["--rp_serve_api", "--rp_api_port", str(port), "--rp_api_host", "127.0.0.1"]
    server = subprocess.Popen(
        [sys.executable, str(HANDLERS), "single", *options, "--rp_log_level", "ERROR"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client:
            eventually(lambda: answers(client))
            first = time.perf_counter() - begun
            p50 = one_at_a_time(client, "/runsync", number)
            with rate_of(number) as rate:
                for _ in range(number):
                    client.post("/runsync", json=INPUT).raise_for_status()
        return Round(first, p50, rate[0])
    finally:
        server.kill()
        server.wait()


def answers(client: httpx.Client) -> bool:
    try:
        return client.post("/runsync", json=INPUT).is_success
    except httpx.TransportError:
        return False


def one_at_a_time(client: httpx.Client, path: str, number: int) -> float:
    """The median of one job after the other, in milliseconds."""
    took: list[float] = []
    for _ in range(number):
        begun = time.perf_counter()
        answer = client.post(path, json=INPUT).json()
        took.append((time.perf_counter() - begun) * 1000)
        assert answer["status"] == "COMPLETED", answer
    return statistics.median(took)
