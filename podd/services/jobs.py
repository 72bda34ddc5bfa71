"""Jobs as their owners see them, and the two ways an attempt can end: for good, or back to the queue.

Every end names the attempt it ends, so a late or repeated one changes nothing.
"""

from dataclasses import dataclass

from podd import ids
from podd.domain import job as rules
from podd.domain.account import Caller, reaches, require
from podd.domain.endpoint import Endpoint, EndpointType
from podd.domain.errors import Invalid, NotFound
from podd.domain.job import FINAL, TOLD, Job, JobRequest, JobStatus
from podd.domain.measure import Measure
from podd.domain.worker import Worker
from podd.services.platform import (
    AUTOSCALE,
    WEBHOOKS,
    Platform,
    end_bell,
    job_bell,
    queue_bell,
    worker_bell,
)
from podd.store import chunks, endpoints, jobs, measures, webhooks, workloads
from podd.store.db import Reader, Tx
from podd.store.jobs import Held

# For callers


def own_endpoint(db: Reader, caller: Caller, endpoint_id: str, operation: str) -> Endpoint:
    """The caller's queue endpoint, if it may do `operation`. Raises NotFound, and Invalid for an endpoint
    without a queue."""
    endpoint = any_endpoint(db, caller, endpoint_id, operation)
    if endpoint.type is not EndpointType.QB:
        raise Invalid("not allowed for QB API")
    return endpoint


def balanced_endpoint(db: Reader, caller: Caller, endpoint_id: str) -> Endpoint:
    """The caller's load-balancing endpoint. Raises NotFound, and Invalid for one with a queue."""
    endpoint = any_endpoint(db, caller, endpoint_id, "job.submit")
    if endpoint.type is not EndpointType.LB:
        raise Invalid("not allowed for LB API")
    return endpoint


def any_endpoint(db: Reader, caller: Caller, endpoint_id: str, operation: str) -> Endpoint:
    """The caller's endpoint of whatever type, if it may do `operation`. Raises NotFound."""
    require(caller, operation)
    endpoint = endpoints.get(db, endpoint_id)
    if endpoint is None or not reaches(caller, endpoint.account_id, endpoint.id):
        raise NotFound("endpoint not found")
    return endpoint


def submit(
    tx: Tx,
    podd: Platform,
    caller: Caller,
    endpoint_id: str,
    request: JobRequest,
    now: int,
    *,
    job_id: str = "",
) -> Job:
    """Queue a job, under an id of its own unless the caller has made one (`ids.job_id`). Raises NotFound for
    the endpoint, TooMany."""
    endpoint = own_endpoint(tx, caller, endpoint_id, "job.submit")
    limits = podd.settings.limits
    podd.queue_cap.check(tx, endpoint, limits)
    timeout = (
        endpoint.execution_timeout_ms if request.execution_timeout is None else request.execution_timeout
    )
    ttl = int(limits.job_ttl_seconds * 1000) if request.ttl is None else request.ttl
    job = Job(
        id=job_id or ids.job_id(request.sync),
        endpoint_id=endpoint.id,
        status=JobStatus.IN_QUEUE,
        sync=request.sync,
        attempt=0,
        retries=0,
        submitted_at=now,
        enqueued_at=now,
        body=request.body,
    )
    jobs.insert(
        tx,
        job,
        low_priority=request.low_priority,
        execution_timeout=timeout,
        expires_at=now + ttl,
        webhook=request.webhook,
    )
    _note_queued(tx, endpoint.id, job.id)
    return job


def status(db: Reader, caller: Caller, endpoint_id: str, job_id: str) -> Job:
    """The job as it is now. Raises NotFound."""
    own_endpoint(db, caller, endpoint_id, "job.read")
    return find(db, endpoint_id, job_id)


@dataclass(frozen=True, slots=True)
class Metrics:
    """What was counted of an endpoint: how many in each bin."""

    endpoint: Endpoint
    crew: list[Worker]
    measured: dict[Measure, dict[int, int]]


def metrics(db: Reader, caller: Caller, endpoint_id: str, since: int) -> Metrics:
    """The endpoint in numbers, from the hour of `since` on. Raises NotFound."""
    endpoint = own_endpoint(db, caller, endpoint_id, "job.read")
    crew = workloads.workers_of(db, endpoint.id)
    return Metrics(endpoint, crew, measures.since(db, endpoint.id, since))


def recent(db: Reader, caller: Caller, endpoint_id: str, status: JobStatus | None, limit: int) -> list[Job]:
    """The endpoint's youngest jobs, without what went in and came out. Raises NotFound."""
    endpoint = own_endpoint(db, caller, endpoint_id, "job.read")
    return jobs.youngest(db, endpoint.id, status, limit)


def cancel(tx: Tx, podd: Platform, caller: Caller, endpoint_id: str, job_id: str, now: int) -> Job:
    """End a job that is not finished; a finished one is returned as it is. Raises NotFound."""
    own_endpoint(tx, caller, endpoint_id, "job.cancel")
    job = find(tx, endpoint_id, job_id)
    if not job.final:
        end(tx, podd, job, JobStatus.CANCELLED, now=now)
        tx.note_change("jobs", job.id)
    return find(tx, endpoint_id, job_id)


