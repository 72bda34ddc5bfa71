"""Moves of a job name the attempt they start from: whoever comes late finds nothing to move."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from podd.domain.account import Account
from podd.domain.endpoint import Endpoint
from podd.domain.job import Job, JobStatus
from podd.domain.template import Template
from podd.store import accounts, endpoints, jobs, templates
from podd.store.db import Store, Tx

IN_QUEUE, IN_PROGRESS, COMPLETED = JobStatus.IN_QUEUE, JobStatus.IN_PROGRESS, JobStatus.COMPLETED


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """With one job in the queue of one endpoint."""

    def fill(tx: Tx) -> None:
        accounts.insert(tx, Account("a", "a@example.org", "a", "", 0))
        templates.insert(tx, Template(id="t", account_id="a", name="t", image="i"))
        endpoints.insert(tx, Endpoint(id="e", account_id="a", name="e", template_id="t"))
        job = Job(
            id="j",
            endpoint_id="e",
            status=IN_QUEUE,
            sync=False,
            attempt=0,
            retries=0,
            submitted_at=0,
            enqueued_at=0,
        )
        jobs.insert(tx, job, low_priority=False, execution_timeout=0, expires_at=100)

    with closing(Store(tmp_path / "podd.sqlite3")) as opened:
        opened.submit(fill).result()
        yield opened


def do(store: Store, verb: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return store.submit(verb, *args, **kwargs).result()


def take(store: Store, worker: str = "w") -> Job:
    [job] = do(store, jobs.take, "e", worker, 1, 5)
    assert isinstance(job, Job)
    return job


def end(store: Store, job: Job, from_status: JobStatus = IN_PROGRESS) -> bool:
    how = {"from_status": from_status, "output": "1", "ended_at": 9, "forget_at": 10}
    return do(store, jobs.end, job, COMPLETED, **how) is not None


def now(store: Store) -> Job:
    job = store.ask(jobs.get, "e", "j")
    assert job is not None
    return job


def test_an_attempt_that_is_over_cannot_end_the_next_one(store: Store) -> None:
    first = take(store)
    assert do(store, jobs.requeue, first, counted=True, now=6)
    second = take(store)
    assert (first.attempt, second.attempt) == (1, 2)
    assert not end(store, first)
    assert not do(store, jobs.requeue, first, counted=True, now=7)
    assert not do(store, jobs.note_progress, first, "1", 7)
    assert now(store) == second
    assert end(store, second)


def test_a_job_ends_once(store: Store) -> None:
    job = take(store)
    assert end(store, job)
    finished = now(store)
    assert not end(store, job)
    assert not do(store, jobs.requeue, job, counted=True, now=7)
    assert not do(store, jobs.note_progress, job, "1", 7)
    assert now(store) == finished


def test_a_job_that_was_taken_meanwhile_does_not_end_as_a_queued_one(store: Store) -> None:
    queued = now(store)
    take(store)
    assert not end(store, queued, from_status=IN_QUEUE)
    assert now(store).status is IN_PROGRESS


def test_a_job_that_went_back_is_as_if_nobody_had_it(store: Store) -> None:
    job = take(store)
    do(store, jobs.note_progress, job, "1", 6)
    do(store, jobs.requeue, job, counted=False, now=7)
    back = now(store)
    assert (back.status, back.worker_id, back.taken_at, back.progress) == (IN_QUEUE, "", None, None)
    assert (back.enqueued_at, back.retries, back.attempt) == (7, 0, 1)


def test_only_finished_jobs_whose_time_is_over_are_forgotten(store: Store) -> None:
    job = take(store)
    assert do(store, jobs.forget, 1_000) == 0
    end(store, job)
    assert do(store, jobs.forget, 9) == 0
    assert do(store, jobs.forget, 10) == 1
    assert store.ask(jobs.get, "e", "j") is None
