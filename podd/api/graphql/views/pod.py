"""Pods."""

from collections.abc import Mapping

from podd.api.graphql.views import View
from podd.api.shown import dollars, instant, last_change, uptime
from podd.domain import pod as pod_rules
from podd.domain.catalogue import GpuType
from podd.domain.pod import Pod
from podd.domain.words import parse_ports
from podd.domain.worker import Worker
from podd.domain.workload import Phase
from podd.ports import GpuUse
from podd.services.platform import Platform
from podd.services.telemetry import Sample


def pod_view(
    pod: Pod,
    podd: Platform,
    gpu_type: GpuType | None,
    containers: Mapping[str, Sample],
    gpu_use: Mapping[str, GpuUse],
    now: int,
) -> View:
    """What takes time is written as functions, which are called for the fields that were asked for."""
    workload, needs, machine = pod.workload, pod.workload.needs, podd.settings.machine
    return {
        "id": pod.id,
        "name": pod.name,
        "imageName": needs.image,
        "desiredStatus": pod_rules.desired_status(workload),
        "podType": "INTERRUPTABLE" if pod.spot else "RESERVED",
        "env": lambda _info: [f"{name}={value}" for name, value in needs.env.items()],
        "machineId": podd.machine_id,
        "machine": lambda _info: {
            "id": podd.machine_id,
            "podHostId": f"{pod.id}-{podd.keys.host_suffix(pod.id)}",
            "gpuDisplayName": gpu_type.display_name if gpu_type else "",
            "gpuTypeId": pod.gpu_type_id,
            "location": machine.country_code,
            "dataCenterId": machine.data_center_id,
            "secureCloud": machine.cloud_type == "SECURE",
            "supportPublicIp": True,
            "cpuCount": podd.host.vcpus,
            "vcpuTotal": podd.host.vcpus,
            "memoryTotal": podd.host.memory // 1024,
            "costPerHr": dollars(pod.price),
        },
        "runtime": _runtime(pod, podd, containers, gpu_use, now),
        "lastStatusChange": lambda _info: last_change(workload),
        "uptimeSeconds": uptime(workload, now),
        "costPerHr": dollars(pod.price),
        "adjustedCostPerHr": dollars(pod.price),
        "gpuCount": pod.gpu_count,
        "gpus": [{"id": gpu.uuid, "podId": pod.id} for gpu in workload.gpus],
        "gpuPowerLimitPercent": 100,
        "vcpuCount": needs.cpus,
        "memoryInGb": needs.memory // 1024,
        "containerDiskInGb": needs.disk,
        "volumeInGb": needs.volume,
        "volumeMountPath": needs.volume_path,
        "volumeEncrypted": False,
        "dockerArgs": pod.args,
        "dockerId": workload.container_id or None,
        "port": None,
        "ports": pod.ports,
        "templateId": pod.template_id or None,
        "networkVolumeId": needs.network_volume_id or None,
        "containerRegistryAuthId": needs.registry_auth_id or None,
        "cpuFlavorId": pod.cpu_flavor_id or None,
        "lowestBidPriceToResume": dollars(gpu_type.lowest_bid) if gpu_type and pod.spot else None,
        "createdAt": lambda _info: instant(workload.created_at),
        "lastStartedAt": lambda _info: instant(workload.last_started_at),
        "consumerUserId": workload.account_id,
        "version": workload.generation,
        "locked": pod.locked,
        "machineType": "GPU" if pod.gpu_count else "CPU",
        "savingsPlans": [],
        "latestTelemetry": _telemetry(pod, containers.get(pod.id), gpu_use),
    }


def as_pod(worker: Worker, name: str) -> Pod:
    """A worker in the form of a pod, for fields that list workers among pods."""
    return Pod(
        workload=worker.workload,
        name=name,
        gpu_count=len(worker.workload.gpus),
        cpu_flavor_id=worker.cpu_flavor_id,
        ports=",".join(f"{port.number}/{port.protocol}" for port in worker.workload.needs.ports),
    )


def _runtime(
    pod: Pod, podd: Platform, containers: Mapping[str, Sample], gpu_use: Mapping[str, GpuUse], now: int
) -> View | None:
    """Null exactly until the container is up."""
    workload = pod.workload
    if workload.phase is not Phase.RUNNING or pod_rules.desired_status(workload) != "RUNNING":
        return None
    sample = containers.get(pod.id)
    stats = sample.use if sample else None
    used = [(gpu.uuid, gpu_use.get(gpu.uuid, GpuUse(0, 0))) for gpu in workload.gpus]
    return {
        "uptimeInSeconds": uptime(workload, now),
        "ports": _ports(pod, podd),
        "gpus": [
            {"id": uuid, "gpuUtilPercent": use.gpu_percent, "memoryUtilPercent": use.memory_percent}
            for uuid, use in used
        ],
        "container": {
            "cpuPercent": round(stats.cpu_percent / max(workload.needs.cpus, 1)) if stats else 0,
            "memoryPercent": round(100 * stats.memory_used / max(stats.memory_limit, 1)) if stats else 0,
        },
    }


def _telemetry(pod: Pod, sample: Sample | None, gpu_use: Mapping[str, GpuUse]) -> View | None:
    """The last samples; null when the container was not measured yet."""
    if sample is None:
        return None
    stats = sample.use
    gpus = [_gpu_telemetry(gpu.uuid, gpu_use[gpu.uuid]) for gpu in pod.workload.gpus if gpu.uuid in gpu_use]
    return {
        "state": pod_rules.desired_status(pod.workload),
        "time": instant(sample.at),
        "cpuUtilization": stats.cpu_percent / max(pod.workload.needs.cpus, 1),
        "memoryUtilization": 100 * stats.memory_used / max(stats.memory_limit, 1),
        "averageGpuMetrics": _average(gpus),
        "individualGpuMetrics": gpus,
        "lastStateTransitionTimestamp": pod.workload.changed_at // 1000,
    }


def _gpu_telemetry(uuid: str, use: GpuUse) -> View:
    return {
        "id": uuid,
        "percentUtilization": use.gpu_percent,
        "temperatureCelcius": use.celsius,
        "memoryUtilization": use.memory_percent,
        "powerWatts": use.watts,
    }


def _average(gpus: list[View]) -> View | None:
    names = ("percentUtilization", "temperatureCelcius", "memoryUtilization", "powerWatts")
    known = {name: [gpu[name] for gpu in gpus if gpu[name] is not None] for name in names}
    return {name: sum(values) / len(values) for name, values in known.items() if values} if gpus else None


def _ports(pod: Pod, podd: Platform) -> list[View]:
    """tcp and udp ports at the host's address; http ports at the container's own, which only podd's
    proxy reaches."""
    published: list[View] = [
        {
            "ip": podd.settings.machine.public_ip,
            "isIpPublic": True,
            "privatePort": port.inside,
            "publicPort": port.host,
            "type": port.protocol,
        }
        for port in pod.workload.published
    ]
    proxied: list[View] = [
        {
            "ip": pod.workload.address,
            "isIpPublic": False,
            "privatePort": port.number,
            "publicPort": port.number,
            "type": "http",
        }
        for port in parse_ports(pod.ports)
        if port.protocol == "http"
    ]
    return published + proxied
