"""Workloads, and the two things they can be: pods and workers."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from podd.domain.container import GpuRef
from podd.domain.gpu import GpuState
from podd.domain.pod import Pod
from podd.domain.words import parse_ports
from podd.domain.worker import Worker
from podd.domain.workload import Desired, Kind, Needs, Phase, PublishedPort, Workload
from podd.store.db import Reader, Row, Tx

Parts = tuple[tuple[tuple[str, Any], ...], ...]
"""Rows of another table that belong to a workload, as what can be compared."""


def bell(workload_id: str) -> str:
    """Rings when the workload, or what it is besides, may have changed."""
    return f"workload:{workload_id}"


def crew_bell(endpoint_id: str) -> str:
    """Rings when the endpoint's workers, or which of them are open, may have changed."""
    return f"crew:{endpoint_id}"


def insert(tx: Tx, workload: Workload) -> None:
    tx.insert(
        "workloads",
        {
            "id": workload.id,
            "kind": workload.kind.value,
            "account_id": workload.account_id,
            "desired": workload.desired.value,
            "phase": workload.phase.value,
            "generation": workload.generation,
            **_needs(workload.needs),
            "grace": workload.grace,
            "created_at": workload.created_at,
            "changed_at": workload.changed_at,
            "changed_by": workload.changed_by,
            "created_by": workload.created_by or workload.account_id,
        },
    )


def get(db: Reader, workload_id: str) -> Workload | None:
    return next(iter(_workloads(db, "WHERE id = ?", (workload_id,))), None)


def every(db: Reader) -> list[Workload]:
    return _workloads(db)


def awake(db: Reader, ids: Iterable[str]) -> list[Workload]:
    """All but those at rest: stopped, with nothing left of their containers. Those of `ids` in any case."""
    return _workloads(
        db,
        "WHERE desired IN ('RUNNING', 'TERMINATED') OR phase != 'NONE' "
        "OR id IN (SELECT value FROM json_each(?))",
        (json.dumps(list(ids)),),
    )


def running(db: Reader) -> list[Workload]:
    """Those whose containers were last seen running, frozen ones included."""
    return _workloads(db, "WHERE phase = 'RUNNING'")


def stopping(db: Reader) -> int:
    """How many should not run any more, and have something left of their containers."""
    return int(db.value("SELECT count(*) FROM workloads WHERE desired != 'RUNNING' AND phase != 'NONE'"))


def change(tx: Tx, workload_id: str, **values: Any) -> int:
    """Set columns of a workload; the number of rows touched. Enumerations may be given as such."""
    _ring(tx, workload_id)
    return tx.update("workloads", workload_id, values)


def change_needs(tx: Tx, workload_id: str, needs: Needs) -> None:
    _ring(tx, workload_id)
    tx.update("workloads", workload_id, _needs(needs))


def renew(tx: Tx, workload: Workload, **values: Any) -> None:
    """A fresh container is wanted. What was seen of the one before says nothing about it; when that one ended
    is kept, for it is charged up to then."""
    nothing = {
        "phase": Phase.NONE,
        "container_id": "",
        "address": "",
        "started_at": None,
        "failing_since": None,
        "frozen_at": None,
        "gpus_lost_at": None,
    }
    change(tx, workload.id, generation=workload.generation + 1, **nothing, **values)


def waiting_for_image(db: Reader, image: str) -> list[str]:
    """Ids of workloads whose image is being pulled."""
    return [
        row["id"]
        for row in db.rows("SELECT id FROM workloads WHERE phase = 'PULLING' AND image = ?", (image,))
    ]


def reserved_memory(db: Reader) -> int:
    """MiB promised to workloads that run or should."""
    total: int = db.value("SELECT COALESCE(SUM(memory), 0) FROM workloads WHERE desired = 'RUNNING'")
    return total


def promised_disk(db: Reader) -> tuple[int, int]:
    """GB of the container disks of what runs or should, and of the volumes of everything there is."""
    row = db.row(
        "SELECT COALESCE(SUM(CASE WHEN desired = 'RUNNING' THEN disk END), 0) AS disks, "
        "COALESCE(SUM(CASE WHEN network_volume_id = '' THEN volume END), 0) AS volumes FROM workloads"
    )
    assert row is not None, "a sum has a row"
    return row["disks"], row["volumes"]


def delete(tx: Tx, workload_id: str) -> None:
    _ring(tx, workload_id)
    for table, column in (
        ("claims", "workload_id"),
        ("published_ports", "workload_id"),
        ("pods", "id"),
        ("workers", "id"),
        ("workloads", "id"),
    ):
        tx.run(f"DELETE FROM {table} WHERE {column} = ?", (workload_id,))
    tx.note_change("workloads", workload_id)


