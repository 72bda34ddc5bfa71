"""Serverless endpoints: limits, defaults, and what a change of settings means for running workers."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from podd.domain.errors import Invalid
from podd.domain.job import DEFAULT_LIMITS, JobLimits
from podd.domain.words import checked_size


class Scaler(StrEnum):
    QUEUE_DELAY = "QUEUE_DELAY"
    REQUEST_COUNT = "REQUEST_COUNT"


class EndpointType(StrEnum):
    QB = "QB"  # jobs wait in a queue, workers take them
    LB = "LB"  # requests go straight to workers


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """`gpu_ids` is the comma list of pools as its owner wrote it; on a CPU endpoint it is empty and
    `instance_ids`, such as "cpu3c-2-4,cpu5c-4-8", says what its workers may be, the first first.
    `network_volume_id`: what they all mount, or "". Times in the unit their name says.

    `data_center_ids` and `cuda_versions` are comma lists of what its workers may run on, "" for any;
    `min_cuda_version` is the least their driver may have. `model` is the Hugging Face model that is to be in
    the cache before they start, as its owner wrote it.
    `extras` holds what clients store and read back without an effect on podd.
    `image_ready`: the image of this version is on the machine; `image_trouble` says why it is not, after so
    many `image_failures`.
    `completed`, `failed`, `retried` count jobs since the endpoint was made; `asked_at` is when, to an hour,
    a job last waited or ran, `served_at` when a worker of it last went.
    """

    id: str
    account_id: str
    name: str
    template_id: str
    type: EndpointType = EndpointType.QB
    gpu_ids: str = ""
    gpu_count: int = 1
    idle_timeout_s: int = 5
    scaler: Scaler = Scaler.QUEUE_DELAY
    scaler_value: int = 4
    workers_min: int = 0
    workers_max: int = 3
    execution_timeout_ms: int = 600_000
    flash_boot: str = "OFF"
    version: int = 0
    created_at: int = 0
    completed: int = 0
    failed: int = 0
    retried: int = 0
    throttled: int = 0
    image_ready: bool = False
    image_trouble: str = ""
    image_failures: int = 0
    image_retry_at: int = 0
    instance_ids: str = ""
    network_volume_id: str = ""
    data_center_ids: str = ""
    cuda_versions: str = ""
    min_cuda_version: str = ""
    model: str = ""
    asked_at: int = 0
    served_at: int = 0
    extras: dict[str, Any] = field(default_factory=dict)

    @property
    def on_cpus(self) -> bool:
        return bool(self.instance_ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointChange:
    """What a caller says about an endpoint; None: not said. Of `gpu_ids` and `instance_ids`, `compute_type`
    (GPU, CPU) says which one counts when both are there. `network_volume_id` "": none any more, as
    with the texts after it."""

    name: str | None = None
    template_id: str | None = None
    type: str | None = None
    gpu_ids: str | None = None
    gpu_count: int | None = None
    instance_ids: str | None = None
    compute_type: str | None = None
    network_volume_id: str | None = None
    data_center_ids: str | None = None
    cuda_versions: str | None = None
    min_cuda_version: str | None = None
    model: str | None = None
    idle_timeout_s: int | None = None
    scaler: str | None = None
    scaler_value: int | None = None
    workers_min: int | None = None
    workers_max: int | None = None
    execution_timeout_ms: int | None = None
    flash_boot: str | None = None
    extras: dict[str, Any] = field(default_factory=dict)


MAX_WORKERS = 1000
FLASH_BOOT = ("OFF", "FLASHBOOT", "PRIORITY_FLASHBOOT")

# A change of these needs new containers; all else applies to the running ones.
RELEASING = {
    "template_id": "templateId",
    "gpu_ids": "gpuIds",
    "gpu_count": "gpuCount",
    "instance_ids": "instanceIds",
    "network_volume_id": "networkVolumeId",
    "model": "modelReferences",
}

VOLUME_PATH = "/runpod-volume"
"""Where workers see the network volume of their endpoint."""

MODEL_CACHE_PATH = "/runpod-volume/huggingface-cache"
"""Where workers of an endpoint with a model see their account's cache: Hugging Face's own is `hub` in it."""

_MODEL = re.compile(r"(https://huggingface\.co/)?[\w.-]+/[\w.-]+([:@][\w./-]+)?", re.ASCII)


def settings(change: EndpointChange, base: Endpoint, limits: JobLimits = DEFAULT_LIMITS) -> dict[str, Any]:
    """The checked settings: what `change` says, else what `base` has. Raises Invalid naming the field."""
    name = (change.name if change.name is not None else base.name).strip()
    flash_boot = change.flash_boot or base.flash_boot
    if name.endswith("-fb"):  # how clients before SDK 1.9 switched FlashBoot on
        flash_boot = "FLASHBOOT"
    if len(name) < 3 or len(name) > 191:
        raise Invalid("name must have between 3 and 191 characters.")
    if flash_boot not in FLASH_BOOT:
        raise Invalid(f"flashBootType must be one of {', '.join(FLASH_BOOT)}, not {flash_boot!r}.")
    type = checked_type(change.type, base)
    scaler = checked_scaler(change.scaler, base.scaler)
    if type is EndpointType.LB:  # there is no queue whose delay could count
        scaler = Scaler.REQUEST_COUNT
    workers_max = checked_size(change.workers_max, "workersMax", base.workers_max, most=MAX_WORKERS)
    workers_min = checked_size(change.workers_min, "workersMin", base.workers_min, most=MAX_WORKERS)
    if workers_min > workers_max:
        raise Invalid(f"workersMin ({workers_min}) must not be greater than workersMax ({workers_max}).")
    gpu_ids, instance_ids = chosen_hardware(change, base)
    gpu_count = 0
    if not instance_ids:
        gpu_count = checked_size(change.gpu_count, "gpuCount", base.gpu_count or 1, least=1, most=64)
    return {
        "name": name,
        "template_id": change.template_id or base.template_id,
        "type": type,
        "gpu_ids": gpu_ids,
        "gpu_count": gpu_count,
        "instance_ids": instance_ids,
        "network_volume_id": _said(change.network_volume_id, base.network_volume_id),
        "data_center_ids": _said(change.data_center_ids, base.data_center_ids),
        "cuda_versions": _said(change.cuda_versions, base.cuda_versions),
        "min_cuda_version": checked_cuda_version(change.min_cuda_version, base.min_cuda_version),
        "model": checked_model(change.model, base.model),
        "idle_timeout_s": checked_size(
            change.idle_timeout_s, "idleTimeout", base.idle_timeout_s, least=1, most=3600
        ),
        "scaler": scaler,
        "scaler_value": checked_size(change.scaler_value, "scalerValue", base.scaler_value, least=1),
        "workers_min": workers_min,
        "workers_max": workers_max,
        "execution_timeout_ms": checked_execution_timeout(
            change.execution_timeout_ms, base.execution_timeout_ms, limits
        ),
        "flash_boot": flash_boot,
        "extras": {**base.extras, **change.extras},
    }


def chosen_hardware(change: EndpointChange, base: Endpoint) -> tuple[str, str]:
    """The endpoint's GPUs, or CPU instances: to name one is to give up the other. Raises Invalid."""
    gpu_ids = change.gpu_ids if change.compute_type != "CPU" else None
    instance_ids = change.instance_ids if change.compute_type != "GPU" else None
    if gpu_ids and instance_ids:
        raise Invalid("gpuIds and instanceIds exclude each other; say computeType, or leave one out.")
    if instance_ids:
        return "", instance_ids
    if gpu_ids:
        return gpu_ids, ""
    if change.compute_type == "CPU" and not base.instance_ids:
        raise Invalid("instanceIds is required for a CPU endpoint: a list such as cpu3c-2-4.")
    if change.compute_type == "GPU":
        return base.gpu_ids, ""
    return base.gpu_ids, base.instance_ids


