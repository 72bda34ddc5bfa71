"""Finding room on the machine: GPUs, memory, cores, disk and host ports for one workload."""

from dataclasses import dataclass, replace
from functools import partial

from podd.domain import explain
from podd.domain import gpu as placing
from podd.domain.errors import NoCapacity
from podd.domain.gpu import GpuRequest, NoGpu, Preempt
from podd.domain.pod import PodRequest, Share, share
from podd.domain.words import Port
from podd.domain.worker import Worker
from podd.domain.workload import PublishedPort
from podd.services.platform import Platform
from podd.store import gpus, model_caches, volumes, workloads
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
    disk: int = 0,
    volume: int = 0,
) -> Room:
    """Room for `wanted.count` GPUs (0 is possible), its part of memory and cores, and GB of container `disk`
    and `volume` that nobody has been promised before. Where there is none, frozen workers go first, as few as
    possible and those for the longest time; then spot pods.

    `besides` is memory in MiB that the workload itself gives back. Raises NoCapacity with `no_gpu` as its
    message, which clients compare letter for letter, and with what is short.
    """
    fit = partial(_fit, db, podd, request, besides, disk, volume)
    frozen = workloads.frozen(db)
    gently = replace(wanted, may_preempt=False)
    short = ""
    for attempt, going in ((gently, []), (gently, frozen), (wanted, frozen)):
        room = fit(attempt, going)
        if isinstance(room, str):
            short = room
            continue
        for spared in reversed(going):
            fewer = [worker for worker in going if worker is not spared]
            other = fit(attempt, fewer)
            if isinstance(other, Room):
                room, going = other, fewer
        return room
    raise NoCapacity(no_gpu, short)


def _fit(
    db: Reader,
    podd: Platform,
    request: PodRequest,
    besides: int,
    disk: int,
    volume: int,
    wanted: GpuRequest,
    going: list[Worker],
) -> Room | str:
    """Room as it is without the workers `going`, or what is short."""
    gone = {worker.id for worker in going}
    placement: placing.Placement = placing.Place("", ())
    if wanted.count:
        claims = [claim for claim in gpus.claims(db) if claim.workload_id not in gone]
        placement = placing.place(wanted, gpus.all_present(db), claims)
    if isinstance(placement, NoGpu):
        counts = {type_id: gpu_census(db, type_id) for type_id in wanted.type_ids}
        return explain.gpu_shortage(wanted, counts)
    victims = placement.victims if isinstance(placement, Preempt) else ()
    given_back = besides + sum(_memory_of(db, victim) for victim in (*victims, *gone))
    free = podd.host.memory - workloads.reserved_memory(db) + given_back
    part = share(podd.facts(db), wanted.count, free, request)
    if part is None:
        return explain.memory_shortage(request.min_memory or 0, free, podd.host.memory)
    left = disk_left(db, podd)
    if not left.has(disk - _disks_of(db, (*victims, *gone)), volume):
        return f"{disk + volume} GB of disk wanted, {max(left.disk, 0)} GB are not promised to others"
    return Room(placement.type_id, placement.gpu_uuids, part, victims, tuple(w.id for w in going))


@dataclass(frozen=True, slots=True)
class DiskLeft:
    """GB that are not promised yet: to volumes and container disks out of one, unless the latter have
    `containers` of their own. Negative when more was promised than there is by now."""

    disk: int
    containers: int | None = None

    def has(self, disk: int, volume: int) -> bool:
        """Whether there is room for more container disk and volume; giving back is always possible."""
        if self.containers is not None and 0 < disk > self.containers:
            return False
        more = volume if self.containers is not None else disk + volume
        return more <= 0 or more <= self.disk


def disk_left(db: Reader, podd: Platform) -> DiskLeft:
    disks, own = workloads.promised_disk(db)
    kept = own + volumes.promised(db) + model_caches.promised(db)
    if podd.host.container_disk is None:
        return DiskLeft(podd.host.disk - disks - kept)
    return DiskLeft(podd.host.disk - kept, podd.host.container_disk - disks)


def check_disk(db: Reader, podd: Platform, *, disk: int = 0, volume: int = 0) -> None:
    """Raises NoCapacity, in words for the owner, when there is no room for so many GB more."""
    left = disk_left(db, podd)
    if not left.has(disk, volume):
        free = left.disk if left.containers is None or volume > left.disk else left.containers
        raise NoCapacity(
            f"There is not enough disk on the machine: {max(disk, 0) + max(volume, 0)} GB more are wanted, "
            f"{max(free, 0)} GB are free. Choose a smaller size, or remove volumes that are not needed."
        )


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


def _disks_of(db: Reader, victims: tuple[str, ...]) -> int:
    found = (workloads.get(db, victim) for victim in victims)
    return sum(victim.needs.disk for victim in found if victim)


def _memory_of(db: Reader, workload_id: str) -> int:
    workload = workloads.get(db, workload_id)
    return workload.needs.memory if workload else 0
