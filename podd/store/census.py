"""How much there is of everything."""

from dataclasses import dataclass

from podd.store.db import Reader


@dataclass(frozen=True, slots=True)
class Census:
    gpus: int
    gpus_claimed: int
    pods: int
    endpoints: int


def take(db: Reader) -> Census:
    row = db.row(
        "SELECT (SELECT COUNT(*) FROM gpus WHERE present = 1) AS gpus, "
        "(SELECT COUNT(*) FROM claims) AS gpus_claimed, "
        "(SELECT COUNT(*) FROM workloads WHERE kind = 'pod' AND desired != 'TERMINATED') AS pods, "
        "(SELECT COUNT(*) FROM endpoints) AS endpoints"
    )
    assert row is not None, "a SELECT without FROM has one row"
    return Census(**row)
