"""Batches, and those of their requests that are not in the queue yet. Once they are, they are jobs."""

from dataclasses import dataclass
from typing import Any

from podd import ids
from podd.domain.batch import Batch, BatchCounts, BatchStatus
from podd.domain.job import JobRequest, JobStatus
from podd.store.db import Reader, Row, Tx
from podd.store.jobs import RANK_BATCH

_COLUMNS = "id, endpoint_id, name, status, created_at, finalized_at, ended_at"
_UNFINISHED = "SELECT 1 FROM jobs WHERE batch_id = batches.id AND status IN ('IN_QUEUE', 'IN_PROGRESS')"


@dataclass(frozen=True, slots=True)
class Request:
    """A request of a batch, as a job or before it is one. `output` as JSON text."""

    id: str
    status: JobStatus
    output: str | None
    error: str | None
    taken_at: int | None
    ended_at: int | None


def insert(tx: Tx, batch: Batch) -> None:
    tx.insert(
        "batches",
        {
            "id": batch.id,
            "endpoint_id": batch.endpoint_id,
            "name": batch.name,
            "status": batch.status.value,
            "created_at": batch.created_at,
        },
    )


def change(tx: Tx, batch_id: str, **values: Any) -> None:
    tx.update("batches", batch_id, values)


def get(db: Reader, endpoint_id: str, batch_id: str) -> Batch | None:
    row = db.row(f"SELECT {_COLUMNS} FROM batches WHERE id = ? AND endpoint_id = ?", (batch_id, endpoint_id))
    return _batch(row) if row else None


def of_endpoint(db: Reader, endpoint_id: str, offset: int, limit: int) -> list[Batch]:
    """Newest first."""
    rows = db.rows(
        f"SELECT {_COLUMNS} FROM batches WHERE endpoint_id = ? ORDER BY number DESC LIMIT ? OFFSET ?",
        (endpoint_id, limit, offset),
    )
    return [_batch(row) for row in rows]


def how_many(db: Reader, endpoint_id: str) -> int:
    number: int = db.value("SELECT COUNT(*) FROM batches WHERE endpoint_id = ?", (endpoint_id,))
    return number


def active(db: Reader, endpoint_id: str) -> int:
    """How many batches of the endpoint are drafts or have requests to run."""
    number: int = db.value(
        "SELECT COUNT(*) FROM batches WHERE endpoint_id = ? AND ended_at IS NULL AND status <> 'CANCELLED'",
        (endpoint_id,),
    )
    return number


def under_way(db: Reader) -> list[Batch]:
    """Batches that are no drafts and have not ended."""
    rows = db.rows(
        f"SELECT {_COLUMNS} FROM batches "
        "WHERE ended_at IS NULL AND status IN ('FINALIZED', 'CANCELLED') ORDER BY number"
    )
    return [_batch(row) for row in rows]


def note_end(tx: Tx, batch: Batch, now: int) -> None:
    """If none of its requests is left to run, note when the last one ended."""
    tx.run(
        "UPDATE batches SET ended_at = COALESCE((SELECT MAX(ended_at) FROM jobs WHERE batch_id = :id), :now) "
        f"WHERE id = :id AND NOT EXISTS ({_UNFINISHED}) AND (status = 'CANCELLED' OR NOT EXISTS "
        "(SELECT 1 FROM batch_requests WHERE batch_id = :id))",
        {"id": batch.id, "now": now},
    )


def forget(tx: Tx, ended_before: int) -> None:
    """Delete one batch that ended so long ago, with its jobs."""
    row = tx.row(
        f"SELECT id FROM batches WHERE ended_at <= ? AND NOT EXISTS ({_UNFINISHED}) LIMIT 1", (ended_before,)
    )
    if row:
        tx.run("DELETE FROM jobs WHERE batch_id = ?", (row["id"],))
        tx.run("DELETE FROM batches WHERE id = ?", (row["id"],))


# Requests


def add(tx: Tx, batch_id: str, request: JobRequest) -> None:
    tx.insert(
        "batch_requests",
        {
            "id": ids.job_id(sync=False),
            "batch_id": batch_id,
            "execution_timeout": request.execution_timeout,
            "ttl": request.ttl,
            "webhook": request.webhook,
            "body_json": request.body,
        },
    )


def remove(tx: Tx, batch_id: str, request_id: str) -> bool:
    """Take a request out of a draft; False if it is not in there."""
    return bool(tx.run("DELETE FROM batch_requests WHERE id = ? AND batch_id = ?", (request_id, batch_id)))


