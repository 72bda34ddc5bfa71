"""What this machine offers, readable without a key."""

from graphql import GraphQLResolveInfo

from podd.api.context import Call
from podd.api.graphql.roots import Input, query
from podd.api.graphql.views import View
from podd.api.graphql.views import catalogue as views
from podd.api.graphql.views.catalogue import Stock
from podd.domain import account as who
from podd.services.platform import Platform
from podd.store import gpus, workloads
from podd.store.db import Reader


@query.field("gpuTypes")
async def gpu_types(_root: object, info: GraphQLResolveInfo, input: Input | None = None) -> list[View]:
    context = _reader(info)
    wish = input or {}
    wanted = {type_id for type_id in [wish.get("id"), *(wish.get("ids") or [])] if type_id}
    if wish.get("cluster"):
        return []
    stock = await context.read(_stock, context.podd)
    return [
        views.gpu_type_view(gpu_type, stock)
        for gpu_type in stock.types
        if not wanted or not wanted.isdisjoint((gpu_type.id, *gpu_type.aliases))
    ]


@query.field("cpuFlavors")
async def cpu_flavors(_root: object, info: GraphQLResolveInfo, input: Input | None = None) -> list[View]:
    context = _reader(info)
    wanted = (input or {}).get("id")
    stock = await context.read(_stock, context.podd)
    return [
        {
            **views.cpu_flavor_view(flavour, context.podd.host),
            "specifics": views.specifics_of(flavour, context.podd.catalogue, stock),
        }
        for flavour in context.podd.catalogue.cpus
        if flavour.min_vcpu <= context.podd.host.vcpus and wanted in (None, "", flavour.id)
    ]


@query.field("cpuTypes")
async def cpu_types(_root: object, info: GraphQLResolveInfo) -> list[View]:
    return [views.cpu_type_view(_reader(info).podd.host)]


@query.field("dataCenters")
async def data_centers_query(_root: object, info: GraphQLResolveInfo) -> list[View]:
    return [data_center(_reader(info))]


@query.field("countryCodes")
async def country_codes(_root: object, info: GraphQLResolveInfo) -> list[str]:
    return [_reader(info).podd.settings.machine.country_code]


@query.field("serverlessGpuPools")
async def serverless_gpu_pools(_root: object, info: GraphQLResolveInfo) -> list[View]:
    """The pools of this machine's GPUs."""
    context = _reader(info)
    stock = await context.read(_stock, context.podd)
    pools: dict[str, list[str]] = {}
    for gpu_type in stock.types:
        pools.setdefault(gpu_type.pool, []).append(gpu_type.id)
    return [{"id": pool, "gpuTypeIds": type_ids} for pool, type_ids in pools.items()]


def data_centers(info: GraphQLResolveInfo) -> list[View]:
    """`myself.datacenters`."""
    return [data_center(info.context)]


def data_center(context: Call) -> View:
    """The only one: this machine."""

    async def availability(_info: GraphQLResolveInfo, input: Input | None = None) -> list[View]:
        stock = await context.read(_stock, context.podd)
        return [views.availability_view(gpu_type, stock, input or {}) for gpu_type in stock.types]

    return {**views.data_center_view(context.podd.settings.machine), "gpuAvailability": availability}


# Private


def _reader(info: GraphQLResolveInfo) -> Call:
    context: Call = info.context
    who.require(context.caller, "catalogue.read")
    return context


def _stock(db: Reader, podd: Platform) -> Stock:
    held = gpus.taken(db)
    total: dict[str, int] = {}
    free: dict[str, int] = {}
    for gpu in gpus.all_present(db):
        if gpu.usable:
            type_id = podd.catalogue.type_of(gpu).id
            total[type_id] = total.get(type_id, 0) + 1
            free[type_id] = free.get(type_id, 0) + (gpu.uuid not in held)
    return Stock(
        types=tuple(podd.gpu_types(db).values()),
        machine=podd.facts(db),
        free_memory=podd.host.memory - workloads.reserved_memory(db),
        total=total,
        free=free,
    )
