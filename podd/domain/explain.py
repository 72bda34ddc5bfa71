"""Why something runs or does not, in sentences: what is short, and who holds it in counts, never whose."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from podd.domain.gpu import Claim, Gpu, GpuState
from podd.domain.workload import Desired, Kind, Phase, Workload


@dataclass(frozen=True, slots=True)
class GpuCensus:
    """The GPUs of one type: who holds them, in counts."""

    total: int = 0
    free: int = 0
    unhealthy: int = 0
    on_demand: int = 0
    spot: int = 0
    workers: int = 0


def census(
    type_id: str, gpus: Iterable[Gpu], claims: Iterable[Claim], kinds: Mapping[str, Kind]
) -> GpuCensus:
    """Count the GPUs of the type. `kinds` says of each claiming workload what it is."""
    held = {claim.gpu_uuid: claim for claim in claims}
    counts = {"total": 0, "free": 0, "unhealthy": 0, "on_demand": 0, "spot": 0, "workers": 0}
    for gpu in (g for g in gpus if g.type_id == type_id):
        counts["total"] += 1
        claim = held.get(gpu.uuid)
        if gpu.state is not GpuState.HEALTHY:
            counts["unhealthy"] += 1
        elif claim is None:
            counts["free"] += 1
        elif kinds.get(claim.workload_id) is Kind.WORKER:
            counts["workers"] += 1
        else:
            counts["spot" if claim.bid is not None else "on_demand"] += 1
    return GpuCensus(**counts)


def gpu_sentence(type_id: str, wanted: int, found: GpuCensus) -> str:
    if not found.total:
        return f"It wants {wanted} x {type_id}; this machine has none."
    holders = [
        (found.on_demand, "by on-demand pods"),
        (found.spot, "by spot pods"),
        (found.workers, "by serverless workers"),
    ]
    held = [f"{count} held {who}" for count, who in holders if count]
    held += [f"{found.unhealthy} unhealthy"] if found.unhealthy else []
    details = f" ({', '.join(held)})" if held else ""
    return f"It wants {wanted} x {type_id}; {found.free} of {found.total} are free{details}."


def memory_sentence(free: int, total: int) -> str:
    """`free` and `total` in MiB."""
    return f"Memory for workloads: {free // 1024} of {total // 1024} GB are not promised to others."


def disk_sentence(free: int, total: int, wanted: int) -> str:
    """In GB."""
    room = f"{max(free, 0)} of {total} GB of disk"
    return f"It wants {wanted} GB of container disk; {room} are not promised to others."


def state_sentence(workload: Workload, now: int) -> str:
    """What is going on with it, in one sentence."""
    match workload.desired:
        case Desired.STOPPED:
            return "It is stopped; nothing runs for it."
        case Desired.FAILED:
            return "podd gave up on it; nothing runs for it until it is started again."
        case Desired.TERMINATED:
            return "It is being terminated."
    match workload.phase:
        case Phase.RUNNING:
            return "Its container runs."
        case Phase.PULLING:
            return f"Its image {workload.needs.image} is being pulled."
        case Phase.EXITED:
            wait = max(workload.retry_at - now, 0) // 1000
            return f"Its main process ended; it is started again in {wait} s (start {workload.restarts + 1})."
        case _ if workload.retry_at > now:
            return f"Its last start failed; the next try is in {(workload.retry_at - now) // 1000} s."
        case _:
            return (
                "Its container is about to start, as soon as its GPUs have been let go by whoever had them."
            )