# Host ports


def used_host_ports(db: Reader) -> set[int]:
    return {row["host_port"] for row in db.rows("SELECT host_port FROM published_ports")}


def publish(tx: Tx, workload_id: str, ports: Iterable[PublishedPort]) -> None:
    for port in ports:
        tx.insert(
            "published_ports",
            {
                "host_port": port.host,
                "workload_id": workload_id,
                "container_port": port.container,
                "protocol": port.protocol,
            },
        )


def unpublish(tx: Tx, workload_id: str) -> None:
    tx.run("DELETE FROM published_ports WHERE workload_id = ?", (workload_id,))


# Pods


def insert_pod(tx: Tx, pod: Pod) -> None:
    insert(tx, pod.workload)
    tx.insert(
        "pods",
        {
            "id": pod.id,
            "name": pod.name,
            "template_id": pod.template_id,
            "args": pod.args,
            "ports": pod.ports,
            "gpu_type_id": pod.gpu_type_id,
            "gpu_count": pod.gpu_count,
            "own_gpu_count": pod.own_gpu_count,
            "min_vcpus": pod.min_vcpus,
            "min_memory": pod.min_memory,
            "bid": pod.bid,
            "price": pod.price,
            "cloud_type": pod.cloud_type,
            "cpu_flavor_id": pod.cpu_flavor_id,
            "locked": pod.locked,
            "stop_after": pod.stop_after,
            "terminate_after": pod.terminate_after,
            "global_networking": pod.global_networking,
            "runs_since": pod.runs_since,
        },
    )


def pod(db: Reader, pod_id: str) -> Pod | None:
    """A pod that is not terminated."""
    found = _pods(db, "pods.id = ?", (pod_id,))
    return found[0] if found else None


def every_pod(db: Reader) -> list[Pod]:
    """All pods that are not terminated."""
    return _pods(db, "TRUE", ())


def pods_of(db: Reader, account_id: str) -> list[Pod]:
    """All pods of the account that are not terminated, oldest first."""
    return _pods(db, "workloads.account_id = ?", (account_id,))


def pods_due(db: Reader, now: int) -> list[Pod]:
    """Pods whose time to stop or to be terminated has come."""
    return _pods(db, "(pods.stop_after <= ? OR pods.terminate_after <= ?)", (now, now))


def pods_outliving(db: Reader, hours: int, warned_before: int, now: int) -> list[Pod]:
    """Pods that should run, and have less than `warned_before` ms left of as long as they may. It is `hours`,
    unless their account has a quota of its own; 0 is for ever."""
    return _pods(
        db,
        "workloads.desired = 'RUNNING' AND (SELECT hours > 0 AND pods.runs_since + hours * 3600000 - ? <= ? "
        "FROM (SELECT COALESCE((SELECT amount FROM quotas WHERE quotas.account_id = workloads.account_id "
        "AND quotas.name = 'lifetime_hours'), ?) AS hours))",
        (warned_before, now, hours),
    )


def using_network_volume(db: Reader, volume_id: str) -> list[Workload]:
    return _workloads(db, "WHERE network_volume_id = ? AND desired != 'TERMINATED'", (volume_id,))


def using_registry_credential(db: Reader, credential_id: str) -> list[Workload]:
    return _workloads(db, "WHERE registry_auth_id = ? AND desired != 'TERMINATED'", (credential_id,))


def change_pod(tx: Tx, pod_id: str, **values: Any) -> int:
    return tx.update("pods", pod_id, values)


# Workers


def insert_worker(tx: Tx, worker: Worker) -> None:
    insert(tx, worker.workload)
    tx.insert(
        "workers",
        {
            "id": worker.id,
            "endpoint_id": worker.endpoint_id,
            "version": worker.version,
            "instance_id": worker.instance_id,
        },
    )
    tx.ring(crew_bell(worker.endpoint_id))


def worker(db: Reader, worker_id: str) -> Worker | None:
    found = _workers(db, "workers.id = ?", (worker_id,))
    return found[0] if found else None


@dataclass(frozen=True, slots=True)
class Door:
    """What a worker's request is let in by: little enough to be read for each one."""

    endpoint_id: str
    generation: int
    desired: Desired
    closed: bool
    ready_at: int | None
    idle_since: int | None
    frozen_at: int | None


def door(db: Reader, worker_id: str) -> Door | None:
    row = db.row(
        "SELECT workers.endpoint_id, workloads.generation, workloads.desired, workloads.frozen_at, "
        "workers.doors_closed AS closed, workers.ready_at, workers.idle_since "
        "FROM workers JOIN workloads ON workloads.id = workers.id WHERE workers.id = ?",
        (worker_id,),
    )
    return Door(**{**row, "desired": Desired(row["desired"]), "closed": bool(row["closed"])}) if row else None


