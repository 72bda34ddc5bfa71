"""REST v1: bodies and answers, named as in RunPod's description of it and as seen on its wire.

What clients send is read leniently: unknown keys are ignored, null means not said, lists may be comma-joined
texts. What podd answers is in the second half; a key is left out where a model's field has a default and
podd does not set it.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema


def _split(value: object) -> object:
    """`a,b` as a list, also when it is one entry of a list."""
    parts = value if isinstance(value, list) else [value]
    texts = [part for part in parts if isinstance(part, str)]
    if len(texts) < len(parts):
        return value
    return [word.strip() for text in texts for word in text.split(",") if word.strip()]


def _env(value: object) -> object:
    """A map, or GraphQL's list of `{key, value}`. Numbers and truth values are written as text."""
    if isinstance(value, list):
        if not all(isinstance(entry, dict) and isinstance(entry.get("key"), str) for entry in value):
            raise ValueError("must be a map of names to values, or a list of {key, value}")
        value = {entry["key"]: entry.get("value") for entry in value}
    if not isinstance(value, dict):
        return value
    return {name: _as_text(one) for name, one in value.items()}


def _as_text(value: object) -> object:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case _:
            return value


_ENV_SCHEMA = {"type": "object", "additionalProperties": {"type": "string"}}

Words = Annotated[list[str], BeforeValidator(_split)]
Env = Annotated[dict[str, str], BeforeValidator(_env), WithJsonSchema(_ENV_SCHEMA)]
Name = Annotated[str, Field(max_length=191)]
ComputeType = Literal["GPU", "CPU"]
CloudType = Literal["SECURE", "COMMUNITY", "ALL"]
Priority = Literal["availability", "custom"]
Status = Literal["RUNNING", "EXITED", "TERMINATED"]
Category = Literal["NVIDIA", "AMD", "CPU"]
ScalerType = Literal["QUEUE_DELAY", "REQUEST_COUNT"]
BucketSize = Literal["hour", "day", "week", "month", "year"]


class Input(BaseModel):
    model_config = ConfigDict(extra="ignore")

    def says(self, name: str) -> bool:
        """Whether the caller gave this field, and not as null."""
        return name in self.model_fields_set and getattr(self, name) is not None


# What clients send


class ContainerInput(Input):
    """What pods and templates say alike about their containers. `dockerArgs` is GraphQL's form of the
    command; the two lists win over it."""

    imageName: str | None = None
    env: Env | None = None
    ports: Words | None = None
    containerDiskInGb: int | None = None
    volumeInGb: int | None = None
    volumeMountPath: str | None = None
    dockerEntrypoint: list[str] | None = None
    dockerStartCmd: list[str] | None = None
    dockerArgs: str | None = None
    containerRegistryAuthId: str | None = None


class PodCreateInput(ContainerInput):
    """A wish for a pod. A GPU pod needs `imageName` or `templateId`; what is said here wins over the
    template. `interruptible` makes a spot pod, at the lowest bid of its GPU type."""

    name: Name | None = None
    templateId: str | None = None
    computeType: ComputeType | None = None
    gpuTypeIds: Words | None = None
    gpuTypePriority: Priority | None = None
    gpuCount: int | None = None
    cpuFlavorIds: Words | None = None
    cpuFlavorPriority: Priority | None = None
    vcpuCount: int | None = None
    minRAMPerGPU: int | None = None
    minVCPUPerGPU: int | None = None
    allowedCudaVersions: Words | None = None
    minCudaVersion: str | None = None
    cloudType: CloudType | None = None
    dataCenterIds: Words | None = None
    dataCenterPriority: Priority | None = None
    countryCodes: Words | None = None
    minDownloadMbps: float | None = None
    minUploadMbps: float | None = None
    minDiskBandwidthMBps: float | None = None
    supportPublicIp: bool | None = None
    networkVolumeId: str | None = None
    interruptible: bool | None = None
    locked: bool | None = None
    globalNetworking: bool | None = None


class PodUpdateInput(ContainerInput):
    """What is to change about a pod. Name, lock and credential change in place; all else resets the pod."""

    name: Name | None = None
    locked: bool | None = None
    globalNetworking: bool | None = None


class TemplateUpdateInput(ContainerInput):
    """What is to change about a template."""

    name: Name | None = None
    category: Category | None = None
    isPublic: bool | None = None
    readme: str | None = None


class TemplateCreateInput(TemplateUpdateInput):
    """A template. `name` and `imageName` are required."""

    isServerless: bool | None = None


class EndpointUpdateInput(Input):
    """What is to change about an endpoint. `executionTimeoutMs` 0 is the default limit."""

    name: Name | None = None
    templateId: str | None = None
    gpuTypeIds: Words | None = None
    gpuCount: int | None = None
    cpuFlavorIds: Words | None = None
    vcpuCount: int | None = None
    allowedCudaVersions: Words | None = None
    minCudaVersion: str | None = None
    dataCenterIds: Words | None = None
    networkVolumeId: str | None = None
    networkVolumeIds: Words | None = None
    workersMin: int | None = None
    workersMax: int | None = None
    idleTimeout: int | None = None
    scalerType: ScalerType | None = None
    scalerValue: int | None = None
    executionTimeoutMs: int | None = None
    flashboot: bool | None = None


