"""How many workers each endpoint has: look at the demand, ask the rule, add or let go."""

import structlog

from podd.domain import rollout, scaling
from podd.domain.endpoint import Endpoint, EndpointType
from podd.domain.fairness import Short
from podd.domain.scaling import Demand
from podd.domain.words import whole_number
from podd.domain.worker import Worker, WorkerState
from podd.services import frost, funds, share, workers
from podd.services.platform import Platform
from podd.store import endpoints, events, jobs, workloads
from podd.store.db import Tx

log = structlog.get_logger()

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


async def tick(podd: Platform, now: int) -> None:
    """One look at every endpoint; only those with something to do cost a transaction. What is missing is
    shared out among all of them at once, so that nobody is served for being first in a list."""
    for days, most in _resting(podd):
        before = now - int(days * DAY_MS)
        if await podd.store.read(endpoints.unused_since, before, most):
            await podd.store.write(rest_unused, before, most, now)
    shorts: list[Short] = []
    to_scale = [*await podd.store.read(endpoints.to_scale), *podd.traffic.waited_for()]
    for endpoint_id in dict.fromkeys(to_scale):
        try:
            short = await podd.store.write(scale, podd, endpoint_id, now)
        except Exception:
            # What is wrong with one endpoint is not to keep the others from their workers.
            log.exception("endpoint not scaled", endpoint=endpoint_id)
        else:
            shorts += [short] if short else []
    if shorts:
        await podd.store.write(share.out, podd, shorts, now)


def rest_unused(tx: Tx, before: int, most: int, now: int) -> None:
    """Lower the maximum of endpoints that nobody has used since then; whoever changes one starts it anew."""
    for endpoint in endpoints.unused_since(tx, before, most):
        endpoints.change(tx, endpoint.id, workers_max=most)
        why = f"workersMax {endpoint.workers_max} lowered to {most}: no job for a long time"
        events.add(tx, endpoint.id, "rested", why, now)


def _resting(podd: Platform) -> list[tuple[float, int]]:
    """After how many days without a job which maximum is left; 0 days: never."""
    limits = podd.settings.limits
    steps = [(limits.unused_endpoint_low_days, 2), (limits.unused_endpoint_off_days, 0)]
    return [step for step in steps if step[0]]


def scale(tx: Tx, podd: Platform, endpoint_id: str, now: int) -> Short | None:
    """Let go of the workers that one endpoint should not have any more; what it lacks, if it lacks any."""
    endpoint = endpoints.get(tx, endpoint_id)
    if endpoint is None:
        return None
    crew = _crew(tx, podd, endpoint)
    _check_starting(tx, podd, endpoint, crew, now)
    _let_go_closed(tx, podd, endpoint, crew, now)
    _replace_outdated(tx, podd, endpoint, _crew(tx, podd, endpoint), now)
    _let_go_idle(tx, podd, endpoint, _crew(tx, podd, endpoint), now)
    _let_go_frozen(tx, podd, endpoint, _crew(tx, podd, endpoint), now)
    able = _able(endpoint, _crew(tx, podd, endpoint))
    wanted = scaling.wanted(
        _demand(tx, podd, endpoint, able, now),
        scaler=endpoint.scaler,
        value=endpoint.scaler_value,
        workers_min=endpoint.workers_min,
        workers_max=endpoint.workers_max,
    )
    if not funds.may_serve(tx, podd, endpoint.account_id):
        wanted = 0
    if wanted > endpoint.workers_min and endpoint.asked_at <= now - HOUR_MS:
        endpoints.change(tx, endpoint.id, asked_at=now)
    if wanted > len(able):
        return share.short(tx, podd, endpoint, wanted - len(able))
    if endpoint.throttled:
        endpoints.change(tx, endpoint.id, throttled=0)
    return None


def _crew(tx: Tx, podd: Platform, endpoint: Endpoint) -> list[Worker]:
    return podd.traffic.seen(workloads.workers_of(tx, endpoint.id))


def _leaves(endpoint: Endpoint, worker: Worker) -> bool:
    """A worker of a load-balancing endpoint whose door is closed does not come back."""
    return endpoint.type is EndpointType.LB and worker.doors_closed


def _let_go_closed(tx: Tx, podd: Platform, endpoint: Endpoint, crew: list[Worker], now: int) -> None:
    for worker in crew:
        if _leaves(endpoint, worker) and worker.state is WorkerState.IDLE:
            workers.stop(tx, podd, worker, worker.leaving or "no requests are left", now)


