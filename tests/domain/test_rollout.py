"""Who is replaced when a new version is rolled out, and what a version changed."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podd.domain.rollout import HIDDEN, Difference, differences, replaced_now
from podd.domain.template import Template
from podd.domain.worker import Worker
from podd.domain.workload import Desired, Kind, Needs, Phase, Workload

OLD, NEW = 1, 2


def worker(id: str, version: int = OLD, held: int = 0, *, ready: bool = True, leaving: str = "") -> Worker:
    workload = Workload(
        id=id,
        kind=Kind.WORKER,
        account_id="a",
        desired=Desired.RUNNING,
        phase=Phase.RUNNING,
        generation=1,
        needs=Needs(image="i", env={}, cpus=1, memory=1, disk=1),
    )
    return Worker(
        workload=workload,
        endpoint_id="e",
        version=version,
        ready_at=1 if ready else None,
        held=held,
        leaving=leaving,
        doors_closed=bool(leaving),
    )


def idle(id: str) -> Worker:
    return worker(id)


def busy(id: str, leaving: str = "") -> Worker:
    return worker(id, held=1, leaving=leaving)


def starting(id: str, version: int = OLD) -> Worker:
    return worker(id, version, ready=False)


def new(id: str) -> Worker:
    return worker(id, NEW)


# the crew, the maximum, whose turn it is
TABLE: dict[str, tuple[list[Worker], int, list[str]]] = {
    "nobody is outdated": ([new("a"), new("b")], 3, []),
    "one at a time": ([idle("a"), idle("b")], 3, ["a"]),
    "a tenth of the maximum": ([idle("a"), idle("b"), idle("c")], 20, ["a", "b"]),
    "an idle one before a busy one": ([busy("a"), idle("b")], 3, ["b"]),
    "nobody while the replacement starts": ([idle("a"), starting("n", NEW)], 3, []),
    "the next when it is ready": ([idle("a"), new("n")], 3, ["a"]),
    "whoever is not ready goes at once": ([starting("a"), starting("b"), idle("c")], 3, ["a", "b", "c"]),
    "a turn that has begun goes on": ([busy("a", leaving="outdated"), idle("b")], 3, ["a"]),
    "and counts": ([busy("a", leaving="outdated"), idle("b"), idle("c")], 20, ["a", "b"]),
}


@pytest.mark.parametrize("case", TABLE)
def test_whose_turn_it_is(case: str) -> None:
    crew, most, expected = TABLE[case]
    turns = replaced_now(crew, NEW, workers_max=most, gpu_count=0, throttled=0)
    assert [one.id for one in turns] == expected


def test_a_version_without_room_replaces_nobody_further() -> None:
    assert replaced_now([idle("a")], NEW, workers_max=3, gpu_count=0, throttled=1) == []


def test_unless_only_those_it_replaces_can_make_room() -> None:
    turns = replaced_now([idle("a")], NEW, workers_max=3, gpu_count=2, throttled=1)
    assert [one.id for one in turns] == ["a"]


crews = st.lists(
    st.builds(
        worker,
        st.uuids().map(str),
        st.sampled_from([OLD, NEW]),
        st.integers(0, 2),
        ready=st.booleans(),
        leaving=st.just(""),
    ),
    max_size=12,
)


@given(crews, st.integers(0, 40))
def test_never_more_of_those_that_serve_are_missing_than_a_tenth_of_the_maximum(
    crew: list[Worker], most: int
) -> None:
    turns = replaced_now(crew, NEW, workers_max=most, gpu_count=0, throttled=0)
    unready = sum(one.version == NEW and not one.serves for one in crew)
    going = sum(one.serves for one in turns)
    assert going == 0 or going + unready <= max(most // 10, 1)


@given(crews, st.integers(0, 40))
def test_a_roll_out_whose_workers_get_ready_comes_to_its_end(crew: list[Worker], most: int) -> None:
    crew = [one if one.version == OLD else replace(one, ready_at=1) for one in crew]
    for _ in range(len(crew)):
        for gone in replaced_now(crew, NEW, workers_max=most, gpu_count=0, throttled=0):
            crew = [new(one.id) if one.id == gone.id else one for one in crew]
    assert all(one.version == NEW for one in crew)


# What a version changed

TEMPLATE = Template(id="t", account_id="a", name="n", image="one", env={"KEPT": "1", "GONE": "2", "KEY": "3"})


def test_a_difference_has_the_setting_before_and_after() -> None:
    assert differences(TEMPLATE, replace(TEMPLATE, image="two", name="other"), {"gpuCount": (1, 2)}) == (
        Difference("gpuCount", 1, 2),
        Difference("image", "one", "two"),
    )


def test_values_of_variables_are_not_kept() -> None:
    after = replace(TEMPLATE, env={"KEPT": "1", "KEY": "secret", "NEW": "secret"})
    assert differences(TEMPLATE, after) == (
        Difference("env.GONE", HIDDEN, None),
        Difference("env.KEY", HIDDEN, HIDDEN),
        Difference("env.NEW", None, HIDDEN),
    )
