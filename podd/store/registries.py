"""Registry credentials, their passwords sealed."""

from podd.domain.registry import RegistryCredential
from podd.store.db import Reader, Row, Tx

_COLUMNS = "id, account_id, name, username, created_at"


def insert(tx: Tx, credential: RegistryCredential, sealed_password: str) -> None:
    tx.insert(
        "registry_credentials",
        {
            "id": credential.id,
            "account_id": credential.account_id,
            "name": credential.name,
            "username": credential.username,
            "sealed_password": sealed_password,
            "created_at": credential.created_at,
        },
    )


def change(tx: Tx, credential_id: str, **values: str) -> None:
    tx.update("registry_credentials", credential_id, dict(values))


def get(db: Reader, credential_id: str) -> RegistryCredential | None:
    return _one(db, "id = ?", (credential_id,))


def by_name(db: Reader, account_id: str, name: str) -> RegistryCredential | None:
    return _one(db, "account_id = ? AND name = ?", (account_id, name))


def of_account(db: Reader, account_id: str) -> list[RegistryCredential]:
    """Oldest first."""
    rows = db.rows(
        f"SELECT {_COLUMNS} FROM registry_credentials WHERE account_id = ? ORDER BY created_at, id",
        (account_id,),
    )
    return [RegistryCredential(**row) for row in rows]


def sealed_password(db: Reader, credential_id: str) -> str:
    sealed: str = db.value("SELECT sealed_password FROM registry_credentials WHERE id = ?", (credential_id,))
    return sealed


def delete(tx: Tx, credential_id: str) -> None:
    tx.delete("registry_credentials", credential_id)


def _one(db: Reader, where: str, params: tuple[str, ...]) -> RegistryCredential | None:
    row: Row | None = db.row(f"SELECT {_COLUMNS} FROM registry_credentials WHERE {where}", params)
    return RegistryCredential(**row) if row else None
