"""Serverless endpoints."""

from collections.abc import Awaitable, Callable
from typing import Any

from graphql import GraphQLResolveInfo

from podd.api.context import Call
from podd.api.crew import worker_counts
from podd.api.graphql import inputs, pods
from podd.api.graphql.at_rest import Shown
from podd.api.graphql.roots import Input, mutation
from podd.api.graphql.views import View
from podd.api.graphql.views.pod import as_pod
from podd.api.graphql.views.serverless import endpoint_view
from podd.api.graphql.volumes import show_volume
from podd.api.shown import instant
from podd.domain import account as who
from podd.domain.account import Caller
from podd.domain.endpoint import Endpoint, EndpointChange
from podd.domain.errors import NotFound
from podd.domain.measure import HOUR, Measure
from podd.services import endpoints, explain_endpoint, inline
from podd.store import measures, workloads
from podd.store import templates as template_rows
from podd.store import volumes as volume_rows
from podd.store.db import Reader, Tx


@mutation.field("saveEndpoint")
async def save_endpoint(_root: object, info: GraphQLResolveInfo, input: Input | None = None) -> View:
    context = _saver(info)
    data = inputs.required(input)
    change = inputs.endpoint_change(inputs.with_defaults(data))
    endpoint_id, template = data.get("id") or None, data.get("template")

    def save(tx: Tx) -> Endpoint:
        if template is None:
            return endpoints.save(tx, context.podd, context.caller, endpoint_id, change, context.now)
        values = inputs.template_values(template, _known_extras(tx, context.caller, endpoint_id))
        return inline.save(tx, context.podd, context.caller, endpoint_id, change, values, context.now)

    return await _show(context, await context.write(save))


@mutation.field("updateEndpointTemplate")
async def update_endpoint_template(
    _root: object, info: GraphQLResolveInfo, input: Input | None = None
) -> View:
    context = _saver(info)
    data = inputs.required(input)
    if not data.get("endpointId"):
        raise NotFound("endpoint not found")
    change = EndpointChange(template_id=data.get("templateId") or None)
    saved = await context.write(
        endpoints.save, context.podd, context.caller, data["endpointId"], change, context.now
    )
    return await _show(context, saved)


@mutation.field("deleteEndpoint")
async def delete_endpoint(_root: object, info: GraphQLResolveInfo, id: str | None = None) -> None:
    context: Call = info.context
    await context.write(endpoints.delete, context.podd, context.caller, id or "", context.now)


async def mine(info: GraphQLResolveInfo) -> list[View]:
    """`myself.endpoints`."""
    context: Call = info.context
    found = await context.read(endpoints.listed, context.caller)
    return await context.read(_show_endpoints, context, found)


async def one_of_mine(info: GraphQLResolveInfo, id: str | None = None) -> View | None:
    """`myself.endpoint`."""
    context: Call = info.context
    try:
        found = await context.read(endpoints.own, context.caller, id or "")
    except NotFound:
        return None
    return await _show(context, found)


# Private


def _saver(info: GraphQLResolveInfo) -> Call:
    context: Call = info.context
    who.require(context.caller, "endpoint.save")
    return context


def _known_extras(db: Reader, caller: Caller, endpoint_id: str | None) -> Input:
    template = inline.own_template(db, endpoints.own(db, caller, endpoint_id)) if endpoint_id else None
    return template.extras if template else {}


async def _show(context: Call, endpoint: Endpoint) -> View:
    return (await context.read(_show_endpoints, context, [endpoint]))[0]


def _show_endpoints(db: Reader, context: Call, found: list[Endpoint]) -> list[View]:
    return [{**_view(db, context, endpoint), **_asked_for(endpoint), "builds": []} for endpoint in found]


def _view(db: Reader, context: Call, endpoint: Endpoint) -> View:
    volume_id = endpoint.network_volume_id
    volume = volume_rows.get(db, volume_id) if volume_id else None
    return endpoint_view(
        endpoint,
        template_rows.get(db, endpoint.template_id),
        show_volume(context, volume) if volume else None,
        context.podd.settings.machine.data_center_id,
    )


def _asked_for(endpoint: Endpoint) -> dict[str, Callable[..., Awaitable[Any]]]:
    """What takes time, as functions that are called when the field was asked for."""
    return {
        # Its workers, read as pods: their state, and why one is not running.
        "pods": _later(lambda db, context, _: _show_workers(db, context, endpoint)),
        "explanation": _later(
            lambda db, context, _: explain_endpoint.while_waiting(db, context.podd, endpoint, context.now)
        ),
        "workerState": _later(lambda db, context, _: _worker_state(db, context, endpoint)),
        "webhookRequests": _later(lambda db, _, input: _webhook_requests(db, endpoint, input)),
    }


def _later(show: Callable[[Reader, Call, Input], Any]) -> Callable[..., Awaitable[Any]]:
    async def ask(info: GraphQLResolveInfo, input: Input | None = None) -> Any:
        context: Call = info.context
        return await context.read(show, context, input or {})

    return ask


def _worker_state(db: Reader, context: Call, endpoint: Endpoint) -> list[View]:
    """As it is now: podd keeps what happened to workers, not how many there were."""
    crew = context.podd.traffic.seen(workloads.workers_of(db, endpoint.id))
    count = worker_counts(endpoint, crew)
    return [{"time": instant(context.now), "initialized": count["ready"] + count["running"], **count}]


# Hours in a step; what is counted is counted by the hour.
_STEPS = {"LIVE": 1, "HOURLY": 1, "DAILY": 24, "WEEKLY": 7 * 24, "MONTHLY": 30 * 24}


def _webhook_requests(db: Reader, endpoint: Endpoint, input: Input) -> list[View]:
    """Answers to webhooks, step by step, oldest first: how many were taken, how many were not."""
    step = _STEPS[input.get("granularity") or "HOURLY"]
    told = (Measure.WEBHOOK_SENT, Measure.WEBHOOK_FAILED)
    found = measures.by_step(db, endpoint.id, told, step)
    return [
        {"time": instant(hour * HOUR), "responses": [numbers[kind] for kind in told]}
        for hour, numbers in found.items()
    ]


def _show_workers(db: Reader, context: Call, endpoint: Endpoint) -> list[Shown]:
    found = workloads.workers_of(db, endpoint.id)
    return pods.show_pods(db, context, [as_pod(worker, endpoint.name) for worker in found])
