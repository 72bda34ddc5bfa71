"""Accounts that are halted for want of credit."""

from podd.store.db import Reader, Tx


def get(db: Reader, account_id: str) -> int | None:
    """The balance the account was halted with; None: it is not halted."""
    balance: int | None = db.value("SELECT balance FROM halts WHERE account_id = ?", (account_id,))
    return balance


def begin(tx: Tx, account_id: str, balance: int, now: int) -> None:
    tx.run("INSERT OR REPLACE INTO halts VALUES (?, ?, ?)", (account_id, balance, now))


def end(tx: Tx, account_id: str) -> None:
    tx.run("DELETE FROM halts WHERE account_id = ?", (account_id,))
