"""From REST v1's bodies to podd's own requests."""

import json
from collections.abc import Sequence
from typing import Any, NoReturn

from podd.domain.catalogue import Catalogue
from podd.domain.endpoint import Endpoint, EndpointChange, the_one_volume
from podd.domain.errors import Invalid
from podd.domain.pod import PodChange, PodRequest
from podd.domain.template import Template
from podd.domain.words import parse_command
from podd.wire import rest_v1 as wire

# Where neither the request nor a template says.
NAME = "my pod"
DISK = 50
VOLUME = 20
PORTS = "8888/http,22/tcp"
VCPUS = 2


def pod_request(
    wish: wire.PodCreateInput, template: Template | None, catalogue: Catalogue, country: str
) -> PodRequest:
    """A wish for a pod. What neither it nor the template says has v1's defaults. Raises Invalid,
    NotAvailable."""
    cpu = wish.computeType == "CPU"
    count = 1 if wish.gpuCount is None else wish.gpuCount
    if not cpu and count < 1:
        raise Invalid(f"gpuCount must be at least 1, not {count}.")
    disk, volume, ports = (None, None, None) if template else (DISK, VOLUME, PORTS)
    return PodRequest(
        image=wish.imageName or None,
        name=wish.name or NAME,
        template_id=wish.templateId or None,
        gpu_type_ids=() if cpu else gpu_types(wish.gpuTypeIds, catalogue),
        gpu_count=None if cpu else count,
        args=_new_command(wish, template.args if template else ""),
        env=tuple((wish.env or {}).items()),
        ports=ports if wish.ports is None else ports_text(wish.ports),
        disk=disk if wish.containerDiskInGb is None else wish.containerDiskInGb,
        volume=0 if wish.networkVolumeId else volume if wish.volumeInGb is None else wish.volumeInGb,
        volume_path=wish.volumeMountPath or None,
        min_vcpus=None if cpu else _in_all(wish.minVCPUPerGPU, count),
        min_memory=None if cpu else _in_all(wish.minRAMPerGPU, count),
        cloud_type=wish.cloudType,
        data_center_ids=tuple(wish.dataCenterIds or ()),
        country_code=_country(wish.countryCodes, country),
        cuda_versions=tuple(wish.allowedCudaVersions or ()),
        min_cuda_version=wish.minCudaVersion or None,
        cpu_flavor_ids=tuple(wish.cpuFlavorIds or (cpu.id for cpu in catalogue.cpus)) if cpu else (),
        vcpus=(wish.vcpuCount or VCPUS) if cpu else None,
        network_volume_id=wish.networkVolumeId or None,
        registry_auth_id=wish.containerRegistryAuthId or None,
        locked=bool(wish.locked),
        global_networking=bool(wish.globalNetworking),
        jupyter=bool(template and template.extras.get("startJupyter")),
    )


def pod_change(wish: wire.PodUpdateInput, before: str) -> PodChange:
    """What is to change about a pod whose command was `before`. Raises NotAvailable."""
    return PodChange(
        name=wish.name,
        locked=wish.locked,
        image=wish.imageName,
        args=command_text(wish, before),
        env=wish.env,
        ports=ports_text(wish.ports),
        disk=wish.containerDiskInGb,
        volume=wish.volumeInGb,
        volume_path=wish.volumeMountPath,
        registry_auth_id=wish.containerRegistryAuthId,
        global_networking=wish.globalNetworking,
    )


# v1's name of a template's field, and podd's.
_TEMPLATE_FIELDS = {
    "name": "name",
    "imageName": "image",
    "env": "env",
    "containerDiskInGb": "disk",
    "volumeInGb": "volume",
    "volumeMountPath": "volume_path",
    "containerRegistryAuthId": "registry_auth_id",
    "isPublic": "public",
    "isServerless": "serverless",
}
_TEMPLATE_EXTRAS = ("readme", "category")


def template_values(wish: wire.TemplateUpdateInput, before: str = "") -> dict[str, Any]:
    """What is said about a template whose command was `before`; what is not said is not in it."""
    values = {ours: getattr(wish, theirs) for theirs, ours in _TEMPLATE_FIELDS.items() if wish.says(theirs)}
    values["args"] = command_text(wish, before)
    values["ports"] = ports_text(wish.ports)
    return {name: value for name, value in values.items() if value is not None}


def template_extras(wish: wire.TemplateUpdateInput) -> dict[str, Any]:
    return {name: getattr(wish, name) for name in _TEMPLATE_EXTRAS if wish.says(name)}


def new_template_values(wish: wire.TemplateCreateInput) -> dict[str, Any]:
    """As `template_values`, with v1's defaults. Ports and volumes mean nothing to a worker."""
    given = template_values(wish)
    defaults: dict[str, Any] = {"disk": DISK}
    if not wish.isServerless:
        defaults.update(volume=VOLUME, ports=PORTS)
    extras = {"category": "NVIDIA", **template_extras(wish)}
    return {**defaults, **given, "extras": extras}


