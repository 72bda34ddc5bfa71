"""The GPUs of the machine and the claims on them. What is free is what nobody claims."""

from collections.abc import Sequence

from podd.domain.gpu import Claim, Gpu, GpuState
from podd.store.db import Reader, Tx


def put_all(tx: Tx, gpus: Sequence[Gpu]) -> None:
    """What a probe found. A GPU that is not among them stays known (claims name it) but not present."""
    tx.run("UPDATE gpus SET present = 0")
    for gpu in gpus:
        tx.run(
            "INSERT INTO gpus VALUES (:uuid, :position, :type_id, :memory, :simulated, :state, 1) "
            "ON CONFLICT (uuid) DO UPDATE SET position = :position, type_id = :type_id, memory = :memory, "
            "simulated = :simulated, state = :state, present = 1",
            {
                "uuid": gpu.uuid,
                "position": gpu.index,
                "type_id": gpu.type_id,
                "memory": gpu.memory,
                "simulated": gpu.simulated,
                "state": gpu.state.value,
            },
        )


def all_present(db: Reader) -> list[Gpu]:
    rows = db.rows("SELECT * FROM gpus WHERE present = 1 ORDER BY position, uuid")
    return [
        Gpu(
            uuid=row["uuid"],
            index=row["position"],
            type_id=row["type_id"],
            memory=row["memory"],
            simulated=bool(row["simulated"]),
            state=GpuState(row["state"]),
        )
        for row in rows
    ]


def claims(db: Reader) -> list[Claim]:
    """All claims, with the bid where a spot pod holds the GPU."""
    rows = db.rows(
        "SELECT claims.gpu_uuid, claims.workload_id, claims.since, pods.bid FROM claims "
        "LEFT JOIN pods ON pods.id = claims.workload_id"
    )
    return [Claim(**row) for row in rows]


def taken(db: Reader) -> frozenset[str]:
    """UUIDs of the GPUs that cannot be had: those of frozen workers can."""
    rows = db.rows(
        "SELECT claims.gpu_uuid FROM claims JOIN workloads ON workloads.id = claims.workload_id "
        "WHERE workloads.frozen_at IS NULL"
    )
    return frozenset(row["gpu_uuid"] for row in rows)


def claim(tx: Tx, workload_id: str, gpu_uuids: Sequence[str], since: int) -> None:
    for uuid in gpu_uuids:
        tx.insert("claims", {"gpu_uuid": uuid, "workload_id": workload_id, "since": since})


def release(tx: Tx, workload_id: str) -> int:
    """Give up all claims of the workload; how many there were."""
    return tx.run("DELETE FROM claims WHERE workload_id = ?", (workload_id,))
