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
            "INSERT INTO chunks (job_id, size, body_json, upto) SELECT id, :size, :chunk, :size + COALESCE("
            "(SELECT upto FROM chunks WHERE job_id = :job ORDER BY seq DESC LIMIT 1), 0) FROM jobs "
            "WHERE id = :job AND worker_id = :worker AND status = 'IN_PROGRESS'",
            {"size": len(chunk.encode()), "chunk": chunk, "job": job_id, "worker": worker_id},
        )
    )


def unread_bytes(db: Reader, job_id: str) -> int:
    """How many bytes of the job nobody has read."""
    first, last = (
        db.row(f"SELECT upto, size FROM chunks WHERE job_id = ? ORDER BY seq {order} LIMIT 1", (job_id,))
        for order in ("ASC", "DESC")
    )
    return last["upto"] - first["upto"] + first["size"] if first and last else 0


def unread(db: Reader, job_id: str, *, most: int, size: int) -> Unread:
    """The oldest chunks of the job: at most `most`, and no more once they have `size` bytes."""
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
