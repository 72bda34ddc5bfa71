"""REST v2: the bodies, queries and answers of the control plane, named as in RunPod's description of it.

What clients send is held to its schema, unknown keys included; the deviations of known clients are put
right before that. What podd answers is in the second half.
"""

import json
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator
from pydantic.alias_generators import to_camel

MOST = 2**31 - 1


def _whole(value: object) -> object:
    """20.0 is a whole number in JSON, and how some clients write 20."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _as_text(value: object) -> object:
    """The arguments may come as an object `{"entrypoint": [], "cmd": []}` instead of as its text."""
    return json.dumps(value) if isinstance(value, dict) else value


def _as_flash_boot(value: object) -> object:
    if isinstance(value, bool):
        return "FLASHBOOT" if value else "OFF"
    return value


def _split(value: object) -> object:
    """A query array: joined with commas, repeated, or both."""
    parts = value if isinstance(value, list) else [value]
    return [word for part in parts for word in str(part).split(",") if word]


Split = BeforeValidator(_split)
Whole = Annotated[int, BeforeValidator(_whole), Field(le=MOST)]
Positive = Annotated[int, BeforeValidator(_whole), Field(ge=1, le=MOST)]
Natural = Annotated[int, BeforeValidator(_whole), Field(ge=0, le=MOST)]
Name = Annotated[str, Field(min_length=1)]
Args = Annotated[
    str,
    BeforeValidator(_as_text),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "object"}]}),
]
CudaVersion = Annotated[str, Field(pattern=r"^\d+\.\d+$")]
Cloud = Literal["SECURE", "COMMUNITY"]
TemplateCategory = Literal["CPU", "NVIDIA", "AMD"]
VolumeType = Literal["STANDARD", "HIGH_PERFORMANCE"]
EndpointType = Literal["QUEUE", "LOAD_BALANCER"]
FlashBoot = Annotated[Literal["OFF", "FLASHBOOT", "PRIORITY_FLASHBOOT"], BeforeValidator(_as_flash_boot)]
PodAction = Literal["start", "stop", "restart", "terminate"]
PodStatus = Literal["PROVISIONING", "STARTING", "RUNNING", "EXITED", "ERROR", "TERMINATED"]
LogSource = Literal["container", "system"]
AvailabilityLevel = Literal["NONE", "LOW", "MEDIUM", "HIGH"]
BillingBucketSize = Literal["hour", "day", "week", "month", "year"]
Region = Literal[
    "NORTH_AMERICA",
    "SOUTH_AMERICA",
    "EUROPE",
    "ASIA",
    "MIDDLE_EAST",
    "AFRICA",
    "OCEANIA",
    "ANTARCTICA",
    "UNKNOWN",
]
SshKey = Annotated[str, Field(pattern=r"^(ssh|ecdsa|sk)-[^\s]+ [^\s]+([ \t][^\n\r]*)?$")]


class Body(BaseModel):
    """A body as the schema has it. None: not said."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        alias_generator=to_camel,
        populate_by_name=True,
        allow_inf_nan=False,
        str_max_length=1024 * 1024,
    )

    def says(self, name: str) -> bool:
        """Whether the field was sent at all, if only to clear it."""
        return name in self.model_fields_set


# Bodies: what containers are made from


class PersistentMount(Body):
    size: Annotated[int, BeforeValidator(_whole), Field(ge=10, le=MOST)]
    path: str


class NetworkMount(Body):
    volume_id: str
    path: str


class Mounts(Body):
    persistent: PersistentMount | None = Field(None, exclude_if=lambda it: it is None)
    network: Annotated[list[NetworkMount], Field(max_length=1)] | None = Field(
        None, exclude_if=lambda it: it is None
    )


class TemplateMounts(Body):
    persistent: PersistentMount | None = Field(None, exclude_if=lambda it: it is None)


class ContainerWish(Body):
    """Fields of every body that describes a container. `args` holds both parts of the command, `cmd` and
    `entrypoint` name them one by one."""

    image: str | None = None
    args: Args | None = None
    cmd: list[str] | None = None
    entrypoint: list[str] | None = None
    disk: Positive | None = None
    ports: list[str] | None = None
    env: dict[str, str] | None = None
    registry: str | None = None


