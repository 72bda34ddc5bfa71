"""7. What thousands of clients that only wait cost: in /runsync, in /stream, and in job-take.

The database file's reads are counted by the system calls of the daemon (rchar of /proc: what SQLite has in
its cache it does not read again, so a poll would also show as processor time).
"""

import asyncio
import resource
import time

import psutil
import uvloop

from tests.bench import place
from tests.bench.table import Line, Point
from tests.bench.wire import Connection, Requests
from tests.e2e.daemon import Daemon
from tests.waiting import eventually

BODY = b'{"input": 1}'
WAIT = 300_000
UNLIMITED = {
    name: value
    for operation in ("run", "runsync", "status", "stream")
    for name, value in ((operation, ""), (f"{operation}_at_once", 0))
}


def measure(rounds: int, quick: bool) -> Point:
    number, seconds = (500, 5.0) if quick else (5000, 15.0)
    _allow_files(number + 500)
    lines = []
    limits = {"take_hold_seconds": 300, "stream_hold_seconds": 300, "runsync_wait_seconds": 300}
    for what in ("/runsync", "/stream", "job-take"):
        with place.daemon(limits=limits, settings={"rates": UNLIMITED}) as podd:
            used, read, written = uvloop.run(_crowd(podd, what, number, seconds))
        each = used / (number / 100)
        lines.append(
            Line(
                f"{number:,} in {what}",
                f"{used:.2%} of a core",
                "< 1 % / 100",
                each < 0.01,
                f"{each:.3%} each 100; system calls: {read:.1f} reads/s, {written:.1f} writes/s",
            )
        )
    lines.append(Line("the same daemon with nobody waiting", *_alone(seconds)))
    return Point(7, "clients that wait", lines)


def _alone(seconds: float) -> tuple[str, str, None, str]:
    with place.daemon() as podd:
        time.sleep(3)
        used, read, written = _cost(podd, seconds)
    return f"{used:.2%} of a core", "", None, f"system calls: {read:.1f} reads/s, {written:.1f} writes/s"


async def _crowd(podd: Daemon, what: str, number: int, seconds: float) -> tuple[float, float, float]:
    """Share of a core, and reads and writes a second, while all wait."""
    template = podd.create_template("python3 -c 'import time; time.sleep(1000000)'")
    workers = 1 if what == "job-take" else 0
    made = podd.save_endpoint(templateId=template, workersMin=workers, workersMax=workers, idleTimeout=3600)
    requests = place.requests_to(podd)
    request = requests.post(f"/v2/{made}/runsync?wait={WAIT}", BODY)
    if what == "/stream":
        job_id = podd.run(made, 1)
        request = requests.get(f"/v2/{made}/stream/{job_id}?wait={WAIT}")
    if what == "job-take":
        await asyncio.to_thread(eventually, lambda: podd.running(made), 60)
        (worker,) = (one["id"] for one in podd.workers(made))
        asks = Requests(podd.url, place.worker_key(podd, worker))
        request = asks.get(f"/v2/{made}/job-take/{worker}?gpu=x&job_in_progress=1")
    connections = [Connection(requests.address) for _ in range(number)]
    waiting = []
    for first in range(0, number, 100):  # not more at once than a listening socket takes
        waiting += [asyncio.create_task(one.ask(request)) for one in connections[first : first + 100]]
        await asyncio.sleep(0.1)
    await asyncio.sleep(5)
    found = await asyncio.to_thread(_cost, podd, seconds)
    answered = [task.result() for task in waiting if task.done()]
    assert not answered, f"{len(answered)} did not wait: {answered[0]}"
    for task in waiting:
        task.cancel()
    return found


def _cost(podd: Daemon, seconds: float) -> tuple[float, float, float]:
    assert podd.process is not None
    process = psutil.Process(podd.process.pid)
    begun, used, calls = time.perf_counter(), place.used(process.pid), process.io_counters()
    time.sleep(seconds)
    took, after = time.perf_counter() - begun, process.io_counters()
    return (
        (place.used(process.pid) - used) / took,
        (after.read_count - calls.read_count) / took,
        (after.write_count - calls.write_count) / took,
    )


def _allow_files(number: int) -> None:
    """For this process and the daemon it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < number:
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(number, min(65536, hard)), hard))
