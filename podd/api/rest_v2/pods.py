"""/v2/pods."""

from litestar import HttpMethod, Response
from litestar.response import Stream

from podd.api.rest_v2 import log_stream, pod_inputs
from podd.api.rest_v2.operation import Call, operation
from podd.api.rest_v2.pages import page, page_of
from podd.api.rest_v2.pod_views import pod_json, pod_view
from podd.domain import pod as rules
from podd.domain.errors import Conflict
from podd.domain.pod import Pod
from podd.domain.workload import Workload
from podd.services import pods
from podd.store.db import Reader, Tx
from podd.wire import rest_v2 as wire

_ONE = "/pods/{id}"


@operation(HttpMethod.GET, "/pods", id="listPods", query=wire.PodsQuery, answer=wire.ListPodsResponse)
async def list_pods(call: Call, query: wire.PodsQuery) -> Response[bytes]:
    """The account's pods."""

    def show(db: Reader) -> Response[bytes]:
        every = pods.listed(db, call.caller)
        found, pagination = page(every, query, lambda pod: (pod.workload.created_at, pod.id))
        return page_of("pods", (pod_json(call.api, pod) for pod in found), pagination)

    return await call.read(show)


@operation(HttpMethod.POST, "/pods", id="createPod", status=201, body=wire.CreatePodRequest, answer=wire.Pod)
async def create_pod(call: Call, wish: wire.CreatePodRequest) -> wire.Pod:
    """Make a pod and start it."""
    api = call.api

    def create(tx: Tx) -> Pod:
        request = pod_inputs.pod_request(wish, pod_inputs.template_for(tx, call.caller, wish.template_id))
        return pods.create(tx, api.podd, call.caller, request, api.now)

    return pod_view(api, await call.write(create))


@operation(HttpMethod.GET, _ONE, id="getPod", answer=wire.Pod)
async def get_pod(call: Call, pod_id: str) -> wire.Pod:
    """One pod."""
    return pod_view(call.api, await call.read(pods.own, call.caller, pod_id))


@operation(HttpMethod.PATCH, _ONE, id="updatePod", body=wire.UpdatePodRequest, answer=wire.Pod)
async def update_pod(call: Call, pod_id: str, wish: wire.UpdatePodRequest) -> wire.Pod:
    """Change a pod. Its name, lock and credential change in place; all else resets it."""
    api = call.api

    def change(tx: Tx) -> Pod:
        pod = pods.own(tx, call.caller, pod_id, "change")
        template = pod_inputs.template_for(tx, call.caller, wish.template_id)
        wanted = pod_inputs.pod_change(wish, pod, template, api.podd.keys)
        return pods.edit(tx, api.podd, call.caller, pod_id, wanted, api.now)

    return pod_view(api, await call.write(change))


@operation(HttpMethod.DELETE, _ONE, id="deletePod", status=204)
async def delete_pod(call: Call, pod_id: str) -> None:
    """Destroy a pod and its volume."""
    await call.write(pods.terminate, call.api.podd, call.caller, pod_id, call.api.now)


@operation(HttpMethod.POST, _ONE + "/action", id="podAction", body=wire.PodActionRequest, answer=wire.Pod)
async def pod_action(call: Call, pod_id: str, wish: wire.PodActionRequest) -> wire.Pod | None:
    """Start, stop, restart or terminate a pod, if its status allows it."""
    done = await call.write(_act, call, pod_id, wish.action)
    return pod_view(call.api, done) if done else None


@operation(HttpMethod.GET, _ONE + "/logs", id="getPodLogs", query=wire.LogQuery, answer=log_stream.EVENTS)
async def get_pod_logs(call: Call, pod_id: str, query: wire.LogQuery) -> Stream:
    """Follow what a pod's container writes and what happens to the pod."""

    def workload(db: Reader) -> Workload:
        return pods.own(db, call.caller, pod_id).workload

    return await log_stream.follow(call, query, workload)


HANDLERS = [list_pods, create_pod, get_pod, update_pod, delete_pod, pod_action, get_pod_logs]


def _act(tx: Tx, call: Call, pod_id: str, action: wire.PodAction) -> Pod | None:
    """The pod after the action, None when it is gone. Raises Conflict when its status forbids it."""
    podd, caller, now = call.api.podd, call.caller, call.api.now
    status = rules.status(pods.own(tx, caller, pod_id).workload)
    allowed = rules.actions(status)
    if action not in allowed:
        raise Conflict(f"Cannot {action} a pod that is {status}; allowed now: {', '.join(allowed)}.")
    match action:
        case "start":
            return pods.resume(tx, podd, caller, pod_id, None, now)
        case "stop":
            return pods.stop(tx, podd, caller, pod_id, now)
        case "restart":
            return pods.restart(tx, podd, caller, pod_id, now)
        case "terminate":
            pods.terminate(tx, podd, caller, pod_id, now)
            return None
