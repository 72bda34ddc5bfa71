"""GPUs, their types, and the one rule that says who gets which: `place`.

A pod or worker holds whole GPUs, or whole MIG instances: what can be claimed is called a GPU here.
On-demand pods are never displaced. Spot pods yield to on-demand requests and to strictly higher bids, but
only when no free GPU fits. Workers never displace pods and are displaced by none.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum


class GpuState(StrEnum):
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"  # this GPU is broken; the reason says how
    UNKNOWN = "unknown"  # the driver cannot be asked; what runs on it may well be fine


class Duty(StrEnum):
    """What the operator has decided about a GPU."""

    SERVING = "serving"
    CORDONED = "cordoned"  # who holds it keeps it, nobody else gets it
    DRAINING = "draining"  # cordoned, and whoever can move away does


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU of this machine, or one MIG instance of a card: then `parent` is the card's UUID. `memory` in
    MiB; `type_id` is the NVML product name, with ` MIG <profile>` for an instance. `reason` says why it is
    not healthy. `ecc` counts the memory errors that could not be corrected since the driver was loaded."""

    uuid: str
    index: int
    type_id: str
    memory: int
    simulated: bool = False
    state: GpuState = GpuState.HEALTHY
    parent: str = ""
    reason: str = ""
    duty: Duty = Duty.SERVING
    ecc: int = 0

    @property
    def usable(self) -> bool:
        """Whether it may be given to somebody new."""
        return self.state is GpuState.HEALTHY and self.duty is Duty.SERVING

    @property
    def leaving(self) -> bool:
        """Whether whoever can move away from it should."""
        return self.state is GpuState.UNHEALTHY or self.duty is Duty.DRAINING


@dataclass(frozen=True, slots=True)
class GpuFault:
    """What the driver says has happened to a GPU; `uuids` is empty when it does not say to which, which asks
    for another look. `fatal` ones take it out of service until the operator returns it or the machine
    restarts."""

    uuids: tuple[str, ...]
    text: str
    fatal: bool


@dataclass(frozen=True, slots=True)
class Claim:
    """`workload_id` holds the GPU. `bid` is nano-dollars per GPU and hour for a spot pod, None for
    everything that cannot be displaced. `since` orders the victims: the youngest goes first."""

    gpu_uuid: str
    workload_id: str
    bid: int | None = None
    since: int = 0


@dataclass(frozen=True, slots=True)
class GpuRequest:
    """`count` GPUs of the first of `type_ids` that fits. `bid` None is an on-demand request (or a
    worker's, which sets `may_preempt` False)."""

    type_ids: tuple[str, ...]
    count: int
    bid: int | None = None
    may_preempt: bool = True


@dataclass(frozen=True, slots=True)
class Place:
    type_id: str
    gpu_uuids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Preempt:
    """The GPUs are the requester's once `victims` (workload ids, in order) are stopped."""

    type_id: str
    gpu_uuids: tuple[str, ...]
    victims: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NoGpu:
    """`free` and `total` GPUs of the wanted types; `total` 0 means the machine has none of them."""

    free: int
    total: int


Placement = Place | Preempt | NoGpu


def place(request: GpuRequest, gpus: Sequence[Gpu], claims: Iterable[Claim]) -> Placement:
    """Which GPUs the request gets. Free ones first, over all its types in order; only then by displacing."""
    held = {claim.gpu_uuid: claim for claim in claims}
    usable = [gpu for gpu in gpus if gpu.usable]
    by_type = {type_id: [g for g in usable if g.type_id == type_id] for type_id in request.type_ids}
    for type_id, candidates in by_type.items():
        free = [g.uuid for g in candidates if g.uuid not in held]
        if len(free) >= request.count:
            return Place(type_id, tuple(free[: request.count]))
    if request.may_preempt:
        for type_id, candidates in by_type.items():
            preempt = _displace(request, type_id, candidates, held)
            if preempt is not None:
                return preempt
    wanted = [g for candidates in by_type.values() for g in candidates]
    return NoGpu(free=sum(g.uuid not in held for g in wanted), total=len(wanted))


def _displace(
    request: GpuRequest, type_id: str, candidates: Sequence[Gpu], held: dict[str, Claim]
) -> Preempt | None:
    """The fewest lowest-bidding spot pods whose GPUs, with the free ones, are enough."""
    free = [g.uuid for g in candidates if g.uuid not in held]
    helpful: dict[str, list[str]] = {}
    order: dict[str, tuple[int, int]] = {}
    for gpu in candidates:
        claim = held.get(gpu.uuid)
        if claim is None or claim.bid is None:
            continue
        if request.bid is not None and claim.bid >= request.bid:
            continue
        helpful.setdefault(claim.workload_id, []).append(gpu.uuid)
        order[claim.workload_id] = (claim.bid, -claim.since)
    victims = _victims(helpful, order, missing=request.count - len(free))
    if victims is None:
        return None
    gained = [uuid for victim in victims for uuid in helpful[victim]]
    return Preempt(type_id, tuple((free + gained)[: request.count]), victims)


def _victims(
    helpful: dict[str, list[str]], order: dict[str, tuple[int, int]], missing: int
) -> tuple[str, ...] | None:
    """The pods to displace: as few as free `missing` GPUs; among such groups the one whose best bidder
    bids lowest (ties: the youngest), then its second best, and so on."""
    ranked = sorted(helpful, key=lambda workload: order[workload])

    def gain(among: Sequence[str], size: int) -> int:
        """The most GPUs that `size` pods among these give up."""
        return sum(sorted((len(helpful[workload]) for workload in among), reverse=True)[:size])

    size = next((n for n in range(1, len(ranked) + 1) if gain(ranked, n) >= missing), None)
    if size is None:
        return None
    chosen: list[str] = []
    for left in range(size, 0, -1):
        # The shortest list that still has such a group ends with the best bidder of the best group.
        end = next(n for n in range(left, len(ranked) + 1) if gain(ranked[:n], left) >= missing)
        chosen.insert(0, ranked[end - 1])
        missing -= len(helpful[ranked[end - 1]])
        ranked = ranked[: end - 1]
    return tuple(chosen)
