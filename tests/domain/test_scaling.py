"""How many workers to have: the table, what holds for any demand, and that a steady load is steady."""

from collections import deque
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podd.domain.endpoint import Scaler
from podd.domain.scaling import Demand, wanted

DELAY, COUNT = Scaler.QUEUE_DELAY, Scaler.REQUEST_COUNT


def demand(
    queued: int = 0, running: int = 0, waits: tuple[int, ...] = (), starting: int = 0, ready: int = 0
) -> Demand:
    return Demand(queued=queued, in_progress=running, waits=waits, starting=starting, ready=ready)


# scaler, value (4 s or 4 requests), demand, how many of up to 3
TABLE: dict[str, tuple[Scaler, Demand, int]] = {
    "delay: nothing to do": (DELAY, demand(), 0),
    "delay: the first job brings a worker at once": (DELAY, demand(queued=1, waits=(0,)), 1),
    "delay: many first jobs bring one worker": (DELAY, demand(queued=9, waits=(0, 0, 0)), 1),
    "delay: nobody is added before the delay is over": (DELAY, demand(1, 1, (4000,), ready=1), 1),
    "delay: one more for a job that waited longer": (DELAY, demand(1, 1, (4001,), ready=1), 2),
    "delay: one more for each such job": (DELAY, demand(2, 1, (9000, 5000), ready=1), 3),
    "delay: those that wait shorter do not count": (DELAY, demand(2, 1, (5000, 10), ready=1), 2),
    "delay: a worker on its way is meant for one of them": (
        DELAY,
        demand(1, 1, (5000,), starting=1, ready=1),
        2,
    ),
    "delay: and two of them for two": (DELAY, demand(2, 0, (5000, 5000), starting=1), 2),
    "delay: the maximum": (DELAY, demand(9, 3, (9000,) * 9, ready=3), 3),
    "delay: idle workers are not this rule's to stop": (DELAY, demand(ready=2), 2),
    "count: nothing to do": (COUNT, demand(ready=2), 0),
    "count: one for up to four": (COUNT, demand(queued=4), 1),
    "count: two for five": (COUNT, demand(queued=5), 2),
    "count: running ones count too": (COUNT, demand(queued=1, running=4, ready=1), 2),
    "count: the maximum": (COUNT, demand(queued=99), 3),
}


@pytest.mark.parametrize(("scaler", "seen", "expected"), TABLE.values(), ids=TABLE.keys())
def test_wanted(scaler: Scaler, seen: Demand, expected: int) -> None:
    assert wanted(seen, scaler=scaler, value=4, workers_min=0, workers_max=3) == expected


demands = st.builds(
    Demand,
    queued=st.integers(0, 50),
    in_progress=st.integers(0, 50),
    waits=st.lists(st.integers(0, 60_000), max_size=10).map(lambda w: tuple(sorted(w, reverse=True))),
    starting=st.integers(0, 10),
    ready=st.integers(0, 10),
)
limits = st.tuples(st.integers(0, 10), st.integers(0, 10)).map(sorted)


@given(demands, st.sampled_from(Scaler), st.integers(1, 60), limits)
def test_never_above_the_maximum_nor_below_the_minimum(
    seen: Demand, scaler: Scaler, value: int, limits: list[int]
) -> None:
    least, most = limits
    assert least <= wanted(seen, scaler=scaler, value=value, workers_min=least, workers_max=most) <= most


@given(demands, st.sampled_from(Scaler), st.integers(1, 60))
def test_somebody_works_as_long_as_something_waits(seen: Demand, scaler: Scaler, value: int) -> None:
    want = wanted(seen, scaler=scaler, value=value, workers_min=0, workers_max=10)
    assert want >= min(seen.queued, 1)


@given(demands, st.integers(1, 60))
def test_with_queue_delay_nobody_who_is_there_is_sent_away(seen: Demand, value: int) -> None:
    have = seen.starting + seen.ready
    want = wanted(seen, scaler=DELAY, value=value, workers_min=0, workers_max=20)
    assert want >= have


@given(demands, st.integers(1, 60))
def test_with_queue_delay_no_more_are_added_than_jobs_are_overdue(seen: Demand, value: int) -> None:
    have = seen.starting + seen.ready
    want = wanted(seen, scaler=DELAY, value=value, workers_min=0, workers_max=100)
    overdue = sum(wait > value * 1000 for wait in seen.waits)
    assert want - have <= max(overdue, 1)


@given(st.integers(0, 100), st.integers(0, 100), st.integers(1, 20))
def test_with_request_count_each_worker_has_at_most_its_number_of_jobs(
    queued: int, running: int, value: int
) -> None:
    want = wanted(demand(queued, running), scaler=COUNT, value=value, workers_min=0, workers_max=1000)
    assert (want - 1) * value < queued + running <= want * value or (want == queued + running == 0)


# A steady load


@given(st.integers(0, 50), st.integers(0, 10), st.integers(0, 10), st.integers(1, 60))
def test_with_queue_delay_a_crew_that_keeps_up_stays_as_it_is(
    running: int, starting: int, ready: int, value: int
) -> None:
    """Some jobs wait, none for too long: nobody is added, and as many remain wanted as are there."""
    seen = demand(3 if ready else 0, running, (value * 1000,) * 3, starting, ready)
    want = wanted(seen, scaler=DELAY, value=value, workers_min=0, workers_max=100)
    assert want == starting + ready


@given(demands, st.integers(0, 10), st.integers(0, 10), st.integers(1, 60))
def test_with_request_count_the_crew_is_the_same_for_the_same_jobs_however_many_there_are_now(
    seen: Demand, starting: int, ready: int, value: int
) -> None:
    def want(seen: Demand) -> int:
        return wanted(seen, scaler=COUNT, value=value, workers_min=0, workers_max=100)

    assert want(replace(seen, starting=starting, ready=ready)) == want(seen)


def crew_sizes(*, every_ms: int, job_ms: int, start_ms: int, value: int, seconds: int) -> list[int]:
    """The number of workers, second by second, while jobs come evenly: workers start in `start_ms`, do one
    job at a time, and stop after five idle seconds."""
    queue: deque[int] = deque()
    workers: list[list[int]] = []  # ready at, busy until
    sizes = []
    due = 0
    for now in range(0, seconds * 1000, 1000):
        while due <= now:
            queue.append(due)
            due += every_ms
        for worker in workers:
            while queue and max(worker) <= now:
                worker[1] = max(worker[0], worker[1], queue.popleft()) + job_ms
        workers = [w for w in workers if queue or now - max(w) < 5000]
        busy = sum(w[1] > now for w in workers)
        starting = sum(w[0] > now for w in workers)
        seen = demand(len(queue), busy, tuple(now - at for at in queue), starting, len(workers) - starting)
        want = wanted(seen, scaler=DELAY, value=value, workers_min=0, workers_max=10)
        workers += [[now + start_ms, 0] for _ in range(want - len(workers))]
        sizes.append(len(workers))
    return sizes


@given(
    every_ms=st.integers(500, 4000),
    load=st.floats(0.1, 0.8),
    start_ms=st.integers(0, 20_000),
    value=st.integers(1, 10),
)
def test_a_steady_load_for_one_worker_settles_on_one_however_long_it_takes_to_start(
    every_ms: int, load: float, start_ms: int, value: int
) -> None:
    job_ms = round(every_ms * load)
    sizes = crew_sizes(every_ms=every_ms, job_ms=job_ms, start_ms=start_ms, value=value, seconds=180)
    assert set(sizes[120:]) == {1}, sizes