class CreateGpuConfig(Body):
    id: str
    count: Positive = 1
    allowed_cuda_versions: list[CudaVersion] | None = None
    min_cuda_version: CudaVersion | None = None
    min_ram_per_gpu: Positive | None = None
    min_vcpu_count_per_gpu: Positive | None = None


class CreateCpuConfig(Body):
    id: Name
    vcpu_count: Annotated[int, BeforeValidator(_whole), Field(ge=2, le=MOST)]


def _mounts_of_list(mounts: list[Any]) -> dict[str, Any]:
    """The Terraform provider lists mounts: `[{volumeInGb | networkVolumeId, volumeMountPath}]`."""
    found: dict[str, Any] = {}
    for mount in mounts:
        if not isinstance(mount, dict):
            raise ValueError("got array, want object")
        path = mount.get("volumeMountPath") or "/workspace"
        if mount.get("networkVolumeId"):
            found.setdefault("network", []).append({"volumeId": mount["networkVolumeId"], "path": path})
        elif mount.get("volumeInGb"):
            found["persistent"] = {"size": mount["volumeInGb"], "path": path}
    return found


class _WithMounts(ContainerWish):
    @model_validator(mode="before")
    @classmethod
    def _as_documented(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("mounts"), list):
            return {**data, "mounts": _mounts_of_list(data["mounts"])}
        return data


# Bodies: pods


class CreatePodRequest(_WithMounts):
    """`bid_per_gpu`, in dollars, is the Terraform provider's: it makes a spot pod."""

    name: Name
    gpu: CreateGpuConfig | None = None
    cpu: CreateCpuConfig | None = None
    cloud: Cloud | None = None
    data_center_ids: list[str] | None = None
    mounts: Mounts | None = None
    global_networking: bool | None = None
    start_ssh: bool | None = None
    start_jupyter: bool | None = None
    template_id: Name | None = None
    bid_per_gpu: Annotated[float, Field(ge=0, le=1_000_000)] | None = None

    @model_validator(mode="after")
    def _has_image(self) -> "CreatePodRequest":
        if self.image is None and self.template_id is None:
            raise ValueError("missing property 'image'")
        return self


class UpdatePodRequest(_WithMounts):
    name: Name | None = None
    locked: bool | None = None
    mounts: Mounts | None = None
    global_networking: bool | None = None
    template_id: str | None = None


class PodActionRequest(Body):
    action: PodAction


# Bodies: templates


def _template_as_documented(data: Any) -> Any:
    """The Terraform provider still uses three names of v1."""
    if not isinstance(data, dict):
        return data
    data = dict(data)
    for theirs, ours in (
        ("containerRegistryAuthId", "registry"),
        ("dockerEntrypoint", "entrypoint"),
        ("dockerStartCmd", "cmd"),
    ):
        if theirs in data:
            data.setdefault(ours, data.pop(theirs))
    return data


class CreateTemplateRequest(ContainerWish):
    name: Name
    image: str
    mounts: TemplateMounts | None = None
    serverless: bool | None = None
    public: bool | None = None
    category: TemplateCategory | None = None
    start_ssh: bool | None = None
    start_jupyter: bool | None = None
    allowed_cuda_versions: list[CudaVersion] | None = None
    readme: str | None = None

    _as_documented = model_validator(mode="before")(_template_as_documented)


class UpdateTemplateRequest(ContainerWish):
    name: Name | None = None
    mounts: TemplateMounts | None = None
    serverless: bool | None = None
    public: bool | None = None
    category: TemplateCategory | None = None
    start_ssh: bool | None = None
    start_jupyter: bool | None = None
    allowed_cuda_versions: list[CudaVersion] | None = None
    readme: str | None = None

    _as_documented = model_validator(mode="before")(_template_as_documented)


# Bodies: serverless


class QueueDelayScaling(Body):
    type: Literal["QUEUE_DELAY"]
    queue_delay: Annotated[float, Field(ge=0.5, le=MOST)]


class RequestCountScaling(Body):
    type: Literal["REQUEST_COUNT"]
    request_count: Positive


