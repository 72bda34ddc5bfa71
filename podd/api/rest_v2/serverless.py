"""/v2/serverless: queue endpoints, their workers and their releases."""

from collections.abc import Callable

from litestar import HttpMethod
from litestar.response import Stream

from podd.api.rest_v2 import log_stream
from podd.api.rest_v2.crew import releases_view, workers_view
from podd.api.rest_v2.endpoint_inputs import created, updated
from podd.api.rest_v2.endpoint_views import endpoint_view
from podd.api.rest_v2.operation import Call, operation
from podd.api.rest_v2.pages import page
from podd.domain.account import require
from podd.domain.endpoint import Endpoint
from podd.domain.errors import NotAvailable, NotFound
from podd.domain.workload import Workload
from podd.services import endpoints, explain_endpoint
from podd.store import workloads
from podd.store.db import Reader, Tx
from podd.wire import rest_v2 as wire

_ONE = "/serverless/{id}"


@operation(
    HttpMethod.GET,
    "/serverless",
    id="listEndpoints",
    query=wire.PageQuery,
    answer=wire.ListEndpointsResponse,
)
async def list_endpoints(call: Call, query: wire.PageQuery) -> wire.ListEndpointsResponse:
    """The account's endpoints."""

    def show(db: Reader) -> wire.ListEndpointsResponse:
        every = endpoints.listed(db, call.caller)
        found, pagination = page(every, query, lambda endpoint: (endpoint.created_at, endpoint.id))
        shown = [endpoint_view(db, call.api.podd, endpoint) for endpoint in found]
        return wire.ListEndpointsResponse(endpoints=shown, pagination=pagination)

    return await call.read(show)


@operation(
    HttpMethod.POST,
    "/serverless",
    id="createEndpoint",
    status=201,
    body=wire.CreateEndpointRequest,
    answer=wire.Endpoint,
)
async def create_endpoint(call: Call, wish: wire.CreateEndpointRequest) -> wire.Endpoint:
    """Make an endpoint, with a container of its own."""
    require(call.caller, "endpoint.save")
    return await call.write(_shown_in, call, lambda tx: created(tx, call.api, call.caller, wish))


@operation(HttpMethod.GET, _ONE, id="getEndpoint", answer=wire.Endpoint)
async def get_endpoint(call: Call, endpoint_id: str) -> wire.Endpoint:
    """One endpoint."""

    def show(db: Reader) -> wire.Endpoint:
        endpoint = endpoints.own(db, call.caller, endpoint_id)
        reasons = explain_endpoint.while_waiting(db, call.api.podd, endpoint, call.api.now)
        return endpoint_view(db, call.api.podd, endpoint).model_copy(update={"explanation": reasons or None})

    return await call.read(show)


@operation(HttpMethod.PATCH, _ONE, id="updateEndpoint", body=wire.UpdateEndpointRequest, answer=wire.Endpoint)
async def update_endpoint(call: Call, endpoint_id: str, wish: wire.UpdateEndpointRequest) -> wire.Endpoint:
    """Change an endpoint. Scaling and workers apply at once; what containers are made of is a release."""
    require(call.caller, "endpoint.save")
    return await call.write(_shown_in, call, lambda tx: updated(tx, call.api, call.caller, endpoint_id, wish))


@operation(HttpMethod.DELETE, _ONE, id="deleteEndpoint", status=204)
async def delete_endpoint(call: Call, endpoint_id: str) -> None:
    """Remove an endpoint with its jobs; its workers stop."""
    await call.write(endpoints.delete, call.api.podd, call.caller, endpoint_id, call.api.now)


@operation(
    HttpMethod.GET, _ONE + "/workers", id="listEndpointWorkers", answer=wire.ListEndpointWorkersResponse
)
async def list_endpoint_workers(call: Call, endpoint_id: str) -> wire.ListEndpointWorkersResponse:
    """The endpoint's live workers, and how many are in which state."""

    def show(db: Reader) -> wire.ListEndpointWorkersResponse:
        return workers_view(db, call.api, endpoints.own(db, call.caller, endpoint_id))

    return await call.read(show)


@operation(
    HttpMethod.GET, _ONE + "/releases", id="listEndpointReleases", answer=wire.ListEndpointReleasesResponse
)
async def list_endpoint_releases(call: Call, endpoint_id: str) -> wire.ListEndpointReleasesResponse:
    """The endpoint's versions, newest first, and how far the newest has got."""

    def show(db: Reader) -> wire.ListEndpointReleasesResponse:
        return releases_view(db, endpoints.own(db, call.caller, endpoint_id))

    return await call.read(show)


@operation(
    HttpMethod.GET,
    _ONE + "/workers/{workerId}/logs",
    id="getWorkerLogs",
    query=wire.LogQuery,
    answer=log_stream.EVENTS,
)
async def get_worker_logs(call: Call, endpoint_id: str, worker_id: str, query: wire.LogQuery) -> Stream:
    """Follow what a worker's container writes and what happens to the worker."""

    def workload(db: Reader) -> Workload:
        endpoint = endpoints.own(db, call.caller, endpoint_id)
        worker = workloads.worker(db, worker_id)
        if worker is None or worker.endpoint_id != endpoint.id:
            raise NotFound("worker not found")
        return worker.workload

    return await log_stream.follow(call, query, workload)


@operation(
    HttpMethod.GET,
    _ONE + "/builds",
    _ONE + "/jobs",
    id="listLater",
)
async def later(call: Call, endpoint_id: str) -> None:
    """Builds from a repository, and the list of jobs: not offered yet."""
    await call.read(endpoints.own, call.caller, endpoint_id)
    raise NotAvailable(f"{call.request.url.path} is not available in this version of podd yet.")


HANDLERS = [
    list_endpoints,
    create_endpoint,
    get_endpoint,
    update_endpoint,
    delete_endpoint,
    list_endpoint_workers,
    list_endpoint_releases,
    get_worker_logs,
]
UNDOCUMENTED = [later]


def _shown_in(tx: Tx, call: Call, save: Callable[[Tx], Endpoint]) -> wire.Endpoint:
    """What was saved, as this same transaction sees it."""
    return endpoint_view(tx, call.api.podd, save(tx))
