"""Finding room on the machine: GPUs, memory, cores and host ports for one workload."""

from dataclasses import dataclass, replace

from podd.domain import gpu as placing
from podd.domain.errors import NoCapacity
from podd.domain.gpu import GpuRequest, NoGpu, Preempt
from podd.domain.pod import PodRequest, Share, share
from podd.domain.words import Port
from podd.domain.worker import Worker
from podd.domain.workload import PublishedPort
from podd.services.platform import Platform
from podd.store import gpus, workloads
from podd.store.db import Reader


@dataclass(frozen=True, slots=True)
class Room:
    """What a workload gets. `victims`, spot pods, have to stop for it, in this order, and `frozen` workers
    have to go."""

    type_id: str
    gpu_uuids: tuple[str, ...]
    share: Share
    victims: tuple[str, ...] = ()
    frozen: tuple[str, ...] = ()


def find(
    db: Reader,
    podd: Platform,
    wanted: GpuRequest,
    request: PodRequest,
    *,
    no_gpu: str,
    besides: int = 0,
) -> Room:
    """Room for `wanted.count` GPUs (0 is possible) and its part of memory and cores. Where there is none,
    frozen workers go first, as few as possible and those for the longest time; then spot pods.

    `besides` is memory in MiB that the workload itself gives back. Raises NoCapacity with `no_gpu` as its
    message, which clients compare letter for letter.
    """
    frozen = workloads.frozen(db)
    gently = replace(wanted, may_preempt=False)
    for attempt, going in ((gently, []), (gently, frozen), (wanted, frozen)):
        room = _fit(db, podd, attempt, request, besides, going)
        if room is None:
            continue
        for spared in reversed(going):
            fewer = [worker for worker in going if worker is not spared]
            other = _fit(db, podd, attempt, request, besides, fewer)
            if other is not None:
                room, going = other, fewer
        return room
    raise NoCapacity(no_gpu)


def _fit(
    db: Reader, podd: Platform, wanted: GpuRequest, request: PodRequest, besides: int, going: list[Worker]
) -> Room | None:
    """Room as it is without the workers `going`."""
    gone = {worker.id for worker in going}
    placement: placing.Placement = placing.Place("", ())
    if wanted.count:
        claims = [claim for claim in gpus.claims(db) if claim.workload_id not in gone]
        placement = placing.place(wanted, gpus.all_present(db), claims)
    if isinstance(placement, NoGpu):
        return None
    victims = placement.victims if isinstance(placement, Preempt) else ()
    given_back = besides + sum(_memory_of(db, victim) for victim in (*victims, *gone))
    free = podd.host.memory - workloads.reserved_memory(db) + given_back
    part = share(podd.facts(db), wanted.count, free, request)
    if part is None:
        return None
    return Room(placement.type_id, placement.gpu_uuids, part, victims, tuple(w.id for w in going))


def host_ports(
    db: Reader, podd: Platform, ports: tuple[Port, ...], *, above: int = 0
) -> tuple[PublishedPort, ...]:
    """A free host port for each tcp and udp port; http ports are reached through the proxy.

    Those after `above` come first. Raises NoCapacity when the range is used up.
    """
    first, last = podd.settings.machine.port_range
    used = workloads.used_host_ports(db)
    after = max(first, min(above, last) + 1)
    free = (port for port in (*range(after, last + 1), *range(first, after)) if port not in used)
    published = []
    for port in ports:
        if port.protocol == "http":
            continue
        host = next(free, None)
        if host is None:
            raise NoCapacity("All host ports for pods are in use; the operator can widen machine.port_range.")
        published.append(PublishedPort(port.number, host, port.protocol))
    return tuple(published)


def _memory_of(db: Reader, workload_id: str) -> int:
    workload = workloads.get(db, workload_id)
    return workload.needs.memory if workload else 0
