"""Pods."""

from collections.abc import Callable
from functools import cache

from graphql import GraphQLResolveInfo

from podd.api.context import Call
from podd.api.graphql import inputs
from podd.api.graphql.at_rest import AtRest, Shown
from podd.api.graphql.roots import Input, mutation, query
from podd.api.graphql.views import View
from podd.api.graphql.views.catalogue import cpu_flavor_view
from podd.api.graphql.views.pod import pod_view
from podd.api.graphql.volumes import show_volume
from podd.api.shown import instant
from podd.domain import account as who
from podd.domain import idle, quota
from podd.domain.errors import NotFound
from podd.domain.pod import Pod, PodRequest
from podd.domain.volume import NetworkVolume
from podd.domain.workload import Desired
from podd.services import pods, quotas
from podd.store import volumes
from podd.store.db import Reader


@mutation.field("podFindAndDeployOnDemand")
async def deploy_on_demand(_root: object, info: GraphQLResolveInfo, input: Input | None = None) -> Shown:
    context, data = _creator(info), inputs.required(input)
    if data.get("computeType") == "CPU":
        return await _create(context, inputs.cpu_pod_request(data, context.podd.catalogue))
    return await _create(context, inputs.pod_request(data))


@mutation.field("podRentInterruptable")
async def rent_interruptable(_root: object, info: GraphQLResolveInfo, input: Input | None = None) -> Shown:
    return await _create(_creator(info), inputs.pod_request(inputs.required(input), spot=True))


@mutation.field("deployCpuPod")
async def deploy_cpu(_root: object, info: GraphQLResolveInfo, input: Input | None = None) -> Shown:
    context = _creator(info)
    return await _create(context, inputs.cpu_pod_request(inputs.required(input), context.podd.catalogue))


@mutation.field("podResume")
async def resume(_root: object, info: GraphQLResolveInfo, input: Input | None = None) -> Shown:
    return await _resume(info.context, inputs.required(input))


@mutation.field("podBidResume")
async def bid_resume(_root: object, info: GraphQLResolveInfo, input: Input | None = None) -> Shown:
    data = inputs.required(input)
    return await _resume(info.context, data, bid=inputs.nano(data["bidPerGpu"], "bidPerGpu") or 0)


@mutation.field("podStop")
async def stop(_root: object, info: GraphQLResolveInfo, input: Input | None = None) -> Shown:
    context: Call = info.context
    pod_id = inputs.required(input)["podId"]
    stopped = await context.write(pods.stop, context.podd, context.caller, pod_id, context.now)
    return await _show(context, stopped)


@mutation.field("podTerminate")
async def terminate(_root: object, info: GraphQLResolveInfo, input: Input | None = None) -> None:
    context: Call = info.context
    pod_id = inputs.required(input)["podId"]
    await context.write(pods.terminate, context.podd, context.caller, pod_id, context.now)


@mutation.field("podEditJob")
async def edit_job(_root: object, info: GraphQLResolveInfo, input: Input | None = None) -> Shown:
    context: Call = info.context
    data = inputs.required(input)
    edited = await context.write(
        pods.edit, context.podd, context.caller, data["podId"], inputs.pod_change(data), context.now
    )
    return await _show(context, edited)


@query.field("pod")
async def pod(_root: object, info: GraphQLResolveInfo, input: Input | None = None) -> Shown | None:
    context: Call = info.context
    try:
        found = await context.read(pods.own, context.caller, inputs.required(input)["podId"])
    except NotFound:
        return None
    return await _show(context, found)


async def mine(info: GraphQLResolveInfo) -> list[Shown]:
    """`myself.pods`."""
    context: Call = info.context

    def show(db: Reader) -> list[Shown]:
        return show_pods(db, context, pods.listed(db, context.caller))

    return await context.read(show)


def show_pods(db: Reader, context: Call, found: list[Pod]) -> list[Shown]:
    podd = context.podd
    types = podd.gpu_types(db)
    volume_of = cache(lambda volume_id: volumes.get(db, volume_id))
    use, load = context.api.telemetry.gpus, context.api.telemetry.containers
    policy_of = cache(lambda account_id: quotas.idle_policy(db, podd, account_id))
    hours_of = cache(lambda account_id: quotas.lifetime_hours(db, podd, account_id))

    def ends(pod: Pod) -> View:
        """When podd will stop it, as things are."""
        if pod.workload.desired is not Desired.RUNNING:
            return {}
        account_id = pod.workload.account_id
        lifetime_ends = quota.ends_at(pod.runs_since, hours_of(account_id))
        idle_stops = idle.stops_at(policy_of(account_id), pod.idle_warned_at)
        return {"lifetimeEndsAt": instant(lifetime_ends), "idleStopsAt": instant(idle_stops)}

    def shown(pod: Pod) -> Shown:
        gpu_type, ending = types.get(pod.gpu_type_id), ends(pod)

        def view() -> View:
            facts = pod_view(pod, podd, gpu_type, load, use, context.now)
            return {**facts, **ending, **_what_it_names(context, pod, volume_of)}

        if pod.workload.at_rest and pod.id not in load and not pod.workload.needs.network_volume_id:
            return AtRest((pod, gpu_type), view)
        return view()

    return [shown(pod) for pod in found]


# Private


def _creator(info: GraphQLResolveInfo) -> Call:
    """The context, if its caller may create pods at all: told before anything about the input."""
    context: Call = info.context
    who.require(context.caller, "pod.create")
    return context


async def _create(context: Call, request: PodRequest) -> Shown:
    made = await context.write(pods.create, context.podd, context.caller, request, context.now)
    return await _show(context, made)


async def _resume(context: Call, data: Input, bid: int | None = None) -> Shown:
    resumed = await context.write(
        pods.resume, context.podd, context.caller, data["podId"], data.get("gpuCount"), context.now, bid=bid
    )
    return await _show(context, resumed)


async def _show(context: Call, found: Pod) -> Shown:
    return (await context.read(show_pods, context, [found]))[0]


def _what_it_names(context: Call, pod: Pod, volume_of: Callable[[str], NetworkVolume | None]) -> View:
    volume_id = pod.workload.needs.network_volume_id
    volume = volume_of(volume_id) if volume_id else None
    flavour = context.podd.catalogue.flavour(pod.cpu_flavor_id)
    return {
        "networkVolume": show_volume(context, volume) if volume else None,
        "cpuFlavor": cpu_flavor_view(flavour, context.podd.host) if flavour else None,
    }
