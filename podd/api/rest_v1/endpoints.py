"""/v1/endpoints."""

from typing import Annotated

from litestar import delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from podd.api.context import Call
from podd.api.rest_v1.call import errors
from podd.api.rest_v1.inputs import endpoint_change
from podd.api.rest_v1.views import Include, Things, endpoint_view, worker_view
from podd.domain.endpoint import Endpoint, EndpointChange
from podd.domain.errors import Invalid
from podd.services import endpoints
from podd.store import gpus
from podd.store.db import Reader, Tx
from podd.wire import rest_v1 as wire

ALL = "/endpoints"
ONE = ALL + "/{endpoint_id:str}"
Change = JSONBody[wire.EndpointUpdateInput | None]
WithTemplate = Annotated[bool, QueryParameter(name="includeTemplate")]
WithWorkers = Annotated[bool, QueryParameter(name="includeWorkers")]

NAME = "my endpoint"


@post(ALL, status_code=200, operation_id="CreateEndpoint", responses=errors(404))
async def create(
    call: NamedDependency[Call], data: JSONBody[wire.EndpointCreateInput | None] = None
) -> wire.Endpoint:
    """Make an endpoint from a template."""
    wish = data or wire.EndpointCreateInput()
    if not wish.templateId:
        raise Invalid("templateId is required: an endpoint is made from a template.")
    return await _save(call, None, wish.model_copy(update={"name": wish.name or NAME}))


@get(ALL, operation_id="ListEndpoints", responses=errors())
async def list_all(
    call: NamedDependency[Call], include_template: WithTemplate = False, include_workers: WithWorkers = False
) -> list[wire.Endpoint]:
    """The account's endpoints."""

    def show(db: Reader) -> list[wire.Endpoint]:
        found = endpoints.listed(db, call.caller)
        return [_view(db, call, one, template=include_template, workers=include_workers) for one in found]

    return await call.read(show)


@get(ONE, operation_id="GetEndpoint", responses=errors(404))
async def get_one(
    call: NamedDependency[Call],
    endpoint_id: FromPath[str],
    include_template: WithTemplate = False,
    include_workers: WithWorkers = False,
) -> wire.Endpoint:
    """One endpoint."""

    def show(db: Reader) -> wire.Endpoint:
        found = endpoints.own(db, call.caller, endpoint_id)
        return _view(db, call, found, template=include_template, workers=include_workers)

    return await call.read(show)


@patch(ONE, operation_id="UpdateEndpoint", responses=errors(404))
async def update(
    call: NamedDependency[Call], endpoint_id: FromPath[str], data: Change = None
) -> wire.Endpoint:
    """Change an endpoint. Another template, hardware or volume is a release: workers are replaced."""
    return await _save(call, endpoint_id, data or wire.EndpointUpdateInput())


@post(ONE + "/update", status_code=200, operation_id="UpdateEndpointViaPost", responses=errors(404))
async def update_by_post(
    call: NamedDependency[Call], endpoint_id: FromPath[str], data: Change = None
) -> wire.Endpoint:
    """The same as PATCH."""
    return await _save(call, endpoint_id, data or wire.EndpointUpdateInput())


@delete(ONE, operation_id="DeleteEndpoint", responses=errors(404))
async def delete_one(call: NamedDependency[Call], endpoint_id: FromPath[str]) -> None:
    """Remove an endpoint with its jobs; its workers stop."""
    await call.write(endpoints.delete, call.api.podd, call.caller, endpoint_id, call.api.now)


HANDLERS = [create, list_all, get_one, update, update_by_post, delete_one]


async def _save(call: Call, endpoint_id: str | None, wish: wire.EndpointUpdateInput) -> wire.Endpoint:
    def save(tx: Tx) -> wire.Endpoint:
        before = endpoints.own(tx, call.caller, endpoint_id, "save") if endpoint_id is not None else None
        change = _change(tx, call, wish, before)
        saved = endpoints.save(tx, call.api.podd, call.caller, endpoint_id, change, call.api.now)
        return _view(tx, call, saved)

    return await call.write(save)


def _change(
    db: Reader, call: Call, wish: wire.EndpointUpdateInput, before: Endpoint | None
) -> EndpointChange:
    podd = call.api.podd
    cpu = isinstance(wish, wire.EndpointCreateInput) and wish.computeType == "CPU"
    if before is None and not wish.gpuTypeIds and not wish.cpuFlavorIds and not cpu:
        wish = wish.model_copy(update={"gpuTypeIds": list(podd.gpu_types(db))})
    known = podd.catalogue.with_gpus(gpus.all_present(db))
    return endpoint_change(wish, known, int(podd.settings.limits.execution_timeout_seconds * 1000), before)


def _view(
    db: Reader, call: Call, endpoint: Endpoint, *, template: bool = False, workers: bool = False
) -> wire.Endpoint:
    api = call.api
    view = endpoint_view(db, api.podd, endpoint, include_template=template)
    if workers:
        crew = endpoints.crew(db, call.caller, endpoint.id)
        things = Things(db, api.podd)
        view.workers = [worker_view(things, api.podd, one, endpoint, api.now, Include()) for one in crew]
    return view
