"""What the reconciler records about workloads of either kind. Every move is fenced by the generation and
the wish it started from: a report about a container that is no longer wanted changes nothing."""

from podd.domain.container import Container
from podd.domain.errors import NoCapacity
from podd.domain.workload import Desired, Kind, Phase, Workload, retry_delay
from podd.services import pods, workers
from podd.services.platform import AUTOSCALE, RECONCILE, SWEEP, Platform
from podd.store import events, workloads
from podd.store.db import Reader, Tx


def current(db: Reader, workload: Workload) -> Workload | None:
    """The workload as it is now, if it still wants this generation to run."""
    now = workloads.get(db, workload.id)
    if now is None or now.desired is not Desired.RUNNING or now.generation != workload.generation:
        return None
    return now


def note_phase(tx: Tx, workload: Workload, phase: Phase, text: str, at: int) -> bool:
    """Record that its image is being pulled or its container started; False if that is not wanted now."""
    if current(tx, workload) is None:
        return False
    if workload.phase is not phase:
        workloads.change(tx, workload.id, phase=phase)
        events.add(tx, workload.id, phase.lower(), text, at)
    return True


def note_pull(tx: Tx, image: str, line: str, at: int) -> None:
    """How far the pull of an image has come, in the system log of each workload that waits for it."""
    for workload_id in workloads.waiting_for_image(tx, image):
        events.add(tx, workload_id, "pulling", line, at)


def note_left_out(tx: Tx, workload: Workload, names: list[str], at: int) -> None:
    """Its container was made without these variables."""
    text = f"left out of the environment, as users may not set it: {', '.join(names)}"
    events.add(tx, workload.id, "env", text, at)


def note_running(tx: Tx, workload: Workload, container: Container, at: int) -> None:
    """The container runs. A restart that was wished for before the step to it began is done."""
    now = current(tx, workload)
    if now is None:
        return
    workloads.change(
        tx,
        workload.id,
        phase=Phase.RUNNING,
        container_id=container.id,
        address=container.address,
        started_at=container.started_at,
        last_started_at=container.started_at,
        exit_code=None,
        failing_since=None,
        reason="",
        restart_of=0 if now.restart_of == workload.restart_of else now.restart_of,
        gpus_lost_at=None,
    )
    events.add(tx, workload.id, "running", "container started", at)
    if workload.kind is Kind.WORKER:
        workers.note_running(tx, workload.id, at)


def note_exit(
    tx: Tx, podd: Platform, workload: Workload, container: Container | None, log: str, at: int
) -> None:
    """The main process ended by itself, or the container vanished."""
    now = current(tx, workload)
    if now is None:
        return
    if now.kind is Kind.POD:
        pods.exited(tx, podd, now, container, log, at)
    else:
        workers.exited(tx, podd, now, container, log, at)
    tx.ring(RECONCILE)


def note_refusal(tx: Tx, podd: Platform, workload: Workload, reason: str, at: int) -> None:
    """It can never start as it is: no such image, a bad command, a GPU the engine does not know."""
    now = current(tx, workload)
    if now is None:
        return
    if now.kind is Kind.POD:
        pods.give_up(tx, podd, now, reason, at)
    else:
        workers.crashed(tx, podd, now, reason, at)
    tx.ring(RECONCILE)


def note_failure(tx: Tx, podd: Platform, workload: Workload, reason: str, at: int) -> None:
    """Starting failed this time (the engine is busy, a registry is away): try again, later each time, but do
    not keep GPUs for ever."""
    now = current(tx, workload)
    if now is None:
        return
    since = at if now.failing_since is None else now.failing_since
    if at - since >= podd.settings.limits.start_give_up_seconds * 1000:
        minutes = (at - since) // 60_000
        note_refusal(tx, podd, now, f"{reason} podd gave up after {minutes} minutes of trying.", at)
        return
    failures = now.failures + 1
    workloads.change(
        tx,
        workload.id,
        phase=Phase.NONE,
        failures=failures,
        failing_since=since,
        retry_at=at + retry_delay(failures),
        reason=reason,
    )
    events.add(tx, workload.id, "not started", reason, at)


def note_overfull(tx: Tx, podd: Platform, workload: Workload, used: int, at: int) -> None:
    """It has written `used` bytes to its container disk, which is more than it has."""
    now = current(tx, workload)
    if now is None:
        return
    gb = f"{used / 2**30:.1f}"
    reason = f"The container was ended: it wrote {gb} GB to its container disk of {now.needs.disk} GB."
    if now.kind is Kind.POD:
        pods.give_up(tx, podd, now, reason, at, grace=0)
    else:
        workers.overfull(tx, podd, now, reason, at)
    tx.tell("container disk full", workload=now.id, used_gb=gb, disk_gb=now.needs.disk)
    tx.ring(RECONCILE)


def note_volume_stuck(tx: Tx, workload: Workload, reason: str, at: int) -> None:
    """Its volume could not be removed, so a terminated workload stays in the books: try again, later each
    time."""
    now = workloads.get(tx, workload.id)
    if now is None or now.desired is not Desired.TERMINATED:
        return
    failures = now.failures + 1 if now.reason else 1
    workloads.change(tx, now.id, failures=failures, retry_at=at + retry_delay(failures), reason=reason)
    events.add(tx, now.id, "not removed", reason, at)


def note_port_taken(tx: Tx, podd: Platform, workload: Workload, at: int) -> None:
    """A host port of it is in use by something else: others are chosen, if there are any."""
    now = current(tx, workload)
    if now is None:
        return
    try:
        pods.move_ports(tx, podd, now, at)
    except NoCapacity as error:
        note_failure(tx, podd, now, error.message, at)


def note_gone(tx: Tx, workload: Workload) -> None:
    """Nothing runs for it any more. A terminated one is forgotten."""
    now = workloads.get(tx, workload.id)
    if now is None or now.desired is Desired.RUNNING:
        return
    if now.desired is Desired.TERMINATED:
        workloads.delete(tx, now.id)
        tx.ring(SWEEP)  # a deleted network volume may have waited for this
    else:
        workloads.change(
            tx, now.id, phase=Phase.NONE, container_id="", address="", started_at=None, exited_at=None
        )
    tx.ring(RECONCILE)
    tx.ring(AUTOSCALE)


def note_reboot(tx: Tx, podd: Platform, at: int) -> None:
    """The host was down: whatever should run starts afresh, on a new container disk."""
    for workload in workloads.every(tx):
        if workload.desired is Desired.RUNNING:
            worker = workloads.worker(tx, workload.id) if workload.kind is Kind.WORKER else None
            if worker is not None:
                workers.rebooted(tx, podd, worker, at)
            else:
                workloads.renew(tx, workload)
            events.add(tx, workload.id, "rebooted", "the machine was restarted", at)
    tx.ring(RECONCILE)
