"""The catalogue: GPU types, CPU types and data centers."""

from typing import Annotated, Literal

from pydantic import Field

from podd.wire.rest_v2.words import (
    MOST,
    AvailabilityLevel,
    CatalogResourceAvailability,
    Cloud,
    CudaVersion,
    Query,
    Region,
    Split,
    View,
    VolumeType,
    left_out,
)


class GpuTypesQuery(Query):
    include: Annotated[list[Literal["AVAILABILITY"]], Split] = []
    product: Annotated[list[Literal["POD", "CLUSTER", "SERVERLESS"]], Split] = []
    count: Annotated[int, Field(ge=1, le=MOST)] | None = None
    cloud: Cloud | None = None
    country_codes: Annotated[list[Annotated[str, Field(pattern="^[A-Za-z]{2}$")]], Split] = []
    cuda_versions: Annotated[list[CudaVersion], Split] = []
    min_cuda_version: Annotated[str, Field(pattern=r"^\d+(\.\d+)?$")] | None = None


class CpuTypesQuery(Query):
    include: Annotated[list[Literal["AVAILABILITY"]], Split] = []
    product: Annotated[list[Literal["POD", "SERVERLESS"]], Split] = []
    vcpu_count: Annotated[int, Field(ge=2, le=MOST)] | None = None


class DataCentersQuery(Query):
    include: Annotated[list[Literal["GPU_AVAILABILITY", "CPU_AVAILABILITY"]], Split] = []
    regions: Annotated[list[Region], Split] = []
    network_volume_types: Annotated[list[VolumeType], Split] = []
    compliance: Annotated[list[str], Split] = []
    global_network: bool | None = None


class CudaVersionAvailability(View):
    version: str
    available: bool


class GpuPrice(View):
    secure: float
    community: float
    serverless: float


class GpuMaxCount(View):
    secure: int
    community: int


class GpuType(View):
    id: str
    name: str
    pool: str | None
    manufacturer: Literal["NVIDIA", "AMD", "UNKNOWN"]
    memory: int
    secure: bool
    community: bool
    price: GpuPrice
    max_count: GpuMaxCount
    availability: AvailabilityLevel | None = left_out()
    data_centers: list[CatalogResourceAvailability] | None = left_out()
    cuda_versions: list[CudaVersionAvailability] | None = left_out()


class ListGpuTypesResponse(View):
    gpus: list[GpuType]


class VcpuRange(View):
    min: int
    max: int


class CpuPrice(View):
    secure_per_vcpu: float
    serverless_per_vcpu: float


class CpuType(View):
    id: str
    name: str
    group: str
    vcpu: VcpuRange
    ram_gb_per_vcpu: float
    price: CpuPrice
    availability: AvailabilityLevel | None = left_out()
    data_centers: list[CatalogResourceAvailability] | None = left_out()


class ListCpuTypesResponse(View):
    cpus: list[CpuType]


class DataCenter(View):
    id: str
    name: str
    region: Region
    global_network: bool
    network_volume_types: list[VolumeType]
    compliance: list[str]
    gpu_availability: list[CatalogResourceAvailability] | None = left_out()
    cpu_availability: list[CatalogResourceAvailability] | None = left_out()


class ListDataCentersResponse(View):
    data_centers: list[DataCenter]
