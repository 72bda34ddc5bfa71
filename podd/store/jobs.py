"""Jobs. Every change of state names the state and the attempt it starts from; none changed, none moved.

Where a question could also be answered from the index of all jobs of an endpoint, it names the index of the
few it is about: SQLite takes the two for equally good, and would read through every finished job.
"""

from dataclasses import dataclass

from podd.domain.job import Job, JobStatus
from podd.store.db import Reader, Row, Tx

# Order of hand-out: jobs that were lost once, then the normal ones, those of low priority, those of batches.
RANK_REQUEUED, RANK_NORMAL, RANK_LOW, RANK_BATCH = 0, 1, 2, 3

# What may start workers: jobs of low priority wait for one that is there.
_SCALES = f"rank IN ({RANK_REQUEUED}, {RANK_NORMAL}, {RANK_BATCH})"

LATELY = 5_000
"""A sign of life this young (ms) need not be renewed."""

COLUMNS = (
    "id, endpoint_id, status, sync, attempt, retries, submitted_at, enqueued_at, taken_at, ended_at, "
    "worker_id, body_json, progress_json, output_json, error"
)

# As COLUMNS, without what may be megabytes.
_LEAN = COLUMNS.replace(
    "body_json, progress_json, output_json",
    "'{}' AS body_json, NULL AS progress_json, NULL AS output_json",
)


@dataclass(frozen=True, slots=True)
class Counts:
    queued: int
    in_progress: int


@dataclass(frozen=True, slots=True)
class Held:
    """A job a worker has: when it was handed out, and when the worker last showed that it has it; `adopted`
    when that was before this podd started."""

    id: str
    endpoint_id: str
    worker_id: str
    attempt: int
    retries: int
    taken_at: int
    seen_at: int
    adopted: bool


def insert(
    tx: Tx, job: Job, *, low_priority: bool, execution_timeout: int, expires_at: int, webhook: str = ""
) -> None:
    tx.insert(
        "jobs",
        {
            "id": job.id,
            "endpoint_id": job.endpoint_id,
            "status": job.status.value,
            "sync": job.sync,
            "rank": RANK_LOW if low_priority else RANK_NORMAL,
            "submitted_at": job.submitted_at,
            "enqueued_at": job.enqueued_at,
            "execution_timeout": execution_timeout,
            "expires_at": expires_at,
            "webhook": webhook,
            "body_json": job.body,
        },
    )


def get(db: Reader, endpoint_id: str, job_id: str) -> Job | None:
    row = db.row(f"SELECT {COLUMNS} FROM jobs WHERE id = ? AND endpoint_id = ?", (job_id, endpoint_id))
    return job_of(row) if row else None


def held_job(db: Reader, worker_id: str, job_id: str) -> Job | None:
    """The job, if this worker has it, without body, progress and output."""
    row = db.row(
        f"SELECT {_LEAN} FROM jobs WHERE id = ? AND worker_id = ? AND status = 'IN_PROGRESS'",
        (job_id, worker_id),
    )
    return job_of(row) if row else None


def youngest(db: Reader, endpoint_id: str, status: JobStatus | None, limit: int) -> list[Job]:
    """The youngest jobs, youngest first, without body, progress and output."""
    rows = db.rows(
        f"SELECT {_LEAN} FROM jobs WHERE endpoint_id = :endpoint AND (:status IS NULL OR status = :status) "
        "ORDER BY seq DESC LIMIT :limit",
        {"endpoint": endpoint_id, "status": status and status.value, "limit": limit},
    )
    return [job_of(row) for row in rows]


def take(tx: Tx, endpoint_id: str, worker_id: str, limit: int, now: int) -> list[Job]:
    """Hand the next jobs to the worker."""
    rows = tx.rows(
        "UPDATE jobs SET status = 'IN_PROGRESS', worker_id = :worker, taken_at = :now, seen_at = :now, "
        "adopted = 0, attempt = attempt + 1, progress_json = NULL WHERE seq IN (SELECT seq FROM jobs "
        "WHERE endpoint_id = :endpoint AND status = 'IN_QUEUE' ORDER BY rank, seq LIMIT :limit) "
        f"RETURNING {COLUMNS}, rank, seq",
        {"worker": worker_id, "now": now, "endpoint": endpoint_id, "limit": limit},
    )
    rows.sort(key=lambda row: (row.pop("rank"), row.pop("seq")))
    return [job_of(row) for row in rows]


