"""How many workers each endpoint has: look at the demand, ask the rule, add or let go."""

import structlog

from podd.domain import scaling
from podd.domain.endpoint import Endpoint, EndpointType
from podd.domain.errors import NoCapacity
from podd.domain.scaling import Demand
from podd.domain.words import whole_number
from podd.domain.worker import Worker, WorkerState
from podd.services import workers
from podd.services.platform import Platform
from podd.store import endpoints, jobs, workloads
from podd.store.db import Tx

log = structlog.get_logger()


async def tick(podd: Platform, now: int) -> None:
    """One look at every endpoint; only those with something to do cost a transaction."""
    for endpoint_id in dict.fromkeys(
        [*await podd.store.read(endpoints.to_scale), *podd.traffic.waited_for()]
    ):
        try:
            await podd.store.write(scale, podd, endpoint_id, now)
        except Exception:
            # What is wrong with one endpoint is not to keep the others from their workers.
            log.exception("endpoint not scaled", endpoint=endpoint_id)


def scale(tx: Tx, podd: Platform, endpoint_id: str, now: int) -> None:
    """Bring one endpoint's workers in line with its jobs."""
    endpoint = endpoints.get(tx, endpoint_id)
    if endpoint is None:
        return
    crew = _crew(tx, podd, endpoint)
    _check_starting(tx, podd, endpoint, crew, now)
    _let_go_closed(tx, podd, endpoint, crew, now)
    _replace_outdated(tx, podd, endpoint, _crew(tx, podd, endpoint), now)
    _let_go_idle(tx, podd, endpoint, _crew(tx, podd, endpoint), now)
    crew = _crew(tx, podd, endpoint)
    able = [w for w in crew if w.state is not WorkerState.UNHEALTHY and not _leaves(endpoint, w)]
    wanted = scaling.wanted(
        _demand(tx, podd, endpoint, able, now),
        scaler=endpoint.scaler,
        value=endpoint.scaler_value,
        workers_min=endpoint.workers_min,
        workers_max=endpoint.workers_max,
    )
    short = _add(tx, podd, endpoint, crew, wanted - len(able), now)
    if short != endpoint.throttled:
        endpoints.change(tx, endpoint.id, throttled=short)


def _crew(tx: Tx, podd: Platform, endpoint: Endpoint) -> list[Worker]:
    return podd.traffic.seen(workloads.workers_of(tx, endpoint.id))


def _leaves(endpoint: Endpoint, worker: Worker) -> bool:
    """A worker of a load-balancing endpoint whose door is closed does not come back."""
    return endpoint.type is EndpointType.LB and worker.doors_closed


def _let_go_closed(tx: Tx, podd: Platform, endpoint: Endpoint, crew: list[Worker], now: int) -> None:
    for worker in crew:
        if _leaves(endpoint, worker) and worker.state is WorkerState.IDLE:
            workers.stop(tx, podd, worker, "no requests are left", now)


def _demand(tx: Tx, podd: Platform, endpoint: Endpoint, able: list[Worker], now: int) -> Demand:
    starting = sum(worker.state is WorkerState.INITIALIZING for worker in able)
    since = jobs.waiting_since(tx, endpoint.id, limit=endpoint.workers_max)
    return Demand(
        queued=jobs.queued_for_scaling(tx, endpoint.id) + podd.traffic.waiting(endpoint.id),
        in_progress=jobs.counts(tx, endpoint.id).in_progress + podd.traffic.in_flight(endpoint.id),
        waits=tuple(now - at for at in since),
        starting=starting,
        ready=len(able) - starting,
    )


def _add(tx: Tx, podd: Platform, endpoint: Endpoint, crew: list[Worker], missing: int, now: int) -> int:
    """Get `missing` more workers: unhealthy ones whose rest is over first, then new ones, never more than
    the endpoint's maximum in all. How many there was no room for."""
    rested = [w for w in crew if w.unhealthy_until is not None and w.unhealthy_until <= now]
    while missing > 0 and rested:
        if not workers.revive(tx, podd, rested.pop(0), endpoint, now):
            return missing
        missing -= 1
    missing = min(missing, endpoint.workers_max - len(crew))
    while missing > 0:
        try:
            workers.add(tx, podd, endpoint, now)
        except NoCapacity:
            return missing
        missing -= 1
    return 0


def _let_go_idle(tx: Tx, podd: Platform, endpoint: Endpoint, crew: list[Worker], now: int) -> None:
    """Stop workers beyond the maximum as soon as they are free, and beyond the minimum once they have been
    idle for the endpoint's idle timeout. The longest idle go first."""
    able = [w for w in crew if w.state is not WorkerState.UNHEALTHY and not _leaves(endpoint, w)]
    free = [w for w in able if not w.held and (w.idle_since is not None or w.ready_at is None)]
    free.sort(key=lambda w: w.idle_since or now)
    count = len(able)
    queued = jobs.counts(tx, endpoint.id).queued + podd.traffic.waiting(endpoint.id)
    for worker in free:
        if count > endpoint.workers_max:
            why = f"more workers than the maximum of {endpoint.workers_max}"
        elif count > endpoint.workers_min and not queued and _idle_too_long(worker, endpoint, now):
            why = f"idle for {endpoint.idle_timeout_s} s"
        else:
            continue
        if workers.stop(tx, podd, worker, why, now):
            count -= 1


def _idle_too_long(worker: Worker, endpoint: Endpoint, now: int) -> bool:
    return worker.idle_since is not None and now - worker.idle_since >= endpoint.idle_timeout_s * 1000


def _replace_outdated(tx: Tx, podd: Platform, endpoint: Endpoint, crew: list[Worker], now: int) -> None:
    """Workers of an older version go once they are free: a tenth of the maximum at a time, at least one.
    Those whose turn it is get no more jobs; else a busy one would never be free."""
    outdated = [w for w in crew if w.version != endpoint.version]
    outdated.sort(key=lambda w: (w.held > 0, not w.doors_closed))
    for worker in outdated[: max(endpoint.workers_max // 10, 1)]:
        gone = workers.stop(tx, podd, worker, f"outdated by version {endpoint.version}", now)
        if not gone and not worker.doors_closed:
            workers.close_door(tx, worker)


def _check_starting(tx: Tx, podd: Platform, endpoint: Endpoint, crew: list[Worker], now: int) -> None:
    """A container that is up but never asks for a job, or is never healthy, is not a worker."""
    balanced = endpoint.type is EndpointType.LB
    settings = podd.settings.load_balancer if balanced else podd.settings.limits
    limit = settings.init_timeout_seconds * 1000
    missed = "was not healthy" if balanced else "did not ask for a job"
    for worker in crew:
        started = worker.workload.started_at
        if worker.state is WorkerState.INITIALIZING and started and worker.ready_at is None:
            limit_ms = _init_timeout(worker, limit)
            if worker.workload.phase == "RUNNING" and now - started > limit_ms:
                reason = f"The worker {missed} within {limit_ms // 1000:.0f} s of its start."
                workers.crashed(tx, podd, worker.workload, reason, now)


def _init_timeout(worker: Worker, default_ms: float) -> float:
    wish = whole_number(worker.workload.needs.env.get("RUNPOD_INIT_TIMEOUT", ""))
    return wish * 1000 if wish else default_ms
