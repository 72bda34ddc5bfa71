"""Network volumes."""

from podd.domain.volume import NetworkVolume
from podd.store.db import Reader, Tx

_COLUMNS = "id, account_id, name, size, created_at"


def insert(tx: Tx, volume: NetworkVolume) -> None:
    tx.insert(
        "network_volumes",
        {
            "id": volume.id,
            "account_id": volume.account_id,
            "name": volume.name,
            "size": volume.size,
            "created_at": volume.created_at,
        },
    )


def change(tx: Tx, volume_id: str, **values: str | int) -> None:
    tx.update("network_volumes", volume_id, dict(values))


def get(db: Reader, volume_id: str) -> NetworkVolume | None:
    row = db.row(f"SELECT {_COLUMNS} FROM network_volumes WHERE id = ? AND deleted_at IS NULL", (volume_id,))
    return NetworkVolume(**row) if row else None


def of_account(db: Reader, account_id: str) -> list[NetworkVolume]:
    rows = db.rows(
        f"SELECT {_COLUMNS} FROM network_volumes WHERE account_id = ? AND deleted_at IS NULL "
        "ORDER BY created_at, id",
        (account_id,),
    )
    return [NetworkVolume(**row) for row in rows]


def every(db: Reader) -> list[NetworkVolume]:
    rows = db.rows(f"SELECT {_COLUMNS} FROM network_volumes WHERE deleted_at IS NULL")
    return [NetworkVolume(**row) for row in rows]


def mark_deleted(tx: Tx, volume_id: str, now: int) -> None:
    """Gone for everybody; its files are still to be removed."""
    tx.update("network_volumes", volume_id, {"deleted_at": now})


def deleted(db: Reader) -> list[str]:
    """Volumes whose files are still to be removed."""
    return [row["id"] for row in db.rows("SELECT id FROM network_volumes WHERE deleted_at IS NOT NULL")]


def forget(tx: Tx, volume_id: str) -> None:
    tx.run("DELETE FROM network_volumes WHERE id = ? AND deleted_at IS NOT NULL", (volume_id,))
