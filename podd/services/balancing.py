"""Workers of load-balancing endpoints: which of them are open, and when they are ready."""

from dataclasses import dataclass

from podd.domain.balancing import Service
from podd.domain.endpoint import Endpoint, EndpointType
from podd.domain.workload import Desired, Phase
from podd.services import workers
from podd.services.platform import AUTOSCALE, Platform
from podd.store import endpoints, events, workloads
from podd.store.db import Reader, Tx


@dataclass(frozen=True, slots=True)
class Member:
    """A worker whose container runs. `ready`: it was healthy once; `closed`: it gets no more requests."""

    worker_id: str
    generation: int
    address: str
    service: Service
    ready: bool
    closed: bool


@dataclass(frozen=True, slots=True)
class Pool:
    """An endpoint with its workers: `members` by id, and `crew`, the ids of all, whether they run or not."""

    endpoint: Endpoint
    members: dict[str, Member]
    crew: frozenset[str]


def pool(db: Reader, endpoint_id: str) -> Pool | None:
    """None when there is no such load-balancing endpoint."""
    endpoint = endpoints.get(db, endpoint_id)
    if endpoint is None or endpoint.type is not EndpointType.LB:
        return None
    crew = workloads.workers_of(db, endpoint.id)
    members = [
        Member(
            worker_id=worker.id,
            generation=worker.workload.generation,
            address=worker.workload.address,
            service=Service.of(worker.workload.needs.env),
            ready=worker.ready_at is not None,
            closed=worker.doors_closed,
        )
        for worker in crew
        if worker.workload.desired is Desired.RUNNING
        and worker.workload.phase is Phase.RUNNING
        and worker.workload.address
    ]
    return Pool(endpoint, {member.worker_id: member for member in members}, frozenset(w.id for w in crew))


def pools(db: Reader) -> list[Pool]:
    """Of all load-balancing endpoints."""
    found = (pool(db, endpoint_id) for endpoint_id in endpoints.balanced(db))
    return [one for one in found if one is not None]


def note_healthy(tx: Tx, worker_id: str, generation: int, now: int) -> None:
    """Its first good health check ends the cold start of this container."""
    worker = workloads.worker(tx, worker_id)
    if worker is None or worker.workload.generation != generation or worker.ready_at is not None:
        return
    if worker.workload.desired is Desired.RUNNING:
        workloads.change_worker(tx, worker_id, ready_at=now, idle_since=now, crashes=0)
        events.add(tx, worker_id, "ready", "the worker is healthy", now)
        tx.ring(AUTOSCALE)


def wake(tx: Tx, podd: Platform, endpoint_id: str, worker_id: str, now: int) -> None:
    """Start a worker of the endpoint that rests after a crash, before its rest is over."""
    worker = workloads.worker(tx, worker_id)
    endpoint = endpoints.get(tx, endpoint_id)
    if (
        worker
        and endpoint
        and worker.endpoint_id == endpoint_id
        and worker.workload.desired is Desired.FAILED
    ):
        workers.revive(tx, podd, worker, endpoint, now)
