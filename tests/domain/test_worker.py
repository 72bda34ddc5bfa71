"""A worker's state, its rest after a crash, and when it is tried again at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podd.domain.worker import HOUR_MS, WEEK_MS, Worker, WorkerState, forgiven, gives_up, unhealthy_delay
from podd.domain.workload import Desired, Kind, Needs, Phase, Workload

INITIALIZING, IDLE, RUNNING = WorkerState.INITIALIZING, WorkerState.IDLE, WorkerState.RUNNING
UNHEALTHY, STOPPING = WorkerState.UNHEALTHY, WorkerState.STOPPING


def worker(
    desired: Desired = Desired.RUNNING,
    phase: Phase = Phase.RUNNING,
    ready_at: int | None = 1,
    held: int = 0,
    unhealthy_until: int | None = None,
    gave_up: bool = False,
    doors_closed: bool = False,
) -> Worker:
    needs = Needs(image="i", env={}, cpus=1, memory=1024, disk=1)
    return Worker(
        workload=Workload(
            id="w", kind=Kind.WORKER, account_id="a", desired=desired, phase=phase, generation=1, needs=needs
        ),
        endpoint_id="e",
        version=0,
        ready_at=ready_at,
        held=held,
        unhealthy_until=unhealthy_until,
        gave_up=gave_up,
        doors_closed=doors_closed,
    )


STATES: dict[str, tuple[Worker, WorkerState]] = {
    "just made": (worker(phase=Phase.NONE, ready_at=None), INITIALIZING),
    "its image comes": (worker(phase=Phase.PULLING, ready_at=None), INITIALIZING),
    "up, but it has not asked for a job": (worker(ready_at=None), INITIALIZING),
    "a fresh container after it was ready": (worker(phase=Phase.STARTING), INITIALIZING),
    "ready and free": (worker(), IDLE),
    "it holds a job": (worker(held=1), RUNNING),
    "it holds jobs behind a closed door": (worker(held=2, doors_closed=True), RUNNING),
    "resting": (worker(Desired.FAILED, Phase.NONE, None, unhealthy_until=5), UNHEALTHY),
    "given up": (worker(Desired.FAILED, Phase.NONE, None, gave_up=True), UNHEALTHY),
    "given up and its container still there": (worker(Desired.FAILED, gave_up=True), UNHEALTHY),
    "told to go": (worker(Desired.TERMINATED), STOPPING),
    "told to go with a job": (worker(Desired.TERMINATED, held=1), STOPPING),
}


@pytest.mark.parametrize(("seen", "state"), STATES.values(), ids=STATES.keys())
def test_the_state_of_a_worker(seen: Worker, state: WorkerState) -> None:
    assert seen.state is state


def test_the_rest_doubles_from_an_hour_to_a_week() -> None:
    assert [unhealthy_delay(HOUR_MS, n) // HOUR_MS for n in range(1, 10)] == [
        1,
        2,
        4,
        8,
        16,
        32,
        64,
        128,
        168,
    ]


@given(st.integers(0, 10 * HOUR_MS), st.integers(0, 200))
def test_a_rest_is_never_shorter_than_the_one_before_nor_longer_than_a_week(first: int, crashes: int) -> None:
    assert 0 <= unhealthy_delay(first, crashes) <= unhealthy_delay(first, crashes + 1) <= WEEK_MS


def test_it_is_tried_again_for_seven_days_and_then_given_up() -> None:
    tries = [n for n in range(1, 20) if not gives_up(HOUR_MS, n, WEEK_MS)]
    assert tries == [1, 2, 3, 4, 5, 6, 7]  # rests of 1 + 2 + ... + 64 hours; 128 more would be too long


@pytest.mark.parametrize(
    ("ready_at", "started_at", "now", "again"),
    [
        (5, 0, 60_000, True),
        (5, 0, 59_999, False),  # it came up only just now
        (None, 0, 3_600_000, False),  # it never took a job
        (5, None, 3_600_000, False),
    ],
)
def test_only_a_worker_that_had_been_at_work_is_started_again_at_once(
    ready_at: int | None, started_at: int | None, now: int, again: bool
) -> None:
    assert forgiven(ready_at, started_at, now) is again
