"""The ledger: postings that are never changed, and the balances that follow from them."""

from collections.abc import Iterable

from podd.domain.ledger import Posting
from podd.domain.spending import Spent
from podd.store.db import Reader, Tx


def post(tx: Tx, posting: Posting) -> bool:
    """Write it down; False if its key was posted before."""
    return bool(
        tx.run(
            "INSERT INTO postings (key, at, source, target, amount, text, account_id, resource, group_id, "
            "item, gpu_type_id, size, lasted) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (key) DO NOTHING",
            (
                posting.key,
                posting.at,
                posting.source,
                posting.target,
                posting.amount,
                posting.text,
                posting.account_id,
                posting.resource,
                posting.group,
                posting.item,
                posting.gpu_type_id,
                posting.size,
                posting.lasted,
            ),
        )
    )


def balance(db: Reader, name: str) -> int:
    """Nano-dollars, however long the history is."""
    return int(db.value("SELECT amount FROM balances WHERE name = ?", (name,)) or 0)


def sums(db: Reader) -> dict[str, int]:
    """The balances worked out again from all postings: for checking the books."""
    rows = db.rows(
        "SELECT name, SUM(amount) AS amount FROM (SELECT source AS name, -amount AS amount FROM postings "
        "UNION ALL SELECT target, amount FROM postings) GROUP BY name"
    )
    return {row["name"]: row["amount"] for row in rows}


def balances(db: Reader) -> dict[str, int]:
    return {row["name"]: row["amount"] for row in db.rows("SELECT name, amount FROM balances")}


def spent(db: Reader, account_id: str, begin: int, end: int, items: Iterable[str]) -> list[Spent]:
    """Charges of an account from `begin` up to, not including, `end`, summed by hour and resource."""
    wanted = tuple(items)
    marks = ", ".join("?" * len(wanted))
    # A charge is written with the end of its time, which may be the very end of its hour.
    rows = db.rows(
        "SELECT (at - 1) / 3600000 * 3600000 AS hour, resource, group_id AS 'group', item, gpu_type_id, "
        "MAX(size) AS size, SUM(amount) AS amount, SUM(lasted) AS lasted FROM postings "
        f"WHERE account_id = ? AND at > ? AND at <= ? AND item IN ({marks}) "
        "GROUP BY hour, resource, group_id, item, gpu_type_id ORDER BY hour, resource, item",
        (account_id, begin, end, *wanted),
    )
    return [Spent(**row) for row in rows]


def spent_in_all(db: Reader, account_id: str) -> int:
    """All charges of an account."""
    return int(
        db.value("SELECT SUM(amount) FROM postings WHERE account_id = ? AND item <> ''", (account_id,)) or 0
    )


def of_account(db: Reader, account_id: str, limit: int = 100) -> list[Posting]:
    """The last postings of an account, newest first."""
    rows = db.rows(
        "SELECT key, at, source, target, amount, text, account_id, resource, group_id AS 'group', item, "
        "gpu_type_id, size, lasted FROM postings WHERE account_id = ? ORDER BY number DESC LIMIT ?",
        (account_id, limit),
    )
    return [Posting(**row) for row in rows]
