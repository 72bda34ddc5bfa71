"""Network volumes."""

from graphql import GraphQLResolveInfo

from podd.api.context import Call
from podd.api.graphql import catalogue, inputs
from podd.api.graphql.roots import Input, mutation
from podd.api.graphql.views import View
from podd.api.graphql.views.account import volume_view
from podd.domain.volume import NetworkVolume
from podd.services import volumes

MISSING = "Tried to delete nonexistent network volume"
"""dstack looks for these words: to it they mean that the volume is gone."""


@mutation.field("createNetworkVolume")
async def create_network_volume(_root: object, info: GraphQLResolveInfo, input: Input | None = None) -> View:
    context: Call = info.context
    data = inputs.required(input)
    made = await context.write(
        volumes.create,
        context.podd,
        context.caller,
        data.get("name"),
        data.get("size"),
        data.get("dataCenterId") or None,
        context.now,
    )
    return show_volume(context, made)


@mutation.field("updateNetworkVolume")
async def update_network_volume(_root: object, info: GraphQLResolveInfo, input: Input | None = None) -> View:
    context: Call = info.context
    data = inputs.required(input)
    changed = await context.write(
        volumes.change,
        context.api.podd,
        context.caller,
        data["id"],
        data.get("name") or None,
        data.get("size") or None,
    )
    return show_volume(context, changed)


@mutation.field("deleteNetworkVolume")
async def delete_network_volume(_root: object, info: GraphQLResolveInfo, input: Input | None = None) -> None:
    context: Call = info.context
    volume_id = inputs.required(input)["id"]
    await context.write(volumes.delete, context.caller, volume_id, context.now, MISSING)


async def mine(info: GraphQLResolveInfo) -> list[View]:
    """`myself.networkVolumes`."""
    context: Call = info.context
    return [show_volume(context, volume) for volume in await context.read(volumes.listed, context.caller)]


def show_volume(context: Call, volume: NetworkVolume) -> View:
    return {
        **volume_view(volume, context.podd.settings.machine),
        "dataCenter": catalogue.data_center(context),
    }