def generation_of_orphan(db: Reader, worker_id: str) -> int:
    """Of a worker whose endpoint is deleted and whose container may still be there; 0 if there is none."""
    generation: int | None = db.value(
        "SELECT generation FROM workloads WHERE id = ? AND kind = 'worker'", (worker_id,)
    )
    return generation or 0


def workers_of(db: Reader, endpoint_id: str) -> list[Worker]:
    """All workers of the endpoint that are not gone, oldest first."""
    return _workers(db, "workers.endpoint_id = ? AND workloads.desired != 'TERMINATED'", (endpoint_id,))


def frozen(db: Reader) -> list[Worker]:
    """All workers whose containers are frozen, those for the longest time first."""
    found = _workers(db, "workloads.frozen_at IS NOT NULL AND workloads.desired = 'RUNNING'", ())
    return sorted(found, key=lambda worker: (worker.workload.frozen_at or 0, worker.id))


def change_worker(tx: Tx, worker_id: str, **values: Any) -> int:
    if values.keys() & {"ready_at", "doors_closed"}:
        _ring(tx, worker_id)
    return tx.update("workers", worker_id, values)


def note_idle(tx: Tx, worker_id: str, now: int) -> bool:
    """The worker is idle since now, if it holds no job; whether it is."""
    return bool(
        tx.run(
            "UPDATE workers SET idle_since = :now WHERE id = :id AND NOT EXISTS "
            "(SELECT 1 FROM jobs WHERE worker_id = :id AND status = 'IN_PROGRESS')",
            {"id": worker_id, "now": now},
        )
    )


def shift_times(tx: Tx, by: int, *, settled_from: int, now: int) -> None:
    """The clock has jumped by `by` ms: what workers and failing starts are measured from moves with it, but
    for what was taken from the clock as it is now (`settled_from` to `now`). When a container started stays
    as the engine says it: it is also the name of that run."""
    at = {"by": by, "first": settled_from, "last": now}
    moved = [("workers", name) for name in ("loop_seen_at", "pinged_at", "idle_since", "thawed_at")]
    for table, name in [*moved, ("workers", "awaited_since"), ("workloads", "failing_since")]:
        tx.run(f"UPDATE {table} SET {name} = {name} + :by WHERE {name} NOT BETWEEN :first AND :last", at)


# Private


def _ring(tx: Tx, workload_id: str) -> None:
    tx.ring(bell(workload_id))
    endpoint_id = tx.value("SELECT endpoint_id FROM workers WHERE id = ?", (workload_id,))
    if endpoint_id is not None:
        tx.ring(crew_bell(endpoint_id))


def _needs(needs: Needs) -> Row:
    return {
        "image": needs.image,
        "entrypoint_json": json.dumps(needs.entrypoint),
        "command_json": json.dumps(needs.command),
        "env_json": json.dumps(needs.env),
        "ports": ",".join(f"{port.number}/{port.protocol}" for port in needs.ports),
        "cpus": needs.cpus,
        "memory": needs.memory,
        "disk": needs.disk,
        "volume": needs.volume,
        "volume_path": needs.volume_path,
        "network_volume_id": needs.network_volume_id,
        "registry_auth_id": needs.registry_auth_id,
    }


def _workloads(db: Reader, where: str = "", params: tuple[Any, ...] = ()) -> list[Workload]:
    columns, rows = db.table(f"SELECT * FROM workloads {where} ORDER BY created_at, id", params)
    if not rows:
        return []
    gpus = _grouped(
        db.rows(
            "SELECT claims.workload_id, gpus.uuid, gpus.simulated, gpus.position, gpus.health, "
            "COALESCE(NULLIF(gpus.fault, ''), gpus.reason) AS reason, gpus.fault FROM claims "
            "JOIN gpus ON gpus.uuid = claims.gpu_uuid ORDER BY gpus.position"
        )
    )
    published = _grouped(db.rows("SELECT * FROM published_ports ORDER BY container_port"))
    key = columns.index("id")
    return [_once(columns, row, gpus.get(row[key], ()), published.get(row[key], ())) for row in rows]


def _grouped(rows: list[Row]) -> dict[str, Parts]:
    groups: dict[str, Parts] = {}
    for row in rows:
        workload_id = row["workload_id"]
        groups[workload_id] = (*groups.get(workload_id, ()), tuple(row.items()))
    return groups


