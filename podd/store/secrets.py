"""Secrets, their values sealed."""

from podd.domain.secret import Secret
from podd.store.db import Reader, Row, Tx

_COLUMNS = "id, account_id, name, description, created_at, updated_at"


def insert(tx: Tx, secret: Secret, sealed_value: str) -> None:
    tx.insert(
        "secrets",
        {
            "id": secret.id,
            "account_id": secret.account_id,
            "name": secret.name,
            "description": secret.description,
            "sealed_value": sealed_value,
            "created_at": secret.created_at,
            "updated_at": secret.updated_at,
        },
    )


def change(tx: Tx, secret_id: str, **values: str | int) -> None:
    tx.update("secrets", secret_id, dict(values))


def get(db: Reader, secret_id: str) -> Secret | None:
    return _one(db, "id = ?", (secret_id,))


def by_name(db: Reader, account_id: str, name: str) -> Secret | None:
    return _one(db, "account_id = ? AND name = ?", (account_id, name))


def of_account(db: Reader, account_id: str) -> list[Secret]:
    rows = db.rows(
        f"SELECT {_COLUMNS} FROM secrets WHERE account_id = ? ORDER BY created_at, id", (account_id,)
    )
    return [Secret(**row) for row in rows]


def sealed_value(db: Reader, secret_id: str) -> str:
    sealed: str = db.value("SELECT sealed_value FROM secrets WHERE id = ?", (secret_id,))
    return sealed


def delete(tx: Tx, secret_id: str) -> None:
    tx.delete("secrets", secret_id)


def _one(db: Reader, where: str, params: tuple[str, ...]) -> Secret | None:
    row: Row | None = db.row(f"SELECT {_COLUMNS} FROM secrets WHERE {where}", params)
    return Secret(**row) if row else None
