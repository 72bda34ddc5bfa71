"""How podd's values read in REST v1."""

from dataclasses import dataclass
from functools import cache, lru_cache
from typing import NamedTuple

import msgspec

from podd.api.rest_v1.call import written
from podd.api.shown import dollars, instant, last_change, uptime
from podd.domain import pod as rules
from podd.domain.catalogue import GpuType
from podd.domain.endpoint import Endpoint
from podd.domain.pod import Pod
from podd.domain.template import Template
from podd.domain.volume import NetworkVolume
from podd.domain.words import comma_list, parse_command
from podd.domain.worker import Worker
from podd.domain.workload import Phase, Workload
from podd.services.platform import Platform
from podd.store import gpus, templates, volumes
from podd.store.db import Reader
from podd.wire import rest_v1 as wire


@dataclass(frozen=True)
class Include:
    """What a caller wants to see of a pod beyond its own fields."""

    machine: bool = False
    network_volume: bool = False
    template: bool = False


class Things:
    """What pods name, for views of many of them: each is read once."""

    def __init__(self, db: Reader, podd: Platform) -> None:
        self.gpu_types = podd.gpu_types(db)
        self.gpus = cache(lambda: gpus.all_present(db))
        self.held = cache(lambda: gpus.taken(db))
        self.volume = cache(lambda volume_id: volumes.get(db, volume_id))
        self.template = cache(lambda template_id: templates.get(db, template_id))


def pod_view(things: Things, podd: Platform, pod: Pod, now: int, include: Include) -> wire.Pod:
    gpu_type = things.gpu_types.get(pod.gpu_type_id)
    view = _view(pod, gpu_type, podd.machine_id, podd.settings.machine.public_ip, now)
    if include.machine:
        view.machine = _machine(things, podd, pod, view.gpu)
    if include.network_volume and (volume := things.volume(pod.workload.needs.network_volume_id)):
        view.networkVolume = volume_view(volume, podd)
    if include.template and (template := things.template(pod.template_id)):
        view.template = template_view(template, pod.workload.account_id)
    return view


class Shown(NamedTuple):
    """A view, and how it is written."""

    view: wire.Pod
    json: bytes


def shown_pod(things: Things, podd: Platform, pod: Pod, now: int, include: Include) -> Shown:
    """One that is at rest reads the same until somebody changes it, and most pods of a long list are."""
    if pod.workload.at_rest and include == Include():
        return _at_rest(pod, things.gpu_types.get(pod.gpu_type_id), podd.machine_id)
    return shown(pod_view(things, podd, pod, now, include))


def shown(view: wire.Pod) -> Shown:
    return Shown(view, msgspec.json.encode(written(view)))


@lru_cache(maxsize=4096)
def _at_rest(pod: Pod, gpu_type: GpuType | None, machine_id: str) -> Shown:
    return shown(_view(pod, gpu_type, machine_id, "", 0))


def _view(pod: Pod, gpu_type: GpuType | None, machine_id: str, public_ip: str, now: int) -> wire.Pod:
    workload, needs = pod.workload, pod.workload.needs
    up = _is_up(workload)
    view = wire.Pod(
        id=pod.id,
        name=pod.name,
        desiredStatus=rules.desired_status(workload),
        image=needs.image,
        imageName=needs.image,
        gpuCount=pod.gpu_count,
        gpuTypeId=pod.gpu_type_id,
        gpu=_gpu(gpu_type, pod),
        cpuFlavorId=pod.cpu_flavor_id,
        vcpuCount=needs.cpus,
        memoryInGb=needs.memory // 1024,
        costPerHr=dollars(pod.price),
        adjustedCostPerHr=dollars(pod.price),
        createdAt=instant(workload.created_at) or "",
        lastStatusChange=last_change(workload),
        uptimeSeconds=uptime(workload, now),
        ports=ports_list(pod.ports),
        portMappings=_port_mappings(workload) if up else None,
        publicIp=public_ip if up else None,
        env=needs.env,
        containerDiskInGb=needs.disk,
        volumeInGb=0 if needs.network_volume_id else needs.volume,
        volumeMountPath=needs.volume_path,
        volumeEncrypted=False,
        networkVolumeId=needs.network_volume_id,
        machineId=machine_id,
        machine=wire.Machine(),
        templateId=pod.template_id,
        interruptible=pod.spot,
        locked=pod.locked,
        containerRegistryAuthId=needs.registry_auth_id,
        dockerEntrypoint=list(needs.entrypoint),
        dockerStartCmd=list(needs.command),
        savingsPlans=[],
        consumerUserId=workload.account_id,
    )
    if workload.last_started_at is not None:
        view.lastStartedAt = instant(workload.last_started_at) or ""
    return view


def worker_view(
    things: Things, podd: Platform, worker: Worker, endpoint: Endpoint, now: int, include: Include
) -> wire.Pod:
    """A serverless worker, read as a pod."""
    view = pod_view(things, podd, _as_pod(things, podd, worker, endpoint), now, include)
    return view.model_copy(
        update={"endpointId": endpoint.id, "aiApiId": endpoint.id, "slsVersion": worker.version}
    )


