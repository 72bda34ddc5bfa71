"""SIGKILL at random instants under load: what was acknowledged comes to exactly one end.

`PODD_TEST_KILLS` is how often; a few times unless it says more.
"""

import os
import random
import sqlite3
import threading
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import NewDaemon
from tests.e2e.daemon import FINAL, Daemon
from tests.waiting import eventually

KILLS = int(os.environ.get("PODD_TEST_KILLS", "5"))
CLIENTS = 4
WORKER = Path(__file__).with_name("raw_worker.py")


class Load:
    """Clients that submit, ask, stream and cancel, also while nobody answers, and what they were told."""

    def __init__(self, daemon: Daemon, endpoint_id: str) -> None:
        self._daemon = daemon
        self._path = f"/v2/{endpoint_id}"
        self._headers = {"Authorization": daemon.key}
        self._over = threading.Event()
        self.answers = 0
        self.number_of: dict[str, int] = {}  # acknowledged jobs, and what went into them
        self.cancelled: set[str] = set()
        self.ended: dict[str, str] = {}  # the first final state each was seen in
        self.torn: list[str] = []
        self._open: deque[str] = deque()

    @contextmanager
    def going_on(self) -> Iterator[None]:
        clients = [threading.Thread(target=self._client, args=(n,)) for n in range(CLIENTS)]
        for client in clients:
            client.start()
        try:
            yield
        finally:
            self._over.set()
            for client in clients:
                client.join()

    def _client(self, seed: int) -> None:
        rng = random.Random(seed)
        with httpx.Client(base_url=self._daemon.url, trust_env=False, timeout=30) as client:
            while not self._over.is_set():
                many = len(self._open) > 100
                ask = rng.choices(
                    [self._run, self._runsync, self._status, self._stream, self._cancel],
                    [5 if not many else 0, 1, 4, 2, 1],
                )[0]
                try:
                    ask(client, rng)
                except httpx.HTTPError:
                    self._over.wait(0.01)  # it is away

    def _post(self, client: httpx.Client, path: str, body: object = None) -> dict[str, object]:
        answer = client.post(self._path + path, json=body, headers=self._headers)
        answer.raise_for_status()
        self.answers += 1
        told: dict[str, object] = answer.json()
        return told

    def _submit(self, client: httpx.Client, rng: random.Random, how: str) -> dict[str, object]:
        n = rng.randrange(10**9)
        wish = {"n": n, "parts": rng.choice([0, 0, 3]), "seconds": rng.choice([0, 0, 0.05])}
        told = self._post(client, how, {"input": wish})
        self.number_of[str(told["id"])] = n
        self._note(told)
        return told

    def _run(self, client: httpx.Client, rng: random.Random) -> None:
        self._submit(client, rng, "/run")

    def _runsync(self, client: httpx.Client, rng: random.Random) -> None:
        self._submit(client, rng, "/runsync?wait=1000")

    def _status(self, client: httpx.Client, rng: random.Random) -> None:
        with suppress(IndexError):
            job_id = self._open.popleft()
            try:
                self._note(self._post(client, f"/status/{job_id}"))
            except httpx.HTTPError:
                self._open.append(job_id)
                raise

    def _stream(self, client: httpx.Client, rng: random.Random) -> None:
        with suppress(IndexError):
            job_id = self._open[0]
            # A status that has ended comes with what is left of the stream.
            self._post(client, f"/stream/{job_id}?wait=1000")

    def _cancel(self, client: httpx.Client, rng: random.Random) -> None:
        with suppress(IndexError):
            job_id = self._open[-1]
            told = self._post(client, f"/cancel/{job_id}")
            if told["status"] == "CANCELLED":
                self.cancelled.add(job_id)

    def _note(self, told: dict[str, object]) -> None:
        job_id, status = str(told["id"]), str(told["status"])
        if status not in FINAL:
            self._open.append(job_id)
        elif self.ended.setdefault(job_id, status) != status:
            self.torn.append(f"{job_id} was {self.ended[job_id]} and is {status}")


@pytest.mark.timeout(120 + 20 * KILLS)
def test_what_was_acknowledged_ends_exactly_once_however_often_the_daemon_is_killed_meanwhile(
    new_daemon: NewDaemon, tmp_path: Path
) -> None:
    daemon = new_daemon(
        gpus=3,
        limits={"async_result_seconds": 604800, "sync_result_seconds": 604800},
        settings={"rates": dict.fromkeys(("run", "runsync", "status", "stream", "cancel"), "")},
    ).start()
    record = tmp_path / "record"
    record.touch()
    template = daemon.create_template(f"python3 -u {WORKER}", env=[{"key": "RECORD", "value": str(record)}])
    endpoint = daemon.save_endpoint(templateId=template, workersMin=3, workersMax=3)
    load, rng = Load(daemon, endpoint), random.Random(KILLS)

    with load.going_on():
        for _ in range(KILLS):
            enough = load.answers + rng.randrange(1, 120)
            eventually(lambda enough=enough: load.answers >= enough)  # type: ignore[misc]
            threading.Event().wait(rng.random() / 50)  # not always just after an answer
            daemon.kill()
            daemon.start()
    eventually(lambda: not unfinished(daemon, endpoint), 120)

    assert load.torn == []
    assert len(load.number_of) > KILLS
    marks = [line.split() for line in record.read_text().splitlines()]
    for job_id, n in load.number_of.items():
        job = daemon.status(endpoint, job_id)
        assert job["status"] == load.ended.get(job_id, job["status"])
        if job_id in load.cancelled:
            assert job["status"] == "CANCELLED"
        elif job["status"] == "COMPLETED":
            assert job["output"]["n"] == n
            assert [job_id, job["output"]["mark"]] in marks
        else:
            assert job["status"] == "CANCELLED", job

    # An answer that a kill cut off may have been to something that was stored; one for each client and kill.
    ended = Counter(status for (status,) in rows(daemon, "SELECT status FROM jobs"))
    assert len(load.number_of) <= ended.total() <= len(load.number_of) + CLIENTS * KILLS
    retried = sum(retries for (retries,) in rows(daemon, "SELECT retries FROM jobs"))
    assert daemon.health(endpoint)["jobs"] == {
        "completed": ended["COMPLETED"],
        "failed": ended["FAILED"],
        "inProgress": 0,
        "inQueue": 0,
        "retried": retried,
    }
    assert retried == 0, "only workers that crash or lose a job have jobs retried"


def unfinished(daemon: Daemon, endpoint_id: str) -> int:
    jobs = daemon.health(endpoint_id)["jobs"]
    return int(jobs["inQueue"] + jobs["inProgress"])


def rows(daemon: Daemon, question: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"file:{daemon.data_dir / 'podd.sqlite3'}?mode=ro", uri=True)) as db:
        return db.execute(question).fetchall()
