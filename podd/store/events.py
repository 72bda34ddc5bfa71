"""What happened to a workload, an endpoint or the machine: the lines of its system log."""

from dataclasses import dataclass

from podd.store import notices
from podd.store.db import Reader, Tx


@dataclass(frozen=True, slots=True)
class Event:
    at: int
    kind: str
    text: str
    id: int = 0


def bell(subject: str) -> str:
    """Rings when something happened to the subject."""
    return f"events:{subject}"


def add(tx: Tx, subject: str, kind: str, text: str, at: int, *, private: str = "") -> None:
    """Keep the event, say it in podd's own log, and have it told to who is to be told (`domain/notice.py`).
    `private` is for its owner alone, and stays here: what a container wrote may hold secrets."""
    tx.insert("events", {"at": at, "subject": subject, "kind": kind, "text": text + private})
    tx.tell(kind, subject=subject, text=text)
    tx.ring(bell(subject))
    notices.note(tx, subject, kind, text, at)


def of(db: Reader, subject: str, limit: int = 100, after: int = 0) -> list[Event]:
    """The last `limit` events of the subject, oldest first; only those after the one with the id `after`."""
    rows = db.rows(
        "SELECT id, at, kind, text FROM events WHERE subject = ? AND id > ? ORDER BY id DESC LIMIT ?",
        (subject, after, limit),
    )
    return [Event(**row) for row in reversed(rows)]


# What an endpoint was released as is told for as long as there is the endpoint.
_KEPT = "(kind IN ('created', 'released') AND subject IN (SELECT id FROM endpoints))"


def forget_old(tx: Tx, before: int, most: int) -> int:
    """Delete events of before that time, up to `most`; how many they were."""
    return tx.run(
        "DELETE FROM events WHERE id IN "
        f"(SELECT id FROM events WHERE at < ? AND NOT {_KEPT} ORDER BY at LIMIT ?)",
        (before, most),
    )


def forget_surplus(tx: Tx, keep: int, most: int) -> int:
    """Delete all but the last `keep` events of each subject, up to `most`; how many they were."""
    crowded = tx.rows("SELECT subject FROM events GROUP BY subject HAVING COUNT(*) > ?", (keep,))
    gone = 0
    for row in crowded:
        gone += tx.run(
            "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE subject = ? AND id < "
            "(SELECT id FROM events WHERE subject = ? ORDER BY id DESC LIMIT 1 OFFSET ?) "
            f"AND NOT {_KEPT} ORDER BY id LIMIT ?)",
            (row["subject"], row["subject"], keep - 1, most - gone),
        )
    return gone
