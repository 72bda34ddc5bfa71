"""Accounts and their API keys."""

import json
from typing import Any

from podd.domain.account import Account, ApiKey
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


def keys_of(db: Reader, account_id: str) -> list[ApiKey]:
    """The account's keys that are not revoked, oldest first."""
    rows = db.rows(
        "SELECT id, account_id, name, created_at, last_used_at FROM api_keys "
        "WHERE account_id = ? AND revoked_at IS NULL ORDER BY created_at, id",
        (account_id,),
    )
    return [ApiKey(**row) for row in rows]


def insert_key(tx: Tx, key: ApiKey, key_hash: str) -> None:
    tx.insert(
        "api_keys",
        {
            "id": key.id,
            "account_id": key.account_id,
            "name": key.name,
            "hash": key_hash,
            "created_at": key.created_at,
        },
    )


def key_by_hash(db: Reader, key_hash: str) -> ApiKey | None:
    """The key, unless it was revoked."""
    row = db.row("SELECT * FROM api_keys WHERE hash = ? AND revoked_at IS NULL", (key_hash,))
    if row is None:
        return None
    return ApiKey(id=row["id"], account_id=row["account_id"], name=row["name"], created_at=row["created_at"])


def key_hash_of(db: Reader, key_id: str) -> str | None:
    found: str | None = db.value("SELECT hash FROM api_keys WHERE id = ?", (key_id,))
    return found


def note_use(tx: Tx, key_id: str, at: int) -> None:
    tx.run("UPDATE api_keys SET last_used_at = MAX(COALESCE(last_used_at, 0), ?) WHERE id = ?", (at, key_id))


def _account(row: Row | None) -> Account | None:
    if row is None:
        return None
    row = dict(row)
    extras = json.loads(row.pop("extras_json"))
    return Account(**row, extras=extras)
