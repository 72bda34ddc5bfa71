"""Idle reclaim: pods whose GPUs stand idle are warned, and stopped when that goes on. Their volumes stay."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from podd.domain import idle as rules
from podd.domain.account import Caller, require
from podd.domain.errors import NotFound
from podd.domain.idle import Policy, Verdict
from podd.domain.pod import Pod
from podd.domain.use import History
from podd.domain.workload import Desired
from podd.services import pods, quotas
from podd.services.platform import Platform
from podd.store import events, workloads
from podd.store.db import Reader, Tx


async def tick(podd: Platform, history: History, now: int) -> None:
    """Judge every pod by how busy its GPUs were; only those something is done about cost a transaction."""
    for pod in await podd.store.read(_running):
        if pod.idle_warned_at is None and not pod.workload.gpus:
            continue
        policy = await podd.store.read(quotas.idle_policy, podd, pod.workload.account_id)
        busy = _averages(pod, policy, history, now)
        if _judge(podd, pod, policy, busy, now) is not Verdict.LEAVE:
            await podd.store.write(settle, podd, pod.id, busy, now)


def settle(tx: Tx, podd: Platform, pod_id: str, busy: list[float] | None, now: int) -> None:
    """Warn, withdraw the warning, or stop the pod, as it is by now."""
    pod = workloads.pod(tx, pod_id)
    if pod is None or pod.workload.desired is not Desired.RUNNING:
        return
    policy = quotas.idle_policy(tx, podd, pod.workload.account_id)
    little = f"Its GPUs were less than {policy.percent} % busy over the last {policy.window} minutes"
    match _judge(podd, pod, policy, busy, now):
        case Verdict.WARN:
            workloads.change_pod(tx, pod.id, idle_warned_at=now)
            text = f"{little}. It is stopped in {policy.grace} minutes unless they are used."
            events.add(tx, pod.id, "idle warning", text, now)
        case Verdict.WITHDRAW:
            workloads.change_pod(tx, pod.id, idle_warned_at=None)
            events.add(tx, pod.id, "idle warning withdrawn", "it is not stopped for being idle", now)
        case Verdict.STOP:
            workloads.change_pod(tx, pod.id, idle_warned_at=None)
            pods.halt(tx, podd, pod, f"{little}.", now, kind="idle stop")


def stops_at(db: Reader, podd: Platform, pod: Pod) -> int | None:
    """When a pod that was warned is stopped, unless it gets busy; None: it was not warned."""
    if pod.workload.desired is not Desired.RUNNING:
        return None
    return rules.stops_at(quotas.idle_policy(db, podd, pod.workload.account_id), pod.idle_warned_at)


def exempt(tx: Tx, caller: Caller, pod_id: str, wish: bool, now: int) -> Pod:
    """Never stop this pod for being idle, or (False) do again. Raises NotFound."""
    require(caller, "pod.exempt")
    if workloads.pod(tx, pod_id) is None:
        raise NotFound("pod not found")
    workloads.change_pod(tx, pod_id, idle_exempt=int(wish))
    tx.note_change("workloads", pod_id)
    text = "may stand idle as long as it likes" if wish else "is stopped again when it is idle"
    events.add(tx, pod_id, "idle exemption", f"{text}, by the operator", now)
    found = workloads.pod(tx, pod_id)
    assert found is not None, "read before"
    return found


# Private


def _running(db: Reader) -> list[Pod]:
    return [pod for pod in workloads.every_pod(db) if pod.workload.desired is Desired.RUNNING]


def _averages(pod: Pod, policy: Policy, history: History, now: int) -> list[float] | None:
    name = "gpu_percent"
    minutes = [
        {minute.at: minute.means[name] for minute in history.of(uuid) if name in minute.means}
        for uuid in pod.workload.gpu_uuids
    ]
    return rules.averages(minutes, policy.window, pod.workload.started_at, now)


def _judge(podd: Platform, pod: Pod, policy: Policy, busy: list[float] | None, now: int) -> Verdict:
    return rules.judge(
        policy,
        busy,
        warned_at=pod.idle_warned_at,
        started_at=pod.workload.started_at,
        exempt=pod.idle_exempt or _at_rest(podd, now),
        now=now,
    )


def _at_rest(podd: Platform, now: int) -> bool:
    """Whether it is a time of the day at which nobody is judged."""
    settings = podd.settings.idle
    here = datetime.fromtimestamp(now / 1000, UTC).astimezone(ZoneInfo(settings.time_zone))
    return rules.within(settings.exempt_hours, here.hour * 60 + here.minute)
