"""Jobs as their owners see them, and the two ways an attempt can end: for good, or back to the queue.

Every end names the attempt it ends, so a late or repeated one changes nothing.
"""

from podd import ids
from podd.domain import job as rules
from podd.domain.account import Caller, require
from podd.domain.endpoint import Endpoint, EndpointType
from podd.domain.errors import Invalid, NotFound
from podd.domain.job import FINAL, Job, JobRequest, JobStatus
from podd.services.platform import AUTOSCALE, Platform, job_bell, queue_bell, worker_bell
from podd.store import endpoints, jobs, workloads
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
    if endpoint is None or endpoint.account_id != caller.account_id:
        raise NotFound("endpoint not found")
    return endpoint


def submit(tx: Tx, podd: Platform, caller: Caller, endpoint_id: str, request: JobRequest, now: int) -> Job:
    """Queue a job. Raises NotFound for the endpoint."""
    endpoint = own_endpoint(tx, caller, endpoint_id, "job.submit")
    limits = podd.settings.limits
    timeout = (
        endpoint.execution_timeout_ms if request.execution_timeout is None else request.execution_timeout
    )
    ttl = int(limits.job_ttl_seconds * 1000) if request.ttl is None else request.ttl
    job = Job(
        id=ids.job_id(request.sync),
        endpoint_id=endpoint.id,
        status=JobStatus.IN_QUEUE,
        sync=request.sync,
        attempt=0,
        retries=0,
        submitted_at=now,
        enqueued_at=now,
        body=request.body,
    )
    jobs.insert(tx, job, low_priority=request.low_priority, execution_timeout=timeout, expires_at=now + ttl)
    tx.tell("job queued", job=job.id, endpoint=endpoint.id)
    tx.ring(queue_bell(endpoint.id))
    tx.ring(AUTOSCALE)
    return job


def status(db: Reader, caller: Caller, endpoint_id: str, job_id: str) -> Job:
    """The job as it is now. Raises NotFound."""
    own_endpoint(db, caller, endpoint_id, "job.read")
    return find(db, endpoint_id, job_id)


def cancel(tx: Tx, podd: Platform, caller: Caller, endpoint_id: str, job_id: str, now: int) -> Job:
    """End a job that is not finished; a finished one is returned as it is. Raises NotFound."""
    own_endpoint(tx, caller, endpoint_id, "job.cancel")
    job = find(tx, endpoint_id, job_id)
    if not job.final:
        end(tx, podd, job, JobStatus.CANCELLED, now=now)
    return find(tx, endpoint_id, job_id)


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
    moved = jobs.end(
        tx,
        job,
        status,
        from_status=job.status,
        output=output,
        error=error,
        ended_at=now,
        forget_at=now + int(kept * 1000),
    )
    if not moved:
        return
    tx.tell("job ended", job=job.id, endpoint=job.endpoint_id, status=status.value, attempt=job.attempt)
    if status is JobStatus.COMPLETED:
        endpoints.count(tx, job.endpoint_id, "completed")
    elif status is not JobStatus.CANCELLED:
        endpoints.count(tx, job.endpoint_id, "failed")
    if job.status is JobStatus.IN_PROGRESS:
        if status in (JobStatus.CANCELLED, JobStatus.TIMED_OUT):
            jobs.ask_stop(tx, job.id, now)
            tx.ring(worker_bell(job.worker_id))
        note_idle(tx, job.worker_id, now)
    tx.ring(job_bell(job.id))


def note_idle(tx: Tx, worker_id: str, now: int) -> None:
    if not jobs.held_by(tx, worker_id):
        workloads.change_worker(tx, worker_id, idle_since=now)
        tx.ring(AUTOSCALE)


def lose(tx: Tx, podd: Platform, held: Held, *, counted: bool, now: int) -> None:
    """This attempt is lost: back to the front of the queue, or failed if that has happened too often."""
    if counted and held.retries >= podd.settings.limits.job_retries:
        job = find(tx, held.endpoint_id, held.id)
        end(tx, podd, job, JobStatus.FAILED, error=rules.lost_message(held.retries), now=now)
        return
    if jobs.requeue(tx, held, counted=counted, now=now):
        tx.tell("job requeued", job=held.id, endpoint=held.endpoint_id, attempt=held.attempt, counted=counted)
        if counted:
            endpoints.count(tx, held.endpoint_id, "retried")
        tx.ring(queue_bell(held.endpoint_id))
        tx.ring(job_bell(held.id))
        tx.ring(AUTOSCALE)
