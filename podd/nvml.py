"""The real GPUs of this machine, through NVIDIA's management library (NVML).

podd runs without a driver, without the library and with a broken GPU: what cannot be read is said in
`problem` and `reasons`, never raised. A GPU that was seen once stays in the list, UNHEALTHY, when it can
no longer be read. A card with MIG on is listed whole, as one GPU.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import psutil
import pynvml

from podd.domain.gpu import Gpu, GpuState
from podd.ports import GpuProbe, GpuUse

_UNREADABLE = (pynvml.NVMLError, ValueError)  # ValueError: a name or UUID that is not text

NO_DRIVER = "the NVIDIA driver is not installed (no libnvidia-ml.so.1)"
"""The `problem` of a machine that was never meant to have a GPU."""

_PROBLEMS = {
    pynvml.NVML_ERROR_LIBRARY_NOT_FOUND: NO_DRIVER,
    pynvml.NVML_ERROR_FUNCTION_NOT_FOUND: "the NVIDIA driver is too old for podd (NVML lacks a function)",
    pynvml.NVML_ERROR_DRIVER_NOT_LOADED: "the NVIDIA driver is installed but not loaded (modprobe nvidia)",
    pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH: (
        "the NVIDIA driver was updated but the old one is still loaded: reboot, or reload it and restart podd"
    ),
    pynvml.NVML_ERROR_NO_PERMISSION: "podd may not use the NVIDIA driver (permissions of /dev/nvidia*)",
}


class NvmlProbe(GpuProbe):
    """A GpuProbe. Calls wait for each other; when one hangs in a broken driver the others give up after
    `patience` seconds, with all known GPUs UNHEALTHY.

    `problem` says what is wrong as of the last look (None: nothing), `reasons` why a GPU is UNHEALTHY,
    by UUID. Indexes are those of the driver when the GPU was first seen and never change afterwards.
    """

    def __init__(self, patience: float = 10.0) -> None:
        self.problem: str | None = None
        self.reasons: dict[str, str] = {}
        self._patience = patience
        self._lock = threading.Lock()
        self._started = False
        self._known: dict[str, Gpu] = {}
        self._slots: dict[int, str] = {}  # the UUID last read at each of the driver's indexes

    def gpus(self) -> list[Gpu]:
        with self._turn() as ours:
            if not ours:
                return self._hanging()
            self._look()
            return sorted(self._known.values(), key=lambda gpu: gpu.index)

    def utilisation(self) -> dict[str, GpuUse]:
        with self._turn() as ours:
            if not ours or self._start() is not None:
                return {}
            uses = [_use(index) for index in range(_count() or 0)]
            return dict(use for use in uses if use is not None)

    def cuda_version(self) -> str | None:
        with self._turn() as ours:
            if not ours or self._start() is not None:
                return None
            try:
                version = int(pynvml.nvmlSystemGetCudaDriverVersion())
            except _UNREADABLE:
                return None
            return f"{version // 1000}.{version % 1000 // 10}"

    def close(self) -> None:
        """Let go of the driver; the next call takes it again."""
        with self._turn() as ours:
            if ours:
                self._stop()

    # Private

    @contextmanager
    def _turn(self) -> Iterator[bool]:
        ours = self._lock.acquire(timeout=self._patience)
        try:
            yield ours
        finally:
            if ours:
                self._lock.release()

    def _look(self) -> None:
        seen: dict[str, Gpu] = {}
        errors: dict[int, str] = {}
        broken = self._start()
        count = _count() if broken is None else 0
        if count is None:
            broken = "the NVIDIA driver does not say which GPUs there are"
        for index in range(count or 0):
            try:
                gpu = _read(index)
            except _UNREADABLE as error:
                errors[index] = f"the driver says: {error}"
            else:
                seen[gpu.uuid] = gpu
                self._slots[index] = gpu.uuid
        self._remember(seen, errors, broken)
        if self.problem:
            # Start afresh next time: the driver counts its GPUs at start only, and while we hold a broken
            # one open nobody can reset it.
            self._stop()

    def _remember(self, seen: dict[str, Gpu], errors: dict[int, str], broken: str | None) -> None:
        known = dict(self._known)
        for uuid, gpu in seen.items():
            index = known[uuid].index if uuid in known else _free_index(gpu.index, known)
            known[uuid] = replace(gpu, index=index)
        by_uuid = {self._slots[index]: error for index, error in errors.items() if index in self._slots}
        reasons = {
            uuid: broken or by_uuid.get(uuid, "it is no longer there") for uuid in known if uuid not in seen
        }
        for uuid in reasons:
            known[uuid] = replace(known[uuid], state=GpuState.UNHEALTHY)
        never_read = [f"GPU {i}: {why}" for i, why in errors.items() if self._slots.get(i) not in reasons]
        lost = [f"GPU {known[uuid].index} ({uuid}): {why}" for uuid, why in reasons.items()]
        self._known, self.reasons = known, reasons
        self.problem = broken or "; ".join(lost + never_read) or None

    def _hanging(self) -> list[Gpu]:
        """Somebody else has the turn and is inside a driver that does not return."""
        self.problem = f"the NVIDIA driver has not answered for {self._patience:g} s"
        self.reasons = dict.fromkeys(self._known, self.problem)
        gpus = [replace(gpu, state=GpuState.UNHEALTHY) for gpu in self._known.values()]
        return sorted(gpus, key=lambda gpu: gpu.index)

    def _start(self) -> str | None:
        """Why NVML cannot be used, or None when it is ready."""
        if self._started:
            return None
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError as error:
            return _PROBLEMS.get(error.value, f"the NVIDIA driver cannot be used: {error}")
        self._started = True
        return None

    def _stop(self) -> None:
        if self._started:
            self._started = False
            with suppress(pynvml.NVMLError):  # it may be gone already
                pynvml.nvmlShutdown()


def _count() -> int | None:
    try:
        return int(pynvml.nvmlDeviceGetCount())
    except pynvml.NVMLError:
        return None


def _read(index: int) -> Gpu:
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    uuid, name = pynvml.nvmlDeviceGetUUID(handle), pynvml.nvmlDeviceGetName(handle)
    return Gpu(uuid=str(uuid), index=index, type_id=str(name), memory=_total(handle) // 2**20)


def _total(handle: Any) -> int:
    """Bytes of memory; the machine's own where GPU and CPU share it and NVML does not say."""
    try:
        return int(pynvml.nvmlDeviceGetMemoryInfo(handle).total)
    except pynvml.NVMLError_NotSupported:
        return int(psutil.virtual_memory().total)


def _use(index: int) -> tuple[str, GpuUse] | None:
    try:
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        uuid = str(pynvml.nvmlDeviceGetUUID(handle))
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
        busy = int(pynvml.nvmlDeviceGetUtilizationRates(handle).gpu)
        return uuid, GpuUse(gpu_percent=busy, memory_percent=int(memory.used * 100 // memory.total))
    except (*_UNREADABLE, ZeroDivisionError):
        return None


def _free_index(wanted: int, known: dict[str, Gpu]) -> int:
    taken = {gpu.index for gpu in known.values()}
    return wanted if wanted not in taken else max(taken) + 1
