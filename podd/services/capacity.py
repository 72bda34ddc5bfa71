"""Finding room on the machine: GPUs, memory, cores and host ports for one workload."""

from dataclasses import dataclass

from podd.domain import explain
from podd.domain import gpu as placing
from podd.domain.errors import NoCapacity
from podd.domain.gpu import GpuRequest, NoGpu, Preempt
from podd.domain.pod import PodRequest, Share, share
from podd.domain.words import Port
from podd.domain.workload import PublishedPort
from podd.services.platform import Platform
from podd.store import gpus, workloads
from podd.store.db import Reader


@dataclass(frozen=True, slots=True)
class Room:
    """What a workload gets. `victims` have to stop for it, in this order."""

    type_id: str
    gpu_uuids: tuple[str, ...]
    share: Share
    victims: tuple[str, ...] = ()


def find(
    db: Reader,
    podd: Platform,
    wanted: GpuRequest,
    request: PodRequest,
    *,
    no_gpu: str,
    besides: int = 0,
) -> Room:
    """Room for `wanted.count` GPUs (0 is possible) and its part of memory and cores.

    `besides` is memory in MiB that the workload itself gives back. Raises NoCapacity with `no_gpu` as its
    message, which clients compare letter for letter, and with what is short.
    """
    placement: placing.Placement = placing.Place("", ())
    if wanted.count:
        placement = placing.place(wanted, gpus.all_present(db), gpus.claims(db))
    if isinstance(placement, NoGpu):
        counts = {type_id: gpu_census(db, type_id) for type_id in wanted.type_ids}
        raise NoCapacity(no_gpu, explain.gpu_shortage(wanted, counts))
    victims = placement.victims if isinstance(placement, Preempt) else ()
    given_back = besides + sum(_memory_of(db, victim) for victim in victims)
    free = podd.host.memory - workloads.reserved_memory(db) + given_back
    part = share(podd.facts(db), wanted.count, free, request)
    if part is None:
        raise NoCapacity(no_gpu, explain.memory_shortage(request.min_memory or 0, free, podd.host.memory))
    return Room(placement.type_id, placement.gpu_uuids, part, victims)


def gpu_census(db: Reader, type_id: str) -> explain.GpuCensus:
    """The GPUs of the type, and who holds them, in counts."""
    kinds = {workload.id: workload.kind for workload in workloads.every(db)}
    return explain.census(type_id, gpus.all_present(db), gpus.claims(db), kinds)


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
