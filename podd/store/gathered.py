"""What `/metrics` shows of the books: counts and sums, by an index or over a small table, in one look."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from podd.domain import billing
from podd.domain.ledger import credit
from podd.store import meters
from podd.store.db import Reader

Counted = Mapping[tuple[str, ...], int]


@dataclass(frozen=True, slots=True)
class Gathered:
    """`gpus` are (uuid, type, healthy, duty, who holds it: pod, worker or nobody); `pods` are counted by wish
    and phase, `workers` by endpoint and phase, `jobs` by endpoint and state; amounts are nano-dollars."""

    gpus: Sequence[tuple[str, str, bool, str, str]]
    pods: Counted
    workers: Counted
    jobs: Counted
    balances: int
    debts: int
    hourly: int
    webhooks: int
    letters: int


def take(db: Reader) -> Gathered:
    positive, negative = db.table(
        "SELECT COALESCE(SUM(MAX(amount, 0)), 0), COALESCE(SUM(MIN(amount, 0)), 0) "
        "FROM balances WHERE name >= :first AND name < :behind",
        {"first": credit(""), "behind": credit("\U0010ffff")},
    )[1][0]
    return Gathered(
        gpus=_gpus(db),
        pods=_count(
            db,
            "SELECT desired, phase, COUNT(*) FROM workloads WHERE kind = 'pod' AND desired != 'TERMINATED' "
            "GROUP BY 1, 2",
        ),
        workers=_count(
            db,
            "SELECT endpoint_id, CASE WHEN workloads.desired = 'FAILED' THEN 'RESTING' "
            "WHEN workers.ready_at IS NOT NULL THEN 'READY' ELSE workloads.phase END, COUNT(*) "
            "FROM workers JOIN workloads USING (id) WHERE workloads.desired != 'TERMINATED' GROUP BY 1, 2",
        ),
        jobs=_count(
            db,
            "SELECT endpoint_id, 'IN_QUEUE', COUNT(*) FROM jobs WHERE status = 'IN_QUEUE' GROUP BY 1 "
            "UNION ALL "
            "SELECT endpoint_id, 'IN_PROGRESS', COUNT(*) FROM jobs WHERE status = 'IN_PROGRESS' GROUP BY 1",
        ),
        balances=positive,
        debts=-negative,
        hourly=sum(billing.hourly(rate) for rates in meters.resources(db).values() for rate in rates),
        webhooks=db.value("SELECT COUNT(*) FROM webhooks"),
        letters=db.value("SELECT COUNT(*) FROM letters WHERE state = 'waiting'"),
    )


def _count(db: Reader, sql: str) -> Counted:
    return {tuple(row[:-1]): row[-1] for row in db.table(sql)[1]}


def _gpus(db: Reader) -> list[tuple[str, str, bool, str, str]]:
    rows = db.table(
        "SELECT gpus.uuid, gpus.type_id, gpus.health = 'healthy' AND gpus.fault = '', gpus.duty, "
        "COALESCE(workloads.kind, 'nobody') FROM gpus LEFT JOIN claims ON claims.gpu_uuid = gpus.uuid "
        "LEFT JOIN workloads ON workloads.id = claims.workload_id WHERE gpus.present = 1 ORDER BY gpus.uuid"
    )[1]
    return [(uuid, type_id, bool(healthy), duty, holder) for uuid, type_id, healthy, duty, holder in rows]
