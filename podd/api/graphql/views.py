"""How podd's values read in GraphQL: plain dictionaries with the schema's names.

A field that takes arguments is a function `(info, **arguments)`, which graphql-core calls.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from podd.api.shown import dollars, instant, last_change, uptime
from podd.domain import pod as pod_rules
from podd.domain.account import Account
from podd.domain.catalogue import GpuType
from podd.domain.endpoint import Endpoint
from podd.domain.gpu import Claim, Gpu, GpuState
from podd.domain.pod import Pod
from podd.domain.template import Template
from podd.domain.words import parse_ports
from podd.domain.worker import Worker
from podd.domain.workload import Phase
from podd.ports import GpuUse, Stats
from podd.services.platform import Platform

View = dict[str, Any]


def pod_view(
    pod: Pod,
    podd: Platform,
    gpu_types: Mapping[str, GpuType],
    containers: Mapping[str, Stats],
    gpu_use: Mapping[str, GpuUse],
    now: int,
) -> View:
    workload, needs, machine = pod.workload, pod.workload.needs, podd.settings.machine
    gpu_type = gpu_types.get(pod.gpu_type_id)
    return {
        "id": pod.id,
        "name": pod.name,
        "imageName": needs.image,
        "desiredStatus": pod_rules.desired_status(workload),
        "podType": "INTERRUPTABLE" if pod.spot else "RESERVED",
        "env": [f"{name}={value}" for name, value in needs.env.items()],
        "machineId": podd.machine_id,
        "machine": {
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
        "lastStatusChange": last_change(workload),
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
        "createdAt": instant(workload.created_at),
        "lastStartedAt": instant(workload.started_at),
        "consumerUserId": workload.account_id,
        "version": workload.generation,
        "locked": False,
        "machineType": "GPU" if pod.gpu_count else "CPU",
        "savingsPlans": [],
    }


def as_pod(worker: Worker, name: str) -> Pod:
    """A worker in the form of a pod, for fields that list workers among pods."""
    return Pod(
        workload=worker.workload,
        name=name,
        gpu_count=len(worker.workload.gpus),
        ports=",".join(f"{port.number}/{port.protocol}" for port in worker.workload.needs.ports),
    )


def _runtime(
    pod: Pod, podd: Platform, containers: Mapping[str, Stats], gpu_use: Mapping[str, GpuUse], now: int
) -> View | None:
    """Null exactly until the container is up."""
    workload = pod.workload
    if workload.phase is not Phase.RUNNING or pod_rules.desired_status(workload) != "RUNNING":
        return None
    stats = containers.get(pod.id)
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


def _ports(pod: Pod, podd: Platform) -> list[View]:
    """tcp and udp ports at the host's address; http ports at the container's own, which only podd's
    proxy reaches."""
    published: list[View] = [
        {
            "ip": podd.settings.machine.public_ip,
            "isIpPublic": True,
            "privatePort": port.container,
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


def gpu_type_view(gpu_type: GpuType, gpus: Iterable[Gpu], claims: Iterable[Claim]) -> View:
    """A type this machine has, with what is free of it now."""
    held = {claim.gpu_uuid for claim in claims}
    own = [gpu for gpu in gpus if gpu.type_id == gpu_type.id and gpu.state is GpuState.HEALTHY]
    free = sum(gpu.uuid not in held for gpu in own)
    secure, community = dollars(gpu_type.secure), dollars(gpu_type.community)

    def lowest_price(_info: object, input: View | None = None) -> View:
        return _lowest_price(gpu_type, free, len(own), input or {})

    return {
        "id": gpu_type.id,
        "displayName": gpu_type.display_name,
        "manufacturer": "Nvidia" if gpu_type.manufacturer == "NVIDIA" else gpu_type.manufacturer,
        "memoryInGb": gpu_type.memory_gb,
        "cudaCores": gpu_type.cuda_cores,
        "secureCloud": True,
        "communityCloud": True,
        "securePrice": secure,
        "communityPrice": community,
        "secureSpotPrice": dollars(gpu_type.lowest_bid),
        "communitySpotPrice": dollars(gpu_type.lowest_bid),
        "oneWeekPrice": secure,
        "oneMonthPrice": secure,
        "threeMonthPrice": secure,
        "sixMonthPrice": secure,
        "maxGpuCount": len(own),
        "maxGpuCountSecureCloud": len(own),
        "maxGpuCountCommunityCloud": len(own),
        "minPodGpuCount": 1,
        "nodeGroupDatacenters": [],
        "nodeGroupGpuSizes": [],
        "lowestPrice": lowest_price,
    }


def _lowest_price(gpu_type: GpuType, free: int, total: int, wish: View) -> View:
    """The object is never null; its prices are null when the wanted number is not free."""
    count = wish.get("gpuCount") or 1
    if count > free:
        return {"gpuName": gpu_type.display_name, "gpuTypeId": gpu_type.id, "totalCount": total}
    on_demand = gpu_type.community if wish.get("secureCloud") is False else gpu_type.secure
    return {
        "gpuName": gpu_type.display_name,
        "gpuTypeId": gpu_type.id,
        "minimumBidPrice": dollars(gpu_type.lowest_bid),
        "uninterruptablePrice": dollars(on_demand),
        "minVcpu": count,
        "minMemory": count,
        "stockStatus": stock_status(free, total),
        "rentedCount": total - free,
        "totalCount": total,
        "maxGpuCount": total,
        "maxUnreservedGpuCount": free,
        "availableGpuCounts": list(range(1, free + 1)),
        "supportPublicIp": True,
        "compliance": [],
        "gpuTypeCudaVersions": [],
    }


def stock_status(free: int, total: int) -> str | None:
    """High, Medium or Low; None when nothing is free."""
    if not free:
        return None
    return "High" if free * 2 > total else "Medium" if free * 4 > total else "Low"


def template_view(template: Template) -> View:
    return {
        "id": template.id,
        "name": template.name,
        "imageName": template.image,
        "dockerArgs": template.args,
        "containerDiskInGb": template.disk,
        "volumeInGb": template.volume,
        "volumeMountPath": template.volume_path,
        "ports": template.ports,
        "env": env_view(template.env),
        "isServerless": template.serverless,
        "isPublic": False,
        "isRunpod": False,
        "category": "NVIDIA",
        "readme": "",
        "containerRegistryAuthId": template.registry_auth_id,
        "startSsh": False,
        "startJupyter": False,
        "startScript": "",
        "advancedStart": False,
        "userId": template.account_id,
        "earned": 0,
        "runtimeInMin": 0,
        **template.extras,
    }


def env_view(env: Mapping[str, str]) -> list[View]:
    return [{"key": name, "value": value} for name, value in env.items()]


def endpoint_view(endpoint: Endpoint, template: Template | None) -> View:
    return {
        "id": endpoint.id,
        "name": endpoint.name,
        "userId": endpoint.account_id,
        "aiKey": None,
        "type": "QB",
        "version": endpoint.version,
        "createdAt": instant(endpoint.created_at),
        "templateId": endpoint.template_id,
        "template": template_view(template) if template else None,
        "env": env_view(template.env) if template else [],
        "gpuIds": endpoint.gpu_ids,
        "gpuCount": endpoint.gpu_count,
        "instanceIds": [],
        "computeType": "GPU",
        "locations": "",
        "networkVolumeId": "",
        "networkVolumeIds": [],
        "networkVolume": None,
        "idleTimeout": endpoint.idle_timeout_s,
        "scalerType": endpoint.scaler.value,
        "scalerValue": endpoint.scaler_value,
        "workersMin": endpoint.workers_min,
        "workersMax": endpoint.workers_max,
        "workersStandby": 2,
        "workersPFBTarget": 0,
        "executionTimeoutMs": endpoint.execution_timeout_ms,
        "flashBootType": endpoint.flash_boot,
        "compliance": [],
        "modelReferences": [],
        **endpoint.extras,
    }


def user_view(account: Account) -> View:
    """An account's own fields. Credit and limits come with billing; until then nothing is charged."""
    return {
        "id": account.id,
        "authId": account.id,
        "email": account.email,
        "pubKey": account.pub_key,
        "networkVolumes": [],
        "containerRegistryCreds": [],
        "secrets": [],
        "apiKeys": [],
        "flashApps": [],
        "savingsPlans": [],
        "serverlessDiscount": None,
        "clientBalance": 0,
        "underBalance": False,
        "minBalance": 0,
        "signedTermsOfService": True,
        "multiFactorEnabled": False,
        "isTeam": False,
    }
