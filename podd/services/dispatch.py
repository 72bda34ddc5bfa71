"""Jobs between podd and its workers: handed out, reported on, stopped, and missed when they get lost.

A job is handed out by marking it IN_PROGRESS for one worker and one attempt. A job whose worker turns out
not to have it goes back to the front of the queue.
"""

import hmac
from dataclasses import dataclass

from podd.domain import job as rules
from podd.domain.errors import Unauthenticated
from podd.domain.job import Job, JobStatus, Progress, Result
from podd.domain.measure import HOUR, Measure
from podd.domain.workload import Desired, Phase
from podd.services import batches, workers
from podd.services.jobs import end, find, lose, note_idle
from podd.services.platform import AUTOSCALE, Platform, job_bell, queue_bell, worker_bell
from podd.store import chunks, events, jobs, measures, workloads
from podd.store.db import Reader, Tx
from podd.store.workloads import Door


@dataclass(frozen=True, slots=True)
class Badge:
    """Who a worker's request says it comes from. An `old_sdk` may ask again before it notes what it got."""

    endpoint_id: str
    worker_id: str
    key: str
    old_sdk: bool = False


def admit(db: Reader, podd: Platform, badge: Badge) -> Door | None:
    """The worker's door, if the key is that of its present container; None for a container of the past, or
    of an endpoint that is deleted: its words change nothing any more. Raises Unauthenticated."""
    door = workloads.door(db, badge.worker_id)
    if door is not None and door.endpoint_id != badge.endpoint_id:
        raise Unauthenticated("invalid api key")
    newest = door.generation if door else workloads.generation_of_orphan(db, badge.worker_id)
    shown = badge.key.encode()
    oldest = newest - 1 - podd.settings.limits.past_worker_keys
    for generation in range(newest, max(oldest, 0), -1):
        if hmac.compare_digest(shown, podd.keys.worker(badge.worker_id, generation).encode()):
            return door if generation == newest else None
    raise Unauthenticated("invalid api key")


@dataclass(frozen=True, slots=True)
class Refused:
    """No jobs for this worker: its door is closed, or it is a container of the past."""


def take(
    tx: Tx,
    podd: Platform,
    badge: Badge,
    limit: int,
    holds_nothing: bool,
    now: int,
    *,
    again: bool = False,
) -> list[Job] | Refused:
    """Hand the next jobs to a worker, at most `limit`; an empty list when none is due.

    `holds_nothing` is the worker's own word that it has no job: any that podd still counts as handed to it
    is lost, and goes back to the queue first. `again`: for a request that has been held since, which shows
    no new life. The first take of a container ends its cold start. Raises Unauthenticated.
    """
    door = admit(tx, podd, badge)
    worker_id = badge.worker_id
    if door is None or door.desired is not Desired.RUNNING or door.frozen_at is not None:
        return Refused()
    if door.ready_at is None:
        workloads.change_worker(tx, worker_id, ready_at=now, idle_since=now, thawed_at=None)
        events.add(tx, worker_id, "ready", "the worker asked for its first job", now)
        _measure_cold_start(tx, worker_id, now)
        tx.ring(AUTOSCALE)
    if not again:
        jobs.note_loop_seen(tx, worker_id, now)
    if holds_nothing:
        _recover(tx, podd, badge, now)
    if door.closed:
        workers.move_on_when_empty(tx, podd, worker_id, now)
        return Refused()
    taken = jobs.take(tx, door.endpoint_id, worker_id, limit, now)
    if taken:
        workloads.change_worker(tx, worker_id, idle_since=None, crashes=0)
        if jobs.any_queued(tx, door.endpoint_id):
            tx.ring(queue_bell(door.endpoint_id))  # of those who wait in line it woke only one
    for job in taken:
        tx.tell("job taken", job=job.id, endpoint=job.endpoint_id, worker=worker_id, attempt=job.attempt)
        tx.ring(job_bell(job.id))
    return taken


def chunk(tx: Tx, podd: Platform, badge: Badge, job_id: str, parts: list[str], now: int) -> None:
    """A worker streams a part of its result, as one or more chunks: a sign of life as well. Parts of a job
    it has not are accepted and change nothing; a job of which too much is unread fails. Raises
    Unauthenticated."""
    if admit(tx, podd, badge) is None:
        return
    jobs.note_loop_seen(tx, badge.worker_id, now, seen_before=now - jobs.LATELY)
    if not all(chunks.add(tx, badge.worker_id, job_id, part) for part in parts):
        return
    jobs.note_seen_lately(tx, job_id, now)
    tx.ring(job_bell(job_id))
    most = podd.settings.limits.stream_unread_bytes
    if chunks.unread_bytes(tx, job_id) > most:
        _give_up_stream(tx, podd, badge.worker_id, job_id, most, now)


