"""The audit log's rows. Triggers hold them to being appended, and pruned only when they are too old."""

from dataclasses import asdict

from podd.domain.audit import Entry, Outcome, Wish
from podd.store.db import Reader, Tx

_OWNED = frozenset(
    {"workloads", "endpoints", "templates", "secrets", "registry_credentials", "network_volumes", "api_keys"}
    | {"sessions"}
)
"""Tables whose rows have an `id` and an `account_id`."""


def add(tx: Tx, entry: Entry) -> None:
    row = asdict(entry)
    del row["number"]
    tx.insert("audit", row)


def owner_of(db: Reader, table: str, key: str) -> str:
    """The account a row belongs to, if there is one."""
    if table == "accounts":
        return key
    if table not in _OWNED:
        return ""
    return str(db.value(f"SELECT account_id FROM {table} WHERE id = ?", (key,)) or "")


def some(db: Reader, wish: Wish, limit: int, before: int | None = None) -> list[Entry]:
    """The newest entries that fit, newest first; only those before the one with the number `before`."""
    where, params = _where(wish)
    if before is not None:
        where, params = [*where, "number < ?"], [*params, before]
    return _entries(db, where, params, "DESC", limit)


def after(db: Reader, wish: Wish, limit: int, number: int) -> list[Entry]:
    """The oldest entries that fit after the one with that number, oldest first."""
    where, params = _where(wish)
    return _entries(db, [*where, "number > ?"], [*params, number], "ASC", limit)


def prune(tx: Tx, before: int, most: int) -> int:
    """Delete entries of before that time, up to `most`; how many they were."""
    if not tx.value("SELECT 1 FROM audit WHERE at < ? LIMIT 1", (before,)):
        return 0
    tx.run("UPDATE audit_horizon SET before = MAX(before, ?)", (before,))
    return tx.run(
        "DELETE FROM audit WHERE number IN (SELECT number FROM audit WHERE at < ? ORDER BY at LIMIT ?)",
        (before, most),
    )


# Private


def _where(wish: Wish) -> tuple[list[str], list[str | int]]:
    where: list[str] = []
    params: list[str | int] = []

    def add(condition: str, *values: str | int) -> None:
        where.append(condition)
        params.extend(values)

    if wish.account_id:
        add("account_id = ?", wish.account_id)
    if wish.since is not None:
        add("at >= ?", wish.since)
    if wish.until is not None:
        add("at < ?", wish.until)
    if wish.who:
        add("? IN (user_id, key_id, session_id, workload_id, address)", wish.who)
    if wish.operation.endswith("."):
        add("substr(operation, 1, ?) = ?", len(wish.operation), wish.operation)
    elif wish.operation:
        add("operation = ?", wish.operation)
    if wish.thing:
        add("thing = ?", wish.thing)
    return where, params


def _entries(db: Reader, where: list[str], params: list[str | int], order: str, limit: int) -> list[Entry]:
    condition = " AND ".join(where) or "1"
    rows = db.rows(f"SELECT * FROM audit WHERE {condition} ORDER BY number {order} LIMIT ?", (*params, limit))
    return [Entry(**{**row, "outcome": Outcome(row["outcome"])}) for row in rows]
