"""5. Whether anything gets slower when the file is full: a million jobs queued, a million finished.

The verbs are measured one by one, over HTTP, with a daemon on an empty file and one on a full file in turn;
the full one has been given its rows by SQL, before it was started.
"""

import json
import sqlite3
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass

import uvloop

from tests.bench import place
from tests.bench.table import Line, Point, alternating, median
from tests.bench.wire import Connection, Requests
from tests.e2e.daemon import Daemon
from tests.waiting import eventually

VERBS = ("submit", "take", "done", "status")
BODY = b'{"input": {"prompt": "hello"}}'


@dataclass(frozen=True)
class Place:
    """A daemon, an endpoint of it, and a worker that the benchmark plays itself."""

    podd: Daemon
    endpoint_id: str
    worker_id: str
    worker_key: str


def measure(rounds: int, quick: bool) -> Point:
    rows, number = (50_000, 100) if quick else (1_000_000, 300)
    with ExitStack() as running:
        empty, full = _open(running, 0), _open(running, rows)
        found = alternating(
            rounds,
            {
                "empty": lambda: uvloop.run(_verbs(empty, number)),
                "full": lambda: uvloop.run(_verbs(full, number)),
            },
        )
        assert full.podd.process is not None
        resident = place.resident(full.podd.process.pid)
        health = uvloop.run(_health(full))
    lines = []
    for verb in VERBS:
        before, after = (median([took[verb] for took in found[name]]) for name in ("empty", "full"))
        ratio = median([b[verb] / a[verb] for a, b in zip(found["empty"], found["full"], strict=True)])
        shown = f"{before:.2f} -> {after:.2f} ms"
        lines.append(Line(f"{verb}, median", shown, "<= 1.3", ratio <= 1.3, f"{ratio:.2f} x"))
    lines.append(Line("memory of the daemon", f"{resident:.0f} MiB", "< 300", resident < 300))
    lines.append(
        Line("/health, which counts the queue", f"{health:.1f} ms", note="in a reader, beside the verbs")
    )
    return Point(5, f"growth: {rows:,} jobs queued and {rows:,} finished", lines)


def _open(running: ExitStack, rows: int) -> Place:
    podd = running.enter_context(place.daemon())
    template = podd.create_template("python3 -c 'import time; time.sleep(1000000)'")
    made = podd.save_endpoint(templateId=template, workersMin=1, workersMax=1, idleTimeout=3600)
    eventually(lambda: podd.running(made), 60)
    (worker,) = (one["id"] for one in podd.workers(made))
    if rows:
        podd.stop()
        _fill(podd, made, rows)
        podd.start()
    return Place(podd, made, worker, place.worker_key(podd, worker))


def _fill(podd: Daemon, endpoint_id: str, rows: int) -> None:
    now = time.time_ns() // 1_000_000
    later = now + 24 * 3_600_000
    queued = (
        (
            *(f"q{n:07}-0000-u1", endpoint_id, "IN_QUEUE", now, now, None, None, later, BODY.decode()),
            *(None, None, "", 0),
        )
        for n in range(rows)
    )
    done = (
        (
            *(f"d{n:07}-0000-u1", endpoint_id, "COMPLETED", now, now, now, now, later, BODY.decode()),
            *('{"echo": 1}', later, "gone", 1),
        )
        for n in range(rows)
    )
    with closing(sqlite3.connect(podd.data_dir / "podd.sqlite3")) as db, db:
        for jobs in (done, queued):
            db.executemany(
                "INSERT INTO jobs (id, endpoint_id, status, sync, rank, submitted_at, enqueued_at, taken_at,"
                " ended_at, expires_at, body_json, output_json, forget_at, worker_id, attempt,"
                " execution_timeout, webhook)"
                " VALUES (?, ?, ?, 0, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 600000, '')",
                jobs,
            )


async def _verbs(at: Place, number: int) -> dict[str, float]:
    """The median milliseconds of each verb."""
    requests, worker = place.requests_to(at.podd), Requests(at.podd.url, at.worker_key)
    path, took = f"/v2/{at.endpoint_id}", {verb: list[float]() for verb in VERBS}
    run = requests.post(f"{path}/run", BODY)
    take = worker.get(f"{path}/job-take/{at.worker_id}?gpu=x&job_in_progress=1")
    async with Connection(requests.address) as connection:

        async def timed(verb: str, request: bytes) -> bytes:
            begun = time.perf_counter()
            answer = await connection.ask(request)
            took[verb].append((time.perf_counter() - begun) * 1000)
            assert answer.status == 200, (verb, answer)
            return answer.body

        for _ in range(number):
            await timed("submit", run)
            job_id = json.loads(await timed("take", take))["id"]
            done = worker.post(f"{path}/job-done/{at.worker_id}/{job_id}?gpu=x", b'{"output": 1}')
            await timed("done", done)
            await timed("status", requests.get(f"{path}/status/{job_id}"))
    return {verb: median(values) for verb, values in took.items()}


async def _health(at: Place) -> float:
    requests = place.requests_to(at.podd)
    async with Connection(requests.address) as connection:
        begun = time.perf_counter()
        await connection.ask(requests.get(f"/v2/{at.endpoint_id}/health"))
        return (time.perf_counter() - begun) * 1000