def end(
    tx: Tx,
    job: Job | Held,
    status: JobStatus,
    *,
    from_status: JobStatus,
    output: str | None = None,
    error: str | None = None,
    ended_at: int,
    forget_at: int,
) -> str | None:
    """Move a job to a final state, from `from_status` of the attempt in hand: where its end is to be told,
    "" for nowhere. None if it is not in that state any more. Jobs of a batch are forgotten with it."""
    row = tx.row(
        "UPDATE jobs SET status = ?, output_json = ?, error = ?, ended_at = ?, "
        "forget_at = CASE WHEN batch_id IS NULL THEN ? END, "
        "progress_json = NULL WHERE id = ? AND status = ? AND attempt = ? RETURNING webhook",
        (status.value, output, error, ended_at, forget_at, job.id, from_status.value, job.attempt),
    )
    return row["webhook"] if row else None


def requeue(tx: Tx, job: Job | Held, *, counted: bool, now: int) -> bool:
    """Put a running job back to the front of the queue (of its priority), as of `now`; False if this
    attempt is over already."""
    return bool(
        tx.run(
            "UPDATE jobs SET status = 'IN_QUEUE', worker_id = '', taken_at = NULL, seen_at = NULL, "
            "progress_json = NULL, rank = CASE rank WHEN ? THEN rank ELSE ? END, "
            "retries = retries + ?, enqueued_at = ? "
            "WHERE id = ? AND status = 'IN_PROGRESS' AND attempt = ?",
            (RANK_LOW, RANK_REQUEUED, int(counted), now, job.id, job.attempt),
        )
    )


def retry(tx: Tx, job: Job, now: int) -> bool:
    """Queue a failed job again as if it had come now; False if it has moved on, or its last worker has not
    let go of it yet."""
    return bool(
        tx.run(
            "UPDATE jobs SET status = 'IN_QUEUE', retries = 0, enqueued_at = :now, submitted_at = :now, "
            "expires_at = expires_at - submitted_at + :now, forget_at = NULL, worker_id = '', "
            "taken_at = NULL, seen_at = NULL, ended_at = NULL, output_json = NULL, error = NULL, "
            "rank = CASE rank WHEN :low THEN rank ELSE :normal END "
            "WHERE id = :id AND status = :status AND attempt = :attempt AND stop_asked_at IS NULL",
            {
                "now": now,
                "low": RANK_LOW,
                "normal": RANK_NORMAL,
                "id": job.id,
                "status": job.status.value,
                "attempt": job.attempt,
            },
        )
    )


def queued(db: Reader, endpoint_id: str, *, until: int, limit: int) -> list[Job]:
    """Jobs in the queue that were there at `until`, of which `last_number` gave the number; those of batches
    are left out."""
    rows = db.rows(
        f"SELECT {COLUMNS} FROM jobs "
        "WHERE endpoint_id = ? AND status = 'IN_QUEUE' AND rank < ? AND seq <= ? LIMIT ?",
        (endpoint_id, RANK_BATCH, until, limit),
    )
    return [job_of(row) for row in rows]


def last_number(db: Reader) -> int:
    """The number of the youngest job there is."""
    number: int | None = db.value("SELECT MAX(seq) FROM jobs")
    return number or 0


def note_progress(tx: Tx, job: Job, output: str, now: int) -> bool:
    return bool(
        tx.run(
            "UPDATE jobs SET progress_json = ?, seen_at = ? "
            "WHERE id = ? AND status = 'IN_PROGRESS' AND attempt = ?",
            (output, now, job.id, job.attempt),
        )
    )


def note_seen(tx: Tx, worker_id: str, job_ids: list[str], now: int) -> None:
    """The worker says it has these jobs; ids that are not its own are passed over."""
    for job_id in job_ids:
        tx.run(
            "UPDATE jobs SET seen_at = ? WHERE id = ? AND worker_id = ? AND status = 'IN_PROGRESS'",
            (now, job_id, worker_id),
        )


def note_seen_lately(tx: Tx, job_id: str, now: int) -> None:
    """As `note_seen`, for what comes many times a second: the row is written every few seconds only."""
    tx.run("UPDATE jobs SET seen_at = ? WHERE id = ? AND seen_at < ?", (now, job_id, now - LATELY))


def note_loop_seen(tx: Tx, worker_id: str, now: int, *, seen_before: int | None = None) -> None:
    """The worker's main loop runs. What it was given since it last showed that, it may only now get to read:
    silence about it counts from here. With `seen_before` nothing changes if it showed that since then."""
    if seen_before is not None and not tx.value(
        "SELECT 1 FROM workers WHERE id = ? AND COALESCE(loop_seen_at, 0) < ?", (worker_id, seen_before)
    ):
        return
    tx.run(
        "UPDATE jobs SET seen_at = :now WHERE worker_id = :worker AND status = 'IN_PROGRESS' "
        "AND taken_at >= (SELECT loop_seen_at FROM workers WHERE id = :worker)",
        {"now": now, "worker": worker_id},
    )
    tx.run("UPDATE workers SET loop_seen_at = ? WHERE id = ?", (now, worker_id))


