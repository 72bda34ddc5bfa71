"""API keys of accounts."""

from typing import Any

from podd.domain.account import ApiKey, Role, Scope, ScopeKind
from podd.store.db import Reader, Row, Tx


def insert(tx: Tx, key: ApiKey, key_hash: str) -> None:
    tx.insert(
        "api_keys",
        {
            "id": key.id,
            "account_id": key.account_id,
            "user_id": key.user_id,
            "name": key.name,
            "hash": key_hash,
            "created_at": key.created_at,
            "expires_at": key.expires_at,
            **_scope_columns(key.scope),
        },
    )


def get(db: Reader, key_id: str) -> ApiKey | None:
    """The key, unless it was revoked."""
    row = db.row("SELECT * FROM api_keys WHERE id = ? AND revoked_at IS NULL", (key_id,))
    return _key(row) if row else None


def of_account(db: Reader, account_id: str) -> list[ApiKey]:
    """The account's keys that are not revoked, oldest first."""
    rows = db.rows(
        "SELECT * FROM api_keys WHERE account_id = ? AND revoked_at IS NULL ORDER BY created_at, rowid",
        (account_id,),
    )
    return [_key(row) for row in rows]


def by_hash(db: Reader, key_hash: str, now: int) -> tuple[ApiKey, Role] | None:
    """The key and what its person is in its account, unless it was revoked, has expired, or its person is no
    member any more."""
    row = db.row(
        """
        SELECT k.*, CASE WHEN k.user_id = k.account_id THEN 'admin' ELSE m.role END AS role
        FROM api_keys k LEFT JOIN members m ON m.account_id = k.account_id AND m.user_id = k.user_id
        WHERE k.hash = ? AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > ?)
        """,
        (key_hash, now),
    )
    if row is None or row["role"] is None:
        return None
    return _key(row), Role(row["role"])


def change(tx: Tx, key_id: str, **values: Any) -> None:
    scope = values.pop("scope", None)
    tx.update("api_keys", key_id, {**values, **(_scope_columns(scope) if scope else {})})


def revoke(tx: Tx, key_id: str, now: int) -> None:
    tx.update("api_keys", key_id, {"revoked_at": now})


def revoke_all_of(tx: Tx, account_id: str, user_id: str, now: int) -> None:
    """All keys that a person has in an account."""
    tx.run(
        "UPDATE api_keys SET revoked_at = ? WHERE account_id = ? AND user_id = ? AND revoked_at IS NULL",
        (now, account_id, user_id),
    )


# Private


def _scope_columns(scope: Scope) -> Row:
    return {"scope": scope.kind.value, "scope_ids": " ".join(sorted(scope.ids))}


def _key(row: Row) -> ApiKey:
    return ApiKey(
        id=row["id"],
        account_id=row["account_id"],
        user_id=row["user_id"],
        name=row["name"],
        created_at=row["created_at"],
        scope=Scope(ScopeKind(row["scope"]), frozenset(row["scope_ids"].split())),
        expires_at=row["expires_at"],
    )
