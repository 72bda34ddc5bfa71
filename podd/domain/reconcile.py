"""From what should be and what is to what must be done: pure, so every crash is a table row in a test.

One plan holds at most one step per workload. A step that changes the world is followed by another plan,
so nothing here has to think further ahead than that.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from podd.domain.container import Container, ContainerState
from podd.domain.workload import LONGEST_RETRY, Desired, Phase, Workload

LIVE = (ContainerState.CREATED, ContainerState.RUNNING, ContainerState.PAUSED)


@dataclass(frozen=True, slots=True)
class Start:
    """Make the container of the workload's present generation run."""

    workload_id: str


@dataclass(frozen=True, slots=True)
class Discard:
    """Stop and remove a container that is not, or no longer, wanted."""

    workload_id: str
    container: str
    grace: float


@dataclass(frozen=True, slots=True)
class Halt:
    """Stop a container that is to be started again as it is, on its own disk."""

    workload_id: str
    container: str
    grace: float


@dataclass(frozen=True, slots=True)
class Freeze:
    """Pause a container that runs: it is to be kept as it is, doing nothing."""

    workload_id: str
    container: str


@dataclass(frozen=True, slots=True)
class Thaw:
    """Let a paused container go on."""

    workload_id: str
    container: str


@dataclass(frozen=True, slots=True)
class RecordRunning:
    """The container runs and the books do not say so yet."""

    workload_id: str
    container: Container


@dataclass(frozen=True, slots=True)
class RecordExit:
    """The main process ended by itself, or (None) the container vanished."""

    workload_id: str
    container: Container | None


@dataclass(frozen=True, slots=True)
class RecordGone:
    """Nothing is left of a workload that should not run."""

    workload_id: str


Step = Start | Discard | Halt | Freeze | Thaw | RecordRunning | RecordExit | RecordGone


def plan(
    workloads: Iterable[Workload],
    containers: Iterable[Container],
    busy: Mapping[str, frozenset[str]],
    now: int,
) -> list[Step]:
    """The steps to take now.

    `busy` are workloads with a step under way, and the GPUs that step may be using: they get no second
    step, and their GPUs count as held. A GPU is handed over only once no other container holds it.
    """
    found: defaultdict[str, list[Container]] = defaultdict(list)
    holders: defaultdict[str, set[str]] = defaultdict(set)
    for container in containers:
        found[container.workload_id].append(container)
        if container.state in LIVE:
            for uuid in container.gpus:
                holders[uuid].add(container.workload_id)
    for workload_id, uuids in busy.items():
        for uuid in uuids:
            holders[uuid].add(workload_id)

    steps: list[Step] = []
    known = set()
    for workload in workloads:
        known.add(workload.id)
        if workload.id not in busy:
            step = _step(workload, found.get(workload.id, []), holders, now)
            if step is not None:
                steps.append(step)
    for workload_id, strays in found.items():
        if workload_id not in known and workload_id not in busy:
            steps.append(Discard(workload_id, strays[0].name, grace=0))
    return steps


def _step(
    workload: Workload, containers: list[Container], holders: Mapping[str, set[str]], now: int
) -> Step | None:
    if workload.desired is not Desired.RUNNING:
        return _step_down(workload, containers, now)
    stale = [c for c in containers if c.generation != workload.generation]
    if stale:
        return Discard(workload.id, stale[0].name, workload.grace)
    if containers:
        return _follow(workload, containers[0], holders, now)
    if workload.phase is Phase.RUNNING:
        return RecordExit(workload.id, None)
    return _start(workload, holders, now)


def _step_down(workload: Workload, containers: list[Container], now: int) -> Step | None:
    if containers:
        return Discard(workload.id, containers[0].name, workload.grace)
    if workload.desired is Desired.TERMINATED:
        return None if _waits(workload, now) else RecordGone(workload.id)
    if workload.phase is not Phase.NONE:
        return RecordGone(workload.id)
    return None


def _follow(
    workload: Workload, container: Container, holders: Mapping[str, set[str]], now: int
) -> Step | None:
    """The container of the present generation exists: keep the books in step with it."""
    if workload.restart_of and workload.restart_of == container.started_at:
        if container.state in (ContainerState.RUNNING, ContainerState.PAUSED):
            return Halt(workload.id, container.name, workload.grace)
        return _start(workload, holders, now)
    if container.state in (ContainerState.RUNNING, ContainerState.PAUSED):
        same = workload.phase is Phase.RUNNING and workload.started_at == container.started_at
        return _freeze_or_thaw(workload, container) if same else RecordRunning(workload.id, container)
    if container.state is ContainerState.EXITED and workload.exited_at != container.finished_at:
        return RecordExit(workload.id, container)
    return _start(workload, holders, now)


def _freeze_or_thaw(workload: Workload, container: Container) -> Step | None:
    frozen = workload.frozen_at is not None
    if frozen and container.state is ContainerState.RUNNING:
        return Freeze(workload.id, container.name)
    if not frozen and container.state is ContainerState.PAUSED:
        return Thaw(workload.id, container.name)
    return None


def _start(workload: Workload, holders: Mapping[str, set[str]], now: int) -> Step | None:
    if _waits(workload, now):
        return None
    if any(holders.get(uuid, set()) - {workload.id} for uuid in workload.gpu_uuids):
        return None
    return Start(workload.id)


def _waits(workload: Workload, now: int) -> bool:
    """For its next try. A wait longer than any was noted before the clock was set back."""
    return now < workload.retry_at <= now + LONGEST_RETRY