def note_all_seen(tx: Tx, now: int) -> None:
    """podd was not there to hear the workers: nobody counts as silent for that time."""
    tx.run("UPDATE jobs SET seen_at = ?, adopted = 1 WHERE status = 'IN_PROGRESS'", (now,))


def held_by(db: Reader, worker_id: str) -> list[Held]:
    return _held(db, "worker_id = ?", (worker_id,))


def silent_since(db: Reader, before: int) -> list[Held]:
    """Running jobs nobody has said a word about since `before`.

    Those of a worker that is merely blocked are left out: it pings, and its main loop has not shown life
    since it was given the job, which waits unread in its socket.
    """
    blocked = (
        "SELECT 1 FROM workers WHERE workers.id = jobs.worker_id "
        "AND loop_seen_at <= jobs.taken_at AND pinged_at >= ?"
    )
    return _held(db, f"seen_at < ? AND NOT EXISTS ({blocked})", (before, before))


def shift_times(tx: Tx, by: int, *, settled_from: int, now: int) -> None:
    """The clock has jumped by `by` ms: the times of running jobs move with it, but for those that were taken
    from the clock as it is now (`settled_from` to `now`)."""
    at = {"by": by, "first": settled_from, "last": now}
    moved = ", ".join(
        f"{name} = {name} + CASE WHEN {name} BETWEEN :first AND :last THEN 0 ELSE :by END"
        for name in ("enqueued_at", "seen_at", "stop_asked_at", "stop_sent_at")
    )
    tx.run(
        f"UPDATE jobs SET taken_at = taken_at + :by, expires_at = expires_at + :by, {moved} "
        "WHERE status = 'IN_PROGRESS' AND taken_at NOT BETWEEN :first AND :last",
        at,
    )
    tx.run(
        "UPDATE jobs SET stop_asked_at = stop_asked_at + :by, stop_sent_at = stop_sent_at + :by "
        "WHERE status != 'IN_PROGRESS' AND stop_asked_at IS NOT NULL "
        "AND stop_asked_at NOT BETWEEN :first AND :last",
        at,
    )


def overtime(db: Reader, now: int) -> list[Held]:
    """Running jobs past their execution timeout."""
    return _held(db, "execution_timeout > 0 AND taken_at + execution_timeout <= ?", (now,))


def expired(db: Reader, now: int) -> list[Job]:
    """Jobs that are not finished and past their time to live."""
    rows = db.rows(
        f"SELECT {COLUMNS} FROM jobs WHERE expires_at <= ? "
        "AND status IN ('IN_QUEUE', 'IN_PROGRESS') LIMIT 500",
        (now,),
    )
    return [job_of(row) for row in rows]


def forget(tx: Tx, now: int, limit: int = 500) -> int:
    """Delete finished jobs whose time is over; how many."""
    return tx.run(
        "DELETE FROM jobs WHERE seq IN (SELECT seq FROM jobs WHERE forget_at <= ? LIMIT ?)", (now, limit)
    )


def counts(db: Reader, endpoint_id: str) -> Counts:
    return Counts(
        queued=db.value(
            "SELECT COUNT(*) FROM jobs INDEXED BY jobs_queued WHERE endpoint_id = ? AND status = 'IN_QUEUE'",
            (endpoint_id,),
        ),
        in_progress=in_progress(db, endpoint_id),
    )


def in_progress(db: Reader, endpoint_id: str) -> int:
    number: int = db.value(
        "SELECT COUNT(*) FROM jobs INDEXED BY jobs_running WHERE endpoint_id = ? AND status = 'IN_PROGRESS'",
        (endpoint_id,),
    )
    return number


def any_queued(db: Reader, endpoint_id: str) -> bool:
    return (
        db.value(
            "SELECT 1 FROM jobs INDEXED BY jobs_queued WHERE endpoint_id = ? AND status = 'IN_QUEUE' LIMIT 1",
            (endpoint_id,),
        )
        is not None
    )


def queued_up_to(db: Reader, endpoint_id: str, limit: int) -> int:
    """How many jobs are in the queue, counted up to `limit`, without those of batches."""
    number: int = db.value(
        "SELECT COUNT(*) FROM (SELECT 1 FROM jobs "
        "WHERE endpoint_id = ? AND status = 'IN_QUEUE' AND rank < ? LIMIT ?)",
        (endpoint_id, RANK_BATCH, limit),
    )
    return number


