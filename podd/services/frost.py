"""FlashBoot: idle workers are frozen with what they have loaded instead of being stopped, and thawed for the
next job. They keep their GPUs and memory until anybody else wants these."""

from podd.domain import worker as rules
from podd.domain.endpoint import Endpoint, EndpointType
from podd.domain.worker import Worker, WorkerState
from podd.services import workers
from podd.services.platform import AUTOSCALE, RECONCILE, Platform, worker_bell
from podd.store import events, jobs, workloads
from podd.store.db import Tx


def freeze(tx: Tx, podd: Platform, worker: Worker, endpoint: Endpoint, why: str, now: int) -> bool:
    """Freeze a worker that is idle; False when it is not, or its endpoint or the budget does not have it.

    From this transaction on it is handed no job, and polls it has open are answered in vain: a poll that
    was open before the freeze must never bring a job, because nobody would read it.
    """
    fresh = workloads.worker(tx, worker.id)
    if endpoint.flash_boot == "OFF" or endpoint.type is EndpointType.LB:
        return False
    if fresh is None or fresh.state is not WorkerState.IDLE:
        return False
    if fresh.doors_closed or fresh.version != endpoint.version or jobs.has_stops(tx, worker.id):
        return False
    gb = podd.settings.limits.flashboot_memory_gb
    going = rules.making_room(workloads.frozen(tx), fresh, None if gb is None else gb * 1024)
    if going is None:
        return False
    for other in going:
        workers.remove(tx, podd, other, "others are frozen in its place", now)
    workloads.change(tx, worker.id, frozen_at=now)
    events.add(tx, worker.id, "frozen", f"{why}; kept with what it has loaded", now)
    tx.ring(worker_bell(worker.id))
    tx.ring(RECONCILE)
    return True


def thaw(tx: Tx, worker: Worker, now: int) -> None:
    """Wake a frozen worker. It is ready when it asks for a job again."""
    workloads.change(tx, worker.id, frozen_at=None)
    workloads.change_worker(tx, worker.id, ready_at=None, idle_since=None, thawed_at=now)
    events.add(tx, worker.id, "thawed", "woken from its freeze for a job", now)
    tx.ring(RECONCILE)
    tx.ring(AUTOSCALE)
