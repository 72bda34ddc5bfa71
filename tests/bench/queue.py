"""How much the queue carries on this disk: `python -m tests.bench.queue [jobs]`.

One run measures both sides of each ratio, so that the numbers mean something on any machine:
jobs that go through the verbs (submitted, taken, finished) against plain SQLite that commits each row by
itself, with the same safety (WAL, synchronous=FULL). No test: nothing here passes or fails.
"""

import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from structlog.testing import capture_logs

from podd.domain.job import JobStatus, Result, parse_request
from podd.services import dispatch, jobs
from podd.services.dispatch import Refused
from podd.store import meta
from podd.store.db import Store, Tx
from tests.services.lab import Lab

WRITERS = (1, 8, 64)
BATCH = 50
BODY = b'{"input": {"prompt": "' + b"x" * 200 + b'"}}'


def main(number: int) -> None:
    with tempfile.TemporaryDirectory(dir=".", prefix=".bench-") as name:  # not in a /tmp that is memory
        directory = Path(name)
        plain = plain_commits(directory, number)
        say("plain SQLite, one row a commit", plain, "commits/s", 1)
        for writers in WRITERS:
            rate = store_commits(directory / f"{writers}.sqlite3", writers, number)
            say(f"the writer, {writers} callers at once", rate, "verbs/s", rate / plain)
        alone, together = lives_of_jobs(directory / "lab", number)
        say("jobs, one after the other", alone, "jobs/s", 3 * alone / plain)
        say(f"jobs, {BATCH} at once", together, "jobs/s", 3 * together / plain)
        print("A job is three verbs: submit, take, finish.")


def say(what: str, rate: float, unit: str, ratio: float) -> None:
    print(f"{what:<32}{rate:8.0f} {unit:<10}{ratio:5.1f} x", flush=True)


def plain_commits(directory: Path, number: int) -> float:
    with closing(sqlite3.connect(directory / "plain.sqlite3", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE jobs (id TEXT PRIMARY KEY, body TEXT)")
        with rate_of(number) as rate:
            for n in range(number):
                connection.execute("INSERT INTO jobs VALUES (?, ?)", (str(n), BODY.decode()))
    return rate[0]


def store_commits(path: Path, writers: int, number: int) -> float:
    """Each of so many callers writes again as soon as it is answered."""

    def put(tx: Tx, key: str) -> None:
        meta.put(tx, key, BODY.decode())

    def work(first: int) -> None:
        for n in range(first, number, writers):
            store.submit(put, str(n)).result()

    with closing(Store(path)) as store, rate_of(number) as rate:
        threads = [threading.Thread(target=work, args=(first,)) for first in range(writers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return rate[0]


def lives_of_jobs(directory: Path, number: int) -> tuple[float, float]:
    """Submitted, taken and finished: one job after the other, and many at the same time."""
    with capture_logs(), closing(Lab(directory)) as lab:
        endpoint = lab.endpoint()
        worker = lab.ready_worker(endpoint)
        badge, request = lab.badge(worker), parse_request(BODY, sync=False)
        result = Result('"done"', None)

        def ask(verb: Callable[..., Any], *args: Any) -> Future[Any]:
            return lab.podd.store.submit(verb, lab.podd, *args)

        def batch(size: int) -> None:
            asked = [ask(jobs.submit, lab.caller, endpoint.id, request, lab.now) for _ in range(size)]
            for answer in asked:
                answer.result()
            takes = [ask(dispatch.take, badge, 1, False, lab.now) for _ in range(size)]
            taken = [answer.result() for answer in takes]
            assert not any(isinstance(found, Refused) for found in taken)
            posts = [ask(dispatch.post, badge, found[0].id, result, lab.now) for found in taken]
            for answer in posts:
                answer.result()
            assert lab.status(taken[-1][0]) is JobStatus.COMPLETED

        with rate_of(number) as alone:
            for _ in range(number):
                batch(1)
        with rate_of(number) as together:
            for _ in range(number // BATCH):
                batch(BATCH)
    return alone[0], together[0]


@contextmanager
def rate_of(number: int) -> Iterator[list[float]]:
    """A list that holds the rate per second afterwards."""
    rate: list[float] = []
    begun = time.perf_counter()
    yield rate
    rate.append(number / (time.perf_counter() - begun))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
