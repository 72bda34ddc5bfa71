"""Pods that have run for as long as pods of their account may: warned of, then stopped."""

from podd.domain import quota as rules
from podd.domain.pod import Pod
from podd.domain.workload import Desired
from podd.services import pods, quotas
from podd.services.platform import Platform
from podd.store import events, workloads
from podd.store.db import Reader, Tx


async def tick(podd: Platform, now: int) -> None:
    """Look; only those whose time is near cost a transaction."""
    for pod_id in await podd.store.read(_near_their_end, podd, now):
        await podd.store.write(settle, podd, pod_id, now)


def settle(tx: Tx, podd: Platform, pod_id: str, now: int) -> None:
    """Warn this pod's owner, or stop it. Nobody is stopped who was not warned of that very end."""
    pod = workloads.pod(tx, pod_id)
    if pod is None or not _is_near_its_end(tx, podd, pod, now):
        return
    end, hours = end_of(tx, podd, pod), quotas.lifetime_hours(tx, podd, pod.workload.account_id)
    assert end is not None, "it is near"
    if pod.lifetime_warned != end:
        workloads.change_pod(tx, pod.id, lifetime_warned=end)
        minutes = max(end - now, 0) // 60_000
        text = f"It will be stopped in {minutes} min: pods of this account may run for {hours} hours."
        events.add(tx, pod.id, "lifetime warning", text, now)
    elif now >= end:
        text = f"It ran for {hours} hours, as long as pods of this account may."
        pods.halt(tx, podd, pod, text, now, kind="lifetime stop")


def end_of(db: Reader, podd: Platform, pod: Pod) -> int | None:
    """When a running pod will be stopped for having run so long; None: never."""
    if pod.workload.desired is not Desired.RUNNING:
        return None
    return rules.ends_at(pod.runs_since, quotas.lifetime_hours(db, podd, pod.workload.account_id))


# Private


def _near_their_end(db: Reader, podd: Platform, now: int) -> list[str]:
    settings = podd.settings.quotas
    found = workloads.pods_outliving(db, settings.lifetime_hours, _warning(podd), now)
    return [pod.id for pod in found if _is_near_its_end(db, podd, pod, now)]


def _is_near_its_end(db: Reader, podd: Platform, pod: Pod, now: int) -> bool:
    """Whether there is something to do about it."""
    end = end_of(db, podd, pod)
    return end is not None and now >= end - _warning(podd) and (pod.lifetime_warned != end or now >= end)


def _warning(podd: Platform) -> int:
    return podd.settings.quotas.lifetime_warning_minutes * 60_000
