"""/v1/networkvolumes: directories that outlive pods."""

from litestar import delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from podd.api.context import Call
from podd.api.rest_v1.call import errors
from podd.api.rest_v1.views import volume_view
from podd.domain.volume import NetworkVolume
from podd.services import volumes
from podd.wire import rest_v1 as wire

ALL = "/networkvolumes"
ONE = ALL + "/{network_volume_id:str}"
Change = JSONBody[wire.NetworkVolumeUpdateInput | None]


@post(ALL, status_code=200, operation_id="CreateNetworkVolume", responses=errors())
async def create(
    call: NamedDependency[Call], data: JSONBody[wire.NetworkVolumeCreateInput | None] = None
) -> wire.NetworkVolume:
    """Make a network volume."""
    wish = data or wire.NetworkVolumeCreateInput()
    made = await call.write(
        volumes.create, call.api.podd, call.caller, wish.name, wish.size, wish.dataCenterId, call.api.now
    )
    return _view(call, made)


@get(ALL, operation_id="ListNetworkVolumes", responses=errors())
async def list_all(call: NamedDependency[Call]) -> list[wire.NetworkVolume]:
    """The account's network volumes."""
    return [_view(call, volume) for volume in await call.read(volumes.listed, call.caller)]


@get(ONE, operation_id="GetNetworkVolume", responses=errors(404))
async def get_one(call: NamedDependency[Call], network_volume_id: FromPath[str]) -> wire.NetworkVolume:
    """One network volume."""
    return _view(call, await call.read(volumes.own, call.caller, network_volume_id))


@patch(ONE, operation_id="UpdateNetworkVolume", responses=errors(404))
async def update(
    call: NamedDependency[Call], network_volume_id: FromPath[str], data: Change = None
) -> wire.NetworkVolume:
    """Rename a network volume or let it grow."""
    return await _change(call, network_volume_id, data)


@post(ONE + "/update", status_code=200, operation_id="UpdateNetworkVolumeViaPost", responses=errors(404))
async def update_by_post(
    call: NamedDependency[Call], network_volume_id: FromPath[str], data: Change = None
) -> wire.NetworkVolume:
    """The same as PATCH."""
    return await _change(call, network_volume_id, data)


@delete(ONE, operation_id="DeleteNetworkVolume", responses=errors(404))
async def delete_one(call: NamedDependency[Call], network_volume_id: FromPath[str]) -> None:
    """Delete a network volume with all that is on it. Refused while something uses it."""
    await call.write(volumes.delete, call.caller, network_volume_id, call.api.now)


HANDLERS = [create, list_all, get_one, update, update_by_post, delete_one]


async def _change(
    call: Call, network_volume_id: str, data: wire.NetworkVolumeUpdateInput | None
) -> wire.NetworkVolume:
    wish = data or wire.NetworkVolumeUpdateInput()
    return _view(
        call,
        await call.write(volumes.change, call.api.podd, call.caller, network_volume_id, wish.name, wish.size),
    )


def _view(call: Call, volume: NetworkVolume) -> wire.NetworkVolume:
    return volume_view(volume, call.api.podd)
