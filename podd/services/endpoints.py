"""Serverless endpoints: made and changed by their owner; a change that needs new containers is a release."""

from dataclasses import replace

from podd import ids
from podd.domain import endpoint as rules
from podd.domain import words
from podd.domain.account import Caller, reaches, require
from podd.domain.endpoint import Endpoint, EndpointChange, EndpointType
from podd.domain.errors import Invalid, NotFound
from podd.domain.rollout import Difference, differences
from podd.domain.template import Template
from podd.domain.worker import Worker
from podd.domain.workload import Desired
from podd.services import model_caches, volumes, workers
from podd.services.platform import AUTOSCALE, IMAGES, Platform, endpoint_bell
from podd.store import endpoints, events, gpus, releases, templates, workloads
from podd.store.db import Reader, Tx

# Nothing is known about the image of a version that is new.
NO_IMAGE = {"image_ready": 0, "image_trouble": "", "image_failures": 0, "image_retry_at": 0}


def listed(db: Reader, caller: Caller) -> list[Endpoint]:
    require(caller, "endpoint.list")
    return endpoints.of_account(db, caller.account_id)


def own(db: Reader, caller: Caller, endpoint_id: str, operation: str = "read") -> Endpoint:
    """The caller's endpoint, if it may do `endpoint.<operation>`. Raises NotFound."""
    require(caller, f"endpoint.{operation}")
    endpoint = endpoints.get(db, endpoint_id)
    if endpoint is None or not reaches(caller, endpoint.account_id, endpoint.id):
        raise NotFound("endpoint not found")
    return endpoint


def crew(db: Reader, caller: Caller, endpoint_id: str) -> list[Worker]:
    """The workers of the caller's endpoint, oldest first. Raises NotFound."""
    return workloads.workers_of(db, own(db, caller, endpoint_id).id)


def own_worker(
    db: Reader, caller: Caller, worker_id: str, missing: str = "worker not found"
) -> tuple[Worker, Endpoint]:
    """A worker of one of the caller's endpoints, with that endpoint. Raises NotFound(`missing`)."""
    require(caller, "endpoint.read")
    worker = workloads.worker(db, worker_id)
    if worker is None or worker.workload.desired is Desired.TERMINATED:
        raise NotFound(missing)
    endpoint = endpoints.get(db, worker.endpoint_id)
    if endpoint is None or not reaches(caller, endpoint.account_id, endpoint.id):
        raise NotFound(missing)
    return worker, endpoint


def save(
    tx: Tx, podd: Platform, caller: Caller, endpoint_id: str | None, change: EndpointChange, now: int
) -> Endpoint:
    """Make an endpoint, or change the one with this id. Raises Invalid, NotFound."""
    require(caller, "endpoint.save")
    if endpoint_id:
        return _change(tx, podd, caller, own(tx, caller, endpoint_id, "save"), change, now)
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
        asked_at=now,
    )
    settings = rules.settings(change, base, podd.job_limits)
    _check(tx, podd, caller, base, settings)
    endpoint = replace(base, **settings)
    _want_model_cache(tx, podd, base, settings, now)
    _check_quota(tx, podd, caller.account_id, endpoint.workers_max)
    endpoints.insert(tx, endpoint)
    releases.add(tx, endpoint.id, endpoint.version, now)
    events.add(tx, endpoint.id, "created", f"created as {endpoint.name}", now)
    tx.ring(AUTOSCALE)
    tx.ring(IMAGES)
    return endpoint


def delete(tx: Tx, podd: Platform, caller: Caller, endpoint_id: str, now: int) -> None:
    """Remove an endpoint with its jobs and the template that is part of it; its workers stop."""
    endpoint = own(tx, caller, endpoint_id, "delete")
    for worker in workloads.workers_of(tx, endpoint.id):
        workers.remove(tx, podd, worker, "its endpoint was deleted", now)
    endpoints.delete(tx, endpoint.id)
    templates.delete_parts_of(tx, endpoint.id)
    tx.ring(endpoint_bell(endpoint.id))


def release_all_with(tx: Tx, before: Template, after: Template, now: int) -> None:
    """The template changed: every endpoint made from it gets a new version."""
    for endpoint in endpoints.using_template(tx, after.id):
        _release(tx, endpoint, differences(before, after), "its template changed", now)
    tx.ring(AUTOSCALE)
    tx.ring(IMAGES)


