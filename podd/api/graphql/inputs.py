"""From GraphQL's input objects to podd's own requests. The empty string means unset: Go clients send it."""

from datetime import UTC, datetime
from typing import Any

from podd.domain.catalogue import Catalogue
from podd.domain.endpoint import EndpointChange, the_one_model, the_one_volume
from podd.domain.errors import OUT_OF_STOCK, Invalid, NoCapacity, NotAvailable
from podd.domain.pod import PodChange, PodRequest

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
    return PodRequest(
        gpu_type_ids=types,
        gpu_count=data.get("gpuCount"),
        bid=bid if spot else None,
        min_vcpus=data.get("minVcpuCount"),
        min_memory=data.get("minMemoryInGb"),
        cuda_versions=tuple(v for v in data.get("allowedCudaVersions") or () if v),
        min_cuda_version=data.get("minCudaVersion") or data.get("cudaVersion") or None,
        **_any_pod(data),
    )


def cpu_pod_request(data: Input, catalogue: Catalogue) -> PodRequest:
    """A wish for a CPU pod: the named instance, else the cheapest that is large enough. Raises Invalid, and
    NoCapacity when none is."""
    named = [i for i in [data.get("instanceId"), *(data.get("instanceIds") or [])] if i]
    size = (
        catalogue.instance(named[0])
        if named
        else catalogue.cheapest_instance(data.get("minVcpuCount") or 0, data.get("minMemoryInGb") or 0)
    )
    if size is None:
        raise NoCapacity(OUT_OF_STOCK)
    flavour, vcpus = size
    return PodRequest(cpu_flavor_ids=(flavour.id,), vcpus=vcpus, **_any_pod(data))


def _any_pod(data: Input) -> dict[str, Any]:
    """What GPU and CPU pods are asked for alike."""
    return {
        "image": data.get("imageName") or None,
        "name": data.get("name"),
        "template_id": data.get("templateId") or None,
        "args": data.get("dockerArgs"),
        "env": env_pairs(data.get("env")),
        "ports": _ports(data),
        "disk": data.get("containerDiskInGb") or None,
        "volume": data.get("volumeInGb"),
        "volume_path": data.get("volumeMountPath") or None,
        "cloud_type": data.get("cloudType"),
        "global_networking": bool(data.get("globalNetwork")),
        "data_center_ids": _words(data.get("dataCenterId")),
        "country_code": data.get("countryCode") or None,
        "max_price": nano(data.get("deployCost"), "deployCost"),
        "min_disk": data.get("minDisk"),
        "network_volume_id": data.get("networkVolumeId") or None,
        "registry_auth_id": data.get("containerRegistryAuthId") or None,
        "jupyter": bool(data.get("startJupyter")),
        "stop_after": _moment(data.get("stopAfter"), "stopAfter"),
        "terminate_after": _moment(data.get("terminateAfter"), "terminateAfter"),
    }


def pod_change(data: Input) -> PodChange:
    """What podEditJob says; what it leaves out, or leaves empty where empty makes no sense, stays."""
    env = data.get("env")
    return PodChange(
        name=data.get("name") or None,
        image=data.get("imageName") or None,
        args=data.get("dockerArgs"),
        env=None if env is None else dict(env_pairs(env)),
        ports=_ports(data) if data.get("port") else data.get("ports"),
        disk=data.get("containerDiskInGb") or None,
        volume=data.get("volumeInGb") or None,
        volume_path=data.get("volumeMountPath") or None,
        registry_auth_id=data.get("containerRegistryAuthId") or None,
    )


def catalogue_wish(data: Input) -> PodRequest:
    """What a question about prices or stock asks of the machine."""
    return PodRequest(
        min_vcpus=data.get("minVcpuCount"),
        min_memory=data.get("minMemoryInGb"),
        min_disk=max(data.get("minDisk") or 0, data.get("totalDisk") or 0) or None,
        data_center_ids=_words(data.get("dataCenterId")),
        country_code=data.get("countryCode") or None,
        cuda_versions=tuple(v for v in data.get("allowedCudaVersions") or () if v),
        min_cuda_version=data.get("minCudaVersion") or data.get("cudaVersion") or None,
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
    "isPublic": "public",
    "containerRegistryAuthId": "registry_auth_id",
}
_TEMPLATE_EXTRAS = (
    "readme portsConfig startSsh startJupyter startScript advancedStart category config".split()
)


