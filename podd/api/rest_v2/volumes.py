"""/v2/network-volumes."""

from litestar import HttpMethod

from podd.api.rest_v2.containers import refused_as_invalid
from podd.api.rest_v2.operation import Call, operation
from podd.api.rest_v2.pages import page
from podd.domain.errors import Invalid
from podd.domain.volume import NetworkVolume
from podd.services import volumes
from podd.wire import rest_v2 as wire

_PATHS = ("/network-volumes", "/networkvolumes")
_ONE = tuple(f"{path}/{{id}}" for path in _PATHS)


@operation(
    HttpMethod.GET,
    *_PATHS,
    id="listNetworkVolumes",
    query=wire.PageQuery,
    answer=wire.ListNetworkVolumesResponse,
)
async def list_volumes(call: Call, query: wire.PageQuery) -> wire.ListNetworkVolumesResponse:
    """The account's network volumes."""
    every = await call.read(volumes.listed, call.caller)
    found, pagination = page(every, query, lambda volume: (volume.created_at, volume.id))
    return wire.ListNetworkVolumesResponse(
        network_volumes=[_view(call, volume) for volume in found], pagination=pagination
    )


@operation(
    HttpMethod.POST,
    *_PATHS,
    id="createNetworkVolume",
    status=201,
    body=wire.CreateNetworkVolumeRequest,
    answer=wire.NetworkVolume,
)
async def create_volume(call: Call, wish: wire.CreateNetworkVolumeRequest) -> wire.NetworkVolume:
    """Make a network volume."""
    if wish.type == "HIGH_PERFORMANCE":
        raise Invalid("type: this data center has STANDARD volumes only.")
    api = call.api
    made = await call.write(
        volumes.create, api.podd, call.caller, wish.name, wish.size, wish.data_center, api.now
    )
    return _view(call, made)


@operation(HttpMethod.GET, *_ONE, id="getNetworkVolume", answer=wire.NetworkVolume)
async def get_volume(call: Call, volume_id: str) -> wire.NetworkVolume:
    """One network volume."""
    return _view(call, await call.read(volumes.own, call.caller, volume_id))


@operation(
    HttpMethod.PATCH,
    *_ONE,
    id="updateNetworkVolume",
    body=wire.UpdateNetworkVolumeRequest,
    answer=wire.NetworkVolume,
)
async def update_volume(
    call: Call, volume_id: str, wish: wire.UpdateNetworkVolumeRequest
) -> wire.NetworkVolume:
    """Rename a network volume or let it grow."""
    return _view(
        call, await call.write(volumes.change, call.api.podd, call.caller, volume_id, wish.name, wish.size)
    )


@operation(HttpMethod.DELETE, *_ONE, id="deleteNetworkVolume", status=204)
async def delete_volume(call: Call, volume_id: str) -> None:
    """Delete a network volume with all that is on it."""
    with refused_as_invalid():
        await call.write(volumes.delete, call.caller, volume_id, call.api.now)


HANDLERS = [list_volumes, create_volume, get_volume, update_volume, delete_volume]


def _view(call: Call, volume: NetworkVolume) -> wire.NetworkVolume:
    return wire.NetworkVolume(
        id=volume.id,
        name=volume.name,
        size=volume.size,
        data_center=call.api.podd.settings.machine.data_center_id,
        type="STANDARD",
    )