class EndpointCreateInput(EndpointUpdateInput):
    """An endpoint. `templateId` is required; without `gpuTypeIds` any GPU of the machine will do."""

    computeType: ComputeType | None = None


class NetworkVolumeUpdateInput(Input):
    """A new name or a new size in GB, which is not smaller than the present one."""

    name: Name | None = None
    size: int | None = None


class NetworkVolumeCreateInput(NetworkVolumeUpdateInput):
    """A network volume. `name` and `size` are required; `dataCenterId` can only be this machine's."""

    dataCenterId: str | None = None


class ContainerRegistryAuthCreateInput(Input):
    """A registry credential. All three are required."""

    name: Name | None = None
    username: str | None = None
    password: str | None = None


# What podd answers


class Error(BaseModel):
    """What went wrong, in words, and the HTTP status once more. `reason` says what is short when the machine
    has no room."""

    error: str
    message: str
    status: int
    reason: str | None = None


class Gpu(BaseModel):
    """The pod's GPUs: their type, how many, and the type's prices in dollars per GPU and hour."""

    id: str
    count: int
    displayName: str
    securePrice: float = 0
    communityPrice: float = 0
    oneWeekPrice: float = 0
    oneMonthPrice: float = 0
    threeMonthPrice: float = 0
    sixMonthPrice: float = 0
    secureSpotPrice: float = 0
    communitySpotPrice: float = 0


class Machine(BaseModel):
    """Empty unless asked for with `includeMachine`. Speeds are 0 where podd did not measure them."""

    id: str = ""
    gpuTypeId: str = ""
    gpuType: Gpu | None = None
    gpuDisplayName: str = ""
    gpuAvailable: int = 0
    minPodGpuCount: int = 1
    cpuCount: int = 0
    dataCenterId: str = ""
    location: str = ""
    secureCloud: bool = True
    supportPublicIp: bool = True
    costPerHr: float = 0
    currentPricePerGpu: float = 0
    diskThroughputMBps: int = 0
    maxDownloadSpeedMbps: int = 0
    maxUploadSpeedMbps: int = 0
    note: str = ""


class NetworkVolume(BaseModel):
    id: str
    name: str
    size: int
    dataCenterId: str


class Template(BaseModel):
    id: str
    name: str
    imageName: str
    category: str
    containerDiskInGb: int
    containerRegistryAuthId: str
    dockerEntrypoint: list[str]
    dockerStartCmd: list[str]
    earned: float
    env: dict[str, str]
    isPublic: bool
    isRunpod: bool
    isServerless: bool
    ports: list[str]
    readme: str
    runtimeInMin: int
    volumeInGb: int
    volumeMountPath: str


class Pod(BaseModel):
    """`desiredStatus` is the wish, not the health: a pod is ready when it is RUNNING and `portMappings` and
    `publicIp` are there. `endpointId` and `slsVersion` are set for serverless workers only."""

    id: str
    name: str
    desiredStatus: Status
    image: str
    imageName: str
    gpuCount: int
    gpuTypeId: str
    gpu: Gpu
    cpuFlavorId: str
    vcpuCount: int
    memoryInGb: int
    costPerHr: float
    adjustedCostPerHr: float
    createdAt: str
    lastStartedAt: str = ""
    idleWarnedAt: str = ""
    lastStatusChange: str
    uptimeSeconds: int
    ports: list[str]
    portMappings: dict[str, int] | None
    publicIp: str | None
    env: dict[str, str]
    containerDiskInGb: int
    volumeInGb: int
    volumeMountPath: str
    volumeEncrypted: bool
    networkVolumeId: str
    networkVolume: NetworkVolume | None = None
    machineId: str
    machine: Machine
    templateId: str
    template: Template | None = None
    interruptible: bool
    locked: bool
    containerRegistryAuthId: str
    dockerEntrypoint: list[str]
    dockerStartCmd: list[str]
    savingsPlans: list[dict[str, Any]]
    consumerUserId: str
    endpointId: str = ""
    aiApiId: str = ""
    slsVersion: int = 0


class Endpoint(BaseModel):
    """`template` and `workers` only where they are asked for."""

    id: str
    name: str
    userId: str
    templateId: str
    template: Template | None = None
    version: int
    createdAt: str
    computeType: ComputeType
    gpuTypeIds: list[str]
    gpuCount: int
    instanceIds: list[str]
    allowedCudaVersions: list[str]
    minCudaVersion: str = ""
    dataCenterIds: list[str]
    networkVolumeId: str
    networkVolumeIds: list[str]
    workersMin: int
    workersMax: int
    workers: list[Pod] = []
    idleTimeout: int
    scalerType: ScalerType
    scalerValue: int
    executionTimeoutMs: int
    flashboot: bool
    env: dict[str, str]


class ContainerRegistryAuth(BaseModel):
    """A credential without its password."""

    id: str
    name: str
    username: str


class BillingRecord(BaseModel):
    """One time bucket of one resource; only the key that is grouped by is set. `amount` in dollars."""

    time: str
    amount: float
    timeBilledMs: int
    diskSpaceBilledGb: int
    podId: str = ""
    endpointId: str = ""
    gpuTypeId: str = ""


class NetworkVolumeBillingRecord(BaseModel):
    """One time bucket of all network volumes. `amount` in dollars."""

    time: str
    amount: float
    diskSpaceBilledGb: int
    highPerformanceStorageAmount: float
    highPerformanceStorageDiskSpaceBilledGb: int
