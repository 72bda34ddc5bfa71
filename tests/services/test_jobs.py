"""Jobs as their owners see them: queued, ended once and for good, kept for a while."""

import json

import pytest

from podd.domain.errors import NotFound
from podd.domain.job import JobStatus, Progress
from podd.services import jobs
from podd.services.platform import AUTOSCALE, job_bell, queue_bell, worker_bell
from tests.services.conftest import NewLab
from tests.services.lab import Lab

IN_QUEUE, IN_PROGRESS, COMPLETED = JobStatus.IN_QUEUE, JobStatus.IN_PROGRESS, JobStatus.COMPLETED
FAILED, CANCELLED, TIMED_OUT = JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.TIMED_OUT


# Submitting


def test_a_job_is_queued_as_it_was_sent_and_those_who_wait_are_told(lab: Lab) -> None:
    endpoint = lab.endpoint()
    job = lab.submit(endpoint, {"a": [1, None]})
    assert lab.job(job) == job
    assert (job.status, job.attempt, job.retries, job.taken_at) == (IN_QUEUE, 0, 0, None)
    assert json.loads(job.body) == {"input": {"a": [1, None]}}
    assert {queue_bell(endpoint.id), AUTOSCALE} <= set(lab.rung)


def test_an_id_tells_how_the_job_was_sent(lab: Lab) -> None:
    endpoint = lab.endpoint()
    assert lab.submit(endpoint, sync=True).id.startswith("sync-")
    assert lab.submit(endpoint).id.endswith("-u1")


def test_a_foreign_endpoint_looks_like_a_missing_one(lab: Lab) -> None:
    endpoint = lab.endpoint()
    job = lab.submit(endpoint)
    lab.caller = lab.account("eve@example.org")
    with pytest.raises(NotFound) as foreign:
        lab.submit(endpoint)
    for verb in (lab.job, lab.cancel):
        with pytest.raises(NotFound) as refusal:
            verb(job)
        assert refusal.value.message == foreign.value.message == "endpoint not found"


def test_a_job_is_only_found_at_its_own_endpoint(lab: Lab) -> None:
    job, other = lab.submit(lab.endpoint()), lab.endpoint(name="other")
    with pytest.raises(NotFound, match="job not found"):
        lab.ask(jobs.status, lab.caller, other.id, job.id)


# Cancelling


def test_a_cancelled_job_in_the_queue_is_handed_to_nobody(lab: Lab) -> None:
    endpoint = lab.endpoint()
    worker = lab.ready_worker(endpoint)
    job = lab.submit(endpoint)
    assert lab.cancel(job).status is CANCELLED
    assert job_bell(job.id) in lab.rung
    assert lab.taken(worker) == []


def test_a_cancelled_job_at_work_is_cancelled_at_once_and_its_worker_is_told(lab: Lab) -> None:
    endpoint = lab.endpoint()
    worker = lab.ready_worker(endpoint)
    job = lab.submit(endpoint)
    lab.take_one(worker)
    cancelled = lab.cancel(job)
    assert (cancelled.status, cancelled.worker_id) == (CANCELLED, worker.id)
    assert worker_bell(worker.id) in lab.rung
    assert lab.stops(worker) == [job.id]


@pytest.mark.parametrize("late", [COMPLETED, FAILED])
def test_cancelling_a_finished_job_gives_it_as_it_is(lab: Lab, late: JobStatus) -> None:
    endpoint = lab.endpoint()
    worker = lab.ready_worker(endpoint)
    job = lab.submit(endpoint)
    lab.take_one(worker)
    lab.done(worker, job, error="boom" if late is FAILED else None)
    finished = lab.job(job)
    assert finished.status is late
    assert lab.cancel(job) == finished
    assert lab.stops(worker) == []


def test_the_result_of_a_cancelled_job_is_not_kept(lab: Lab) -> None:
    endpoint = lab.endpoint()
    worker = lab.ready_worker(endpoint)
    job = lab.submit(endpoint)
    lab.take_one(worker)
    lab.cancel(job)
    lab.done(worker, job)
    assert (lab.status(job), lab.job(job).output) == (CANCELLED, None)