def waiting_since(db: Reader, endpoint_id: str, limit: int) -> list[int]:
    """When the oldest queued jobs that count for scaling were enqueued."""
    rows = db.rows(
        f"SELECT enqueued_at FROM jobs WHERE endpoint_id = ? AND status = 'IN_QUEUE' AND {_SCALES} "
        "ORDER BY rank, seq LIMIT ?",
        (endpoint_id, limit),
    )
    return [row["enqueued_at"] for row in rows]


def queued_for_scaling(db: Reader, endpoint_id: str, limit: int) -> int:
    """Queued jobs, those of low priority left out, counted up to `limit`."""
    number: int = db.value(
        "SELECT COUNT(*) FROM (SELECT 1 FROM jobs "
        f"WHERE endpoint_id = ? AND status = 'IN_QUEUE' AND {_SCALES} LIMIT ?)",
        (endpoint_id, limit),
    )
    return number


# Jobs to be stopped on their worker


def ask_stop(tx: Tx, job_id: str, now: int) -> None:
    tx.run("UPDATE jobs SET stop_asked_at = ? WHERE id = ?", (now, job_id))


def send_stops(tx: Tx, worker_id: str, now: int, *, sent_before: int) -> list[str]:
    """The worker's jobs to stop, and note that it is told; those it was told of since are left out."""
    rows = tx.rows(
        "UPDATE jobs SET stop_sent_at = ? WHERE worker_id = ? AND stop_asked_at IS NOT NULL "
        "AND (stop_sent_at IS NULL OR stop_sent_at <= ?) RETURNING id",
        (now, worker_id, sent_before),
    )
    return [row["id"] for row in rows]


def stops_sent(db: Reader, worker_id: str) -> list[str]:
    """Jobs the worker was told to stop and has not let go of, as far as podd knows."""
    rows = db.rows(
        "SELECT id FROM jobs WHERE worker_id = ? AND stop_asked_at IS NOT NULL AND stop_sent_at IS NOT NULL",
        (worker_id,),
    )
    return [row["id"] for row in rows]


def deaf_workers(db: Reader, *, asked_before: int) -> list[str]:
    """Workers that have not let go of a job they were to stop."""
    rows = db.rows(
        "SELECT DISTINCT worker_id FROM jobs WHERE stop_asked_at IS NOT NULL AND stop_asked_at <= ?",
        (asked_before,),
    )
    return [row["worker_id"] for row in rows]


def has_stops(db: Reader, worker_id: str) -> bool:
    """Whether the worker may still be at a job that it was, or will be, told to stop."""
    row = db.row("SELECT 1 FROM jobs WHERE worker_id = ? AND stop_asked_at IS NOT NULL", (worker_id,))
    return row is not None


def note_stopped(tx: Tx, worker_id: str, job_id: str) -> None:
    tx.run(
        "UPDATE jobs SET stop_asked_at = NULL, stop_sent_at = NULL WHERE id = ? AND worker_id = ?",
        (job_id, worker_id),
    )


def note_all_stopped(tx: Tx, worker_id: str, *, asked_before: int) -> None:
    tx.run(
        "UPDATE jobs SET stop_asked_at = NULL, stop_sent_at = NULL "
        "WHERE worker_id = ? AND stop_asked_at IS NOT NULL AND stop_asked_at <= ?",
        (worker_id, asked_before),
    )


def _held(db: Reader, where: str, params: tuple[object, ...]) -> list[Held]:
    rows = db.rows(
        "SELECT id, endpoint_id, worker_id, attempt, retries, taken_at, seen_at, adopted FROM jobs "
        f"WHERE status = 'IN_PROGRESS' AND {where} ORDER BY seq",
        params,
    )
    return [Held(**{**row, "adopted": bool(row["adopted"])}) for row in rows]


def job_of(row: Row) -> Job:
    return Job(
        id=row["id"],
        endpoint_id=row["endpoint_id"],
        status=JobStatus(row["status"]),
        sync=bool(row["sync"]),
        attempt=row["attempt"],
        retries=row["retries"],
        submitted_at=row["submitted_at"],
        enqueued_at=row["enqueued_at"],
        taken_at=row["taken_at"],
        ended_at=row["ended_at"],
        worker_id=row["worker_id"],
        body=row["body_json"],
        progress=row["progress_json"],
        output=row["output_json"],
        error=row["error"],
    )
