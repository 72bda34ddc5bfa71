"""The GPUs of the machine and the claims on them. What is free is what nobody claims.

`health` and `reason` are what was seen last. `fault` is what happened to a GPU and does not heal by itself:
it stays until it is cleared. `duty` is the operator's word.
"""

from collections.abc import Sequence

from podd.domain.gpu import Claim, Duty, Gpu, GpuState
from podd.store.db import Reader, Row, Tx


def put_all(tx: Tx, gpus: Sequence[Gpu]) -> None:
    """What a look found. A GPU that is not among them stays known (claims name it) but not present. Faults
    and duties stay as they are."""
    tx.run("UPDATE gpus SET present = 0")
    for gpu in gpus:
        tx.run(
            "INSERT INTO gpus "
            "(uuid, position, type_id, memory, simulated, present, health, reason, parent, ecc) "
            "VALUES (:uuid, :position, :type_id, :memory, :simulated, 1, :health, :reason, :parent, :ecc) "
            "ON CONFLICT (uuid) DO UPDATE SET position = :position, type_id = :type_id, memory = :memory, "
            "simulated = :simulated, present = 1, health = :health, reason = :reason, parent = :parent, "
            "ecc = :ecc",
            {
                "uuid": gpu.uuid,
                "position": gpu.index,
                "type_id": gpu.type_id,
                "memory": gpu.memory,
                "simulated": gpu.simulated,
                "health": gpu.state.value,
                "reason": gpu.reason,
                "parent": gpu.parent,
                "ecc": gpu.ecc,
            },
        )


def all_present(db: Reader) -> list[Gpu]:
    return [_gpu(row) for row in db.rows("SELECT * FROM gpus WHERE present = 1 ORDER BY position, uuid")]


def named(db: Reader, uuid: str) -> list[Gpu]:
    """The GPU of this UUID; of a card with MIG on, its instances."""
    rows = db.rows(
        "SELECT * FROM gpus WHERE present = 1 AND (uuid = ? OR parent = ?) ORDER BY position, uuid",
        (uuid, uuid),
    )
    return [_gpu(row) for row in rows]


def held_by(db: Reader, workload_id: str) -> list[Gpu]:
    rows = db.rows(
        "SELECT gpus.* FROM gpus JOIN claims ON claims.gpu_uuid = gpus.uuid "
        "WHERE claims.workload_id = ? ORDER BY gpus.position",
        (workload_id,),
    )
    return [_gpu(row) for row in rows]


def put_duty(tx: Tx, uuid: str, duty: Duty) -> None:
    tx.note_change("gpus", uuid)
    tx.run("UPDATE gpus SET duty = ? WHERE uuid = ?", (duty.value, uuid))


def put_fault(tx: Tx, uuid: str, fault: str) -> None:
    """What is wrong with it until somebody says otherwise; the empty text clears it."""
    tx.run("UPDATE gpus SET fault = ? WHERE uuid = ?", (fault, uuid))


def clear_faults(tx: Tx) -> None:
    tx.run("UPDATE gpus SET fault = ''")


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


def _gpu(row: Row) -> Gpu:
    return Gpu(
        uuid=row["uuid"],
        index=row["position"],
        type_id=row["type_id"],
        memory=row["memory"],
        simulated=bool(row["simulated"]),
        state=GpuState.UNHEALTHY if row["fault"] else GpuState(row["health"]),
        parent=row["parent"],
        reason=row["fault"] or row["reason"],
        duty=Duty(row["duty"]),
        ecc=row["ecc"],
    )
