"""Open meters: one for each item that a resource is charged for now. A closed one is gone; what it charged
is in the ledger."""

from collections.abc import Sequence
from dataclasses import dataclass

from podd.domain.meter import Meter, Moment, Rate
from podd.store.db import Reader, Row, Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """Whose what: a pod, a network volume, or a worker with its endpoint as `group`."""

    id: str
    account_id: str
    group: str = ""
    gpu_type_id: str = ""


@dataclass(frozen=True, slots=True)
class Open:
    resource: Resource
    meter: Meter


def open_(tx: Tx, resource: Resource, rate: Rate, at: Moment) -> int:
    """Begin a meter; its id."""
    tx.insert(
        "meters",
        {
            "account_id": resource.account_id,
            "resource": resource.id,
            "group_id": resource.group,
            "gpu_type_id": resource.gpu_type_id,
            "item": rate.item,
            "amount": rate.amount,
            "period": rate.period,
            "step": rate.step,
            "size": rate.size,
            "gpus": rate.gpus,
            "covered": rate.covered,
            "opened_at": at.wall,
            "wall": at.wall,
            "steady": at.steady,
            "boot": at.boot,
            "used": 0,
            "charged": 0,
        },
    )
    return int(tx.value("SELECT last_insert_rowid()"))


def change(tx: Tx, meter: Meter) -> None:
    """Keep a new reading."""
    at = meter.read_at
    tx.run(
        "UPDATE meters SET wall = ?, steady = ?, boot = ?, used = ?, charged = ? WHERE id = ?",
        (at.wall, at.steady, at.boot, meter.used, meter.charged, meter.id),
    )


def close(tx: Tx, meter_id: int) -> None:
    tx.run("DELETE FROM meters WHERE id = ?", (meter_id,))


def of_resource(db: Reader, resource_id: str) -> list[Open]:
    return [_open(row) for row in db.rows("SELECT * FROM meters WHERE resource = ?", (resource_id,))]


def of_account(db: Reader, account_id: str) -> list[Open]:
    return [_open(row) for row in db.rows("SELECT * FROM meters WHERE account_id = ?", (account_id,))]


def covered(db: Reader, account_id: str, gpu_type_id: str) -> list[Open]:
    """Those of GPUs of this type that a savings plan pays for, youngest first."""
    rows = db.rows(
        "SELECT * FROM meters WHERE account_id = ? AND gpu_type_id = ? AND covered > 0 ORDER BY id DESC",
        (account_id, gpu_type_id),
    )
    return [_open(row) for row in rows]


def ids(db: Reader) -> list[int]:
    return [row["id"] for row in db.rows("SELECT id FROM meters ORDER BY id")]


def some(db: Reader, meter_ids: Sequence[int]) -> list[Open]:
    """Those of these ids that are still open."""
    marks = ", ".join("?" * len(meter_ids))
    return [_open(row) for row in db.rows(f"SELECT * FROM meters WHERE id IN ({marks})", tuple(meter_ids))]


def resources(db: Reader) -> dict[str, frozenset[Rate]]:
    """What each resource is charged for now."""
    found: dict[str, set[Rate]] = {}
    for row in db.rows("SELECT resource, item, amount, period, step, size, gpus, covered FROM meters"):
        found.setdefault(row["resource"], set()).add(_rate(row))
    return {resource: frozenset(rates) for resource, rates in found.items()}


def _rate(row: Row) -> Rate:
    return Rate(
        row["item"], row["amount"], row["period"], row["step"], row["size"], row["gpus"], row["covered"]
    )


def _open(row: Row) -> Open:
    return Open(
        Resource(
            id=row["resource"],
            account_id=row["account_id"],
            group=row["group_id"],
            gpu_type_id=row["gpu_type_id"],
        ),
        Meter(
            id=row["id"],
            rate=_rate(row),
            read_at=Moment(row["wall"], row["steady"], row["boot"]),
            used=row["used"],
            charged=row["charged"],
        ),
    )