EndpointScaling = Annotated[QueueDelayScaling | RequestCountScaling, Field(discriminator="type")]
ExcludedType = Annotated[str, Field(pattern=r"^\s*[^-\s]")]


class CreateEndpointGpuConfig(Body):
    pools: Annotated[list[str], Field(min_length=1)]
    excluded_types: list[ExcludedType] | None = None
    count: Positive = 1
    allowed_cuda_versions: list[CudaVersion] | None = None
    min_cuda_version: CudaVersion | None = None


class UpdateEndpointGpuConfig(Body):
    pools: Annotated[list[str], Field(min_length=1)] | None = None
    excluded_types: list[ExcludedType] | None = None
    count: Positive | None = None
    allowed_cuda_versions: list[CudaVersion] | None = None
    min_cuda_version: Annotated[str, Field(pattern=r"^$|^\d+\.\d+$")] | None = None

    @model_validator(mode="after")
    def _excluded_from_pools(self) -> "UpdateEndpointGpuConfig":
        if self.excluded_types is not None and self.pools is None:
            raise ValueError("property 'pools' is required if 'excludedTypes' is given")
        return self


class EndpointWorkers(Body):
    min: Natural | None = None
    max: Natural | None = None
    idle_timeout: Annotated[int, BeforeValidator(_whole), Field(ge=1, le=3600)] | None = None


class CreateEndpointRequest(ContainerWish):
    name: Name
    type: EndpointType
    scaling: EndpointScaling
    gpu: CreateEndpointGpuConfig | None = None
    cpu: Annotated[list[CreateCpuConfig], Field(min_length=1)] | None = None
    workers: EndpointWorkers | None = None
    flashboot: FlashBoot | None = None
    timeout: Whole | None = None
    network_volumes: list[str] | None = None
    data_center_ids: list[str] | None = None
    template_id: Name | None = None

    @model_validator(mode="after")
    def _goes_together(self) -> "CreateEndpointRequest":
        if self.image is None and self.template_id is None:
            raise ValueError("missing property 'image'")
        if self.type == "LOAD_BALANCER" and self.scaling.type != "REQUEST_COUNT":
            raise ValueError("scaling.type must be 'REQUEST_COUNT' for type 'LOAD_BALANCER'")
        return self


class UpdateEndpointRequest(ContainerWish):
    name: Name | None = None
    scaling: EndpointScaling | None = None
    gpu: UpdateEndpointGpuConfig | None = None
    cpu: Annotated[list[CreateCpuConfig], Field(min_length=1)] | None = None
    workers: EndpointWorkers | None = None
    flashboot: FlashBoot | None = None
    timeout: Whole | None = None
    network_volumes: list[str] | None = None
    data_center_ids: list[str] | None = None
    template_id: str | None = None


# Bodies: the account and its things


class UpdateSshKeysRequest(Body):
    keys: list[SshKey]


class CreateSecretRequest(Body):
    name: Name
    value: Name
    description: str | None = None


class UpdateSecretRequest(Body):
    value: Name | None = None
    description: str | None = None


VolumeSize = Annotated[int, BeforeValidator(_whole), Field(ge=10, le=4096)]


class CreateNetworkVolumeRequest(Body):
    name: Name
    size: VolumeSize
    data_center: Name
    type: VolumeType | None = None


class UpdateNetworkVolumeRequest(Body):
    name: Name | None = None
    size: VolumeSize | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "UpdateNetworkVolumeRequest":
        if not self.model_fields_set:
            raise ValueError("minProperties: got 0, want 1")
        return self


class CreateRegistryRequest(Body):
    name: Name
    username: Name
    password: Name


class CreateDelegationRequest(Body):
    resource: str
    name: str | None = None


class ClusterCompute(Body):
    gpu_type_id: Name
    gpu_count_per_pod: Positive
    pod_count: Annotated[int, BeforeValidator(_whole), Field(ge=2, le=250)]


class CreateClusterRequest(_WithMounts):
    name: Name
    type: Literal["APPLICATION", "TRAINING", "SLURM", "RAY"]
    compute: ClusterCompute
    data_center_ids: list[str] | None = None
    mounts: Mounts | None = None
    start_jupyter: bool | None = None
    start_ssh: bool | None = None
    template_id: str | None = None


