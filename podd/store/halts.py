"""Accounts that run out of credit: who was told, who is halted, and what is to be removed."""

from podd.domain.arrears import Removal, Stored
from podd.store.db import Reader, Tx


def concerned(db: Reader) -> list[str]:
    """Accounts that are charged something now, or that were told, halted or given a date."""
    rows = db.rows(
        "SELECT account_id FROM meters UNION SELECT account_id FROM halts UNION "
        "SELECT account_id FROM low_credit UNION SELECT account_id FROM removals"
    )
    return [row["account_id"] for row in rows]


def get(db: Reader, account_id: str) -> int | None:
    """The balance the account was halted with; None: it is not halted."""
    balance: int | None = db.value("SELECT balance FROM halts WHERE account_id = ?", (account_id,))
    return balance


def begin(tx: Tx, account_id: str, balance: int, now: int) -> None:
    tx.run("INSERT OR REPLACE INTO halts VALUES (?, ?, ?)", (account_id, balance, now))


def note_credit(tx: Tx, account_id: str, before: int) -> None:
    """There is new credit, on a balance that was `before`: whatever it was when the account was halted."""
    tx.run("UPDATE halts SET balance = MIN(balance, ?) WHERE account_id = ?", (before, account_id))


def end(tx: Tx, account_id: str) -> None:
    """Nothing is held against the account any more."""
    for table in ("halts", "low_credit", "removals"):
        tx.run(f"DELETE FROM {table} WHERE account_id = ?", (account_id,))


# Low credit


def told_with(db: Reader, account_id: str) -> int | None:
    """The balance with which the account was told that its credit is low; None: it was not."""
    balance: int | None = db.value("SELECT balance FROM low_credit WHERE account_id = ?", (account_id,))
    return balance


def note_told(tx: Tx, account_id: str, balance: int, now: int) -> None:
    tx.run("INSERT OR REPLACE INTO low_credit VALUES (?, ?, ?)", (account_id, balance, now))


def forget_told(tx: Tx, account_id: str) -> None:
    tx.run("DELETE FROM low_credit WHERE account_id = ?", (account_id,))


# Removals


def removals(db: Reader, account_id: str) -> dict[Stored, Removal]:
    rows = db.rows("SELECT what, due_at, warned_at FROM removals WHERE account_id = ?", (account_id,))
    found = [Removal(Stored(row["what"]), row["due_at"], row["warned_at"]) for row in rows]
    return {removal.what: removal for removal in found}


def schedule(tx: Tx, account_id: str, what: Stored, due_at: int, *, warned_at: int | None = None) -> None:
    tx.run("INSERT OR REPLACE INTO removals VALUES (?, ?, ?, ?)", (account_id, what.value, due_at, warned_at))


def call_off(tx: Tx, account_id: str, what: Stored) -> None:
    tx.run("DELETE FROM removals WHERE account_id = ? AND what = ?", (account_id, what.value))


def shift_times(tx: Tx, by: int) -> None:
    """The clock has jumped: what is to be removed is kept as long as was said."""
    tx.run("UPDATE removals SET due_at = due_at + ?, warned_at = warned_at + ?", (by, by))