# Counting


def test_an_endpoint_counts_how_its_jobs_ended(lab: Lab) -> None:
    endpoint = lab.endpoint()
    worker = lab.ready_worker(endpoint)
    before = lab.see(endpoint)
    for error in (None, None, "boom"):
        lab.submit(endpoint)
        lab.done(worker, lab.take_one(worker), error=error)
    lab.cancel(lab.submit(endpoint))
    after = lab.see(endpoint)
    counted = (after.completed - before.completed, after.failed - before.failed, after.retried)
    assert counted == (2, 1, 0)


# Limits of time


def test_a_job_that_nobody_took_in_its_time_to_live_is_timed_out(lab: Lab) -> None:
    endpoint = lab.endpoint(workers_max=0)
    job, patient = lab.submit(endpoint, ttl=10_000), lab.submit(endpoint)
    lab.pass_time(seconds=9.999)
    lab.look_at_jobs()
    assert lab.status(job) is IN_QUEUE
    lab.pass_time(seconds=0.001)
    lab.look_at_jobs()
    assert (lab.status(job), lab.status(patient)) == (TIMED_OUT, IN_QUEUE)
    assert lab.job(job).error
    assert lab.see(endpoint).failed == 1


def test_a_running_job_ends_with_its_time_to_live_and_its_worker_is_told(lab: Lab) -> None:
    endpoint = lab.endpoint()
    worker = lab.ready_worker(endpoint)
    job = lab.submit(endpoint, ttl=10_000)
    lab.take_one(worker)
    lab.pass_time(seconds=10)
    lab.look_at_jobs()
    assert lab.status(job) is TIMED_OUT
    assert lab.stops(worker) == [job.id]


def test_without_a_ttl_of_its_own_a_job_lives_a_day(lab: Lab) -> None:
    job = lab.submit(lab.endpoint(workers_max=0))
    lab.pass_time(hours=23.999)
    lab.look_at_jobs()
    assert lab.status(job) is IN_QUEUE
    lab.pass_time(hours=0.001)
    lab.look_at_jobs()
    assert lab.status(job) is TIMED_OUT


def test_a_job_that_runs_too_long_fails_and_its_container_is_replaced(lab: Lab) -> None:
    endpoint = lab.endpoint(execution_timeout_ms=30_000)
    worker = lab.ready_worker(endpoint)
    job = lab.submit(endpoint)
    lab.take_one(worker)
    lab.pass_time(seconds=29.999)
    lab.look_at_jobs()
    assert lab.status(job) is IN_PROGRESS
    lab.pass_time(seconds=0.001)
    lab.look_at_jobs()
    late = lab.job(job)
    assert (late.status, late.error) == (FAILED, "executionTimeout exceeded")
    assert (late.worker_id, late.taken_at is not None) == (worker.id, True)
    lab.settle()
    assert lab.engine.running() == [f"podd-{worker.id}-{worker.workload.generation + 1}"]


def test_the_time_starts_anew_with_each_attempt(lab: Lab) -> None:
    endpoint = lab.endpoint(execution_timeout_ms=30_000)
    worker = lab.ready_worker(endpoint)
    job = lab.submit(endpoint)
    lab.take_one(worker)
    lab.pass_time(seconds=20)
    assert isinstance(lab.take(worker, holds_nothing=True), list)  # lost, and taken again
    lab.pass_time(seconds=20)
    lab.ping(worker, job)
    lab.look_at_jobs()
    assert lab.status(job) is IN_PROGRESS