class UpdateClusterRequest(Body):
    name: Name | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "UpdateClusterRequest":
        if not self.model_fields_set:
            raise ValueError("minProperties: got 0, want 1")
        return self


# Queries


class Query(BaseModel):
    """Parameters after the `?`. Unknown ones are ignored, as upstream ignores them."""

    model_config = ConfigDict(extra="ignore", alias_generator=to_camel, populate_by_name=True)


class PageQuery(Query):
    limit: Annotated[int, Field(ge=1, le=1000)] = 1000
    cursor: str | None = None


class PodsQuery(PageQuery):
    include_cluster_pods: bool = False


class SecretsQuery(PageQuery):
    name: str | None = None


class LogQuery(Query):
    source: LogSource | None = None
    tail: Annotated[int, Field(ge=0, le=5000)] = 100
    since: str | None = None


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


class PublicTemplatesQuery(Query):
    source: Literal["official", "verified", "community"] = "official"


class BillingQuery(Query):
    start_time: str | None = None
    end_time: str | None = None
    bucket_size: BillingBucketSize = "day"
    last_n: Annotated[int, Field(ge=1, le=MOST)] | None = None
    pod_id: str | None = None
    serverless_id: str | None = None
    network_volume_id: str | None = None
    cluster_id: str | None = None


# Answers


