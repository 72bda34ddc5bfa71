"""From the bodies of /v2/serverless to podd's own changes. An endpoint made here has its container's
description as a part of its own: a template it starts from is copied."""

import math
from typing import Any

from podd.api.context import Api
from podd.api.rest_v2.containers import one_cuda_wish, power_of_two
from podd.api.rest_v2.templates import template_values
from podd.domain.account import Caller
from podd.domain.endpoint import Endpoint, EndpointChange, EndpointType, the_one_volume
from podd.domain.errors import OUT_OF_STOCK, Invalid, Malformed, NoCapacity
from podd.domain.template import Template
from podd.services import endpoints, inline, templates
from podd.services.platform import Platform
from podd.store import gpus
from podd.store import templates as template_rows
from podd.store.db import Reader, Tx
from podd.wire import rest_v2 as wire

Wish = wire.CreateEndpointRequest | wire.UpdateEndpointRequest
GpuWish = wire.CreateEndpointGpuConfig | wire.UpdateEndpointGpuConfig

IDLE_TIMEOUT = 10
TYPES = {"QUEUE": EndpointType.QB, "LOAD_BALANCER": EndpointType.LB}
TIMEOUT_MS = 300_000
WORKERS_MIN, WORKERS_MAX = 0, 3


def created(tx: Tx, api: Api, caller: Caller, wish: wire.CreateEndpointRequest) -> Endpoint:
    """A new endpoint. Raises Invalid, Malformed, NotFound, NoCapacity."""
    if (wish.gpu is None) == (wish.cpu is None):
        raise Invalid("Exactly one of gpu and cpu is required.")
    if wish.type == "QUEUE":
        _check_idle_timeout(wish, wish.scaling.type)
    template = _template(tx, caller, wish.template_id)
    values = {**_copied(template), **template_values(wish, template.args if template else "")}
    workers = wish.workers or wire.EndpointWorkers()
    change = EndpointChange(
        name=wish.name,
        type=TYPES[wish.type],
        gpu_ids=_gpu_ids(tx, api.podd, wish.gpu),
        gpu_count=wish.gpu.count if wish.gpu else None,
        instance_ids=_instance_ids(api.podd, wish.cpu),
        network_volume_id=_volume(wish),
        workers_min=WORKERS_MIN if workers.min is None else workers.min,
        workers_max=WORKERS_MAX if workers.max is None else workers.max,
        idle_timeout_s=workers.idle_timeout or IDLE_TIMEOUT,
        execution_timeout_ms=TIMEOUT_MS if wish.timeout is None else wish.timeout,
        flash_boot=wish.flashboot,
        **_places(wish, api.podd),
        **_scaling(wish.scaling),
        extras=_extras(wish),
    )
    return inline.save(tx, api.podd, caller, None, change, values, api.now)


def updated(tx: Tx, api: Api, caller: Caller, endpoint_id: str, wish: wire.UpdateEndpointRequest) -> Endpoint:
    """The endpoint with what the wish changes. Raises as `created`."""
    before = endpoints.own(tx, caller, endpoint_id, "save")
    if before.type is EndpointType.QB:
        _check_idle_timeout(wish, wish.scaling.type if wish.scaling else before.scaler.value)
    if wish.gpu and wish.cpu:
        raise Invalid("gpu and cpu exclude each other.")
    if before.type is EndpointType.LB and isinstance(wish.scaling, wire.QueueDelayScaling):
        raise Malformed(["$.scaling.type: must be 'REQUEST_COUNT' for type 'LOAD_BALANCER'"])
    template = _template(tx, caller, wish.template_id)
    workers = wish.workers or wire.EndpointWorkers()
    change = EndpointChange(
        name=wish.name,
        gpu_ids=_gpu_ids(tx, api.podd, wish.gpu),
        gpu_count=wish.gpu.count if wish.gpu else None,
        instance_ids=_instance_ids(api.podd, wish.cpu),
        network_volume_id=_volume(wish),
        workers_min=workers.min,
        workers_max=workers.max,
        idle_timeout_s=workers.idle_timeout,
        execution_timeout_ms=wish.timeout,
        flash_boot=wish.flashboot,
        **_places(wish, api.podd),
        **_scaling(wish.scaling),
        extras=_extras(wish),
    )
    values = _changed_values(tx, before, template, wish)
    if values:
        return inline.save(tx, api.podd, caller, endpoint_id, change, values, api.now)
    return endpoints.save(tx, api.podd, caller, endpoint_id, change, api.now)


# Private