def waiting(db: Reader, endpoint_id: str) -> int:
    """How many requests of the endpoint's batches are to run, drafts included."""
    number: int = db.value(
        "SELECT (SELECT COUNT(*) FROM batch_requests JOIN batches ON batches.id = batch_id "
        "WHERE endpoint_id = :endpoint AND status <> 'CANCELLED') + "
        "(SELECT COUNT(*) FROM jobs WHERE endpoint_id = :endpoint AND status = 'IN_QUEUE' AND rank = :rank)",
        {"endpoint": endpoint_id, "rank": RANK_BATCH},
    )
    return number


def enqueue(tx: Tx, batch: Batch, *, execution_timeout: int, ttl: int, now: int, limit: int) -> int:
    """Move the batch's next requests into the queue, with these times where they do not say; how many."""
    added = tx.run(
        "INSERT INTO jobs (id, endpoint_id, status, sync, rank, submitted_at, enqueued_at, "
        "execution_timeout, expires_at, webhook, body_json, batch_id) "
        "SELECT id, :endpoint, 'IN_QUEUE', 0, :rank, :now, :now, COALESCE(execution_timeout, :timeout), "
        ":now + COALESCE(ttl, :ttl), webhook, body_json, batch_id "
        "FROM batch_requests WHERE batch_id = :batch ORDER BY seq LIMIT :limit",
        {
            "endpoint": batch.endpoint_id,
            "rank": RANK_BATCH,
            "now": now,
            "timeout": execution_timeout,
            "ttl": ttl,
            "batch": batch.id,
            "limit": limit,
        },
    )
    tx.run(
        "DELETE FROM batch_requests WHERE seq IN "
        "(SELECT seq FROM batch_requests WHERE batch_id = ? ORDER BY seq LIMIT ?)",
        (batch.id, limit),
    )
    return added


def queued(db: Reader, batch_id: str, limit: int) -> list[str]:
    """Ids of the batch's jobs in the queue, at most `limit`."""
    rows = db.rows(
        "SELECT id FROM jobs WHERE batch_id = ? AND status = 'IN_QUEUE' LIMIT ?", (batch_id, limit)
    )
    return [row["id"] for row in rows]


def counts(db: Reader, batch: Batch) -> BatchCounts:
    rows = db.rows(
        "SELECT status, COUNT(*) AS number FROM jobs WHERE batch_id = ? GROUP BY status", (batch.id,)
    )
    number = {JobStatus(row["status"]): int(row["number"]) for row in rows}
    left: int = db.value("SELECT COUNT(*) FROM batch_requests WHERE batch_id = ?", (batch.id,))
    given_up = (JobStatus.FAILED, JobStatus.TIMED_OUT, JobStatus.CANCELLED)
    failed = sum(number.get(status, 0) for status in given_up)
    return BatchCounts(
        total=sum(number.values()) + left,
        in_progress=number.get(JobStatus.IN_PROGRESS, 0),
        completed=number.get(JobStatus.COMPLETED, 0),
        failed=failed + (left if batch.status is BatchStatus.CANCELLED else 0),
    )


def requests(db: Reader, batch: Batch, *, offset: int, limit: int, size: int) -> list[Request]:
    """The batch's requests in the order they were added: at most `limit`, and no more once their outputs
    have `size` characters."""
    found = db.rows(
        "SELECT id, status, output_json, error, taken_at, ended_at FROM (SELECT *, "
        "SUM(LENGTH(COALESCE(output_json, ''))) OVER (ORDER BY seq) - LENGTH(COALESCE(output_json, '')) "
        "AS before FROM jobs WHERE seq IN "
        "(SELECT seq FROM jobs WHERE batch_id = ? ORDER BY seq LIMIT ? OFFSET ?)) WHERE before < ? "
        "ORDER BY seq",
        (batch.id, limit, offset, size),
    )
    as_jobs: int = db.value("SELECT COUNT(*) FROM jobs WHERE batch_id = ?", (batch.id,))
    if offset + len(found) >= as_jobs:  # all that are jobs have been shown: the others follow
        cancelled = batch.status is BatchStatus.CANCELLED
        found += db.rows(
            "SELECT id, ? AS status, NULL AS output_json, NULL AS error, NULL AS taken_at, NULL AS ended_at "
            "FROM batch_requests WHERE batch_id = ? ORDER BY seq LIMIT ? OFFSET ?",
            (
                (JobStatus.CANCELLED if cancelled else JobStatus.IN_QUEUE).value,
                batch.id,
                limit - len(found),
                max(offset - as_jobs, 0),
            ),
        )
    return [
        Request(
            row["id"],
            JobStatus(row["status"]),
            row["output_json"],
            row["error"],
            row["taken_at"],
            row["ended_at"],
        )
        for row in found
    ]


# Private


def _batch(row: Row) -> Batch:
    return Batch(**{**row, "status": BatchStatus(row["status"])})
