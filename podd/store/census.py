"""How much there is of everything."""

from dataclasses import dataclass

from podd.store.db import Reader


@dataclass(frozen=True, slots=True)
class Census:
    gpus: int
    gpus_free: int
    pods: int
    endpoints: int


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