def endpoint_change(
    wish: wire.EndpointUpdateInput, catalogue: Catalogue, default_timeout: int, before: Endpoint | None = None
) -> EndpointChange:
    """What is said about an endpoint, which is new or was as `before`. Raises Invalid."""
    flashboot = None if wish.flashboot is None else "FLASHBOOT" if wish.flashboot else "OFF"
    return EndpointChange(
        name=wish.name,
        template_id=wish.templateId or None,
        gpu_ids=",".join(gpu_types(wish.gpuTypeIds, catalogue)) or None,
        gpu_count=wish.gpuCount,
        instance_ids=_instance_ids(wish, catalogue, before),
        compute_type=wish.computeType if isinstance(wish, wire.EndpointCreateInput) else None,
        network_volume_id=_endpoint_volume(wish),
        data_center_ids=_joined(wish.dataCenterIds),
        cuda_versions=_joined(wish.allowedCudaVersions),
        min_cuda_version=wish.minCudaVersion,
        idle_timeout_s=wish.idleTimeout,
        scaler=wish.scalerType,
        scaler_value=wish.scalerValue,
        workers_min=wish.workersMin,
        workers_max=wish.workersMax,
        execution_timeout_ms=default_timeout if wish.executionTimeoutMs == 0 else wish.executionTimeoutMs,
        flash_boot=flashboot,
    )


def gpu_types(ids: Sequence[str] | None, catalogue: Catalogue) -> tuple[str, ...]:
    """The types of these ids or of the pools of that name, in this order. Raises Invalid for a name nobody
    knows."""
    found: list[str] = []
    pools = catalogue.pools()
    for id in ids or ():
        gpu_type = catalogue.lookup(id)
        if gpu_type is None and id not in pools:
            raise Invalid(f"gpuTypeIds: there is no GPU type {id!r}.")
        found += [gpu_type.id] if gpu_type else pools[id]
    return tuple(dict.fromkeys(found))


def command_text(wish: wire.ContainerInput, before: str = "") -> str | None:
    """The command in the one text podd keeps, None when the wish does not touch it. Of the two lists, the
    one that is not given stays as it was in `before`. Raises Invalid."""
    if wish.dockerEntrypoint is None and wish.dockerStartCmd is None:
        return wish.dockerArgs
    entrypoint, command = parse_command(before)
    parts = {
        "entrypoint": list(entrypoint) if wish.dockerEntrypoint is None else wish.dockerEntrypoint,
        "cmd": list(command) if wish.dockerStartCmd is None else wish.dockerStartCmd,
    }
    return json.dumps(parts) if any(parts.values()) else ""


def ports_text(ports: list[str] | None) -> str | None:
    return None if ports is None else ",".join(ports)


# Private


def _new_command(wish: wire.ContainerInput, before: str) -> str | None:
    """As `command_text`, but the empty list is v1's default and says nothing."""
    said = {name: getattr(wish, name) or None for name in ("dockerEntrypoint", "dockerStartCmd")}
    return command_text(wish.model_copy(update=said), before) or None


def _in_all(per_gpu: int | None, count: int) -> int | None:
    return None if per_gpu is None else per_gpu * count


def _country(codes: list[str] | None, here: str) -> str | None:
    """This machine's country if it is among those wanted, else one of those."""
    if not codes:
        return None
    return here if here.upper() in [code.upper() for code in codes] else codes[0]


def _instance_ids(
    wish: wire.EndpointUpdateInput, catalogue: Catalogue, before: Endpoint | None
) -> str | None:
    """The sizes that workers may have, one of each flavour; what is not said is as before, or v1's default.
    None when nothing is said about it. Raises Invalid."""
    known = catalogue.parse_instance_ids(before.instance_ids) if before else ()
    cpu = isinstance(wish, wire.EndpointCreateInput) and wish.computeType == "CPU"
    if not wish.cpuFlavorIds and not cpu and not (known and wish.vcpuCount):
        return None
    vcpus = wish.vcpuCount or (known[0][1] if known else VCPUS)
    flavours = [flavour for flavour, _ in known] or [
        cpu for cpu in catalogue.cpus if cpu.min_vcpu <= vcpus <= cpu.max_vcpu
    ]
    named = [catalogue.flavour(id) or _no_flavour(id, catalogue) for id in wish.cpuFlavorIds or ()]
    ids = [flavour.instance_id(vcpus) for flavour in named or flavours]
    catalogue.parse_instance_ids(",".join(ids))
    return ",".join(ids)


def _no_flavour(id: str, catalogue: Catalogue) -> NoReturn:
    known = ", ".join(cpu.id for cpu in catalogue.cpus)
    raise Invalid(f"cpuFlavorIds: there is no CPU flavor {id!r}; known are {known}.")


def _joined(words: Sequence[str] | None) -> str | None:
    return None if words is None else ",".join(words)


def _endpoint_volume(wish: wire.EndpointUpdateInput) -> str | None:
    if wish.networkVolumeId is None and wish.networkVolumeIds is None:
        return None
    return the_one_volume([wish.networkVolumeId or "", *(wish.networkVolumeIds or ())])
