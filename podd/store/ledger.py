"""The ledger: postings that are never changed, and the balances that follow from them."""

from collections.abc import Iterable

from podd.domain.ledger import Posting
from podd.domain.spending import Spent
from podd.domain.statement import Charged, Moved
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


# A charge is written with the end of its time: what ended with the month belongs to it. All else that
# happened at the first moment of a month belongs to that month.
_BEFORE = "(item <> '' AND at <= :at OR item = '' AND at < :at)"
_OF_MONTH = {
    "charges": "item <> '' AND at > :begin AND at <= :end",
    "others": "item = '' AND at >= :begin AND at < :end",
}


def balance_at(db: Reader, account_id: str, own: str, at: int) -> int:
    """What an account had at the beginning of the month that begins at that time."""
    return int(
        db.value(
            "SELECT SUM(CASE WHEN target = :own THEN amount ELSE -amount END) FROM postings "
            f"WHERE account_id = :account AND {_BEFORE}",
            {"account": account_id, "own": own, "at": at},
        )
        or 0
    )


def moved(db: Reader, account_id: str, own: str, begin: int, end: int) -> list[Moved]:
    """All but charges, in the order of time."""
    rows = db.rows(
        "SELECT at, CASE WHEN target = :own THEN amount ELSE -amount END AS amount, text FROM postings "
        f"WHERE account_id = :account AND {_OF_MONTH['others']} ORDER BY at, number",
        {"account": account_id, "own": own, "begin": begin, "end": end},
    )
    return [Moved(**row) for row in rows]


def charged(db: Reader, account_id: str, begin: int, end: int) -> list[Charged]:
    """Charges, by item and resource."""
    rows = db.rows(
        "SELECT item, resource, group_id AS 'group', gpu_type_id, SUM(amount) AS amount, "
        f"SUM(lasted) AS lasted FROM postings WHERE account_id = :account AND {_OF_MONTH['charges']} "
        "GROUP BY item, resource, group_id, gpu_type_id ORDER BY item, resource, gpu_type_id",
        {"account": account_id, "begin": begin, "end": end},
    )
    return [Charged(**row) for row in rows]


def given_by(db: Reader, account_id: str, sources: Iterable[str]) -> int:
    """What an account was given from these accounts of the ledger; over an index that has no charges."""
    names = tuple(sources)
    marks = ", ".join("?" * len(names))
    return int(
        db.value(
            f"SELECT SUM(amount) FROM postings WHERE account_id = ? AND item = '' AND source IN ({marks})",
            (account_id, *names),
        )
        or 0
    )


def spent_in_all(db: Reader, account_id: str, own: str) -> int:
    """All charges of an account: what it was given, less what is left. So old charges need not be read."""
    given = db.value(
        "SELECT SUM(CASE WHEN target = ?2 THEN amount ELSE -amount END) FROM postings "
        "WHERE account_id = ?1 AND item = ''",
        (account_id, own),
    )
    return int(given or 0) - balance(db, own)


def of_account(db: Reader, account_id: str, limit: int = 100) -> list[Posting]:
    """The last postings of an account, newest first."""
    rows = db.rows(
        "SELECT key, at, source, target, amount, text, account_id, resource, group_id AS 'group', item, "
        "gpu_type_id, size, lasted FROM postings WHERE account_id = ? ORDER BY number DESC LIMIT ?",
        (account_id, limit),
    )
    return [Posting(**row) for row in rows]