def unfit(tx: Tx, podd: Platform, badge: Badge, check: str, reason: str, now: int) -> None:
    """The worker says that it cannot work here, and is about to leave. Raises Unauthenticated."""
    if admit(tx, podd, badge) is None:
        return
    worker = workloads.worker(tx, badge.worker_id)
    if worker is not None and worker.workload.desired is Desired.RUNNING:
        why = f"The worker's own check {check!r} failed: {reason}"
        workers.crashed(tx, podd, worker.workload, why, now)


def put_back(tx: Tx, taken: list[Job], now: int) -> None:
    """The worker went away before it got these: as if they had never been handed out."""
    for job in taken:
        if jobs.requeue(tx, job, counted=False, now=job.enqueued_at):
            tx.ring(queue_bell(job.endpoint_id))
        note_idle(tx, job.worker_id, now)


def post(tx: Tx, podd: Platform, badge: Badge, job_id: str, posted: Progress | Result, now: int) -> None:
    """What a worker says about a job it has. Posts about anything else are accepted and change nothing.
    Raises Unauthenticated."""
    door = admit(tx, podd, badge)
    if door is None:
        return
    worker_id = badge.worker_id
    job = jobs.held_job(tx, worker_id, job_id)
    if job is None:
        jobs.note_stopped(tx, worker_id, job_id)
    elif isinstance(posted, Progress):
        jobs.note_progress(tx, job, posted.output, now)
        tx.ring(job_bell(job.id))
    else:
        end(tx, podd, job, posted.status, output=posted.output, error=posted.error, now=now)
    if isinstance(posted, Progress):  # it comes from another thread, also while the main loop is blocked
        return
    jobs.note_loop_seen(tx, worker_id, now)  # after the end: the row of the job is written only once
    if job is not None and posted.refresh:
        workloads.change_worker(tx, worker_id, doors_closed=1)
        tx.ring(worker_bell(worker_id))
    if job is not None and (door.closed or posted.refresh):
        workers.move_on_when_empty(tx, podd, worker_id, now)


def refuse_result(tx: Tx, podd: Platform, badge: Badge, job_id: str, reason: str, now: int) -> None:
    """The worker's result cannot be kept (too large, not JSON): the job fails now, with the reason."""
    job = jobs.held_job(tx, badge.worker_id, job_id) if admit(tx, podd, badge) else None
    if job is not None:
        end(tx, podd, job, JobStatus.FAILED, error=reason, now=now)


def to_stop(tx: Tx, podd: Platform, badge: Badge, now: int, *, again: bool = False) -> list[str] | Refused:
    """Jobs the worker should stop and was not told about just now; `again` as for `take`. One that is to
    leave is told as well, but not kept waiting. Raises Unauthenticated."""
    door = admit(tx, podd, badge)
    if door is None or door.frozen_at is not None:
        return Refused()
    if not again:
        jobs.note_loop_seen(tx, badge.worker_id, now)
    stops = jobs.send_stops(tx, badge.worker_id, now, sent_before=now - _stop_again(podd))
    leaving = door.closed or door.desired is not Desired.RUNNING
    return stops or (Refused() if leaving else [])


def ping(tx: Tx, podd: Platform, badge: Badge, job_ids: list[str], now: int) -> None:
    """The worker lives and has these jobs. A job to be stopped that it no longer names is stopped. Raises
    Unauthenticated."""
    if admit(tx, podd, badge) is None:
        return
    worker_id = badge.worker_id
    workloads.change_worker(tx, worker_id, pinged_at=now)
    jobs.note_seen(tx, worker_id, job_ids, now)
    for job_id in jobs.stops_sent(tx, worker_id):
        if job_id not in job_ids:
            jobs.note_stopped(tx, worker_id, job_id)


