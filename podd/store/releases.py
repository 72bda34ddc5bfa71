"""The versions of an endpoint: when each came to be, and what it changed."""

import json
from dataclasses import dataclass

from podd.domain.rollout import Difference
from podd.store.db import Reader, Tx


@dataclass(frozen=True, slots=True)
class Release:
    version: int
    at: int
    diff: tuple[Difference, ...]


def add(tx: Tx, endpoint_id: str, version: int, at: int, diff: tuple[Difference, ...] = ()) -> None:
    entries = [[change.field, change.old, change.new] for change in diff]
    row = {"endpoint_id": endpoint_id, "version": version, "at": at, "diff_json": json.dumps(entries)}
    tx.insert("releases", row)


def of(db: Reader, endpoint_id: str, limit: int = 100) -> list[Release]:
    """The last `limit` releases, newest first."""
    rows = db.rows(
        "SELECT version, at, diff_json FROM releases WHERE endpoint_id = ? ORDER BY version DESC LIMIT ?",
        (endpoint_id, limit),
    )
    return [
        Release(
            row["version"], row["at"], tuple(Difference(*entry) for entry in json.loads(row["diff_json"]))
        )
        for row in rows
    ]