def endpoint_view(
    db: Reader, podd: Platform, endpoint: Endpoint, *, include_template: bool = False
) -> wire.Endpoint:
    template = templates.get(db, endpoint.template_id)
    known = podd.catalogue.with_gpus(gpus.all_present(db))
    view = wire.Endpoint(
        id=endpoint.id,
        name=endpoint.name,
        userId=endpoint.account_id,
        templateId=endpoint.template_id,
        version=endpoint.version,
        createdAt=instant(endpoint.created_at) or "",
        computeType="CPU" if endpoint.on_cpus else "GPU",
        gpuTypeIds=list(known.parse_gpu_ids(endpoint.gpu_ids)) if endpoint.gpu_ids else [],
        gpuCount=endpoint.gpu_count,
        instanceIds=comma_list(endpoint.instance_ids),
        allowedCudaVersions=comma_list(endpoint.cuda_versions),
        dataCenterIds=comma_list(endpoint.data_center_ids) or [podd.settings.machine.data_center_id],
        networkVolumeId=endpoint.network_volume_id,
        networkVolumeIds=comma_list(endpoint.network_volume_id),
        workersMin=endpoint.workers_min,
        workersMax=endpoint.workers_max,
        idleTimeout=endpoint.idle_timeout_s,
        scalerType=endpoint.scaler.value,
        scalerValue=endpoint.scaler_value,
        executionTimeoutMs=endpoint.execution_timeout_ms,
        flashboot=endpoint.flash_boot != "OFF",
        env=template.env if template else {},
    )
    if endpoint.min_cuda_version:
        view.minCudaVersion = endpoint.min_cuda_version
    if include_template and template:
        view.template = template_view(template, endpoint.account_id)
    return view


def template_view(template: Template, viewer: str) -> wire.Template:
    """`viewer` is the account that looks: what a public template is pulled with is its owner's business."""
    entrypoint, command = parse_command(template.args)
    return wire.Template(
        id=template.id,
        name=template.name,
        imageName=template.image,
        category=str(template.extras.get("category") or "NVIDIA"),
        containerDiskInGb=template.disk,
        containerRegistryAuthId=template.registry_auth_id if template.account_id == viewer else "",
        dockerEntrypoint=list(entrypoint),
        dockerStartCmd=list(command),
        earned=0,
        env=template.env,
        isPublic=template.public,
        isRunpod=False,
        isServerless=template.serverless,
        ports=ports_list(template.ports),
        readme=str(template.extras.get("readme") or ""),
        runtimeInMin=0,
        volumeInGb=template.volume,
        volumeMountPath=template.volume_path,
    )


def volume_view(volume: NetworkVolume, podd: Platform) -> wire.NetworkVolume:
    return wire.NetworkVolume(
        id=volume.id,
        name=volume.name,
        size=volume.size,
        dataCenterId=podd.settings.machine.data_center_id,
    )


def ports_list(ports: str) -> list[str]:
    return comma_list(ports)


# Private


def _is_up(workload: Workload) -> bool:
    return workload.phase is Phase.RUNNING and rules.desired_status(workload) == "RUNNING"


def _port_mappings(workload: Workload) -> dict[str, int]:
    return {str(port.inside): port.host for port in workload.published if port.protocol == "tcp"}


def _gpu(gpu_type: GpuType | None, pod: Pod) -> wire.Gpu:
    if gpu_type is None:
        return wire.Gpu(id=pod.gpu_type_id, count=pod.gpu_count, displayName=pod.gpu_type_id)
    secure, lowest = dollars(gpu_type.secure), dollars(gpu_type.lowest_bid)
    return wire.Gpu(
        id=gpu_type.id,
        count=pod.gpu_count,
        displayName=gpu_type.display_name,
        securePrice=secure,
        communityPrice=dollars(gpu_type.community),
        oneWeekPrice=secure,
        oneMonthPrice=secure,
        threeMonthPrice=secure,
        sixMonthPrice=secure,
        secureSpotPrice=lowest,
        communitySpotPrice=lowest,
    )


def _machine(things: Things, podd: Platform, pod: Pod, gpu: wire.Gpu) -> wire.Machine:
    settings, held = podd.settings.machine, things.held()
    return wire.Machine(
        id=podd.machine_id,
        gpuTypeId=gpu.id,
        gpuType=gpu,
        gpuDisplayName=gpu.displayName,
        gpuAvailable=sum(g.type_id == gpu.id and g.uuid not in held for g in things.gpus()),
        minPodGpuCount=1,
        cpuCount=podd.host.vcpus,
        dataCenterId=settings.data_center_id,
        location=settings.country_code,
        secureCloud=settings.cloud_type == "SECURE",
        supportPublicIp=True,
        costPerHr=dollars(pod.price),
        currentPricePerGpu=dollars(pod.price // max(pod.gpu_count, 1)),
        diskThroughputMBps=0,
        maxDownloadSpeedMbps=0,
        maxUploadSpeedMbps=0,
        note="",
    )


def _as_pod(things: Things, podd: Platform, worker: Worker, endpoint: Endpoint) -> Pod:
    held = worker.workload.gpu_uuids
    here = [gpu for gpu in things.gpus() if gpu.uuid in held]
    gpu_type = podd.catalogue.type_of(here[0]) if here else None
    flavour = podd.catalogue.flavour(worker.cpu_flavor_id)
    price = gpu_type.serverless_second * 3600 * len(held) if gpu_type else 0
    if flavour is not None:
        price = flavour.serverless_second * 3600 * worker.workload.needs.cpus
    return Pod(
        workload=worker.workload,
        name=endpoint.name,
        template_id=endpoint.template_id,
        ports=",".join(f"{port.number}/{port.protocol}" for port in worker.workload.needs.ports),
        gpu_type_id=gpu_type.id if gpu_type else "",
        gpu_count=len(held),
        price=price,
        cpu_flavor_id=worker.cpu_flavor_id,
        cloud_type=podd.settings.machine.cloud_type,
    )
