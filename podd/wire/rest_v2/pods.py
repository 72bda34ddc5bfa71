"""Pods."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from podd.wire.rest_v2.containers import (
    ContainerConfig,
    CpuConfig,
    CreateCpuConfig,
    CreateGpuConfig,
    GpuConfig,
    Mounts,
    WithMounts,
)
from podd.wire.rest_v2.words import Body, Cloud, Name, PageQuery, Pagination, View, left_out

PodAction = Literal["start", "stop", "restart", "terminate"]
PodStatus = Literal["PROVISIONING", "STARTING", "RUNNING", "EXITED", "ERROR", "TERMINATED"]


class CreatePodRequest(WithMounts):
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


class UpdatePodRequest(WithMounts):
    name: Name | None = None
    locked: bool | None = None
    mounts: Mounts | None = None
    global_networking: bool | None = None
    template_id: str | None = None


class PodActionRequest(Body):
    action: PodAction


class PodsQuery(PageQuery):
    include_cluster_pods: bool = False


class PodGlobalNetworking(View):
    enabled: bool
    ip: str | None = left_out()
    internal_dns: str | None = left_out()


class PodSshEndpoint(View):
    host: str
    port: int
    username: str
    command: str


class PodSsh(View):
    proxy: PodSshEndpoint | None
    direct: PodSshEndpoint | None


class PodGpuUtilization(View):
    """Of a MIG instance nobody tells how busy it is."""

    util: int | None = left_out()
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
    gpu: GpuConfig | None = left_out()
    cpu: CpuConfig | None = left_out()
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
    idle_warned_at: str | None = left_out()


class ListPodsResponse(View):
    pods: list[Pod]
    pagination: Pagination
