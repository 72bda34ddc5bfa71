"""Templates and endpoints."""

from collections.abc import Mapping

from podd.api.graphql.views import View
from podd.api.shown import instant
from podd.domain.endpoint import Endpoint
from podd.domain.template import Template
from podd.domain.words import comma_list


def template_view(template: Template, reader: str | None = None) -> View:
    """For its owner, or for the account `reader`, which learns of a stranger's only what it can use."""
    own = reader is None or reader == template.account_id
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
        "isPublic": template.public,
        "isRunpod": False,
        "category": "NVIDIA",
        "readme": "",
        "containerRegistryAuthId": template.registry_auth_id if own else "",
        "boundEndpointId": template.endpoint_id or None,
        "startSsh": False,
        "startJupyter": False,
        "startScript": "",
        "advancedStart": False,
        "userId": template.account_id if own else None,
        "earned": 0,
        "runtimeInMin": 0,
        **template.extras,
    }


def env_view(env: Mapping[str, str]) -> list[View]:
    return [{"key": name, "value": value} for name, value in env.items()]


def endpoint_view(
    endpoint: Endpoint, template: Template | None, volume: View | None, data_center_id: str
) -> View:
    """`volume` is the view of its network volume."""
    volumes = [{"networkVolumeId": endpoint.network_volume_id, "dataCenterId": data_center_id}]
    return {
        "id": endpoint.id,
        "name": endpoint.name,
        "userId": endpoint.account_id,
        "aiKey": None,
        "type": endpoint.type.value,
        "version": endpoint.version,
        "createdAt": instant(endpoint.created_at),
        "templateId": endpoint.template_id,
        "template": template_view(template) if template else None,
        "env": env_view(template.env) if template else [],
        "gpuIds": endpoint.gpu_ids,
        "gpuCount": endpoint.gpu_count,
        "instanceIds": comma_list(endpoint.instance_ids),
        "computeType": "CPU" if endpoint.on_cpus else "GPU",
        "locations": endpoint.data_center_ids,
        "allowedCudaVersions": endpoint.cuda_versions or None,
        "minCudaVersion": endpoint.min_cuda_version or None,
        "networkVolumeId": endpoint.network_volume_id,
        "networkVolumeIds": volumes if endpoint.network_volume_id else [],
        "networkVolume": volume,
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
        "modelReferences": [endpoint.model] if endpoint.model else [],
        **endpoint.extras,
    }
