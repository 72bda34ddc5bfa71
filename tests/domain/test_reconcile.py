"""What must be done, for every pair of "should be" and "is": each place the daemon can die is a row."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podd.domain.container import Container, ContainerState, GpuRef, container_name
from podd.domain.reconcile import (
    LIVE,
    Discard,
    Freeze,
    Halt,
    RecordExit,
    RecordGone,
    RecordRunning,
    Start,
    Step,
    Thaw,
    plan,
)
from podd.domain.workload import LONGEST_RETRY, Desired, Kind, Needs, Phase, Workload

NOW = 1_000_000
NOBODY: Mapping[str, frozenset[str]] = {}
CREATED, RUNNING, PAUSED, EXITED = ContainerState


def should(
    desired: Desired = Desired.RUNNING,
    phase: Phase = Phase.NONE,
    *,
    id: str = "w",
    generation: int = 2,
    gpus: tuple[str, ...] = (),
    started_at: int | None = None,
    exited_at: int | None = None,
    retry_at: int = 0,
    restart_of: int = 0,
    frozen_at: int | None = None,
) -> Workload:
    return Workload(
        id=id,
        kind=Kind.POD,
        account_id="a",
        desired=desired,
        phase=phase,
        generation=generation,
        needs=Needs(image="i", env={}, cpus=1, memory=1024, disk=1),
        gpus=tuple(GpuRef(uuid) for uuid in gpus),
        grace=7,
        started_at=started_at,
        exited_at=exited_at,
        retry_at=retry_at,
        restart_of=restart_of,
        frozen_at=frozen_at,
    )


def there(
    state: ContainerState,
    *,
    id: str = "w",
    generation: int = 2,
    gpus: tuple[str, ...] = (),
    started_at: int | None = 5,
    finished_at: int | None = None,
) -> Container:
    return Container(
        name=container_name(id, generation),
        workload_id=id,
        generation=generation,
        state=state,
        gpus=gpus,
        started_at=started_at,
        finished_at=finished_at,
    )


STOPPED, FAILED, TERMINATED = Desired.STOPPED, Desired.FAILED, Desired.TERMINATED
ended = there(EXITED, finished_at=9)
running = there(RUNNING)
old = there(RUNNING, generation=1)

TABLE: dict[str, tuple[list[Workload], list[Container], list[Step]]] = {
    # It should run
    "nothing is there yet": ([should()], [], [Start("w")]),
    "the image is being pulled": ([should(phase=Phase.PULLING)], [], [Start("w")]),
    "died before the container was made": ([should(phase=Phase.STARTING)], [], [Start("w")]),
    "died when it was made, not started": ([should(phase=Phase.STARTING)], [there(CREATED)], [Start("w")]),
    "died when it ran, not recorded": (
        [should(phase=Phase.STARTING)],
        [running],
        [RecordRunning("w", running)],
    ),
    "it runs and the books say so": ([should(phase=Phase.RUNNING, started_at=5)], [running], []),
    "it was started once more than the books know": (
        [should(phase=Phase.RUNNING, started_at=4)],
        [running],
        [RecordRunning("w", running)],
    ),
    "paused, and nobody wants that": (
        [should(phase=Phase.RUNNING, started_at=5)],
        [there(PAUSED)],
        [Thaw("w", "podd-w-2")],
    ),
    "it should be frozen": (
        [should(phase=Phase.RUNNING, started_at=5, frozen_at=8)],
        [running],
        [Freeze("w", "podd-w-2")],
    ),
    "it is frozen": ([should(phase=Phase.RUNNING, started_at=5, frozen_at=8)], [there(PAUSED)], []),
    "it ended while it was frozen": (
        [should(phase=Phase.RUNNING, started_at=5, frozen_at=8)],
        [ended],
        [RecordExit("w", ended)],
    ),
    "frozen, and not wanted any more": (
        [should(TERMINATED, Phase.RUNNING, started_at=5)],
        [there(PAUSED)],
        [Discard("w", "podd-w-2", 7)],
    ),
    "it ended and nobody knows": (
        [should(phase=Phase.RUNNING, started_at=5)],
        [ended],
        [RecordExit("w", ended)],
    ),
    "it ended before its start was recorded": (
        [should(phase=Phase.STARTING)],
        [ended],
        [RecordExit("w", ended)],
    ),
    "it ended, which is recorded, and waits": (
        [should(phase=Phase.EXITED, exited_at=9, retry_at=NOW + 1)],
        [ended],
        [],
    ),
    "its wait is over": ([should(phase=Phase.EXITED, exited_at=9, retry_at=NOW)], [ended], [Start("w")]),
    "it ended again since": (
        [should(phase=Phase.RUNNING, started_at=5, exited_at=8)],
        [ended],
        [RecordExit("w", ended)],
    ),
    "it vanished while it ran": (
        [should(phase=Phase.RUNNING, started_at=5)],
        [],
        [RecordExit("w", None)],
    ),
    "it vanished after it had ended": ([should(phase=Phase.EXITED, exited_at=9)], [], [Start("w")]),
    "a start failed and waits": ([should(retry_at=NOW + 1)], [], []),
    "its wait was noted before the clock was set back": (
        [should(retry_at=NOW + LONGEST_RETRY + 1)],
        [],
        [Start("w")],
    ),
    "nothing is left of a terminated one that is to be looked at later": (
        [should(Desired.TERMINATED, retry_at=NOW + 1)],
        [],
        [],
    ),
    "nothing is left of a terminated one, and the clock was set back": (
        [should(Desired.TERMINATED, retry_at=NOW + LONGEST_RETRY + 1)],
        [],
        [RecordGone("w")],
    ),
    "the run that is to be followed by another goes on": (
        [should(phase=Phase.RUNNING, started_at=5, restart_of=5)],
        [running],
        [Halt("w", "podd-w-2", 7)],
    ),
    "the run that is to be followed by another has ended": (
        [should(phase=Phase.RUNNING, started_at=5, restart_of=5)],
        [ended],
        [Start("w")],
    ),
    "it was started again, not recorded, at an earlier time than before": (
        [should(phase=Phase.RUNNING, started_at=6, restart_of=6)],
        [running],
        [RecordRunning("w", running)],
    ),
    "a start failed and its wait is over": ([should(retry_at=NOW)], [], [Start("w")]),
    # A container of the past
    "a stale generation runs": ([should(phase=Phase.RUNNING)], [old], [Discard("w", "podd-w-1", 7)]),
    "a stale one that has ended": (
        [should()],
        [there(EXITED, generation=1)],
        [Discard("w", "podd-w-1", 7)],
    ),
    "a stale one goes before the present one is looked at": (
        [should(phase=Phase.STARTING)],
        [old, running],
        [Discard("w", "podd-w-1", 7)],
    ),
    "a stale one is gone whatever its start may wait for": (
        [should(retry_at=NOW + 1)],
        [old],
        [Discard("w", "podd-w-1", 7)],
    ),
    "one of the future is no less stale": (
        [should()],
        [there(RUNNING, generation=3)],
        [Discard("w", "podd-w-3", 7)],
    ),
    # It should not run
    "stopped, and its container runs": (
        [should(STOPPED, Phase.RUNNING)],
        [running],
        [Discard("w", "podd-w-2", 7)],
    ),
    "stopped while it was being made": (
        [should(STOPPED, Phase.STARTING)],
        [there(CREATED)],
        [Discard("w", "podd-w-2", 7)],
    ),
    "stopped, and its container has ended": (
        [should(STOPPED, Phase.EXITED)],
        [ended],
        [Discard("w", "podd-w-2", 7)],
    ),
    "stopped, container gone, not recorded": ([should(STOPPED, Phase.RUNNING)], [], [RecordGone("w")]),
    "stopped, and all is said": ([should(STOPPED)], [], []),
    "failed, and its container is left": (
        [should(FAILED, Phase.EXITED)],
        [ended],
        [Discard("w", "podd-w-2", 7)],
    ),
    "failed, and all is said": ([should(FAILED)], [], []),
    "terminated, and its container runs": (
        [should(TERMINATED, Phase.RUNNING)],
        [running],
        [Discard("w", "podd-w-2", 7)],
    ),
    "terminated before anything was made": ([should(TERMINATED)], [], [RecordGone("w")]),
    "terminated, container gone": ([should(TERMINATED, Phase.RUNNING)], [], [RecordGone("w")]),
    "terminated with two containers": (
        [should(TERMINATED)],
        [old, running],
        [Discard("w", "podd-w-1", 7)],
    ),
    # Nobody's
    "a stray container": ([], [there(RUNNING, id="x")], [Discard("x", "podd-x-2", 0)]),
    "a stray that has ended": ([], [there(EXITED, id="x")], [Discard("x", "podd-x-2", 0)]),
    # The handover of a GPU
    "its GPU is free": ([should(gpus=("g",))], [], [Start("w")]),
    "another container still holds its GPU": (
        [should(gpus=("g",)), should(STOPPED, Phase.RUNNING, id="v")],
        [there(RUNNING, id="v", gpus=("g",))],
        [Discard("v", "podd-v-2", 7)],
    ),
    "one of its two GPUs is held": (
        [should(gpus=("f", "g")), should(STOPPED, Phase.RUNNING, id="v")],
        [there(RUNNING, id="v", gpus=("g", "h"))],
        [Discard("v", "podd-v-2", 7)],
    ),
    "a created container may hold it, too": (
        [should(gpus=("g",))],
        [there(CREATED, id="v", gpus=("g",))],
        [Discard("v", "podd-v-2", 0)],
    ),
    "a paused one as well": (
        [should(gpus=("g",))],
        [there(PAUSED, id="v", gpus=("g",))],
        [Discard("v", "podd-v-2", 0)],
    ),
    "one that has ended holds nothing": (
        [should(gpus=("g",)), should(STOPPED, Phase.RUNNING, id="v")],
        [there(EXITED, id="v", gpus=("g",))],
        [Start("w"), Discard("v", "podd-v-2", 7)],
    ),
    "a stray holds it": (
        [should(gpus=("g",))],
        [there(RUNNING, id="x", gpus=("g",))],
        [Discard("x", "podd-x-2", 0)],
    ),
    "its own container may hold it": (
        [should(phase=Phase.STARTING, gpus=("g",))],
        [there(CREATED, gpus=("g",))],
        [Start("w")],
    ),
    "restarting one whose GPU went to nobody else": (
        [should(phase=Phase.EXITED, exited_at=9, gpus=("g",))],
        [replace(ended, gpus=("g",))],
        [Start("w")],
    ),
}


@pytest.mark.parametrize(("workloads", "containers", "steps"), TABLE.values(), ids=TABLE.keys())
def test_the_plan_when(workloads: list[Workload], containers: list[Container], steps: list[Step]) -> None:
    assert plan(workloads, containers, NOBODY, NOW) == steps


@pytest.mark.parametrize(("workloads", "containers", "steps"), TABLE.values(), ids=TABLE.keys())
def test_whoever_is_busy_gets_no_second_step(
    workloads: list[Workload], containers: list[Container], steps: list[Step]
) -> None:
    everybody = {w.id: frozenset[str]() for w in workloads} | {c.workload_id: frozenset() for c in containers}
    assert plan(workloads, containers, everybody, NOW) == []


def test_a_step_under_way_holds_the_gpus_it_may_be_using() -> None:
    busy = {"v": frozenset({"g"})}
    assert plan([should(gpus=("g",))], [], busy, NOW) == []
    assert plan([should(gpus=("f",))], [], busy, NOW) == [Start("w")]


def test_a_wish_that_came_before_the_handover_is_carried_out_after_it() -> None:
    """Pod v yields its GPU to w: first v's container goes, then w's comes, whoever is looked at first."""
    w, v = should(gpus=("g",)), should(STOPPED, Phase.RUNNING, id="v")
    holding = there(RUNNING, id="v", gpus=("g",))
    assert plan([w, v], [holding], NOBODY, NOW) == [Discard("v", "podd-v-2", 7)]
    assert plan([w, v], [holding], {"v": frozenset()}, NOW) == []
    assert plan([w, v], [replace(holding, state=EXITED)], {"v": frozenset()}, NOW) == [Start("w")]


# What holds in any situation

ids = st.sampled_from("abcd")
uuids = st.lists(st.sampled_from("ghi"), max_size=2, unique=True).map(tuple)
workloads = st.builds(
    should,
    st.sampled_from(Desired),
    st.sampled_from(Phase),
    id=ids,
    generation=st.integers(1, 3),
    gpus=uuids,
    started_at=st.sampled_from([None, 5]),
    exited_at=st.sampled_from([None, 9]),
    retry_at=st.sampled_from([0, NOW + 1]),
    restart_of=st.sampled_from([0, 5]),
    frozen_at=st.sampled_from([None, 8]),
)
containers = st.builds(
    there,
    st.sampled_from(ContainerState),
    id=st.sampled_from("abcdx"),
    generation=st.integers(1, 3),
    gpus=uuids,
    started_at=st.sampled_from([None, 5]),
    finished_at=st.sampled_from([None, 9]),
)
situations = st.tuples(
    st.lists(workloads, max_size=4, unique_by=lambda w: w.id),
    st.lists(containers, max_size=6, unique_by=lambda c: c.name),
    st.dictionaries(ids, uuids.map(frozenset), max_size=2),
)
Situation = tuple[list[Workload], list[Container], dict[str, frozenset[str]]]


@given(situations)
def test_at_most_one_step_for_each_workload_and_none_for_the_busy(situation: Situation) -> None:
    wished, seen, busy = situation
    steps = plan(wished, seen, busy, NOW)
    named = [step.workload_id for step in steps]
    assert len(named) == len(set(named))
    assert not set(named) & set(busy)


@given(situations)
def test_nothing_starts_on_a_gpu_that_another_one_holds(situation: Situation) -> None:
    wished, seen, busy = situation
    by_id = {workload.id: workload for workload in wished}
    for step in plan(wished, seen, busy, NOW):
        if isinstance(step, Start):
            mine = set(by_id[step.workload_id].gpu_uuids)
            for container in seen:
                if container.workload_id != step.workload_id and container.state in LIVE:
                    assert not mine & set(container.gpus)
            for other, held in busy.items():
                assert other == step.workload_id or not mine & held


@given(situations)
def test_only_what_is_wanted_is_started_and_nothing_wanted_is_discarded(situation: Situation) -> None:
    wished, seen, busy = situation
    wanted = {w.id: w.generation for w in wished if w.desired is Desired.RUNNING}
    for step in plan(wished, seen, busy, NOW):
        if isinstance(step, Start):
            assert step.workload_id in wanted
            assert step.workload_id not in {c.workload_id for c in seen if c.state is RUNNING}
        elif isinstance(step, Discard):
            [found] = [c for c in seen if c.name == step.container]
            assert wanted.get(found.workload_id) != found.generation


@given(situations)
def test_carrying_out_the_plan_again_and_again_comes_to_rest(situation: Situation) -> None:
    wished, seen, _ = situation
    claimed: set[str] = set()
    books = {}
    for workload in wished:  # claims are exclusive, and only the running have some
        free = tuple(gpu for gpu in workload.gpus if gpu.uuid not in claimed)
        free = free if workload.desired is Desired.RUNNING else ()
        claimed |= {gpu.uuid for gpu in free}
        books[workload.id] = replace(workload, gpus=free)
    world = {container.name: as_made(container, books) for container in seen}
    for _round in range(40):
        steps = plan(books.values(), world.values(), NOBODY, NOW + 2)
        if not steps:
            break
        for step in steps:
            carry_out(step, books, world)
    else:
        raise AssertionError(f"no rest: {steps}")
    running_now = {c.workload_id for c in world.values() if c.state in (RUNNING, PAUSED)}
    assert running_now == {w.id for w in books.values() if w.desired is Desired.RUNNING}
    assert Desired.TERMINATED not in {w.desired for w in books.values()}


def as_made(container: Container, books: dict[str, Workload]) -> Container:
    """A container of the present generation was made with the GPUs its workload has claimed since."""
    wanted = books.get(container.workload_id)
    if wanted and wanted.generation == container.generation and wanted.desired is Desired.RUNNING:
        return replace(container, gpus=wanted.gpu_uuids)
    return container


def carry_out(step: Step, books: dict[str, Workload], world: dict[str, Container]) -> None:
    match step:
        case Start(id):
            w = books[id]
            run = there(RUNNING, id=id, generation=w.generation, gpus=w.gpu_uuids, started_at=6)
            world[w.container_name] = run
        case Halt(container=name):
            world[name] = replace(world[name], state=EXITED, finished_at=9)
        case Discard(container=name):
            del world[name]
        case Freeze(container=name):
            world[name] = replace(world[name], state=PAUSED)
        case Thaw(container=name):
            world[name] = replace(world[name], state=RUNNING)
        case RecordRunning(id, container):
            books[id] = replace(books[id], phase=Phase.RUNNING, started_at=container.started_at)
        case RecordExit(id, container):
            at = container.finished_at if container else NOW
            books[id] = replace(books[id], phase=Phase.EXITED, exited_at=at)
        case RecordGone(id):
            if books[id].desired is Desired.TERMINATED:
                del books[id]
            else:
                books[id] = replace(books[id], phase=Phase.NONE)
