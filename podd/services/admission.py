"""The one door to the machine's GPUs, memory and disk: whatever is made, started or grown is admitted here.
Quotas are asked first, then the machine for room, then the account's money."""

from dataclasses import dataclass

from podd.domain.gpu import GpuRequest
from podd.domain.pod import Pod, PodRequest
from podd.domain.quota import Use
from podd.services import capacity, funds, quotas
from podd.services.capacity import Room
from podd.services.platform import Platform
from podd.store.db import Reader


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose it is, and which of the account's members has made it."""

    account_id: str
    member: str


def room(
    db: Reader,
    podd: Platform,
    owner: Owner,
    wanted: GpuRequest,
    request: PodRequest,
    *,
    no_gpu: str,
    disk: int,
    volume: int = 0,
    worker: bool = False,
) -> Room:
    """Room for one more running pod, or worker, with `volume` GB more of its own (`capacity.find`). Raises
    OverQuota, NoCapacity."""
    more = Use(gpus=wanted.count, pods=int(not worker), workers=int(worker), volume_gb=volume)
    quotas.check(db, podd, owner.account_id, owner.member, more)
    return capacity.find(db, podd, wanted, request, no_gpu=no_gpu, disk=disk, volume=volume)


def thaw(db: Reader, podd: Platform, owner: Owner, gpus: int) -> None:
    """A frozen worker wakes, with the GPUs it has kept. Raises OverQuota."""
    quotas.check(db, podd, owner.account_id, owner.member, Use(gpus=gpus, workers=1))


def storage(db: Reader, podd: Platform, owner: Owner, *, disk: int = 0, volume: int = 0) -> None:
    """So many GB more of container disk and volume, for what is there already or for a network volume. Raises
    OverQuota, NoCapacity."""
    quotas.check(db, podd, owner.account_id, owner.member, Use(volume_gb=max(volume, 0)))
    capacity.check_disk(db, podd, disk=disk, volume=volume)


def payment(db: Reader, podd: Platform, pod: Pod, now: int) -> None:
    """The pod, which is in the books by now, can be paid for. Raises NoFunds."""
    funds.check_start(db, podd, pod, now)
