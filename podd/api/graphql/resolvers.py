"""The operations: each calls one verb or question and shows its result."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Concatenate, ParamSpec, TypeVar

from ariadne import MutationType, QueryType
from graphql import GraphQLResolveInfo

from podd.api.context import Api
from podd.api.graphql import inputs, views
from podd.api.graphql.views import View
from podd.api.shown import dollars
from podd.domain import account as who
from podd.domain.account import Caller, CallerKind
from podd.domain.endpoint import Endpoint
from podd.domain.errors import NotFound
from podd.domain.pod import Pod
from podd.services import endpoints, pods, templates
from podd.store import accounts, gpus, workloads
from podd.store import templates as template_rows
from podd.store.db import Reader, Tx

P = ParamSpec("P")
T = TypeVar("T")
Input = dict[str, Any]

query = QueryType()
mutation = MutationType()


@dataclass(frozen=True)
class Context:
    """What a resolver finds in `info.context`."""

    api: Api
    caller: Caller

    async def read(
        self, question: Callable[Concatenate[Reader, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        return await self.api.podd.store.read(question, *args, **kwargs)

    async def write(self, verb: Callable[Concatenate[Tx, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.api.podd.store.write(verb, *args, **kwargs)


# Pods


@mutation.field("podFindAndDeployOnDemand")
async def deploy_on_demand(_root: object, info: GraphQLResolveInfo, input: Input | None = None) -> View:
    return await _create(info.context, input, spot=False)


@mutation.field("podRentInterruptable")
async def rent_interruptable(_root: object, info: GraphQLResolveInfo, input: Input | None = None) -> View:
    return await _create(info.context, input, spot=True)


@mutation.field("podResume")
async def resume(_root: object, info: GraphQLResolveInfo, input: Input | None = None) -> View:
    return await _resume(info.context, inputs.required(input))


@mutation.field("podBidResume")
async def bid_resume(_root: object, info: GraphQLResolveInfo, input: Input | None = None) -> View:
    data = inputs.required(input)
    return await _resume(info.context, data, bid=inputs.nano(data["bidPerGpu"], "bidPerGpu") or 0)


@mutation.field("podStop")
async def stop(_root: object, info: GraphQLResolveInfo, input: Input | None = None) -> View:
    context: Context = info.context
    api, pod_id = context.api, inputs.required(input)["podId"]
    pod = await context.write(pods.stop, api.podd, context.caller, pod_id, api.now)
    return await _show(context, pod)


@mutation.field("podTerminate")
async def terminate(_root: object, info: GraphQLResolveInfo, input: Input | None = None) -> None:
    context: Context = info.context
    api, pod_id = context.api, inputs.required(input)["podId"]
    await context.write(pods.terminate, api.podd, context.caller, pod_id, api.now)


@query.field("pod")
async def pod(_root: object, info: GraphQLResolveInfo, input: Input | None = None) -> View | None:
    context: Context = info.context
    try:
        found = await context.read(pods.own, context.caller, inputs.required(input)["podId"])
    except NotFound:
        return None
    return await _show(context, found)


# The account


@query.field("myself")
async def myself(_root: object, info: GraphQLResolveInfo) -> View | None:
    context: Context = info.context
    if context.caller.kind is CallerKind.ANONYMOUS:
        return None
    who.require(context.caller, "account.read")
    account = await context.read(accounts.get, context.caller.account_id)
    assert account is not None, "a key belongs to an account"
    return {
        **views.user_view(account),
        "pods": _my_pods,
        "endpoints": _my_endpoints,
        "endpoint": _my_endpoint,
        "podTemplates": _my_templates,
        "currentSpendPerHr": _my_spending,
        "spendLimit": dollars(context.api.podd.settings.billing.spending_limit_hour),
    }


async def _my_pods(info: GraphQLResolveInfo) -> list[View]:
    context: Context = info.context
    return await context.read(_show_pods, context, await context.read(pods.listed, context.caller))


async def _my_endpoints(info: GraphQLResolveInfo) -> list[View]:
    context: Context = info.context
    return await context.read(_show_endpoints, await context.read(endpoints.listed, context.caller))


async def _my_endpoint(info: GraphQLResolveInfo, id: str | None = None) -> View | None:
    context: Context = info.context
    try:
        found = await context.read(endpoints.own, context.caller, id or "")
    except NotFound:
        return None
    return (await context.read(_show_endpoints, [found]))[0]


async def _my_templates(info: GraphQLResolveInfo) -> list[View]:
    context: Context = info.context
    return [views.template_view(t) for t in await context.read(templates.listed, context.caller)]


async def _my_spending(info: GraphQLResolveInfo) -> float:
    context: Context = info.context
    running = [p for p in await context.read(pods.listed, context.caller) if p.workload.desired == "RUNNING"]
    return dollars(sum(p.price for p in running))


# The catalogue


@query.field("gpuTypes")
async def gpu_types(_root: object, info: GraphQLResolveInfo, input: Input | None = None) -> list[View]:
    context: Context = info.context
    wish = input or {}
    wanted = {type_id for type_id in [wish.get("id"), *(wish.get("ids") or [])] if type_id}
    if wish.get("cluster"):
        return []

    def show(db: Reader) -> list[View]:
        present, claims = gpus.all_present(db), gpus.claims(db)
        types = context.api.podd.gpu_types(db).values()
        return [views.gpu_type_view(t, present, claims) for t in types if not wanted or t.id in wanted]

    return await context.read(show)


# Templates and endpoints


@mutation.field("saveTemplate")
async def save_template(_root: object, info: GraphQLResolveInfo, input: Input | None = None) -> View:
    context: Context = info.context
    data = inputs.required(input)

    def save(tx: Tx) -> View:
        template_id = data.get("id") or None
        known = templates.own(tx, context.caller, template_id).extras if template_id else {}
        values = inputs.template_values(data, known)
        saved = templates.save(tx, context.caller, template_id, values, context.api.now)
        return views.template_view(saved)

    return await context.write(save)


@mutation.field("saveEndpoint")
async def save_endpoint(_root: object, info: GraphQLResolveInfo, input: Input | None = None) -> View:
    context: Context = info.context
    data = inputs.required(input)
    return await _save_endpoint(context, data.get("id") or None, data)


@mutation.field("updateEndpointTemplate")
async def update_endpoint_template(
    _root: object, info: GraphQLResolveInfo, input: Input | None = None
) -> View:
    context: Context = info.context
    data = inputs.required(input)
    return await _save_endpoint(context, data.get("endpointId") or "", {"templateId": data.get("templateId")})


@mutation.field("deleteEndpoint")
async def delete_endpoint(_root: object, info: GraphQLResolveInfo, id: str | None = None) -> None:
    context: Context = info.context
    await context.write(endpoints.delete, context.api.podd, context.caller, id or "", context.api.now)


# Private


async def _create(context: Context, input: Input | None, *, spot: bool) -> View:
    who.require(context.caller, "pod.create")
    request = inputs.pod_request(inputs.required(input), spot=spot)
    api = context.api
    made = await context.write(pods.create, api.podd, context.caller, request, api.now)
    return await _show(context, made)


async def _resume(context: Context, data: Input, bid: int | None = None) -> View:
    api = context.api
    resumed = await context.write(
        pods.resume, api.podd, context.caller, data["podId"], data.get("gpuCount"), api.now, bid=bid
    )
    return await _show(context, resumed)


async def _show(context: Context, pod: Pod) -> View:
    return (await context.read(_show_pods, context, [pod]))[0]


def _show_pods(db: Reader, context: Context, found: list[Pod]) -> list[View]:
    api = context.api
    types = api.podd.gpu_types(db)
    use, load = api.telemetry.gpus, api.telemetry.containers
    return [views.pod_view(pod, api.podd, types, load, use, api.now) for pod in found]


async def _save_endpoint(context: Context, endpoint_id: str | None, data: Input) -> View:
    who.require(context.caller, "endpoint.save")
    change = inputs.endpoint_change(data)
    api = context.api
    if endpoint_id == "":
        raise NotFound("endpoint not found")
    saved = await context.write(endpoints.save, api.podd, context.caller, endpoint_id, change, api.now)
    return (await context.read(_show_endpoints, [saved]))[0]


def _show_endpoints(db: Reader, found: list[Endpoint]) -> list[View]:
    return [
        {
            **views.endpoint_view(endpoint, template_rows.get(db, endpoint.template_id)),
            "pods": _crew(endpoint),
        }
        for endpoint in found
    ]


def _crew(endpoint: Endpoint) -> Callable[[GraphQLResolveInfo], Awaitable[list[View]]]:
    """The endpoint's workers, read as pods: their state, and why one is not running."""

    async def show(info: GraphQLResolveInfo) -> list[View]:
        context: Context = info.context
        return await context.read(_show_workers, context, endpoint)

    return show


def _show_workers(db: Reader, context: Context, endpoint: Endpoint) -> list[View]:
    crew = workloads.workers_of(db, endpoint.id)
    return _show_pods(db, context, [views.as_pod(worker, endpoint.name) for worker in crew])
