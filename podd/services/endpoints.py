"""Serverless endpoints: made and changed by their owner; a change that needs new containers is a release."""

from dataclasses import replace

from podd import ids
from podd.domain import endpoint as rules
from podd.domain.account import Caller, require
from podd.domain.endpoint import Endpoint, EndpointChange
from podd.domain.errors import Invalid, NotFound
from podd.services import workers
from podd.services.platform import AUTOSCALE, Platform
from podd.store import endpoints, events, gpus, templates, workloads
from podd.store.db import Reader, Tx


def listed(db: Reader, caller: Caller) -> list[Endpoint]:
    require(caller, "endpoint.read")
    return endpoints.of_account(db, caller.account_id)


def own(db: Reader, caller: Caller, endpoint_id: str, operation: str = "read") -> Endpoint:
    """The caller's endpoint, if it may do `endpoint.<operation>`. Raises NotFound."""
    require(caller, f"endpoint.{operation}")
    endpoint = endpoints.get(db, endpoint_id)
    if endpoint is None or endpoint.account_id != caller.account_id:
        raise NotFound("endpoint not found")
    return endpoint


def save(
    tx: Tx, podd: Platform, caller: Caller, endpoint_id: str | None, change: EndpointChange, now: int
) -> Endpoint:
    """Make an endpoint, or change the one with this id. Raises Invalid, NotFound."""
    require(caller, "endpoint.save")
    if endpoint_id:
        return _change(tx, podd, own(tx, caller, endpoint_id, "save"), change, now)
    limits = podd.settings.limits
    base = Endpoint(
        id=_new_id(tx),
        account_id=caller.account_id,
        name="",
        template_id="",
        idle_timeout_s=int(limits.idle_timeout_seconds),
        workers_max=limits.workers_max,
        execution_timeout_ms=int(limits.execution_timeout_seconds * 1000),
        created_at=now,
    )
    settings = rules.settings(change, base, podd.job_limits)
    _check(tx, podd, caller.account_id, settings)
    endpoint = replace(base, **settings)
    endpoints.insert(tx, endpoint)
    events.add(tx, endpoint.id, "created", f"created as {endpoint.name}", now)
    tx.ring(AUTOSCALE)
    return endpoint


def delete(tx: Tx, podd: Platform, caller: Caller, endpoint_id: str, now: int) -> None:
    """Remove an endpoint with its jobs; its workers stop."""
    endpoint = own(tx, caller, endpoint_id, "delete")
    for worker in workloads.workers_of(tx, endpoint.id):
        workers.remove(tx, podd, worker, "its endpoint was deleted", now)
    endpoints.delete(tx, endpoint.id)


def release_all_with(tx: Tx, template_id: str, now: int) -> None:
    """The template changed: every endpoint made from it gets a new version."""
    for endpoint in endpoints.using_template(tx, template_id):
        endpoints.change(tx, endpoint.id, version=endpoint.version + 1, image_ready=0)
        events.add(tx, endpoint.id, "released", f"version {endpoint.version + 1}: its template changed", now)
    tx.ring(AUTOSCALE)


# Private


def _change(tx: Tx, podd: Platform, before: Endpoint, change: EndpointChange, now: int) -> Endpoint:
    settings = rules.settings(change, before, podd.job_limits)
    _check(tx, podd, before.account_id, settings)
    version = before.version + int(rules.needs_release(before, settings))
    endpoints.change(tx, before.id, **settings, version=version)
    if version != before.version:
        endpoints.change(tx, before.id, image_ready=0)
        events.add(tx, before.id, "released", f"version {version}", now)
    tx.ring(AUTOSCALE)
    after = endpoints.get(tx, before.id)
    assert after is not None, "read back inside the transaction that wrote it"
    return after


def _check(tx: Tx, podd: Platform, account_id: str, settings: dict[str, object]) -> None:
    """The parts of the settings that name other things: its template and its GPUs."""
    template = templates.get(tx, str(settings["template_id"]))
    if template is None or template.account_id != account_id:
        raise NotFound("template not found: an endpoint needs a templateId of your own")
    if not settings["gpu_ids"]:
        raise Invalid("gpuIds is required: a comma list of GPU pools such as AMPERE_48,ADA_24.")
    podd.catalogue.with_gpus(gpus.all_present(tx)).parse_gpu_ids(str(settings["gpu_ids"]))


def _new_id(tx: Tx) -> str:
    while endpoints.get(tx, new := ids.new_id()) is not None or new in ids.RESERVED:
        pass
    return new
