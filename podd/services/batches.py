"""Batches of jobs: drafts that their owner fills, finalizes and watches.

Thousands of requests go into the queue, or out of it, a few hundred in a transaction (`advance`): other verbs
get their turn in between, and what a crash cut off is taken up by the tick.
"""

from podd.domain.account import Caller
from podd.domain.batch import Batch, BatchCounts, BatchStatus, BatchWish
from podd.domain.errors import Invalid, NotFound, TooMany
from podd.domain.job import JobStatus
from podd.services import jobs
from podd.services.platform import AUTOSCALE, Platform, queue_bell
from podd.store import batches, endpoints
from podd.store.batches import Request
from podd.store.db import Reader, Tx

Shown = tuple[Batch, BatchCounts]

AT_ONCE = 500


def create(
    tx: Tx, podd: Platform, caller: Caller, endpoint_id: str, batch_id: str, wish: BatchWish, now: int
) -> Shown:
    """A new draft. Raises Invalid, NotFound for the endpoint, TooMany."""
    endpoint = jobs.own_endpoint(tx, caller, endpoint_id, "job.submit")
    most = podd.settings.limits.batches_active
    if batches.active(tx, endpoint.id) >= most:
        raise TooMany(f"No more than {most} batches of an endpoint can be active; finish or cancel one.")
    batch = Batch(
        id=batch_id,
        endpoint_id=endpoint.id,
        name=wish.name or "",
        status=BatchStatus.DRAFT,
        created_at=now,
    )
    batches.insert(tx, batch)
    _add(tx, podd, batch, wish)
    return _shown(tx, batch)


def add(tx: Tx, podd: Platform, caller: Caller, endpoint_id: str, batch_id: str, wish: BatchWish) -> Shown:
    """More requests for a draft. Raises Invalid, NotFound, TooMany."""
    batch = _draft(tx, caller, endpoint_id, batch_id)
    _add(tx, podd, batch, wish)
    return _shown(tx, batch)


def remove(tx: Tx, caller: Caller, endpoint_id: str, batch_id: str, request_id: str) -> Shown:
    """Take a request out of a draft. Raises Invalid, NotFound."""
    batch = _draft(tx, caller, endpoint_id, batch_id)
    if not batches.remove(tx, batch.id, request_id):
        raise NotFound("request not found")
    return _shown(tx, batch)


def rename(tx: Tx, caller: Caller, endpoint_id: str, batch_id: str, name: str | None) -> Shown:
    """Give it another name; None changes nothing. Raises NotFound."""
    batch = _own(tx, caller, endpoint_id, batch_id, "job.submit")
    if name is not None:
        batches.change(tx, batch.id, name=name)
    return _shown(tx, _own(tx, caller, endpoint_id, batch_id, "job.submit"))


def finalize(tx: Tx, caller: Caller, endpoint_id: str, batch_id: str, now: int) -> None:
    """The draft is complete and may run; then `advance` it. Raises Invalid, NotFound."""
    batch = _draft(tx, caller, endpoint_id, batch_id)
    if not batches.counts(tx, batch).total:
        raise Invalid("The batch has no requests; add some before it is finalized.")
    batches.change(tx, batch.id, status=BatchStatus.FINALIZED.value, finalized_at=now)
    tx.tell("batch finalized", batch=batch.id, endpoint=endpoint_id)


def cancel(tx: Tx, caller: Caller, endpoint_id: str, batch_id: str) -> None:
    """Nothing more of it is to begin; what runs goes on. Then `advance` it. Raises NotFound."""
    batch = _own(tx, caller, endpoint_id, batch_id, "job.cancel")
    if batch.ended_at is None and batch.status is not BatchStatus.CANCELLED:
        batches.change(tx, batch.id, status=BatchStatus.CANCELLED.value)
        tx.tell("batch cancelled", batch=batch.id, endpoint=endpoint_id)


