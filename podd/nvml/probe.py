"""The GPUs that NVIDIA's management library (NVML) knows.

podd runs without a driver, without the library and with a broken GPU: what cannot be read is said in
`problem` and `reasons`, never raised. A GPU that was seen once stays in the list when it can no longer be
read: UNHEALTHY if the driver says so about it, UNKNOWN when the driver itself does not work.
"""

import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

import pynvml

from podd.domain import xid
from podd.domain.gpu import Gpu, GpuFault, GpuState
from podd.nvml import cards
from podd.nvml.cards import UNREADABLE, Card
from podd.ports import GpuProbe, GpuUse

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


_FAULTS = pynvml.nvmlEventTypeXidCriticalError | pynvml.nvmlEventTypeDoubleBitEccError
_WAIT = 500  # milliseconds after which a listener sees whether it is to go on
_LISTEN_AGAIN = 10.0  # seconds until a driver that could not be listened to is tried again
_WHOLE_CARD = 0xFFFFFFFF


class NvmlProbe(GpuProbe):
    """A GpuProbe. Calls wait for each other; when one hangs in a broken driver the others give up after
    `patience` seconds, with all known GPUs UNKNOWN.

    `problem` says what is wrong as of the last look (None: nothing), `reasons` why a GPU is not healthy,
    by UUID. Indexes are those of the driver when the GPU was first seen, as far as MIG instances before it
    leave them, and never change afterwards. `ignored_xids` are not the GPU's fault, beside the usual ones.
    """

    def __init__(self, patience: float = 10.0, ignored_xids: Collection[int] = ()) -> None:
        self.problem: str | None = None
        self.reasons: dict[str, str] = {}
        self._patience = patience
        self._lock = threading.Lock()
        self._started = False
        self._known: dict[str, Gpu] = {}
        self._cards: dict[int, Card] = {}  # as last read at each of the driver's indexes
        self._ignored_xids = frozenset(ignored_xids)
        self._trouble: str | None = None
        self._starts = 0  # how often the driver was let go of: whoever listens to it has to start again
        self._closing = threading.Event()

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
            return {uuid: use for index in range(_count() or 0) for uuid, use in cards.uses(index)}

    def trouble(self) -> str | None:
        return self._trouble

    def faults(self) -> Iterator[GpuFault]:
        """Xid errors and double-bit memory errors. Needs no turn: waiting for them takes for ever."""
        closing = self._closing
        while not closing.is_set():
            yield from self._listen(closing)
            closing.wait(_LISTEN_AGAIN)

    def cuda_version(self) -> str | None:
        with self._turn() as ours:
            if not ours or self._start() is not None:
                return None
            try:
                version = int(pynvml.nvmlSystemGetCudaDriverVersion())
            except UNREADABLE:
                return None
            return f"{version // 1000}.{version % 1000 // 10}"

    def close(self) -> None:
        """Let go of the driver; the next call takes it again."""
        self._closing.set()
        self._closing = threading.Event()
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
        seen: dict[int, Card] = {}
        errors: dict[int, str] = {}
        broken = self._start()
        count = _count() if broken is None else 0
        if count is None:
            broken = "the NVIDIA driver does not say which GPUs there are"
        for index in range(count or 0):
            try:
                seen[index] = cards.read(index)
            except UNREADABLE as error:
                errors[index] = f"the driver says: {error}"
        self._remember(seen, errors, broken)
        if self._trouble:
            # Start afresh next time: the driver counts its GPUs at start only, and while we hold a broken
            # one open nobody can reset it.
            self._stop()

    def _remember(self, seen: dict[int, Card], errors: dict[int, str], broken: str | None) -> None:
        by_uuid = {gpu.uuid: errors[i] for i, card in self._cards.items() if i in errors for gpu in card.gpus}
        cards_here = {card.uuid for card in seen.values()}
        present = [gpu for card in seen.values() for gpu in card.gpus]
        state = GpuState.UNKNOWN if broken else GpuState.UNHEALTHY
        # What is left of another division of a card that was read is no GPU any more.
        missing = {
            uuid: replace(gpu, state=state, reason=broken or by_uuid.get(uuid, "it is no longer there"))
            for uuid, gpu in self._known.items()
            if (gpu.parent or uuid) not in cards_here
        }
        known = dict(missing)
        indexes = {gpu.uuid: self._known[gpu.uuid].index for gpu in present if gpu.uuid in self._known}
        indexes |= {uuid: gpu.index for uuid, gpu in missing.items()}
        for gpu in present:
            index = indexes.setdefault(gpu.uuid, _free_index(gpu.index, set(indexes.values())))
            known[gpu.uuid] = replace(gpu, index=index)
        lost = [f"GPU {gpu.index} ({uuid}): {gpu.reason}" for uuid, gpu in missing.items()]
        never_read = [f"GPU {i}: {why}" for i, why in errors.items() if i not in self._cards]
        empty = [f"GPU {i} has MIG on but no instance: make some, or turn MIG off" for i in _empty(seen)]
        self._cards = {**self._cards, **seen}
        self._known = known
        self.reasons = {u: gpu.reason for u, gpu in known.items() if gpu.state is not GpuState.HEALTHY}
        self._trouble = broken or "; ".join(lost + never_read) or None
        self.problem = broken or "; ".join(lost + never_read + empty) or None

    def _hanging(self) -> list[Gpu]:
        """Somebody else has the turn and is inside a driver that does not return."""
        why = f"the NVIDIA driver has not answered for {self._patience:g} s"
        self.problem = self._trouble = why
        self.reasons = dict.fromkeys(self._known, why)
        gpus = [replace(gpu, state=GpuState.UNKNOWN, reason=why) for gpu in self._known.values()]
        return sorted(gpus, key=lambda gpu: gpu.index)

    def _listen(self, closing: threading.Event) -> Iterator[GpuFault]:
        """Faults until the driver is let go of by whoever looks: a hold of ours would keep it as it was."""
        start = self._starts
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError:
            return
        try:
            events = pynvml.nvmlEventSetCreate()
            for index in range(_count() or 0):
                with suppress(*UNREADABLE):  # not every card has events
                    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
                    pynvml.nvmlDeviceRegisterEvents(handle, _FAULTS, events)
            while not closing.is_set() and start == self._starts:
                try:
                    yield self._fault(pynvml.nvmlEventSetWait_v2(events, _WAIT))
                except pynvml.NVMLError_Timeout:
                    continue
            pynvml.nvmlEventSetFree(events)
        except pynvml.NVMLError as error:
            yield GpuFault((), f"the driver says: {error}", fatal=False)
        finally:
            with suppress(pynvml.NVMLError):
                pynvml.nvmlShutdown()

    def _fault(self, event: Any) -> GpuFault:
        card_uuid = str(pynvml.nvmlDeviceGetUUID(event.device))
        card = next((card for card in self._cards.values() if card.uuid == card_uuid), None)
        uuids: tuple[str, ...] = (card_uuid,)
        if card is not None and event.gpuInstanceId != _WHOLE_CARD:
            uuids = card.instances.get(int(event.gpuInstanceId), uuids)
        if event.eventType == pynvml.nvmlEventTypeXidCriticalError:
            number = int(event.eventData)
            return GpuFault(uuids, xid.text(number), xid.fatal(number, self._ignored_xids))
        return GpuFault(uuids, "a double-bit memory error (ECC)", fatal=True)

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
            self._starts += 1
            with suppress(pynvml.NVMLError):  # it may be gone already
                pynvml.nvmlShutdown()


def _count() -> int | None:
    try:
        return int(pynvml.nvmlDeviceGetCount())
    except pynvml.NVMLError:
        return None


def _empty(seen: dict[int, Card]) -> list[int]:
    return [index for index, card in seen.items() if not card.gpus]


def _free_index(wanted: int, taken: set[int]) -> int:
    return wanted if wanted not in taken else max(taken) + 1
