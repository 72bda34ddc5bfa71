"""Parts of results that workers streamed and nobody has read yet. They go with their job."""

from dataclasses import dataclass

from podd.store.db import Reader, Tx


@dataclass(frozen=True, slots=True)
class Unread:
    """Chunks as JSON text, in the order they came, up to and including `last`; `more` are left behind."""

    chunks: list[str]
    last: int
    more: bool


NOTHING = Unread([], 0, more=False)


def add(tx: Tx, worker_id: str, job_id: str, chunk: str) -> bool:
    """Keep a chunk of a job this worker has; False if it has not."""
    return bool(
        tx.run(
            "INSERT INTO chunks (job_id, size, body_json) SELECT id, ?, ? FROM jobs "
            "WHERE id = ? AND worker_id = ? AND status = 'IN_PROGRESS'",
            (len(chunk), chunk, job_id, worker_id),
        )
    )


def unread(db: Reader, job_id: str, *, most: int, size: int) -> Unread:
    """The oldest chunks of the job: at most `most`, and no more once they have `size` characters."""
    rows = db.rows(
        "SELECT seq, body_json FROM (SELECT seq, body_json, SUM(size) OVER (ORDER BY seq) - size AS before "
        "FROM chunks WHERE job_id = ? ORDER BY seq LIMIT ?) WHERE before < ?",
        (job_id, most, size),
    )
    if not rows:
        return NOTHING
    last = rows[-1]["seq"]
    left = db.value("SELECT 1 FROM chunks WHERE job_id = ? AND seq > ? LIMIT 1", (job_id, last))
    return Unread([row["body_json"] for row in rows], last, more=left is not None)


def strike(tx: Tx, job_id: str, last: int) -> None:
    """The job's chunks up to this one have been read."""
    tx.run("DELETE FROM chunks WHERE job_id = ? AND seq <= ?", (job_id, last))


def strike_all(tx: Tx, job_id: str) -> None:
    tx.run("DELETE FROM chunks WHERE job_id = ?", (job_id,))
