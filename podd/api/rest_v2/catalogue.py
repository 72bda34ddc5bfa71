"""/v2/catalog: what this machine has, what it costs, and on demand how much of it is free."""

from collections.abc import Callable
from typing import TypeVar

from litestar import HttpMethod

from podd.api.rest_v2.operation import Call, operation
from podd.api.rest_v2.stock import Stock, cpu_level, gpu_level, take_stock
from podd.api.shown import NANO, dollars
from podd.domain.account import require
from podd.domain.catalogue import CpuFlavour, GpuType
from podd.domain.errors import Invalid, NotFound
from podd.store.db import Reader
from podd.wire import rest_v2 as wire

T = TypeVar("T")

_GPU_FILTERS = ("product", "count", "cloud", "country_codes", "cuda_versions", "min_cuda_version")
_CPU_FILTERS = ("product", "vcpu_count")


@operation(
    HttpMethod.GET,
    "/catalog/gpus",
    id="listGpuTypes",
    query=wire.GpuTypesQuery,
    answer=wire.ListGpuTypesResponse,
)
async def list_gpu_types(call: Call, query: wire.GpuTypesQuery) -> wire.ListGpuTypesResponse:
    """The GPU types of this machine."""
    _check_filters(query, _GPU_FILTERS)
    types = await _with_stock(
        call, lambda stock: [gpu_view(stock, query, gpu_type) for gpu_type in stock.types.values()]
    )
    return wire.ListGpuTypesResponse(gpus=types)


@operation(
    HttpMethod.GET, "/catalog/gpus/{id}", id="getGpuType", query=wire.GpuTypesQuery, answer=wire.GpuType
)
async def get_gpu_type(call: Call, type_id: str, query: wire.GpuTypesQuery) -> wire.GpuType:
    """One GPU type of this machine."""
    _check_filters(query, _GPU_FILTERS)

    def show(stock: Stock) -> wire.GpuType:
        known = call.api.podd.catalogue.lookup(type_id)
        gpu_type = stock.types.get(known.id if known else type_id)
        if gpu_type is None:
            raise NotFound("GPU type not found on this machine")
        return gpu_view(stock, query, gpu_type)

    return await _with_stock(call, show)


@operation(
    HttpMethod.GET,
    "/catalog/cpus",
    id="listCpuTypes",
    query=wire.CpuTypesQuery,
    answer=wire.ListCpuTypesResponse,
)
async def list_cpu_types(call: Call, query: wire.CpuTypesQuery) -> wire.ListCpuTypesResponse:
    """The CPU flavours pods can have."""
    _check_filters(query, _CPU_FILTERS)
    flavours = call.api.podd.catalogue.cpus
    shown = await _with_stock(call, lambda stock: [cpu_view(stock, query, cpu) for cpu in flavours])
    return wire.ListCpuTypesResponse(cpus=shown)


@operation(
    HttpMethod.GET, "/catalog/cpus/{id}", id="getCpuType", query=wire.CpuTypesQuery, answer=wire.CpuType
)
async def get_cpu_type(call: Call, flavor_id: str, query: wire.CpuTypesQuery) -> wire.CpuType:
    """One CPU flavour."""
    _check_filters(query, _CPU_FILTERS)
    flavour = call.api.podd.catalogue.flavour(flavor_id)
    if flavour is None:
        raise NotFound("CPU type not found")
    return await _with_stock(call, lambda stock: cpu_view(stock, query, flavour))


@operation(
    HttpMethod.GET,
    "/catalog/datacenters",
    id="listDataCenters",
    query=wire.DataCentersQuery,
    answer=wire.ListDataCentersResponse,
)
async def list_data_centers(call: Call, query: wire.DataCentersQuery) -> wire.ListDataCentersResponse:
    """The one data center: this machine."""
    here = await _with_stock(call, lambda stock: data_center_view(stock, query))
    return wire.ListDataCentersResponse(data_centers=[here] if _is_wanted(here, query) else [])


@operation(
    HttpMethod.GET,
    "/catalog/datacenters/{id}",
    id="getDataCenter",
    query=wire.DataCentersQuery,
    answer=wire.DataCenter,
)
async def get_data_center(call: Call, center_id: str, query: wire.DataCentersQuery) -> wire.DataCenter:
    """One data center."""
    if center_id.upper() != call.api.podd.settings.machine.data_center_id:
        raise NotFound("data center not found")
    return await _with_stock(call, lambda stock: data_center_view(stock, query))