def _demand(tx: Tx, podd: Platform, endpoint: Endpoint, able: list[Worker], now: int) -> Demand:
    starting = sum(worker.state is WorkerState.INITIALIZING for worker in able)
    enough = endpoint.workers_max * max(endpoint.scaler_value, 1)  # more would start no further worker
    since = jobs.waiting_since(tx, endpoint.id, limit=endpoint.workers_max)
    return Demand(
        queued=jobs.queued_for_scaling(tx, endpoint.id, enough) + podd.traffic.waiting(endpoint.id),
        in_progress=jobs.in_progress(tx, endpoint.id) + podd.traffic.in_flight(endpoint.id),
        waits=tuple(now - at for at in since),
        starting=starting,
        ready=len(able) - starting,
    )


def _let_go_idle(tx: Tx, podd: Platform, endpoint: Endpoint, crew: list[Worker], now: int) -> None:
    """Stop workers beyond the maximum as soon as they are free, and beyond the minimum once they have been
    idle for the endpoint's idle timeout. The longest idle go first."""
    able = _able(endpoint, crew)
    free = [w for w in able if not w.held and (w.idle_since is not None or w.ready_at is None)]
    free.sort(key=lambda w: w.idle_since or now)
    count = len(able)
    queued = jobs.any_queued(tx, endpoint.id) or podd.traffic.waiting(endpoint.id)
    for worker in free:
        if count > endpoint.workers_max:
            why = f"more workers than the maximum of {endpoint.workers_max}"
        elif count > endpoint.workers_min and not queued and _idle_too_long(worker, endpoint, now):
            why = f"idle for {endpoint.idle_timeout_s} s"
        else:
            continue
        kept = count <= endpoint.workers_max and frost.freeze(tx, podd, worker, endpoint, why, now)
        if kept or workers.stop(tx, podd, worker, why, now):
            count -= 1


def _let_go_frozen(tx: Tx, podd: Platform, endpoint: Endpoint, crew: list[Worker], now: int) -> None:
    """Frozen workers beyond the maximum go, and all of them when the endpoint does not want any."""
    frozen = [w for w in crew if w.state is WorkerState.FROZEN]
    surplus = len(crew) - endpoint.workers_max
    for worker in frozen if endpoint.flash_boot == "OFF" else frozen[: max(surplus, 0)]:
        workers.remove(tx, podd, worker, "no longer kept frozen", now)


def _able(endpoint: Endpoint, crew: list[Worker]) -> list[Worker]:
    """Those that take jobs or requests, or will as they start."""
    apart = (WorkerState.UNHEALTHY, WorkerState.FROZEN)
    return [w for w in crew if w.state not in apart and not _leaves(endpoint, w)]


def _idle_too_long(worker: Worker, endpoint: Endpoint, now: int) -> bool:
    return worker.idle_since is not None and now - worker.idle_since >= endpoint.idle_timeout_s * 1000


def _replace_outdated(tx: Tx, podd: Platform, endpoint: Endpoint, crew: list[Worker], now: int) -> None:
    """Workers of an older version go when their turn has come, each once it is free."""
    turns = rollout.replaced_now(
        crew,
        endpoint.version,
        workers_max=endpoint.workers_max,
        gpu_count=endpoint.gpu_count,
        throttled=endpoint.throttled,
    )
    for worker in turns:
        workers.see_off(tx, podd, worker, workers.outdated_by(endpoint), now)


def _check_starting(tx: Tx, podd: Platform, endpoint: Endpoint, crew: list[Worker], now: int) -> None:
    """A container that is up but never asks for a job, or is never healthy, is not a worker."""
    balanced = endpoint.type is EndpointType.LB
    settings = podd.settings.load_balancer if balanced else podd.settings.limits
    missed = "was not healthy" if balanced else "did not ask for a job"
    for worker in crew:
        if worker.state is not WorkerState.INITIALIZING or worker.workload.phase != "RUNNING":
            continue
        if worker.thawed_at is not None:
            if now - worker.thawed_at > podd.settings.limits.thaw_timeout_seconds * 1000:
                workers.remove(tx, podd, worker, "it did not come back from its freeze", now)
            continue
        since, limit_ms = worker.awaited_since, _init_timeout(worker, settings.init_timeout_seconds)
        since = worker.workload.started_at if since is None else since
        if since and worker.ready_at is None and now - since > limit_ms:
            reason = f"The worker {missed} within {limit_ms // 1000:.0f} s of its start."
            workers.crashed(tx, podd, worker.workload, reason, now)


def _init_timeout(worker: Worker, default_seconds: float) -> float:
    """Milliseconds."""
    wish = whole_number(worker.workload.needs.env.get("RUNPOD_INIT_TIMEOUT", ""))
    return (wish or default_seconds) * 1000