# Private


def _change(
    tx: Tx, podd: Platform, caller: Caller, before: Endpoint, change: EndpointChange, now: int
) -> Endpoint:
    settings = rules.settings(change, before, podd.job_limits)
    _check(tx, podd, caller, before, settings)
    _want_model_cache(tx, podd, before, settings, now)
    _check_quota(tx, podd, before.account_id, settings["workers_max"] - before.workers_max)
    endpoints.change(tx, before.id, **settings, asked_at=now)
    for worker in workloads.workers_of(tx, before.id):
        if worker.gave_up:
            workers.remove(tx, podd, worker, "given up, and its endpoint was changed", now)
    if rules.needs_release(before, settings):
        _release(tx, before, _difference(tx, before, settings), "its settings changed", now)
    tx.ring(AUTOSCALE)
    tx.ring(IMAGES)
    after = endpoints.get(tx, before.id)
    assert after is not None, "read back inside the transaction that wrote it"
    return after


def _release(tx: Tx, endpoint: Endpoint, diff: tuple[Difference, ...], why: str, now: int) -> None:
    version = endpoint.version + 1
    endpoints.change(tx, endpoint.id, version=version, **NO_IMAGE)
    releases.add(tx, endpoint.id, version, now, diff)
    events.add(tx, endpoint.id, "released", f"version {version}: {why}", now)


def _difference(tx: Tx, before: Endpoint, settings: dict[str, object]) -> tuple[Difference, ...]:
    old = templates.get(tx, before.template_id)
    new = templates.get(tx, str(settings["template_id"]))
    assert old is not None, "endpoints keep their template from being deleted"
    assert new is not None, "it was checked"
    return differences(old, new, rules.released(before, settings))


def _check(tx: Tx, podd: Platform, caller: Caller, before: Endpoint, settings: dict[str, object]) -> None:
    """The parts of the settings that name other things: template, network volume, GPUs or CPU instances."""
    template = templates.get(tx, str(settings["template_id"]))
    if template is None or template.account_id != before.account_id:
        raise NotFound("template not found: an endpoint needs a templateId of your own")
    if not template.serverless and template.id != before.template_id:
        raise Invalid("templateId: an endpoint needs a serverless template; this one is for pods.")
    if settings["type"] is EndpointType.LB:
        _check_ports(template, podd.settings.load_balancer.http_ports)
    volume_id = str(settings["network_volume_id"])
    if volume_id and volume_id != before.network_volume_id:
        volumes.own(tx, caller, volume_id)
    if settings["instance_ids"]:
        podd.catalogue.parse_instance_ids(str(settings["instance_ids"]))
        return
    if not settings["gpu_ids"]:
        raise Invalid("gpuIds is required: a comma list of GPU pools such as AMPERE_48,ADA_24.")
    podd.catalogue.with_gpus(gpus.all_present(tx)).parse_gpu_ids(str(settings["gpu_ids"]))


def _want_model_cache(
    tx: Tx, podd: Platform, before: Endpoint, settings: dict[str, object], now: int
) -> None:
    if settings["model"] and settings["model"] != before.model:
        model_caches.want(tx, podd, before.account_id, now)


def _check_ports(template: Template, most: int) -> None:
    offered = sum(port.protocol == "http" for port in words.parse_ports(template.ports))
    if offered > most:
        raise Invalid(
            f"The template offers {offered} http ports; workers of a load-balancing endpoint may have {most}."
        )


def _check_quota(tx: Tx, podd: Platform, account_id: str, more: int) -> None:
    """Raise Invalid when `more` workers are more than the account may have over all its endpoints."""
    quota = podd.settings.limits.workers_quota
    have = sum(endpoint.workers_max for endpoint in endpoints.of_account(tx, account_id))
    if more > 0 and have + more > quota:
        raise Invalid(
            f"Your worker concurrency cannot go beyond the maximum limit of ({quota}). "
            f"Your endpoints have {have} already; lower workersMax here or elsewhere."
        )


def _new_id(tx: Tx) -> str:
    while endpoints.get(tx, new := ids.new_id()) is not None or new in ids.RESERVED:
        pass
    return new
