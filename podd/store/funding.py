"""Allowances, refills and vouchers. Of a voucher's code only the hash is kept."""

from datetime import date

from podd.domain.funding import Allowance, Refill, Voucher
from podd.store.db import Reader, Row, Tx

# Allowances


def insert_allowance(tx: Tx, allowance: Allowance) -> None:
    tx.insert(
        "allowances",
        {
            "id": allowance.id,
            "account_id": allowance.account_id,
            "amount": allowance.amount,
            "every": allowance.every,
            "text": allowance.text,
            "last_day": allowance.last_day.isoformat(),
            "created_at": allowance.created_at,
        },
    )


def allowance(db: Reader, allowance_id: str) -> Allowance | None:
    row = db.row("SELECT * FROM allowances WHERE id = ?", (allowance_id,))
    return _allowance(row) if row else None


def allowances(db: Reader, account_id: str | None = None) -> list[Allowance]:
    """An account's, or all there are."""
    rows = db.rows(
        "SELECT * FROM allowances WHERE account_id = ?1 OR ?1 IS NULL ORDER BY created_at, id", (account_id,)
    )
    return [_allowance(row) for row in rows]


def note_given(tx: Tx, allowance_id: str, last_day: date) -> None:
    tx.update("allowances", allowance_id, {"last_day": last_day.isoformat()})


def delete_allowance(tx: Tx, allowance_id: str) -> bool:
    return bool(tx.run("DELETE FROM allowances WHERE id = ?", (allowance_id,)))


# Refills


def refill(db: Reader, account_id: str) -> Refill | None:
    row = db.row("SELECT * FROM refills WHERE account_id = ?", (account_id,))
    return Refill(**row) if row else None


def refills_below(db: Reader) -> list[Refill]:
    """Those whose accounts have less than their threshold."""
    rows = db.rows(
        "SELECT refills.* FROM refills LEFT JOIN balances ON name = 'credit:' || account_id "
        "WHERE COALESCE(balances.amount, 0) < threshold ORDER BY account_id"
    )
    return [Refill(**row) for row in rows]


def put_refill(tx: Tx, refill: Refill) -> None:
    tx.run(
        "INSERT OR REPLACE INTO refills VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            refill.account_id,
            refill.threshold,
            refill.amount,
            refill.monthly_cap,
            refill.last_at,
            refill.month,
            refill.month_sum,
        ),
    )


def delete_refill(tx: Tx, account_id: str) -> bool:
    return bool(tx.run("DELETE FROM refills WHERE account_id = ?", (account_id,)))


# Vouchers

_VOUCHER = "id, amount, text, created_at, expires_at, account_id, redeemed_at"


def insert_voucher(tx: Tx, voucher: Voucher, code_hash: str) -> None:
    tx.insert(
        "vouchers",
        {
            "id": voucher.id,
            "code_hash": code_hash,
            "amount": voucher.amount,
            "text": voucher.text,
            "created_at": voucher.created_at,
            "expires_at": voucher.expires_at,
        },
    )


def voucher_by_hash(db: Reader, code_hash: str) -> Voucher | None:
    row = db.row(f"SELECT {_VOUCHER} FROM vouchers WHERE code_hash = ?", (code_hash,))
    return Voucher(**row) if row else None


def vouchers(db: Reader, limit: int) -> list[Voucher]:
    """The last ones, youngest first."""
    rows = db.rows(f"SELECT {_VOUCHER} FROM vouchers ORDER BY created_at DESC, id LIMIT ?", (limit,))
    return [Voucher(**row) for row in rows]


def note_redeemed(tx: Tx, voucher_id: str, account_id: str, now: int) -> bool:
    """False if it was redeemed before."""
    return bool(
        tx.run(
            "UPDATE vouchers SET account_id = ?, redeemed_at = ? WHERE id = ? AND redeemed_at IS NULL",
            (account_id, now, voucher_id),
        )
    )


# Private


def _allowance(row: Row) -> Allowance:
    return Allowance(**{**row, "last_day": date.fromisoformat(row["last_day"])})