def template_values(data: Input, known_extras: Input) -> Input:
    """What the caller says about a template; fields it leaves out (or null) are not in it."""
    values = {ours: data[theirs] for theirs, ours in _TEMPLATE_FIELDS.items() if data.get(theirs) is not None}
    if data.get("env") is not None:
        values["env"] = dict(env_pairs(data["env"]))
    extras = {name: data[name] for name in _TEMPLATE_EXTRAS if data.get(name) is not None}
    return {**values, "extras": {**known_extras, **extras}}


_ENDPOINT_LATER = "hubReleaseId flashEnvironmentId".split()
_ENDPOINT_EXTRAS = "workersPFBTarget compliance".split()


# What saveEndpoint sets when it is left out, on a change too: clients know, and send what they want kept.
_ENDPOINT_DEFAULTS = {"workersMax": 3, "idleTimeout": 10, "scalerValue": 4}


def with_defaults(data: Input) -> Input:
    """What saveEndpoint says, with the defaults it falls back to each time."""
    left_out = {name: value for name, value in _ENDPOINT_DEFAULTS.items() if data.get(name) is None}
    return {**data, **left_out}


def endpoint_change(data: Input) -> EndpointChange:
    """What the caller says about an endpoint. Raises NotAvailable for what is not built yet."""
    for name in _ENDPOINT_LATER:
        if data.get(name):
            raise NotAvailable(f"{name} is not available in this version of podd yet.")
    return EndpointChange(
        name=data.get("name") or None,
        template_id=data.get("templateId") or None,
        type=data.get("type"),
        gpu_ids=data.get("gpuIds") or None,
        gpu_count=data.get("gpuCount"),
        instance_ids=",".join(id for id in data.get("instanceIds") or () if id) or None,
        compute_type=data.get("computeType"),
        network_volume_id=_endpoint_volume(data),
        data_center_ids=data.get("locations"),
        cuda_versions=data.get("allowedCudaVersions"),
        min_cuda_version=data.get("minCudaVersion"),
        model=None if (models := data.get("modelReferences")) is None else the_one_model(models),
        idle_timeout_s=data.get("idleTimeout"),
        scaler=data.get("scalerType"),
        scaler_value=data.get("scalerValue"),
        workers_min=data.get("workersMin"),
        workers_max=data.get("workersMax"),
        execution_timeout_ms=data.get("executionTimeoutMs"),
        flash_boot=data.get("flashBootType"),
        extras={name: data[name] for name in _ENDPOINT_EXTRAS if data.get(name) is not None},
    )


def _endpoint_volume(data: Input) -> str | None:
    """The one of both fields, "" for none, None when nothing is said. Raises Invalid for several."""
    entries = data.get("networkVolumeIds")
    listed = [(entry or {}).get("networkVolumeId") or "" for entry in entries or ()]
    single = data.get("networkVolumeId")
    if single is None and not entries:
        return None
    return the_one_volume([single or "", *listed])


_ACCOUNT_EXTRAS = (
    "notifyPodsStale notifyPodsGeneral notifyLowBalance notifyOther creditAlertThreshold".split()
)


def account_extras(data: Input) -> Input:
    """The settings of an account that are only kept; null and left out are the same."""
    return {name: data[name] for name in _ACCOUNT_EXTRAS if data.get(name) is not None}


def instant_of(text: str) -> int:
    """An ISO-8601 instant as epoch milliseconds; without a zone it is UTC. Raises ValueError."""
    at = datetime.fromisoformat(text)
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def _moment(text: str | None, name: str) -> int | None:
    if not text:
        return None
    try:
        return instant_of(text)
    except ValueError:
        raise Invalid(f"{name}: {text!r} is not an instant such as 2026-01-31T12:00:00Z.") from None


def _ports(data: Input) -> str | None:
    return data.get("ports") or (f"{data['port']}/http" if data.get("port") else None)


def _words(text: str | None) -> tuple[str, ...]:
    return tuple(word.strip() for word in (text or "").split(",") if word.strip())
