"""More workers for the endpoints that are short of them, fairly: one at a time, to whoever has least."""

from collections.abc import Mapping
from dataclasses import replace

from podd.domain import fairness
from podd.domain.endpoint import Endpoint
from podd.domain.errors import NoCapacity, OverQuota
from podd.domain.fairness import Holder, Shares, Short
from podd.domain.worker import Worker, WorkerState
from podd.domain.workload import Desired
from podd.services import admission, frost, workers
from podd.services.platform import Platform
from podd.store import endpoints, gpus, jobs, workloads
from podd.store.db import Reader, Tx


def short(db: Reader, podd: Platform, endpoint: Endpoint, missing: int) -> Short:
    """What the endpoint lacks: `missing` more workers."""
    since = jobs.waiting_since(db, endpoint.id, limit=1)
    return Short(
        endpoint_id=endpoint.id,
        account_id=endpoint.account_id,
        missing=missing,
        size=_smallest(podd, endpoint) if endpoint.on_cpus else endpoint.gpu_count,
        type_ids=frozenset(
            (fairness.CPU,) if endpoint.on_cpus else workers.gpu_request(db, podd, endpoint).type_ids
        ),
        since=max(since[0], endpoint.served_at) if since else None,
    )


def out(tx: Tx, podd: Platform, shorts: list[Short], now: int) -> None:
    """Get each endpoint the workers it lacks, as far as there is room; for those that find none, others give
    way. Records how many each still lacks."""
    found = {endpoint.id: endpoint for endpoint in endpoints.every(tx)}
    waiting = [short for short in shorts if short.endpoint_id in found]
    shares = Shares.of(_holders(tx, podd, found))
    blocked: list[Short] = []
    while waiting:
        next_one = fairness.served_next(waiting, shares)
        waiting.remove(next_one)
        endpoint = found[next_one.endpoint_id]
        if not next_one.missing or not _attempts_left(tx, endpoint, now):
            _note_throttled(tx, endpoint, 0)
            continue
        if workers.misfit(tx, podd, endpoint):
            _note_throttled(tx, endpoint, next_one.missing)  # nobody who gives way could help it
            continue
        try:
            found_room = _one_more(tx, podd, endpoint, now)
        except OverQuota:
            # Nobody gives way to what its account may not have.
            _note_throttled(tx, endpoint, next_one.missing)
            continue
        if found_room:
            shares.add(next_one, next_one.size)
            waiting.append(replace(next_one, missing=next_one.missing - 1))
        else:
            _note_throttled(tx, endpoint, next_one.missing)
            blocked.append(next_one)
    if blocked:
        _give_way(tx, podd, found, blocked, now)


# Private


def _attempts_left(db: Reader, endpoint: Endpoint, now: int) -> bool:
    """Never more workers than the maximum in all: with a broken image, that is also one of attempts."""
    crew = workloads.workers_of(db, endpoint.id)
    return len(crew) < endpoint.workers_max or any(_frozen(w) or _rested(w, now) for w in crew)


def _one_more(tx: Tx, podd: Platform, endpoint: Endpoint, now: int) -> bool:
    """One more worker: a frozen one, an unhealthy one whose rest is over, else a new one; False when there is
    no room. Raises OverQuota."""
    crew = workloads.workers_of(tx, endpoint.id)
    frozen = [worker for worker in crew if _frozen(worker)]
    if frozen:
        chosen = max(frozen, key=lambda worker: worker.workload.frozen_at or 0)
        admission.thaw(tx, podd, workers.owner_of(endpoint), len(chosen.workload.gpu_uuids))
        frost.thaw(tx, chosen, now)
        return True
    rested = next((worker for worker in crew if _rested(worker, now)), None)
    try:
        if rested is not None:
            workers.revive(tx, podd, rested, endpoint, now)
        else:
            workers.add(tx, podd, endpoint, now)
    except NoCapacity:
        return False
    return True


def _frozen(worker: Worker) -> bool:
    return worker.state is WorkerState.FROZEN


def _rested(worker: Worker, now: int) -> bool:
    return worker.unhealthy_until is not None and worker.unhealthy_until <= now


def _give_way(tx: Tx, podd: Platform, found: Mapping[str, Endpoint], blocked: list[Short], now: int) -> None:
    turn_ms = int(podd.settings.limits.fair_turn_seconds * 1000)
    chosen = fairness.giving_way(blocked, _holders(tx, podd, found), turn_ms=turn_ms, now=now)
    for worker_id in chosen:
        worker = workloads.worker(tx, worker_id)
        if worker is not None:
            workers.see_off(tx, podd, worker, "another endpoint is short of GPUs", now)


def _holders(db: Reader, podd: Platform, found: Mapping[str, Endpoint]) -> list[Holder]:
    """Every worker that holds GPUs or cores for itself, which a frozen one does not. The busiest of an
    endpoint are its minimum."""
    types = {gpu.uuid: gpu.type_id for gpu in gpus.all_present(db)}
    holders = []
    for endpoint in found.values():
        queued = jobs.any_queued(db, endpoint.id) or podd.traffic.waiting(endpoint.id)
        crew = podd.traffic.seen(workloads.workers_of(db, endpoint.id))
        crew = [worker for worker in crew if worker.workload.desired is Desired.RUNNING]
        staying = sorted((w for w in crew if not w.leaving), key=lambda w: -w.held)
        kept = {worker.id for worker in staying[: endpoint.workers_min]}
        for worker in crew:
            held = worker.workload.gpu_uuids
            if (held or worker.instance_id) and not _frozen(worker):
                unused = worker.state is WorkerState.IDLE and not queued
                holders.append(
                    Holder(
                        worker_id=worker.id,
                        endpoint_id=endpoint.id,
                        account_id=endpoint.account_id,
                        size=len(held) or worker.workload.needs.cpus,
                        type_ids=frozenset(types[u] for u in held if u in types)
                        if held
                        else frozenset((fairness.CPU,)),
                        spare=worker.id not in kept,
                        unused=unused,
                        since=worker.ready_at,
                        leaving=bool(worker.leaving),
                    )
                )
    return holders


def _smallest(podd: Platform, endpoint: Endpoint) -> int:
    """vCPUs of the least that a worker may be."""
    return min(vcpus for _, vcpus in podd.catalogue.parse_instance_ids(endpoint.instance_ids))


def _note_throttled(tx: Tx, endpoint: Endpoint, count: int) -> None:
    if endpoint.throttled != count:
        endpoints.change(tx, endpoint.id, throttled=count)
