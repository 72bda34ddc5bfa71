"""Accounts."""

import json
from typing import Any

from podd.domain.account import Account, AccountKind
from podd.store.db import Reader, Row, Tx

_KINDS = {
    "workloads": "kind",
    "endpoints": "'endpoint'",
    "templates": "'template'",
    "network_volumes": "'volume'",
    "registry_credentials": "'registry'",
    "secrets": "'secret'",
}
"""Tables whose rows belong to an account, and what the rows are."""


def bell(account_id: str) -> str:
    """Rings when the account, or who may act for it, may have changed."""
    return f"account:{account_id}"


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


def every(db: Reader) -> list[Account]:
    """The oldest first."""
    found = (_account(row) for row in db.rows("SELECT * FROM accounts ORDER BY created_at, id"))
    return [account for account in found if account is not None]


def owners(db: Reader, thing_id: str) -> list[tuple[str, str]]:
    """What has that id, and the account it belongs to."""
    found = []
    for table, kind in _KINDS.items():
        row = db.row(f"SELECT {kind} AS kind, account_id FROM {table} WHERE id = ?", (thing_id,))
        if row is not None:
            found.append((row["kind"], row["account_id"]))
    return found


def change(tx: Tx, account_id: str, **values: Any) -> None:
    row = dict(values)
    if "extras" in row:
        row["extras_json"] = json.dumps(row.pop("extras"))
    tx.ring(bell(account_id))
    tx.update("accounts", account_id, row)


def _account(row: Row | None) -> Account | None:
    if row is None:
        return None
    row = dict(row)
    extras = json.loads(row.pop("extras_json"))
    return Account(**{**row, "kind": AccountKind(row["kind"])}, extras=extras)