@lru_cache(maxsize=4096)
def _once(columns: tuple[str, ...], values: tuple[Any, ...], gpus: Parts, published: Parts) -> Workload:
    """The workload of these rows. Most are read again and again and never change, and reading JSON is what
    takes the time: equal rows are the same workload."""
    row = dict(zip(columns, values, strict=True))
    return _workload(row, [dict(gpu) for gpu in gpus], [dict(port) for port in published])


def _workload(row: Row, gpus: list[Row], published: list[Row]) -> Workload:
    return Workload(
        id=row["id"],
        kind=Kind(row["kind"]),
        account_id=row["account_id"],
        desired=Desired(row["desired"]),
        phase=Phase(row["phase"]),
        generation=row["generation"],
        needs=Needs(
            image=row["image"],
            entrypoint=tuple(json.loads(row["entrypoint_json"])),
            command=tuple(json.loads(row["command_json"])),
            env=json.loads(row["env_json"]),
            ports=parse_ports(row["ports"]),
            cpus=row["cpus"],
            memory=row["memory"],
            disk=row["disk"],
            volume=row["volume"],
            volume_path=row["volume_path"],
            network_volume_id=row["network_volume_id"],
            registry_auth_id=row["registry_auth_id"],
        ),
        gpus=tuple(GpuRef(gpu["uuid"], bool(gpu["simulated"])) for gpu in gpus),
        published=tuple(
            PublishedPort(port["container_port"], port["host_port"], port["protocol"]) for port in published
        ),
        grace=row["grace"],
        container_id=row["container_id"],
        address=row["address"],
        started_at=row["started_at"],
        exited_at=row["exited_at"],
        exit_code=row["exit_code"],
        restarts=row["restarts"],
        failures=row["failures"],
        failing_since=row["failing_since"],
        retry_at=row["retry_at"],
        restart_of=row["restart_of"],
        frozen_at=row["frozen_at"],
        reason=row["reason"],
        created_at=row["created_at"],
        changed_at=row["changed_at"],
        changed_by=row["changed_by"],
        created_by=row["created_by"],
        last_started_at=row["last_started_at"],
        gpus_lost_at=row["gpus_lost_at"],
        guarded=frozenset(map(int, row["guarded_ports"].split())),
        sick_gpus=tuple(_sick(gpu) for gpu in gpus if gpu["fault"] or gpu["health"] != GpuState.HEALTHY),
    )


def _sick(gpu: Row) -> str:
    state = GpuState.UNHEALTHY if gpu["fault"] else gpu["health"]
    return f"GPU {gpu['position']} ({gpu['uuid']}), which is {state}: {gpu['reason']}."


def _pods(db: Reader, where: str, params: tuple[Any, ...]) -> list[Pod]:
    chosen = (
        "FROM pods JOIN workloads ON workloads.id = pods.id "
        f"WHERE {where} AND workloads.desired != 'TERMINATED'"
    )
    columns, rows = db.table(f"SELECT pods.* {chosen} ORDER BY workloads.created_at, pods.id", params)
    workloads = _by_id(db, chosen, params) if rows else {}
    key = columns.index("id")
    return [_pod_once(columns, row, workloads[row[key]]) for row in rows]


@lru_cache(maxsize=4096)
def _pod_once(columns: tuple[str, ...], values: tuple[Any, ...], workload: Workload) -> Pod:
    """As `_once`. What others keep about a pod is found fastest when it is the very same one."""
    row = dict(zip(columns, values, strict=True))
    del row["id"]
    row |= {name: bool(row[name]) for name in ("locked", "global_networking", "idle_exempt")}
    return Pod(workload=workload, **row)


def _workers(db: Reader, where: str, params: tuple[Any, ...]) -> list[Worker]:
    chosen = f"FROM workers JOIN workloads ON workloads.id = workers.id WHERE {where}"
    rows = db.rows(
        "SELECT workers.*, (SELECT COUNT(*) FROM jobs WHERE jobs.worker_id = workers.id "
        f"AND jobs.status = 'IN_PROGRESS') AS held {chosen} ORDER BY workloads.created_at, workers.id",
        params,
    )
    workloads = _by_id(db, chosen, params) if rows else {}
    workers = []
    for row in rows:
        row.update(doors_closed=bool(row["doors_closed"]), gave_up=bool(row["gave_up"]))
        workers.append(Worker(workload=workloads[row.pop("id")], **row))
    return workers


def _by_id(db: Reader, chosen: str, params: tuple[Any, ...]) -> dict[str, Workload]:
    """The workloads that are `chosen`."""
    found = _workloads(db, f"WHERE id IN (SELECT workloads.id {chosen})", params)
    return {workload.id: workload for workload in found}
