"""How an endpoint reads in REST v2."""

import math

from podd.api.rest_v2.containers import container_view
from podd.api.shown import instant
from podd.domain.endpoint import Endpoint, EndpointType, Scaler
from podd.domain.words import comma_list
from podd.proxy.routes import Names
from podd.services.platform import Platform
from podd.store import templates
from podd.store.db import Reader
from podd.wire import rest_v2 as wire


def endpoint_view(db: Reader, podd: Platform, endpoint: Endpoint) -> wire.Endpoint:
    template = templates.get(db, endpoint.template_id)
    assert template is not None, "endpoints keep their template from being deleted"
    container = container_view(
        template.image, template.args, template.disk, template.ports, template.env, template.registry_auth_id
    )
    scaling = scaling_view(endpoint)
    # The time is part of the scaling where workers are kept by the delay of the queue only.
    timed = endpoint.type is EndpointType.LB or isinstance(scaling, wire.QueueDelayScaling)
    idle_timeout = endpoint.idle_timeout_s if timed else None
    return wire.Endpoint.model_validate(
        {
            **container,
            "id": endpoint.id,
            "name": endpoint.name,
            "type": "LOAD_BALANCER" if endpoint.type is EndpointType.LB else "QUEUE",
            "request_urls": request_urls(podd, endpoint),
            "gpu": None if endpoint.on_cpus else gpu_view(endpoint),
            "cpu": cpu_view(podd, endpoint) if endpoint.on_cpus else None,
            "workers": wire.EndpointWorkersView(
                min=endpoint.workers_min, max=endpoint.workers_max, idle_timeout=idle_timeout
            ),
            "scaling": scaling,
            "data_center_ids": comma_list(endpoint.data_center_ids),
            "network_volumes": comma_list(endpoint.network_volume_id),
            "timeout": endpoint.execution_timeout_ms,
            "flashboot": endpoint.flash_boot,
            "created_at": instant(endpoint.created_at),
        }
    )


def request_urls(
    podd: Platform, endpoint: Endpoint
) -> wire.QueueBasedRequestUrls | wire.LoadBalancingRequestUrls:
    base = f"{podd.settings.public_url}/v2/{endpoint.id}"
    if endpoint.type is EndpointType.LB:
        names = Names(podd.settings.proxy.domain)
        own = names.endpoint_url(endpoint.id, podd.settings.public_url)
        return wire.LoadBalancingRequestUrls(base=own, health=f"{base}/health")
    return wire.QueueBasedRequestUrls(
        run=f"{base}/run",
        run_sync=f"{base}/runsync",
        status=f"{base}/status/{{job_id}}",
        stream=f"{base}/stream/{{job_id}}",
        cancel=f"{base}/cancel/{{job_id}}",
        retry=f"{base}/retry/{{job_id}}",
        purge_queue=f"{base}/purge-queue",
        health=f"{base}/health",
    )


def cpu_view(podd: Platform, endpoint: Endpoint) -> list[wire.CpuConfig]:
    return [
        wire.CpuConfig(id=flavour.id, vcpu_count=vcpus, memory=vcpus * flavour.gb_per_vcpu)
        for flavour, vcpus in podd.catalogue.parse_instance_ids(endpoint.instance_ids)
    ]


def gpu_view(endpoint: Endpoint) -> wire.EndpointGpuConfig:
    entries = comma_list(endpoint.gpu_ids)
    return wire.EndpointGpuConfig(
        pools=[entry for entry in entries if not entry.startswith("-")],
        excluded_types=[entry[1:].strip() for entry in entries if entry.startswith("-")],
        count=endpoint.gpu_count,
        allowed_cuda_versions=comma_list(endpoint.cuda_versions),
        min_cuda_version=endpoint.min_cuda_version or None,
    )


def scaling_view(endpoint: Endpoint) -> wire.QueueDelayScaling | wire.RequestCountScaling:
    if endpoint.scaler is Scaler.REQUEST_COUNT:
        return wire.RequestCountScaling(type="REQUEST_COUNT", request_count=endpoint.scaler_value)
    # As its owner wrote it, unless another surface changed it since.
    said = float(endpoint.extras.get("queueDelay") or 0)
    seconds = said if math.ceil(said) == endpoint.scaler_value else float(endpoint.scaler_value)
    return wire.QueueDelayScaling(type="QUEUE_DELAY", queue_delay=seconds)
