"""Network volumes: made, grown and deleted by their owner. Their directories are made when they are first
mounted and removed by the reconciler's hand, never inside a verb."""

from pathlib import Path

from podd import ids
from podd.domain import volume as rules
from podd.domain.account import Caller, require
from podd.domain.errors import Conflict, Invalid, NotFound
from podd.domain.template import checked_name
from podd.domain.volume import NetworkVolume
from podd.services import admission, funds
from podd.services.admission import Owner
from podd.services.platform import GROW, SWEEP, Platform
from podd.store import endpoints, volumes, workloads
from podd.store.db import Reader, Tx


def directory(podd: Platform, volume_id: str) -> Path:
    return podd.network_volumes / volume_id


def listed(db: Reader, caller: Caller) -> list[NetworkVolume]:
    require(caller, "volume.read")
    return volumes.of_account(db, caller.account_id)


def own(
    db: Reader,
    caller: Caller,
    volume_id: str,
    operation: str = "read",
    missing: str = "network volume not found",
) -> NetworkVolume:
    """The caller's volume. Raises NotFound(`missing`)."""
    require(caller, f"volume.{operation}")
    found = volumes.get(db, volume_id)
    if found is None or found.account_id != caller.account_id:
        raise NotFound(missing)
    return found


def create(
    tx: Tx,
    podd: Platform,
    caller: Caller,
    name: str | None,
    size: int | None,
    data_center: str | None,
    now: int,
) -> NetworkVolume:
    """A new volume. Raises Invalid, also for a data centre that is not this machine's, NoFunds, NoCapacity
    and OverQuota."""
    require(caller, "volume.save")
    here = podd.settings.machine.data_center_id
    if data_center and data_center.upper() != here:
        raise Invalid(f"There is no data center {data_center!r}; the only one is {here}.")
    funds.check_credit(tx, podd, caller.account_id)
    checked = rules.checked_size(size)
    admission.storage(tx, podd, Owner(caller.account_id, caller.member), volume=checked)
    volume = NetworkVolume(
        id=ids.new_id(10),
        account_id=caller.account_id,
        name=checked_name(name),
        size=checked,
        created_at=now,
        created_by=caller.member,
    )
    volumes.insert(tx, volume)
    tx.tell("network volume created", volume=volume.id, account=caller.account_id)
    return volume


def change(
    tx: Tx, podd: Platform, caller: Caller, volume_id: str, name: str | None, size: int | None
) -> NetworkVolume:
    """Rename a volume or let it grow, also while it is mounted. Raises NotFound, Invalid, NoFunds,
    NoCapacity, OverQuota."""
    found = own(tx, caller, volume_id, "save")
    if name is not None:
        volumes.change(tx, found.id, name=checked_name(name))
    if size is not None:
        checked = rules.checked_size(size, found.size)
        if checked > found.size:
            funds.check_credit(tx, podd, caller.account_id)
        owner = Owner(found.account_id, found.created_by)
        admission.storage(tx, podd, owner, volume=checked - found.size)
        volumes.change(tx, found.id, size=checked, retry_at=0)
        tx.ring(GROW)
    return own(tx, caller, volume_id)


def delete(
    tx: Tx, caller: Caller, volume_id: str, now: int, missing: str = "network volume not found"
) -> None:
    """Delete a volume and all that is on it. Raises NotFound, and Conflict while something uses it."""
    found = own(tx, caller, volume_id, "save", missing)
    named_by = endpoints.using_network_volume(tx, found.id)
    if named_by:
        raise Conflict(
            f"This network volume is in use by the endpoint {named_by[0]!r}; take it out of that first."
        )
    users = workloads.using_network_volume(tx, found.id)
    if users:
        raise Conflict(
            f"This network volume is in use by {len(users)} pod(s) or worker(s); terminate them first."
        )
    discard(tx, found, now)


def discard(tx: Tx, volume: NetworkVolume, now: int) -> None:
    """Delete a volume that nothing uses; its files go once no container can have them open."""
    volumes.mark_deleted(tx, volume.id, now)
    tx.tell("network volume deleted", volume=volume.id)
    tx.ring(SWEEP)