def advance(tx: Tx, podd: Platform, endpoint_id: str, batch_id: str, now: int) -> bool:
    """The next step of what was decided: requests go into the queue, or out of it. Whether that was all."""
    batch, endpoint = batches.get(tx, endpoint_id, batch_id), endpoints.get(tx, endpoint_id)
    if batch is None or endpoint is None or batch.ended_at is not None:
        return True
    moved = 0
    if batch.status is BatchStatus.FINALIZED:
        moved = batches.enqueue(
            tx,
            batch,
            execution_timeout=endpoint.execution_timeout_ms,
            ttl=int(podd.settings.limits.job_ttl_seconds * 1000),
            now=now,
            limit=AT_ONCE,
        )
        if moved:
            tx.ring(queue_bell(endpoint.id))
            tx.ring(AUTOSCALE)
    elif batch.status is BatchStatus.CANCELLED:
        queued = batches.queued(tx, batch.id, AT_ONCE)
        for job_id in queued:
            jobs.end(tx, podd, jobs.find(tx, endpoint.id, job_id), JobStatus.CANCELLED, now=now)
        moved = len(queued)
    if moved < AT_ONCE and batch.status is not BatchStatus.DRAFT:
        batches.note_end(tx, batch, now)
    return moved < AT_ONCE


def tick(tx: Tx, podd: Platform, now: int) -> None:
    """Batches that go on, that have ended, and that are to be forgotten."""
    for batch in batches.under_way(tx):
        advance(tx, podd, batch.endpoint_id, batch.id, now)
    batches.forget(tx, now - int(podd.settings.limits.batch_result_seconds * 1000))


def show(db: Reader, caller: Caller, endpoint_id: str, batch_id: str) -> Shown:
    """Raises NotFound."""
    return _shown(db, _own(db, caller, endpoint_id, batch_id, "job.read"))


def every(db: Reader, caller: Caller, endpoint_id: str, offset: int, limit: int) -> tuple[list[Shown], int]:
    """The endpoint's batches, newest first, and how many there are. Raises NotFound."""
    endpoint = jobs.own_endpoint(db, caller, endpoint_id, "job.read")
    found = batches.of_endpoint(db, endpoint.id, offset, limit)
    return [_shown(db, batch) for batch in found], batches.how_many(db, endpoint.id)


def requests(
    db: Reader, podd: Platform, caller: Caller, endpoint_id: str, batch_id: str, offset: int, limit: int
) -> tuple[list[Request], int]:
    """The batch's requests in the order they were added, and how many there are. Raises NotFound."""
    batch = _own(db, caller, endpoint_id, batch_id, "job.read")
    size = podd.settings.limits.stream_read_bytes
    found = batches.requests(db, batch, offset=offset, limit=limit, size=size)
    return found, batches.counts(db, batch).total


# Private


def _own(db: Reader, caller: Caller, endpoint_id: str, batch_id: str, operation: str) -> Batch:
    jobs.own_endpoint(db, caller, endpoint_id, operation)
    batch = batches.get(db, endpoint_id, batch_id)
    if batch is None:
        raise NotFound("batch not found")
    return batch


def _draft(db: Reader, caller: Caller, endpoint_id: str, batch_id: str) -> Batch:
    batch = _own(db, caller, endpoint_id, batch_id, "job.submit")
    if batch.status is not BatchStatus.DRAFT:
        raise Invalid(f"Only a DRAFT batch can be changed; this one is {batch.status.value}.")
    return batch


def _add(tx: Tx, podd: Platform, batch: Batch, wish: BatchWish) -> None:
    limits, more = podd.settings.limits, len(wish.requests)
    if more and batches.counts(tx, batch).total + more > limits.batch_requests:
        raise Invalid(f"A batch can have no more than {limits.batch_requests} requests.")
    if more and batches.waiting(tx, batch.endpoint_id) + more > limits.batch_queued_requests:
        raise TooMany(
            f"No more than {limits.batch_queued_requests} requests of an endpoint's batches can wait."
        )
    for request in wish.requests:
        batches.add(tx, batch.id, request)


def _shown(db: Reader, batch: Batch) -> Shown:
    return batch, batches.counts(db, batch)
