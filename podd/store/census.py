"""How much there is of everything."""

from dataclasses import dataclass

from podd.store.db import Reader


@dataclass(frozen=True, slots=True)
class Census:
    gpus: int
    gpus_free: int
    pods: int
    endpoints: int


@dataclass(frozen=True, slots=True)
class Holding:
    """What an account has: pods that are not terminated, endpoints, workers."""

    pods: int = 0
    endpoints: int = 0
    workers: int = 0


def by_account(db: Reader) -> dict[str, Holding]:
    """Of the accounts that have anything."""
    rows = db.rows(
        "SELECT account_id, SUM(pods) AS pods, SUM(endpoints) AS endpoints, SUM(workers) AS workers FROM ("
        "SELECT account_id, kind = 'pod' AS pods, 0 AS endpoints, kind = 'worker' AS workers "
        "FROM workloads WHERE desired != 'TERMINATED' "
        "UNION ALL SELECT account_id, 0, 1, 0 FROM endpoints) GROUP BY account_id"
    )
    return {row["account_id"]: Holding(row["pods"], row["endpoints"], row["workers"]) for row in rows}


def take(db: Reader) -> Census:
    row = db.row(
        "SELECT (SELECT COUNT(*) FROM gpus WHERE present = 1) AS gpus, "
        "(SELECT COUNT(*) FROM gpus WHERE present = 1 AND health = 'healthy' AND fault = '' "
        "AND duty = 'serving' AND uuid NOT IN (SELECT gpu_uuid FROM claims)) AS gpus_free, "
        "(SELECT COUNT(*) FROM workloads WHERE kind = 'pod' AND desired != 'TERMINATED') AS pods, "
        "(SELECT COUNT(*) FROM endpoints) AS endpoints"
    )
    assert row is not None, "a SELECT without FROM has one row"
    return Census(**row)