def tick(tx: Tx, podd: Platform, now: int) -> None:
    """Jobs whose time is over: to live, to run, to be heard of, to be remembered, to be stopped."""
    for job in jobs.expired(tx, now):
        end(tx, podd, job, JobStatus.TIMED_OUT, error=rules.EXPIRED_MESSAGE, now=now)
    _end_overtime(tx, podd, now)
    limits = podd.settings.limits
    silence = int(max(limits.worker_silence_seconds, limits.ping_interval_seconds * 4) * 1000)
    _lose_silent(tx, podd, now - silence, now)
    # The SDK passes over a stop for a job that it has only just got: such a worker is told again.
    for worker_id in jobs.deaf_workers(tx, asked_before=now - _stop_again(podd)):
        tx.ring(worker_bell(worker_id))
    grace = int(limits.cancel_grace_seconds * 1000)
    for worker_id in jobs.deaf_workers(tx, asked_before=now - grace):
        _force_stop(tx, podd, worker_id, now)
    batches.tick(tx, podd, now)
    jobs.forget(tx, now)
    measures.forget(tx, now - podd.settings.limits.metrics_hours * HOUR)


# Private


def _give_up_stream(tx: Tx, podd: Platform, worker_id: str, job_id: str, most: int, now: int) -> None:
    job = jobs.held_job(tx, worker_id, job_id)
    assert job is not None, "its chunk has just been kept"
    reason = f"More than {most} bytes of the stream wait to be read; read /stream while the job runs."
    end(tx, podd, job, JobStatus.FAILED, error=reason, now=now)
    jobs.ask_stop(tx, job.id, now)
    tx.ring(worker_bell(worker_id))


def _measure_cold_start(tx: Tx, worker_id: str, now: int) -> None:
    worker = workloads.worker(tx, worker_id)
    if worker is not None:
        heard = worker.workload.phase is Phase.RUNNING  # it may be quicker than what podd hears of it
        began = (worker.awaited_since if heard else None) or now
        measures.note(tx, worker.endpoint_id, {Measure.COLD_START: now - began}, now)
        tx.tell("worker ready", worker=worker_id, endpoint=worker.endpoint_id, cold_start_ms=now - began)


def _stop_again(podd: Platform) -> int:
    return int(podd.settings.limits.stop_again_seconds * 1000)


def _recover(tx: Tx, podd: Platform, badge: Badge, now: int) -> None:
    worker_id, limits = badge.worker_id, podd.settings.limits
    crossing = limits.old_sdk_take_crossing_seconds if badge.old_sdk else limits.take_crossing_seconds
    recent = now - int(crossing * 1000)
    for held in jobs.held_by(tx, worker_id):
        if held.taken_at > recent:
            continue
        # A hand-out that podd's own restart cut off is not the job's fault.
        lose(tx, podd, held, counted=not held.adopted, now=now)
    jobs.note_all_stopped(tx, worker_id, asked_before=recent)
    door = workloads.door(tx, worker_id)
    if door is not None and door.idle_since is None:
        note_idle(tx, worker_id, now)


def _end_overtime(tx: Tx, podd: Platform, now: int) -> None:
    """Jobs past their execution timeout fail, all of them before their workers are restarted: a restart
    gives back what is left."""
    overtime = jobs.overtime(tx, now)
    for held in overtime:
        job = find(tx, held.endpoint_id, held.id)
        end(tx, podd, job, JobStatus.FAILED, error=rules.EXECUTION_TIMEOUT_MESSAGE, now=now)
    for worker_id, job_id in {held.worker_id: held.id for held in overtime}.items():
        worker = workloads.worker(tx, worker_id)
        if worker is not None:
            workers.restart(tx, podd, worker, f"job {job_id} ran past its execution timeout", now, grace=0)


def _lose_silent(tx: Tx, podd: Platform, before: int, now: int) -> None:
    """Jobs nobody has said a word about since then are lost. A worker that holds nothing else has not said
    a word either: it may hang for ever, in the place of one that works."""
    silent = jobs.silent_since(tx, before)
    for held in silent:
        lose(tx, podd, held, counted=True, now=now)
    for worker_id in dict.fromkeys(held.worker_id for held in silent):
        worker = workloads.worker(tx, worker_id)
        if worker is not None and not worker.held:
            workers.restart(tx, podd, worker, "it fell silent over a job", now, grace=0)


def _force_stop(tx: Tx, podd: Platform, worker_id: str, now: int) -> None:
    """The worker did not let go of a job it was told to stop: restart it, unless others run there too."""
    worker = workloads.worker(tx, worker_id)
    if worker is None:
        jobs.note_all_stopped(tx, worker_id, asked_before=now)
    elif not worker.held:
        workers.restart(tx, podd, worker, "a cancelled job did not stop", now, grace=0)
