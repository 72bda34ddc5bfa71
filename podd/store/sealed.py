"""Everything that is kept sealed, as one list: a new sealed column belongs in it."""

from collections.abc import Callable

from podd.store.db import Reader, Tx

_SEALED = (("secrets", "sealed_value", "secret"), ("registry_credentials", "sealed_password", "registry"))
"""Table, column, and what the purpose of a seal there begins with; the rest is the row's id."""


def reseal(tx: Tx, change: Callable[[str, str], str]) -> int:
    """Put `change(sealed, purpose)` in the place of each sealed text; how many there are."""
    count = 0
    for table, column, kind in _SEALED:
        for row in tx.rows(f"SELECT id, {column} AS sealed FROM {table}"):
            tx.update(table, row["id"], {column: change(row["sealed"], f"{kind}:{row['id']}")})
            count += 1
    return count


def key_names(db: Reader) -> set[str]:
    """The keys that sealed texts name."""
    return {
        row["sealed"].partition(":")[0]
        for table, column, _ in _SEALED
        for row in db.rows(f"SELECT {column} AS sealed FROM {table}")
    }