def _check_idle_timeout(wish: Wish, scaling: str) -> None:
    if scaling == "REQUEST_COUNT" and wish.workers and wish.workers.idle_timeout is not None:
        raise Malformed(["$.workers.idleTimeout: not allowed with REQUEST_COUNT scaling of a queue endpoint"])


def _instance_ids(podd: Platform, cpu: list[wire.CreateCpuConfig] | None) -> str | None:
    """CPU instances, in podd's one text. Raises Invalid."""
    if cpu is None:
        return None
    found = []
    for one in cpu:
        flavour = podd.catalogue.flavour(one.id)
        if flavour is None:
            known = ", ".join(flavour.id for flavour in podd.catalogue.cpus)
            raise Invalid(f"cpu.id: there is no CPU flavor {one.id!r}; known are {known}.")
        found.append(flavour.instance_id(power_of_two(one.vcpu_count)))
    return ",".join(dict.fromkeys(found))


def _volume(wish: Wish) -> str | None:
    return None if wish.network_volumes is None else the_one_volume(wish.network_volumes)


def _template(db: Reader, caller: Caller, template_id: str | None) -> Template | None:
    if not template_id:
        return None
    template = templates.readable(db, caller, template_id)
    if not template.serverless:
        raise Malformed(["$.templateId: an endpoint needs a serverless template"])
    return template


def _copied(template: Template | None) -> dict[str, Any]:
    """What an endpoint takes over from the template it is made from."""
    if template is None:
        return {}
    return {
        "image": template.image,
        "args": template.args,
        "disk": template.disk,
        "ports": template.ports,
        "env": template.env,
        "registry_auth_id": template.registry_auth_id,
    }


def _changed_values(
    db: Reader, endpoint: Endpoint, template: Template | None, wish: wire.UpdateEndpointRequest
) -> dict[str, Any]:
    """What changes about the container. An endpoint that shared a template so far copies it first."""
    present = template_rows.get(db, endpoint.template_id)
    base = template or present
    values = {**_copied(template), **template_values(wish, base.args if base else "")}
    if not values or inline.own_template(db, endpoint):
        return values
    return {**_copied(present), **values}


def _gpu_ids(db: Reader, podd: Platform, gpu: GpuWish | None) -> str | None:
    """Pools, and what is taken out of them again, in podd's one text. Raises Invalid for an excluded type
    that is in none of the pools."""
    if gpu is None or gpu.pools is None:
        return None
    catalogue = podd.catalogue.with_gpus(gpus.all_present(db))
    inside = set(catalogue.parse_gpu_ids(",".join(gpu.pools)))
    excluded = [type_id.strip() for type_id in gpu.excluded_types or []]
    for type_id in excluded:
        known = catalogue.lookup(type_id)
        if known is None or known.id not in inside:
            raise Invalid(f"gpu.excludedTypes: {type_id!r} is not a GPU type of the chosen pools.")
    return ",".join([*gpu.pools, *(f"-{type_id}" for type_id in excluded)])


def _scaling(scaling: wire.QueueDelayScaling | wire.RequestCountScaling | None) -> dict[str, Any]:
    """podd looks once a second: a part of a second counts as a whole one."""
    if scaling is None:
        return {}
    if isinstance(scaling, wire.QueueDelayScaling):
        return {"scaler": scaling.type, "scaler_value": math.ceil(scaling.queue_delay)}
    return {"scaler": scaling.type, "scaler_value": scaling.request_count}


def _places(wish: Wish, podd: Platform) -> dict[str, Any]:
    """Where workers may run: CUDA versions and data centers. Raises Invalid, NoCapacity."""
    places: dict[str, Any] = {}
    if wish.gpu is not None:
        one_cuda_wish(wish.gpu.allowed_cuda_versions, wish.gpu.min_cuda_version)
        if wish.gpu.allowed_cuda_versions is not None:
            places["cuda_versions"] = ",".join(wish.gpu.allowed_cuda_versions)
        if wish.gpu.min_cuda_version is not None:
            places["min_cuda_version"] = wish.gpu.min_cuda_version
    if wish.data_center_ids is not None:
        wanted = [centre.upper() for centre in wish.data_center_ids]
        if wanted and podd.settings.machine.data_center_id not in wanted:
            raise NoCapacity(OUT_OF_STOCK)
        places["data_center_ids"] = ",".join(wanted)
    return places


def _extras(wish: Wish) -> dict[str, Any]:
    """What is only stored and read back."""
    if isinstance(wish.scaling, wire.QueueDelayScaling):
        return {"queueDelay": wish.scaling.queue_delay}
    return {}
