"""Accounts."""

import json
from typing import Any

from podd.domain.account import Account, AccountKind
from podd.store.db import Reader, Row, Tx


def insert(tx: Tx, account: Account) -> None:
    tx.insert(
        "accounts",
        {
            "id": account.id,
            "email": account.email,
            "name": account.name,
            "pub_key": account.pub_key,
            "created_at": account.created_at,
            "kind": account.kind.value,
        },
    )


def get(db: Reader, account_id: str) -> Account | None:
    return _account(db.row("SELECT * FROM accounts WHERE id = ?", (account_id,)))


def by_email(db: Reader, email: str) -> Account | None:
    return _account(db.row("SELECT * FROM accounts WHERE email = ?", (email,)))


def ids(db: Reader) -> list[str]:
    return [row["id"] for row in db.rows("SELECT id FROM accounts ORDER BY created_at, id")]


def change(tx: Tx, account_id: str, **values: Any) -> None:
    row = dict(values)
    if "extras" in row:
        row["extras_json"] = json.dumps(row.pop("extras"))
    tx.update("accounts", account_id, row)


def _account(row: Row | None) -> Account | None:
    if row is None:
        return None
    row = dict(row)
    extras = json.loads(row.pop("extras_json"))
    return Account(**{**row, "kind": AccountKind(row["kind"])}, extras=extras)
