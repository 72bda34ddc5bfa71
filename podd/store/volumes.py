"""Network volumes."""

from dataclasses import dataclass
from typing import Any

from podd.domain.volume import NetworkVolume
from podd.store.db import Reader, Tx

_COLUMNS = "id, account_id, name, size, created_at, created_by"


def insert(tx: Tx, volume: NetworkVolume) -> None:
    tx.insert(
        "network_volumes",
        {
            "id": volume.id,
            "account_id": volume.account_id,
            "name": volume.name,
            "size": volume.size,
            "created_at": volume.created_at,
            "created_by": volume.created_by or volume.account_id,
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
    tx.update("network_volumes", volume_id, {"deleted_at": now, "problem": "", "failures": 0, "retry_at": 0})


@dataclass(frozen=True, slots=True)
class Files:
    """The files of a network volume: `made` GB so far, of `size` that are wanted; 0 before they are made."""

    id: str
    size: int
    made: int
    failures: int


def files(db: Reader, volume_id: str) -> Files | None:
    return next(iter(_files(db, "id = ?", (volume_id,))), None)


def all_made(db: Reader) -> list[Files]:
    """Volumes whose files are there."""
    return _files(db, "deleted_at IS NULL AND made > 0", ())


def to_grow(db: Reader, now: int) -> list[Files]:
    """Volumes whose files are there, smaller than wanted, and due for a try."""
    return _files(db, "deleted_at IS NULL AND 0 < made AND made < size AND retry_at <= ?", (now,))


def to_remove(db: Reader, now: int) -> list[Files]:
    """Deleted volumes whose files are still there, due for a try, and which no workload can be using any
    more: a terminated one is in the books until its container is gone."""
    users = "SELECT 1 FROM workloads WHERE network_volume_id = network_volumes.id"
    return _files(db, f"deleted_at IS NOT NULL AND retry_at <= ? AND NOT EXISTS ({users})", (now,))


def note_made(tx: Tx, volume_id: str, size: int) -> None:
    """Its files have this size now."""
    tx.update("network_volumes", volume_id, {"made": size, "problem": "", "failures": 0, "retry_at": 0})


def note_problem(tx: Tx, volume_id: str, problem: str, failures: int, retry_at: int) -> None:
    values = {"problem": problem, "failures": failures, "retry_at": retry_at}
    tx.update("network_volumes", volume_id, values)


def promised(db: Reader) -> int:
    """GB of all network volumes, those included whose files are still to be removed."""
    total: int = db.value("SELECT COALESCE(SUM(size), 0) FROM network_volumes")
    return total


def in_trouble(db: Reader) -> list[str]:
    """A sentence for each volume whose files could not be grown or removed at the last try."""
    network = db.rows("SELECT id, problem FROM network_volumes WHERE problem != '' ORDER BY id")
    pods = db.rows(
        "SELECT id, reason AS problem FROM workloads WHERE kind = 'pod' AND desired = 'TERMINATED' "
        "AND reason != '' ORDER BY id"
    )
    found = [f"network volume {row['id']} {row['problem']}" for row in network]
    return found + [f"volume of the terminated pod {row['id']}: {row['problem']}" for row in pods]


def forget(tx: Tx, volume_id: str) -> None:
    tx.run("DELETE FROM network_volumes WHERE id = ? AND deleted_at IS NOT NULL", (volume_id,))


# Private


def _files(db: Reader, where: str, params: tuple[Any, ...]) -> list[Files]:
    rows = db.rows(f"SELECT id, size, made, failures FROM network_volumes WHERE {where} ORDER BY id", params)
    return [Files(**row) for row in rows]
