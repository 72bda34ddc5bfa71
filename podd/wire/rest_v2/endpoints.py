"""Endpoints, their workers and their releases."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from podd.wire.rest_v2.containers import ContainerConfig, ContainerWish, CpuConfig, CreateCpuConfig
from podd.wire.rest_v2.words import (
    MOST,
    Body,
    CudaVersion,
    Name,
    Natural,
    Pagination,
    Positive,
    View,
    Whole,
    left_out,
    whole,
)


def _as_flash_boot(value: object) -> object:
    if isinstance(value, bool):
        return "FLASHBOOT" if value else "OFF"
    return value


EndpointType = Literal["QUEUE", "LOAD_BALANCER"]
FlashBoot = Annotated[Literal["OFF", "FLASHBOOT", "PRIORITY_FLASHBOOT"], BeforeValidator(_as_flash_boot)]


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
    idle_timeout: Annotated[int, BeforeValidator(whole), Field(ge=1, le=3600)] | None = None


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


class EndpointGpuConfig(View):
    pools: list[str]
    excluded_types: list[str]
    count: int
    allowed_cuda_versions: list[str]
    min_cuda_version: str | None


class EndpointWorkersView(View):
    min: int
    max: int
    idle_timeout: int | None = left_out()


class LoadBalancingRequestUrls(View):
    base: str
    health: str


class QueueBasedRequestUrls(View):
    run: str
    run_sync: str
    status: str
    stream: str
    cancel: str
    retry: str
    purge_queue: str
    health: str


class Endpoint(ContainerConfig):
    id: str
    name: str
    type: EndpointType
    request_urls: QueueBasedRequestUrls | LoadBalancingRequestUrls
    gpu: EndpointGpuConfig | None
    cpu: list[CpuConfig] | None = left_out()
    workers: EndpointWorkersView
    scaling: EndpointScaling
    data_center_ids: list[str]
    network_volumes: list[str]
    timeout: int
    flashboot: FlashBoot
    created_at: str
    explanation: list[str] | None = left_out()
    """Of podd: why its jobs wait, in sentences, while any does. Not in lists."""


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
    reason: str | None = left_out()
    """Of podd: why it is in this state, where there is a reason."""


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