def test_a_jobs_own_timeout_wins_and_zero_is_no_limit(lab: Lab) -> None:
    endpoint = lab.endpoint(execution_timeout_ms=30_000)
    worker = lab.ready_worker(endpoint)
    short, endless = lab.submit(endpoint, executionTimeout=5_000), lab.submit(endpoint, executionTimeout=0)
    assert lab.taken(worker, 2) == [short.id, endless.id]
    lab.pass_time(hours=1)
    lab.ping(worker, endless)
    lab.look_at_jobs()
    assert lab.status(short) is FAILED
    assert lab.status(endless) is IN_QUEUE  # its worker was restarted for the other's sake


def test_of_two_jobs_that_run_too_long_on_one_worker_both_fail_as_what_they_are(lab: Lab) -> None:
    endpoint = lab.endpoint(execution_timeout_ms=30_000)
    worker = lab.ready_worker(endpoint)
    jobs_ = [lab.submit(endpoint), lab.submit(endpoint)]
    lab.taken(worker, 2)
    lab.pass_time(seconds=30)
    lab.look_at_jobs()
    for job in jobs_:
        late = lab.job(job)
        assert (late.status, late.error) == (FAILED, "executionTimeout exceeded")
        assert (late.worker_id, late.taken_at) == (worker.id, lab.now - 30_000)
    assert lab.worker(endpoint).workload.generation == worker.workload.generation + 1


def test_others_on_the_worker_of_a_job_that_ran_too_long_go_back_uncounted(lab: Lab) -> None:
    endpoint = lab.endpoint()
    worker = lab.ready_worker(endpoint)
    late, other = lab.submit(endpoint, executionTimeout=5_000), lab.submit(endpoint)
    lab.taken(worker, 2)
    lab.pass_time(seconds=5)
    lab.look_at_jobs()
    again = lab.job(other)
    assert (lab.status(late), again.status, again.retries) == (FAILED, IN_QUEUE, 0)


# Remembering


@pytest.mark.parametrize(("sync", "seconds"), [(False, 1800), (True, 60)])
def test_a_finished_job_is_kept_for_its_time_and_then_forgotten(lab: Lab, sync: bool, seconds: float) -> None:
    endpoint = lab.endpoint()
    worker = lab.ready_worker(endpoint)
    job = lab.submit(endpoint, sync=sync)
    lab.done(worker, lab.take_one(worker))
    lab.pass_time(seconds=seconds - 0.001)
    lab.look_at_jobs()
    assert lab.status(job) is COMPLETED
    lab.pass_time(seconds=0.001)
    lab.look_at_jobs()
    with pytest.raises(NotFound, match="job not found"):
        lab.job(job)


def test_an_unfinished_job_is_not_forgotten(lab: Lab) -> None:
    job = lab.submit(lab.endpoint(workers_max=0), ttl=7 * 86_400_000)
    lab.pass_time(days=6)
    lab.look_at_jobs()
    assert lab.status(job) is IN_QUEUE


def test_how_long_results_are_kept_is_a_setting(new_lab: NewLab) -> None:
    lab = new_lab(async_result_seconds=1)
    job = lab.cancel(lab.submit(lab.endpoint()))
    lab.pass_time(seconds=1)
    lab.look_at_jobs()
    with pytest.raises(NotFound):
        lab.job(job)


# Progress


def test_progress_shows_until_the_job_ends(lab: Lab) -> None:
    endpoint = lab.endpoint()
    worker = lab.ready_worker(endpoint)
    job = lab.submit(endpoint)
    lab.take_one(worker)
    lab.post(worker, job, Progress('"half"'))
    lab.post(worker, job, Progress('"more"'))
    assert (lab.job(job).progress, lab.job(job).output) == ('"more"', None)
    assert job_bell(job.id) in lab.rung
    lab.done(worker, job, '"all"')
    assert (lab.job(job).progress, lab.job(job).output) == (None, '"all"')


def test_progress_after_the_end_changes_nothing(lab: Lab) -> None:
    endpoint = lab.endpoint()
    worker = lab.ready_worker(endpoint)
    job = lab.submit(endpoint)
    lab.take_one(worker)
    lab.done(worker, job)
    finished = lab.job(job)
    lab.post(worker, job, Progress('"late"'))
    assert lab.job(job) == finished
