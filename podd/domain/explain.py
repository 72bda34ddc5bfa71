"""Why something runs or does not, in sentences: what is short, and who holds it in counts, never whose."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from podd.domain.catalogue import CpuFlavour
from podd.domain.gpu import Claim, Duty, Gpu, GpuRequest, GpuState
from podd.domain.words import Port
from podd.domain.workload import Desired, Kind, Phase, Workload


@dataclass(frozen=True, slots=True)
class GpuCensus:
    """The GPUs of one type: who holds them, in counts."""

    total: int = 0
    free: int = 0
    unhealthy: int = 0
    cordoned: int = 0
    on_demand: int = 0
    spot: int = 0
    workers: int = 0


def census(
    type_id: str, gpus: Iterable[Gpu], claims: Iterable[Claim], kinds: Mapping[str, Kind]
) -> GpuCensus:
    """Count the GPUs of the type. `kinds` says of each claiming workload what it is."""
    held = {claim.gpu_uuid: claim for claim in claims}
    counts = {"total": 0, "free": 0, "unhealthy": 0, "cordoned": 0, "on_demand": 0, "spot": 0, "workers": 0}
    for gpu in (g for g in gpus if g.type_id == type_id):
        counts["total"] += 1
        claim = held.get(gpu.uuid)
        if gpu.state is not GpuState.HEALTHY:
            counts["unhealthy"] += 1
        elif gpu.duty is not Duty.SERVING:
            counts["cordoned"] += 1
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
    held = _held(found)
    details = f" ({', '.join(held)})" if held else ""
    return f"It wants {wanted} x {type_id}; {found.free} of {found.total} are free{details}."


def instance_sentence(flavour: CpuFlavour, vcpus: int, cores: int) -> str:
    """`cores` are what the machine has."""
    wanted = f"{vcpus} vCPUs and {vcpus * flavour.gb_per_vcpu} GB of memory"
    short = f"; this machine has {cores} vCPUs" if vcpus > cores else ""
    return f"A worker as {flavour.instance_id(vcpus)} wants {wanted}{short}."


def gpu_shortage(wanted: GpuRequest, counts: Mapping[str, GpuCensus]) -> str:
    """Why no GPUs were found for the request, for each of its types."""
    return "; or ".join(_shortage(type_id, wanted, counts[type_id]) for type_id in wanted.type_ids)


def memory_shortage(wanted: int, free: int, total: int) -> str:
    """`wanted` in GB, the others in MiB."""
    least = f"At least {wanted} GB of memory" if wanted else "Memory"
    return f"{least} wanted, {max(free, 0) // 1024} free of {total // 1024}"


def _shortage(type_id: str, wanted: GpuRequest, found: GpuCensus) -> str:
    if not found.total:
        return f"{wanted.count} x {type_id} wanted, this machine has none"
    said = [f"{wanted.count} x {type_id} wanted, {found.free} free of {found.total}", ", ".join(_held(found))]
    if found.spot and wanted.bid is not None:
        said.append("spot pods there bid as much or more")
    return "; ".join(part for part in said if part)


def _held(found: GpuCensus) -> list[str]:
    holders = [
        (found.on_demand, "held by on-demand pods"),
        (found.spot, "held by spot pods"),
        (found.workers, "held by serverless workers"),
        (found.unhealthy, "not healthy"),
        (found.cordoned, "taken out of service"),
    ]
    return [f"{count} {how}" for count, how in holders if count]


def memory_sentence(free: int, total: int) -> str:
    """`free` and `total` in MiB."""
    return f"Memory for workloads: {free // 1024} of {total // 1024} GB are not promised to others."


def disk_sentence(free: int, total: int, wanted: int) -> str:
    """In GB."""
    room = f"{max(free, 0)} of {total} GB of disk"
    return f"It wants {wanted} GB of container disk; {room} are not promised to others."


def use_sentence(uuid: str, percent: float | None) -> str:
    """How busy a GPU was in the last hour; empty when nobody knows."""
    return f"GPU {uuid} was {percent:.0f} % busy over the last hour." if percent is not None else ""


def deaf_sentence(ports: tuple[Port, ...] | None) -> str:
    """The declared ports at which nothing listens; empty when there are none, or nobody can tell."""
    named = ", ".join(f"{port.number}/{port.protocol}" for port in ports or ())
    return f"Nothing listens in its container at {named}." if named else ""


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
            return "Its container is about to start."


def engine_sentence(answers: bool) -> str:
    """Empty while it does."""
    if answers:
        return ""
    return "The container engine does not answer: what runs goes on, nothing else starts or stops meanwhile."


def handover_sentence(workload: Workload, stopping: int, now: int) -> str:
    """Why a container with GPUs of its own does not start yet: `stopping` containers of others are on their
    way out, and no two may have a GPU. Empty when that is not what it waits for."""
    waits = workload.desired is Desired.RUNNING and workload.phase is Phase.NONE and workload.retry_at <= now
    if not (waits and workload.gpus and stopping):
        return ""
    if stopping == 1:
        return "The GPU is still held by a container that is stopping, and then this pod's."
    return f"Its GPUs are still held by containers that are stopping ({stopping} are), and then its own."


def patience_sentence(workload: Workload, give_up_after: int, now: int) -> str:
    """How long podd goes on trying to start it; empty when it does not fail. `give_up_after` in ms."""
    if workload.desired is not Desired.RUNNING or workload.failing_since is None:
        return ""
    minutes = max(workload.failing_since + give_up_after - now, 0) // 60_000
    return f"podd goes on trying for {minutes} min, then it gives up and the GPUs are free."
