"""The model cache of each account that has one: a volume that the workers of its endpoints share."""

from dataclasses import dataclass

from podd.store.db import Reader, Tx


@dataclass(frozen=True, slots=True)
class ModelCache:
    """`size` in GB. `used_at`: when, to an hour, an endpoint last had a model. `leaving`: its files are being
    removed, which went wrong `failures` times."""

    account_id: str
    size: int
    used_at: int
    leaving: bool = False
    failures: int = 0


def insert(tx: Tx, cache: ModelCache) -> None:
    tx.insert("model_caches", {"account_id": cache.account_id, "size": cache.size, "used_at": cache.used_at})


def of_account(db: Reader, account_id: str) -> ModelCache | None:
    found = _caches(db, "account_id = ?", (account_id,))
    return found[0] if found else None


def grow(tx: Tx, account_id: str, size: int) -> None:
    tx.run("UPDATE model_caches SET size = ? WHERE account_id = ?", (size, account_id))


# An endpoint wants it, or a worker that mounts it is in the books: it is there until its container is gone.
_USED = (
    "EXISTS (SELECT 1 FROM endpoints WHERE endpoints.account_id = model_caches.account_id AND model != '') "
    "OR EXISTS (SELECT 1 FROM workloads WHERE workloads.account_id = model_caches.account_id "
    "AND kind = 'worker')"
)


def used_before(db: Reader, at: int) -> list[str]:
    """Accounts whose caches are in use and were not noted to be since then."""
    rows = db.rows(f"SELECT account_id FROM model_caches WHERE used_at < ? AND ({_USED})", (at,))
    return [row["account_id"] for row in rows]


def note_used(tx: Tx, account_ids: list[str], now: int) -> None:
    for account_id in account_ids:
        tx.run("UPDATE model_caches SET used_at = ? WHERE account_id = ?", (now, account_id))


def unused_since(db: Reader, before: int) -> list[str]:
    rows = db.rows(
        f"SELECT account_id FROM model_caches WHERE NOT leaving AND used_at <= ? AND NOT ({_USED})", (before,)
    )
    return [row["account_id"] for row in rows]


def retire(tx: Tx, before: int) -> None:
    """Those that nobody has used since then are to go; from now on nobody gets them any more."""
    tx.run(
        f"UPDATE model_caches SET leaving = 1 WHERE NOT leaving AND used_at <= ? AND NOT ({_USED})", (before,)
    )


def to_remove(db: Reader, now: int) -> list[ModelCache]:
    return _caches(db, "leaving AND retry_at <= ?", (now,))


def note_problem(tx: Tx, account_id: str, problem: str, failures: int, retry_at: int) -> None:
    tx.run(
        "UPDATE model_caches SET problem = ?, failures = ?, retry_at = ? WHERE account_id = ?",
        (problem, failures, retry_at, account_id),
    )


def forget(tx: Tx, account_id: str) -> None:
    tx.run("DELETE FROM model_caches WHERE account_id = ? AND leaving", (account_id,))


def promised(db: Reader) -> int:
    """GB of all caches, those included whose files are still to be removed."""
    total: int = db.value("SELECT COALESCE(SUM(size), 0) FROM model_caches")
    return total


def in_trouble(db: Reader) -> list[str]:
    rows = db.rows("SELECT account_id, problem FROM model_caches WHERE problem != '' ORDER BY account_id")
    return [f"model cache of {row['account_id']} {row['problem']}" for row in rows]


# Private


def _caches(db: Reader, where: str, params: tuple[str | int, ...]) -> list[ModelCache]:
    rows = db.rows(
        f"SELECT account_id, size, used_at, leaving, failures FROM model_caches WHERE {where} "
        "ORDER BY account_id",
        params,
    )
    return [ModelCache(**{**row, "leaving": bool(row["leaving"])}) for row in rows]