HANDLERS = [
    list_gpu_types,
    get_gpu_type,
    list_cpu_types,
    get_cpu_type,
    list_data_centers,
    get_data_center,
]


def gpu_view(stock: Stock, query: wire.GpuTypesQuery, gpu_type: GpuType) -> wire.GpuType:
    """Prices are per GPU and hour. Only the cloud this machine belongs to can be had."""
    secure = stock.machine.cloud_type == "SECURE"
    total = stock.total(gpu_type)
    view = wire.GpuType.model_validate(
        {
            "id": gpu_type.id,
            "name": gpu_type.display_name,
            "pool": gpu_type.pool,
            "manufacturer": gpu_type.manufacturer,
            "memory": gpu_type.memory_gb,
            "secure": secure,
            "community": not secure,
            "price": wire.GpuPrice(
                secure=dollars(gpu_type.secure),
                community=dollars(gpu_type.community),
                serverless=gpu_type.serverless_second * 3600 / NANO,
            ),
            "max_count": wire.GpuMaxCount(secure=total if secure else 0, community=0 if secure else total),
        }
    )
    if not query.include:
        return view
    level = gpu_level(stock, query, gpu_type)
    cuda = stock.machine.cuda_version
    versions = [wire.CudaVersionAvailability(version=cuda, available=level != "NONE")] if cuda else []
    return view.model_copy(
        update={"availability": level, "data_centers": _here(stock, level), "cuda_versions": versions}
    )


def cpu_view(stock: Stock, query: wire.CpuTypesQuery, flavour: CpuFlavour) -> wire.CpuType:
    """Prices are per vCPU and hour."""
    view = wire.CpuType(
        id=flavour.id,
        name=flavour.display_name,
        group=flavour.group,
        vcpu=wire.VcpuRange(min=flavour.min_vcpu, max=flavour.max_vcpu),
        ram_gb_per_vcpu=flavour.gb_per_vcpu,
        price=wire.CpuPrice(
            secure_per_vcpu=dollars(flavour.hourly),
            serverless_per_vcpu=flavour.serverless_second * 3600 / NANO,
        ),
    )
    if not query.include:
        return view
    level = cpu_level(stock, query, flavour)
    return view.model_copy(update={"availability": level, "data_centers": _here(stock, level)})


def data_center_view(stock: Stock, query: wire.DataCentersQuery) -> wire.DataCenter:
    gpus = cpus = None
    if "GPU_AVAILABILITY" in query.include:
        any_gpu = wire.GpuTypesQuery()
        gpus = [_level(t.id, t.display_name, gpu_level(stock, any_gpu, t)) for t in stock.types.values()]
    if "CPU_AVAILABILITY" in query.include:
        any_cpu = wire.CpuTypesQuery()
        cpus = [_level(c.id, c.display_name, cpu_level(stock, any_cpu, c)) for c in stock.flavours]
    return wire.DataCenter(
        id=stock.machine.data_center_id,
        name=stock.machine.data_center_id,
        region="UNKNOWN",
        global_network=True,
        network_volume_types=["STANDARD"],
        compliance=[],
        gpu_availability=gpus,
        cpu_availability=cpus,
    )


# Private


async def _with_stock(call: Call, show: Callable[[Stock], T]) -> T:
    require(call.caller, "catalogue.read")

    def look(db: Reader) -> T:
        return show(take_stock(db, call.api.podd))

    return await call.read(look)


def _check_filters(query: wire.GpuTypesQuery | wire.CpuTypesQuery, filters: tuple[str, ...]) -> None:
    """Filters are about what is free. Which product is meant may be left out: a pod."""
    used = sorted(query.model_fields_set & set(filters))
    if used and not query.include:
        raise Invalid(f"{', '.join(used)}: only together with include=AVAILABILITY.")


def _is_wanted(here: wire.DataCenter, query: wire.DataCentersQuery) -> bool:
    return (
        (not query.regions or here.region in query.regions)
        and (not query.network_volume_types or "STANDARD" in query.network_volume_types)
        and set(query.compliance) <= set(here.compliance)
        and query.global_network in (None, here.global_network)
    )


def _here(stock: Stock, level: wire.AvailabilityLevel) -> list[wire.CatalogResourceAvailability]:
    return [_level(stock.machine.data_center_id, stock.machine.data_center_id, level)]


def _level(id: str, name: str, level: wire.AvailabilityLevel) -> wire.CatalogResourceAvailability:
    return wire.CatalogResourceAvailability(id=id, name=name, availability=level)
