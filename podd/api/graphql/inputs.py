"""From GraphQL's input objects to podd's own requests. The empty string means unset: Go clients send it."""

from typing import Any

from podd.domain.endpoint import EndpointChange
from podd.domain.errors import Invalid, NotAvailable
from podd.domain.pod import PodRequest

Input = dict[str, Any]
NANO = 1_000_000_000
MOST_DOLLARS = 1_000_000


def required(data: Input | None) -> Input:
    """The input object itself, which upstream allows to be left out and podd cannot do without."""
    if data is None:
        raise Invalid("input is required.")
    return data


def nano(dollars: float | None, name: str) -> int | None:
    """Dollars as nano-dollars; 0 means unset. Raises Invalid for an amount that is none."""
    if not dollars:
        return None
    if not 0 < dollars <= MOST_DOLLARS:
        raise Invalid(f"{name} must be between 0 and {MOST_DOLLARS} dollars.")
    return round(dollars * NANO)


def pod_request(data: Input, *, spot: bool = False) -> PodRequest:
    """A wish for a GPU pod. Raises Invalid naming what is missing."""
    types = tuple(t for t in [data.get("gpuTypeId"), *(data.get("gpuTypeIdList") or [])] if t)
    if not types:
        raise Invalid("gpuTypeId is required; `gpuTypes` lists what this machine has.")
    bid = nano(data.get("bidPerGpu"), "bidPerGpu")
    if spot and bid is None:
        raise Invalid("bidPerGpu is required and must be above 0.")
    for name in ("networkVolumeId", "containerRegistryAuthId"):
        if data.get(name):
            raise NotAvailable(f"{name} is not available in this version of podd yet.")
    ports = data.get("ports") or (f"{data['port']}/http" if data.get("port") else None)
    return PodRequest(
        image=data.get("imageName") or None,
        name=data.get("name"),
        template_id=data.get("templateId") or None,
        gpu_type_ids=types,
        gpu_count=data.get("gpuCount"),
        bid=bid if spot else None,
        args=data.get("dockerArgs"),
        env=env_pairs(data.get("env")),
        ports=ports,
        disk=data.get("containerDiskInGb"),
        volume=data.get("volumeInGb"),
        volume_path=data.get("volumeMountPath") or None,
        min_vcpus=data.get("minVcpuCount"),
        min_memory=data.get("minMemoryInGb"),
        cloud_type=data.get("cloudType"),
        data_center_ids=_words(data.get("dataCenterId")),
        country_code=data.get("countryCode") or None,
        cuda_versions=tuple(v for v in data.get("allowedCudaVersions") or () if v),
        min_cuda_version=data.get("minCudaVersion") or data.get("cudaVersion") or None,
        max_price=nano(data.get("deployCost"), "deployCost"),
    )


def env_pairs(entries: list[Input | None] | None) -> tuple[tuple[str, str], ...]:
    return tuple((entry["key"], entry["value"]) for entry in entries or () if entry)


# GraphQL's name of a template's field, and podd's.
_TEMPLATE_FIELDS = {
    "name": "name",
    "imageName": "image",
    "dockerArgs": "args",
    "containerDiskInGb": "disk",
    "volumeInGb": "volume",
    "volumeMountPath": "volume_path",
    "ports": "ports",
    "isServerless": "serverless",
}
_TEMPLATE_EXTRAS = (
    "readme portsConfig startSsh startJupyter startScript advancedStart category config".split()
)


def template_values(data: Input, known_extras: Input) -> Input:
    """What the caller says about a template; fields it leaves out (or null) are not in it."""
    if data.get("containerRegistryAuthId"):
        raise NotAvailable("containerRegistryAuthId is not available in this version of podd yet.")
    if data.get("isPublic"):
        raise NotAvailable("Public templates are not available in this version of podd yet.")
    values = {ours: data[theirs] for theirs, ours in _TEMPLATE_FIELDS.items() if data.get(theirs) is not None}
    if data.get("env") is not None:
        values["env"] = dict(env_pairs(data["env"]))
    extras = {name: data[name] for name in _TEMPLATE_EXTRAS if data.get(name) is not None}
    return {**values, "extras": {**known_extras, **extras}}


_ENDPOINT_LATER = (
    "template hubReleaseId flashEnvironmentId instanceIds "
    "networkVolumeId networkVolumeIds modelReferences".split()
)
_ENDPOINT_EXTRAS = "locations allowedCudaVersions minCudaVersion workersPFBTarget compliance".split()


def endpoint_change(data: Input) -> EndpointChange:
    """What the caller says about an endpoint. Raises NotAvailable for what is not built yet."""
    for name in _ENDPOINT_LATER:
        if data.get(name):
            raise NotAvailable(f"{name} is not available in this version of podd yet.")
    if data.get("type") == "LB":
        raise NotAvailable("Load-balancing endpoints are not available in this version of podd yet.")
    if data.get("computeType") == "CPU":
        raise NotAvailable("CPU endpoints are not available in this version of podd yet.")
    return EndpointChange(
        name=data.get("name"),
        template_id=data.get("templateId") or None,
        gpu_ids=data.get("gpuIds"),
        gpu_count=data.get("gpuCount"),
        idle_timeout_s=data.get("idleTimeout"),
        scaler=data.get("scalerType"),
        scaler_value=data.get("scalerValue"),
        workers_min=data.get("workersMin"),
        workers_max=data.get("workersMax"),
        execution_timeout_ms=data.get("executionTimeoutMs"),
        flash_boot=data.get("flashBootType"),
        extras={name: data[name] for name in _ENDPOINT_EXTRAS if data.get(name) is not None},
    )


def _words(text: str | None) -> tuple[str, ...]:
    return tuple(word.strip() for word in (text or "").split(",") if word.strip())
