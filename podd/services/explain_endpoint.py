"""Explains one endpoint to its owner or to the operator: why its jobs wait."""

from contextlib import suppress

from podd.domain import explain as pods
from podd.domain import explain_endpoint as rules
from podd.domain.account import Caller, reaches, require
from podd.domain.endpoint import Endpoint
from podd.domain.errors import Forbidden, NotFound
from podd.services import explain, workers
from podd.services.platform import Platform
from podd.services.telemetry import Telemetry
from podd.store import endpoints, events, gpus, jobs, workloads
from podd.store.db import Reader

RECENT = 5


def pod_or_endpoint(
    db: Reader,
    podd: Platform,
    caller: Caller,
    id: str,
    now: int,
    telemetry: Telemetry | None = None,
    engine_answers: bool = True,
) -> list[str]:
    """Whichever has this id. `telemetry` is how busy things are. Raises NotFound."""
    require(caller, "pod.explain", "endpoint.explain")
    with suppress(NotFound, Forbidden):
        return explain.pod(db, podd, caller, id, now, telemetry, engine_answers)
    with suppress(NotFound, Forbidden):
        return endpoint(db, podd, caller, id, now)
    raise NotFound("There is no pod and no endpoint with this id.")


def endpoint(db: Reader, podd: Platform, caller: Caller, endpoint_id: str, now: int) -> list[str]:
    """Sentences, the most important first. Raises NotFound."""
    require(caller, "endpoint.explain")
    found = endpoints.get(db, endpoint_id)
    if found is None or not reaches(caller, found.account_id, found.id):
        raise NotFound("endpoint not found")
    recent = events.of(db, found.id, RECENT)
    return why(db, podd, found, now) + [f"Earlier: {one.kind}: {one.text}" for one in reversed(recent)]


def why(db: Reader, podd: Platform, found: Endpoint, now: int) -> list[str]:
    """Why its jobs wait, or that none does."""
    since = jobs.waiting_since(db, found.id, limit=1)
    return rules.why_jobs_wait(
        found,
        workloads.workers_of(db, found.id),
        queued=jobs.counts(db, found.id).queued,
        oldest=since[0] if since else None,
        hardware=shortage(db, podd, found),
        now=now,
    )


def while_waiting(db: Reader, podd: Platform, found: Endpoint, now: int) -> list[str]:
    """Why its jobs wait; empty when none does."""
    return why(db, podd, found, now) if jobs.counts(db, found.id).queued else []


def shortage(db: Reader, podd: Platform, found: Endpoint) -> str:
    """What a worker needs, and what of it is free, in sentences."""
    if wrong := workers.misfit(db, podd, found):
        return f"This machine does not fit: {wrong}."
    return _cpus(db, podd, found) if found.on_cpus else _gpus(db, podd, found)


# Private


def _cpus(db: Reader, podd: Platform, found: Endpoint) -> str:
    sizes = podd.catalogue.parse_instance_ids(found.instance_ids)
    sentences = [pods.instance_sentence(flavour, vcpus, podd.host.vcpus) for flavour, vcpus in sizes]
    free = podd.host.memory - workloads.reserved_memory(db)
    return " ".join([*sentences, pods.memory_sentence(free, podd.host.memory)])


def _gpus(db: Reader, podd: Platform, found: Endpoint) -> str:
    request = workers.gpu_request(db, podd, found)
    if not request.type_ids:
        return f"This machine has no GPU of {found.gpu_ids}."
    kinds = {workload.id: workload.kind for workload in workloads.every(db)}
    present, claims = gpus.all_present(db), gpus.claims(db)
    counted = {type_id: pods.census(type_id, present, claims, kinds) for type_id in request.type_ids}
    return " ".join(pods.gpu_sentence(type_id, request.count, one) for type_id, one in counted.items())