class View(BaseModel):
    """What podd answers, in the names of the wire."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)


def _left_out() -> Any:
    """A field that is not in the answer when it has no value."""
    empty: Callable[[object], bool] = lambda value: value is None  # noqa: E731 - one line where it is used
    return Field(None, exclude_if=empty)


class Problem(View):
    """Every error, as application/problem+json."""

    title: str
    status: int
    detail: str
    errors: list[str] | None = _left_out()


class Pagination(View):
    next_cursor: str | None
    has_next_page: bool


class ContainerConfig(View):
    image: str
    args: str
    cmd: list[str]
    entrypoint: list[str]
    disk: int
    ports: list[str]
    env: dict[str, str]
    registry: str | None


class GpuConfig(View):
    id: str
    count: int
    vcpu_count: int
    memory: int


class CpuConfig(View):
    id: str
    vcpu_count: int
    memory: int


class PodGlobalNetworking(View):
    enabled: bool


class PodSshEndpoint(View):
    host: str
    port: int
    username: str
    command: str


class PodSsh(View):
    proxy: PodSshEndpoint | None
    direct: PodSshEndpoint | None


class PodGpuUtilization(View):
    util: int
    memory_util: int


class Utilization(View):
    util: int


class PodRuntimePort(View):
    private: int
    public: int | None
    type: str
    ip: str | None


class PodRuntime(View):
    uptime: int
    gpus: list[PodGpuUtilization]
    cpu: Utilization
    memory: Utilization
    ports: list[PodRuntimePort]


class Pod(ContainerConfig):
    id: str
    name: str
    status: PodStatus
    actions: list[PodAction]
    gpu: GpuConfig | None = _left_out()
    cpu: CpuConfig | None = _left_out()
    cloud: Cloud
    data_center_id: str | None
    cuda_version: str | None
    cost: float
    locked: bool
    template: str | None
    mounts: Mounts
    global_networking: PodGlobalNetworking
    ssh: PodSsh
    runtime: PodRuntime | None
    created_at: str
    started_at: str | None


class ListPodsResponse(View):
    pods: list[Pod]
    pagination: Pagination


class Template(ContainerConfig):
    id: str
    name: str
    mounts: TemplateMounts
    serverless: bool
    public: bool
    category: TemplateCategory
    start_ssh: bool
    start_jupyter: bool
    allowed_cuda_versions: list[str]


class ListTemplatesResponse(View):
    templates: list[Template]
    pagination: Pagination


class EndpointGpuConfig(View):
    pools: list[str]
    excluded_types: list[str]
    count: int
    allowed_cuda_versions: list[str]
    min_cuda_version: str | None


class EndpointWorkersView(View):
    min: int
    max: int
    idle_timeout: int | None = _left_out()


class QueueBasedRequestUrls(View):
    run: str
    run_sync: str
    status: str
    stream: str
    cancel: str
    retry: str
    purge_queue: str
    health: str


class LoadBalancingRequestUrls(View):
    base: str
    health: str


class Endpoint(ContainerConfig):
    id: str
    name: str
    type: EndpointType
    request_urls: QueueBasedRequestUrls | LoadBalancingRequestUrls
    gpu: EndpointGpuConfig
    workers: EndpointWorkersView
    scaling: EndpointScaling
    data_center_ids: list[str]
    network_volumes: list[str]
    timeout: int
    flashboot: FlashBoot
    created_at: str


class ListEndpointsResponse(View):
    endpoints: list[Endpoint]
    pagination: Pagination


class Worker(View):
    id: str
    status: Literal["RUNNING", "IDLE", "INITIALIZING", "THROTTLED", "UNHEALTHY"]
    version: int | None
    is_stale: bool
    image: str | None
    gpu_type_id: str | None
    gpu_count: int
    data_center_id: str | None
    started_at: str | None
    uptime_seconds: int | None


class WorkerSummary(View):
    running: int
    idle: int
    initializing: int
    throttled: int
    unhealthy: int
    total: int


class ListEndpointWorkersResponse(View):
    workers: list[Worker]
    summary: WorkerSummary
    endpoint_version: int | None


class ReleaseDiffEntry(View):
    field: str
    old: Any
    new: Any


class Release(View):
    id: str
    version: int | None
    source: Literal["GIT_BUILD", "MANUAL"]
    build_id: str | None
    created_by_user_id: str | None
    worker_count: int
    created_at: str
    diff: list[ReleaseDiffEntry]


class RolloutSummary(View):
    in_progress: bool
    workers_on_latest: int
    workers_total: int
    percent_on_latest: int


class ListEndpointReleasesResponse(View):
    endpoint_version: int | None
    rollout: RolloutSummary
    releases: list[Release]


class SshKeys(View):
    keys: list[str]


class Secret(View):
    id: str
    name: str
    description: str
    created_at: str
    value_last_updated_at: str


class ListSecretsResponse(View):
    secrets: list[Secret]
    pagination: Pagination


class NetworkVolume(View):
    id: str
    name: str
    size: int
    data_center: str
    type: VolumeType


class ListNetworkVolumesResponse(View):
    network_volumes: list[NetworkVolume]
    pagination: Pagination


class Registry(View):
    """`username` is not documented; the Terraform provider expects it."""

    id: str
    name: str
    username: str


class ListRegistriesResponse(View):
    registries: list[Registry]
    pagination: Pagination


class EcrDelegation(View):
    id: str
    name: str | None
    delegator_user_id: str
    aws_user: str
    repository: str
    tag: str
    aws_region: str
    created_at: str


class ListDelegationsResponse(View):
    delegations: list[EcrDelegation]


class Cluster(View):
    id: str
    name: str


class ListClustersResponse(View):
    clusters: list[Cluster]
    pagination: Pagination


class CatalogResourceAvailability(View):
    """A GPU type, CPU flavour or data center, and how much of it is free."""

    id: str
    name: str
    availability: AvailabilityLevel


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
    availability: AvailabilityLevel | None = _left_out()
    data_centers: list[CatalogResourceAvailability] | None = _left_out()
    cuda_versions: list[CudaVersionAvailability] | None = _left_out()


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
    availability: AvailabilityLevel | None = _left_out()
    data_centers: list[CatalogResourceAvailability] | None = _left_out()


class ListCpuTypesResponse(View):
    cpus: list[CpuType]


class DataCenter(View):
    id: str
    name: str
    region: Region
    global_network: bool
    network_volume_types: list[VolumeType]
    compliance: list[str]
    gpu_availability: list[CatalogResourceAvailability] | None = _left_out()
    cpu_availability: list[CatalogResourceAvailability] | None = _left_out()


class ListDataCentersResponse(View):
    data_centers: list[DataCenter]


class BillingReport(View):
    """`records` and `metadata` (query, recordCount, unique*Count, totals), different for each resource."""

    records: list[dict[str, Any]]
    metadata: dict[str, Any]
