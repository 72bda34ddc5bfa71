"""Reading one card through NVML: what on it can be claimed, how it is, how busy it is.

A card with MIG on is cut into instances, which take its place. What a driver or a card does not support
is left out; every other error is the caller's to catch (`UNREADABLE`).
"""

import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import psutil
import pynvml

from podd.domain.gpu import Gpu, GpuState
from podd.ports import GpuUse

UNREADABLE = (pynvml.NVMLError, ValueError)  # ValueError: a name or UUID that is not text

_LACKING = (pynvml.NVMLError_NotSupported, pynvml.NVMLError_FunctionNotFound)


@dataclass(frozen=True)
class Card:
    """`gpus` is the card itself, or its MIG instances; these by the driver's instance ids as well."""

    uuid: str
    gpus: tuple[Gpu, ...]
    instances: dict[int, tuple[str, ...]] = field(default_factory=dict)


def read(index: int) -> Card:
    """The card at this index of the driver."""
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    uuid, name = str(pynvml.nvmlDeviceGetUUID(handle)), str(pynvml.nvmlDeviceGetName(handle))
    memory, sick = _total(handle), _sickness(handle)
    facts = {
        "state": GpuState.UNHEALTHY if sick else GpuState.HEALTHY,
        "reason": sick,
        "ecc": _uncorrected(handle),
    }
    if not _cut(handle):
        return Card(uuid, (Gpu(uuid, index, name, memory // 2**20, **facts),))  # type: ignore[arg-type]
    gpus, instances = [], dict[int, tuple[str, ...]]()
    for part in _instances(handle):
        part_uuid = str(pynvml.nvmlDeviceGetUUID(part))
        shape = pynvml.nvmlDeviceGetAttributes_v2(part)
        type_id = f"{name} MIG {profile(shape, memory)}"
        size = int(shape.memorySizeMB)
        gpus.append(Gpu(part_uuid, index, type_id, size, parent=uuid, **facts))  # type: ignore[arg-type]
        instance = int(pynvml.nvmlDeviceGetGpuInstanceId(part))
        instances[instance] = (*instances.get(instance, ()), part_uuid)
    return Card(uuid, tuple(gpus), instances)


def uses(index: int) -> Iterator[tuple[str, GpuUse]]:
    """How busy the card, or each of its instances, is; nothing for what cannot be read."""
    with suppress(*UNREADABLE, ZeroDivisionError):
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        power = _watts(handle), _celsius(handle)
        if not _cut(handle):
            busy = int(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu)
            yield str(pynvml.nvmlDeviceGetUUID(handle)), GpuUse(busy, _memory_percent(handle), *power)
            return
        for part in _instances(handle):
            yield str(pynvml.nvmlDeviceGetUUID(part)), GpuUse(None, _memory_percent(part), *power)


def profile(shape: Any, card_memory: int) -> str:
    """`1g.10gb`, as nvidia-smi names it: slices of compute, and memory in eighths of the card's, rounded.
    `1c.3g.20gb` is one compute slice of three. `card_memory` in bytes."""
    gpu_slices, compute_slices = int(shape.gpuInstanceSliceCount), int(shape.computeInstanceSliceCount)
    part = math.ceil(int(shape.memorySizeMB) * 2**20 / card_memory * 8) / 8
    name = f"{gpu_slices}g.{round(part * math.ceil(card_memory / 2**30))}gb"
    return name if compute_slices == gpu_slices else f"{compute_slices}c.{name}"


# Private


def _cut(handle: Any) -> bool:
    try:
        return bool(pynvml.nvmlDeviceGetMigMode(handle)[0])
    except _LACKING:
        return False


def _instances(handle: Any) -> Iterator[Any]:
    for number in range(int(pynvml.nvmlDeviceGetMaxMigDeviceCount(handle))):
        with suppress(pynvml.NVMLError_NotFound):  # there may be gaps
            yield pynvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, number)


def _total(handle: Any) -> int:
    """Bytes of memory; the machine's own where GPU and CPU share it and NVML does not say."""
    try:
        return int(pynvml.nvmlDeviceGetMemoryInfo(handle).total)
    except pynvml.NVMLError_NotSupported:
        return int(psutil.virtual_memory().total)


def _memory_percent(handle: Any) -> int:
    memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
    return int(memory.used * 100 // memory.total)


def _uncorrected(handle: Any) -> int:
    try:
        uncorrected = pynvml.NVML_MEMORY_ERROR_TYPE_UNCORRECTED
        return int(pynvml.nvmlDeviceGetTotalEccErrors(handle, uncorrected, pynvml.NVML_VOLATILE_ECC))
    except _LACKING:
        return 0


def _sickness(handle: Any) -> str:
    try:
        _, _, _, failed = pynvml.nvmlDeviceGetRemappedRows(handle)
    except _LACKING:
        return ""
    return "a faulty memory row could not be remapped: the card needs to be replaced" if failed else ""


def _watts(handle: Any) -> float | None:
    try:
        return int(pynvml.nvmlDeviceGetPowerUsage(handle)) / 1000
    except pynvml.NVMLError:
        return None


def _celsius(handle: Any) -> int | None:
    try:
        return int(pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU))
    except pynvml.NVMLError:
        return None
