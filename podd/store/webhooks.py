"""What is still to be told. A row holds all of its message: the job may be forgotten, or run again, before it
is delivered."""

from dataclasses import dataclass

from podd.domain.job import Job
from podd.store.db import Reader, Tx
from podd.store.jobs import COLUMNS, job_of


@dataclass(frozen=True, slots=True)
class Delivery:
    """The end of `job`, to be told to `url`. `tries` were made so far."""

    number: int
    url: str
    tries: int
    job: Job


def put(tx: Tx, url: str, job_id: str, now: int) -> None:
    """Note that the job's end is to be told."""
    tx.run(
        f"INSERT INTO webhooks (url, due_at, {COLUMNS}) SELECT ?, ?, {COLUMNS} FROM jobs WHERE id = ?",
        (url, now, job_id),
    )


def due(db: Reader, now: int, longest_pause: int, limit: int) -> list[tuple[int, str]]:
    """Number and endpoint of what is due, oldest first. What is due later than any pause lasts is due as
    well: the clock was set back."""
    rows = db.rows(
        "SELECT number, endpoint_id FROM webhooks WHERE due_at <= ? OR due_at > ? ORDER BY due_at LIMIT ?",
        (now, now + longest_pause, limit),
    )
    return [(row["number"], row["endpoint_id"]) for row in rows]


def get(db: Reader, number: int) -> Delivery | None:
    row = db.row(f"SELECT number, url, tries, {COLUMNS} FROM webhooks WHERE number = ?", (number,))
    return Delivery(row["number"], row["url"], row["tries"], job_of(row)) if row else None


def drop(tx: Tx, number: int) -> None:
    tx.run("DELETE FROM webhooks WHERE number = ?", (number,))


def put_off(tx: Tx, number: int, due_at: int) -> None:
    tx.run("UPDATE webhooks SET tries = tries + 1, due_at = ? WHERE number = ?", (due_at, number))
