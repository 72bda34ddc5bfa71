"""Single facts about this installation: its instance id, the last boot it saw."""

from podd.store.db import Reader, Tx


def get(db: Reader, key: str) -> str | None:
    value: str | None = db.value("SELECT value FROM meta WHERE key = ?", (key,))
    return value


def put(tx: Tx, key: str, value: str) -> None:
    tx.run(
        "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", (key, value)
    )
