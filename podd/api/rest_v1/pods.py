"""/v1/pods. Everything that changes a pod answers with the pod as it is then: `runpodctl` reads it, also
where RunPod's description promises nothing."""

from collections.abc import Callable
from typing import Concatenate, ParamSpec

from litestar import MediaType, Response, delete, get, patch, post, put
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, JSONBody

from podd.api.context import Call
from podd.api.rest_v1.call import errors
from podd.api.rest_v1.inputs import pod_change, pod_request
from podd.api.rest_v1.pod_list import (
    DEPENDENCIES,
    Wanted,
    WithMachine,
    WithNetworkVolume,
    WithSavingsPlans,
    WithTemplate,
    WithWorkers,
    show_wanted,
)
from podd.api.rest_v1.views import Include, Things, pod_view, worker_view
from podd.domain.errors import NotFound
from podd.domain.pod import Pod
from podd.domain.template import Template
from podd.services import endpoints, pods, templates
from podd.store import gpus
from podd.store.db import Reader, Tx
from podd.wire import rest_v1 as wire

P = ParamSpec("P")

ALL = "/pods"
ONE = ALL + "/{pod_id:str}"
PodId = FromPath[str]
Change = JSONBody[wire.PodUpdateInput | None]


@post(ALL, operation_id="CreatePod", responses=errors(404, 500, 501))
async def create(call: NamedDependency[Call], data: JSONBody[wire.PodCreateInput | None] = None) -> wire.Pod:
    """Make a pod and start it. 404 for a template, volume or credential that is not there, 500 when the
    machine has no room for it now."""
    return await _write(call, _create, call, data or wire.PodCreateInput())


_LISTED = ResponseSpec(list[wire.Pod], description="The pods", generate_examples=False)


@get(ALL, operation_id="ListPods", responses={200: _LISTED, **errors()}, dependencies=DEPENDENCIES)
async def list_all(call: NamedDependency[Call], wanted: NamedDependency[Wanted]) -> Response[bytes]:
    """The account's pods, filtered."""
    return Response(await call.read(show_wanted, call, wanted), media_type=MediaType.JSON)


@get(ONE, operation_id="GetPod", responses=errors(404))
async def get_one(
    call: NamedDependency[Call],
    pod_id: PodId,
    include_machine: WithMachine = False,
    include_network_volume: WithNetworkVolume = False,
    include_savings_plans: WithSavingsPlans = False,  # noqa: ARG001 - there are none
    include_template: WithTemplate = False,
    include_workers: WithWorkers = False,
) -> wire.Pod:
    """One pod; with `includeWorkers` also a serverless worker."""
    include = Include(include_machine, include_network_volume, include_template)

    def show(db: Reader) -> wire.Pod:
        api = call.api
        try:
            pod = pods.own(db, call.caller, pod_id)
            return pod_view(Things(db, api.podd), api.podd, pod, api.now, include)
        except NotFound as unknown:
            if not include_workers:
                raise
            missing = unknown.message
        worker, endpoint = endpoints.own_worker(db, call.caller, pod_id, missing)
        return worker_view(Things(db, api.podd), api.podd, worker, endpoint, api.now, include)

    return await call.read(show)


@patch(ONE, operation_id="UpdatePod", responses=errors(404, 501))
async def update(call: NamedDependency[Call], pod_id: PodId, data: Change = None) -> wire.Pod:
    """Change a pod. Its name, lock and credential change in place; all else resets it."""
    return await _write(call, _edit, call, pod_id, data)


@put(ONE, operation_id="ReplacePod", responses=errors(404, 501))
async def replace(call: NamedDependency[Call], pod_id: PodId, data: Change = None) -> wire.Pod:
    """The same as PATCH, for clients that send changes this way."""
    return await _write(call, _edit, call, pod_id, data)


@post(ONE + "/update", status_code=200, operation_id="UpdatePodViaPost", responses=errors(404, 501))
async def update_by_post(call: NamedDependency[Call], pod_id: PodId, data: Change = None) -> wire.Pod:
    """The same as PATCH."""
    return await _write(call, _edit, call, pod_id, data)


@delete(ONE, operation_id="DeletePod", responses=errors(404))
async def delete_one(call: NamedDependency[Call], pod_id: PodId) -> None:
    """Destroy a pod and its volume."""
    await call.write(pods.terminate, call.api.podd, call.caller, pod_id, call.api.now)


@post(ONE + "/start", status_code=200, operation_id="StartPod", responses=errors(404, 500))
async def start(call: NamedDependency[Call], pod_id: PodId) -> wire.Pod:
    """Start a stopped pod, on its volume. 500 when its GPUs are taken."""
    return await _write(call, pods.resume, call.api.podd, call.caller, pod_id, None, call.api.now)


@post(ONE + "/stop", status_code=200, operation_id="StopPod", responses=errors(404))
async def stop(call: NamedDependency[Call], pod_id: PodId) -> wire.Pod:
    """Stop a pod. Its GPUs are free, its volume stays, its container disk is lost."""
    return await _write(call, pods.stop, call.api.podd, call.caller, pod_id, call.api.now)


@post(ONE + "/reset", status_code=200, operation_id="ResetPod", responses=errors(404))
async def reset(call: NamedDependency[Call], pod_id: PodId) -> wire.Pod:
    """Give a pod a fresh container on the same volume."""
    return await _write(call, pods.reset, call.api.podd, call.caller, pod_id, call.api.now)


@post(ONE + "/restart", status_code=200, operation_id="RestartPod", responses=errors(404))
async def restart(call: NamedDependency[Call], pod_id: PodId) -> wire.Pod:
    """Restart a pod's container."""
    return await _write(call, pods.restart, call.api.podd, call.caller, pod_id, call.api.now)


HANDLERS = [
    create,
    list_all,
    get_one,
    update,
    replace,
    update_by_post,
    delete_one,
    start,
    stop,
    reset,
    restart,
]


# Private


async def _write(
    call: Call, verb: Callable[Concatenate[Tx, P], Pod], *args: P.args, **kwargs: P.kwargs
) -> wire.Pod:
    """Do it, and show the pod it leaves."""

    def act(tx: Tx) -> wire.Pod:
        pod = verb(tx, *args, **kwargs)
        return pod_view(Things(tx, call.api.podd), call.api.podd, pod, call.api.now, Include())

    return await call.write(act)


def _create(tx: Tx, call: Call, wish: wire.PodCreateInput) -> Pod:
    podd = call.api.podd
    known = podd.catalogue.with_gpus(gpus.all_present(tx))
    template = _template(tx, call, wish.templateId)
    request = pod_request(wish, template, known, podd.settings.machine.country_code)
    spot = wish.interruptible and wish.computeType != "CPU"
    verb = pods.create_at_lowest_bid if spot else pods.create
    return verb(tx, podd, call.caller, request, call.api.now)


def _edit(tx: Tx, call: Call, pod_id: str, wish: wire.PodUpdateInput | None) -> Pod:
    pod = pods.own(tx, call.caller, pod_id, "change")
    change = pod_change(wish or wire.PodUpdateInput(), pod.args)
    return pods.edit(tx, call.api.podd, call.caller, pod_id, change, call.api.now)


def _template(db: Reader, call: Call, template_id: str | None) -> Template | None:
    """The template that is named; None for one nobody knows, which `pods.create` judges."""
    try:
        return templates.readable(db, call.caller, template_id) if template_id else None
    except NotFound:
        return None