def retry(tx: Tx, caller: Caller, endpoint_id: str, job_id: str, now: int) -> Job:
    """Run a failed job once more, with nothing kept of what it came to before. Raises Invalid, NotFound."""
    own_endpoint(tx, caller, endpoint_id, "job.submit")
    job = find(tx, endpoint_id, job_id)
    if job.status not in (JobStatus.FAILED, JobStatus.TIMED_OUT):
        raise Invalid(f"Only a FAILED or TIMED_OUT job can be retried; this one is {job.status.value}.")
    if not jobs.retry(tx, job, now):
        raise Invalid("The worker has not let go of the job yet; retry it in a few seconds.")
    tx.note_change("jobs", job.id)
    chunks.strike_all(tx, job.id)
    _note_queued(tx, endpoint_id, job.id)
    return find(tx, endpoint_id, job_id)


PURGE_AT_ONCE = 500


def purge(
    tx: Tx, podd: Platform, caller: Caller, endpoint_id: str, until: int | None, now: int
) -> tuple[int, int | None]:
    """Cancel jobs that wait in the queue, some hundred at a time: how many, and what to call it again with
    (as `until`) while there may be more; None when all that waited at the first call are gone. Raises
    NotFound."""
    own_endpoint(tx, caller, endpoint_id, "job.cancel")
    until = jobs.last_number(tx) if until is None else until
    found = jobs.queued(tx, endpoint_id, until=until, limit=PURGE_AT_ONCE)
    for job in found:
        end(tx, podd, job, JobStatus.CANCELLED, now=now)
        tx.note_change("jobs", job.id)
    return len(found), until if len(found) == PURGE_AT_ONCE else None


def give_back(tx: Tx, podd: Platform, worker_id: str, *, counted: bool, now: int) -> None:
    """The worker is gone or going: its jobs return to the queue. `counted` if it is the job's own loss."""
    for held in jobs.held_by(tx, worker_id):
        lose(tx, podd, held, counted=counted, now=now)
    jobs.note_all_stopped(tx, worker_id, asked_before=now)


def find(db: Reader, endpoint_id: str, job_id: str) -> Job:
    job = jobs.get(db, endpoint_id, job_id)
    if job is None:
        raise NotFound("job not found")
    return job


def end(
    tx: Tx,
    podd: Platform,
    job: Job,
    status: JobStatus,
    *,
    output: str | None = None,
    error: str | None = None,
    now: int,
) -> None:
    """Move a job to its final state, count it, tell those who wait, and let its worker go on."""
    assert status in FINAL, "only final states end a job"
    limits = podd.settings.limits
    kept = limits.sync_result_seconds if job.sync else limits.async_result_seconds
    webhook = jobs.end(
        tx,
        job,
        status,
        from_status=job.status,
        output=output,
        error=error,
        ended_at=now,
        forget_at=now + int(kept * 1000),
    )
    if webhook is None:
        return
    tx.tell(
        "job ended",
        job=job.id,
        endpoint=job.endpoint_id,
        status=status.value,
        attempt=job.attempt,
        **(
            {"waited_ms": job.taken_at - job.enqueued_at, "ran_ms": now - job.taken_at}
            if job.taken_at
            else {}
        ),
    )
    if webhook and status in TOLD:
        webhooks.put(tx, webhook, job.id, now)
        tx.ring(WEBHOOKS)
    if status is not JobStatus.CANCELLED:
        outcome = Measure.COMPLETED if status is JobStatus.COMPLETED else Measure.FAILED
        endpoints.count(tx, job.endpoint_id, outcome.value)
        measures.note(tx, job.endpoint_id, _times(job, outcome, now), now)
    if job.status is JobStatus.IN_PROGRESS:
        if status in (JobStatus.CANCELLED, JobStatus.TIMED_OUT):
            jobs.ask_stop(tx, job.id, now)
            tx.ring(worker_bell(job.worker_id))
        note_idle(tx, job.worker_id, now)
    tx.ring(job_bell(job.id))
    tx.ring(end_bell(job.id))


def note_idle(tx: Tx, worker_id: str, now: int) -> None:
    """The worker may have nothing to do any more."""
    if workloads.note_idle(tx, worker_id, now):
        tx.ring(AUTOSCALE)


def lose(tx: Tx, podd: Platform, held: Held, *, counted: bool, now: int) -> None:
    """This attempt is lost: back to the front of the queue, or failed if that has happened too often."""
    if counted and held.retries >= podd.settings.limits.job_retries:
        job = find(tx, held.endpoint_id, held.id)
        end(tx, podd, job, JobStatus.FAILED, error=rules.lost_message(held.retries), now=now)
        return
    if jobs.requeue(tx, held, counted=counted, now=now):
        chunks.strike_all(tx, held.id)  # the next attempt streams them again
        tx.tell("job requeued", job=held.id, endpoint=held.endpoint_id, attempt=held.attempt, counted=counted)
        if counted:
            endpoints.count(tx, held.endpoint_id, "retried")
            measures.note(tx, held.endpoint_id, {Measure.RETRIED: None}, now)
        tx.ring(queue_bell(held.endpoint_id))
        tx.ring(job_bell(held.id))
        tx.ring(AUTOSCALE)


def _times(job: Job, outcome: Measure, now: int) -> dict[Measure, int | None]:
    if job.taken_at is None:
        return {outcome: None}
    return {outcome: now - job.taken_at, Measure.DELAY: job.taken_at - job.enqueued_at}


def _note_queued(tx: Tx, endpoint_id: str, job_id: str) -> None:
    tx.tell("job queued", job=job_id, endpoint=endpoint_id)
    tx.ring(queue_bell(endpoint_id))
    tx.ring(AUTOSCALE)