def the_one_volume(ids: Iterable[str]) -> str:
    """The network volume of an endpoint out of those that a caller names, "" for none. Raises Invalid for
    several: RunPod has one in each data center, and this machine is one."""
    named = tuple(dict.fromkeys(id for id in ids if id))
    if len(named) > 1:
        raise Invalid(
            "networkVolumeIds: an endpoint has one network volume in each data center, and there is only "
            f"one data center here; name one, not {len(named)}."
        )
    return named[0] if named else ""


def checked_cuda_version(value: str | None, default: str) -> str:
    """Major and minor, "" for any."""
    if value is None:
        return default
    if value and not re.fullmatch(r"\d+\.\d+", value):
        raise Invalid(f"minCudaVersion: {value!r} is not a version such as 12.4.")
    return value


def checked_model(value: str | None, default: str) -> str:
    """A model of Hugging Face, by its name or its address and perhaps with a revision; "" for none."""
    if value is None:
        return default
    if value and not _MODEL.fullmatch(value):
        raise Invalid(
            f"modelReferences: {value!r} is not a model such as https://huggingface.co/Qwen/Qwen2.5-0.5B."
        )
    return value


def the_one_model(references: Iterable[str]) -> str:
    """The model of an endpoint out of those that a caller names, "" for none. Raises Invalid for several."""
    named = tuple(dict.fromkeys(reference for reference in references if reference))
    if len(named) > 1:
        raise Invalid(f"modelReferences: an endpoint has one cached model; name one, not {len(named)}.")
    return named[0] if named else ""


def checked_type(value: str | None, base: Endpoint) -> EndpointType:
    """Fixed once the endpoint is made: one without a template is only being made."""
    if not value:
        return base.type
    try:
        type = EndpointType(value)
    except ValueError:
        raise Invalid(f"type must be QB or LB, not {value!r}.") from None
    if base.template_id and type is not base.type:
        raise Invalid(f"The type of an endpoint cannot be changed; this one is {base.type}.")
    return type


def checked_scaler(value: str | None, default: Scaler) -> Scaler:
    if not value:
        return default
    try:
        return Scaler(value)
    except ValueError:
        raise Invalid(f"scalerType must be QUEUE_DELAY or REQUEST_COUNT, not {value!r}.") from None


def checked_execution_timeout(value: int | None, default: int, limits: JobLimits) -> int:
    """Milliseconds; 0 means no limit."""
    if value is None:
        return default
    least, most = limits.min_execution_timeout, limits.max_execution_timeout
    if value != 0 and not least <= value <= most:
        raise Invalid(f"executionTimeoutMs must be 0 (no limit) or between {least} and {most}, not {value}.")
    return value


def needs_release(before: Endpoint, after: dict[str, Any]) -> bool:
    """Whether running workers are outdated by this change."""
    return any(getattr(before, name) != after[name] for name in RELEASING)


def released(before: Endpoint, after: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Old and new of the settings that made a release necessary, by the names their owner knows."""
    pairs = {said: (getattr(before, name), after[name]) for name, said in RELEASING.items()}
    return {said: pair for said, pair in pairs.items() if pair[0] != pair[1]}


# Private


def _said(value: str | None, default: str) -> str:
    return default if value is None else value
