"""How many workers an endpoint has: from none to enough and back, never more than allowed or possible."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from podd.domain.errors import Unauthenticated
from podd.domain.job import JobStatus
from podd.domain.worker import Worker, WorkerState
from podd.domain.workload import Desired
from podd.services import dispatch, endpoints, templates, workers
from podd.services.dispatch import Refused
from podd.services.timekeeping import Timekeeper
from podd.store import gpus as gpu_rows
from podd.store import workloads as rows
from podd.store.db import Tx
from tests.fakes import Behaviour
from tests.services.conftest import NewLab
from tests.services.lab import IMAGE, Lab

IDLE, RUNNING, UNHEALTHY = WorkerState.IDLE, WorkerState.RUNNING, WorkerState.UNHEALTHY
INITIALIZING = WorkerState.INITIALIZING


def states(lab: Lab, endpoint: Any) -> list[WorkerState]:
    return [worker.state for worker in lab.workers(endpoint)]


def all_ask(lab: Lab, endpoint: Any) -> None:
    """Each worker whose container is up asks for a job."""
    for worker in lab.workers(endpoint):
        if worker.workload.phase == "RUNNING":
            lab.take(worker)


# From nothing and back


def test_the_first_job_brings_the_first_worker_at_once(lab: Lab) -> None:
    endpoint = lab.endpoint()
    lab.settle()
    assert lab.workers(endpoint) == []
    lab.submit(endpoint)
    lab.settle()
    worker = lab.worker(endpoint)
    assert worker.workload.gpu_uuids == ("g0",)
    assert lab.engine.running() == [worker.workload.container_name]
    assert worker.state is INITIALIZING


def test_a_worker_that_is_idle_for_too_long_is_let_go_and_its_gpu_is_free(lab: Lab) -> None:
    endpoint = lab.endpoint(idle_timeout_s=5)
    lab.ready_worker(endpoint)
    lab.pass_time(seconds=4.999)
    lab.settle()
    assert states(lab, endpoint) == [IDLE]
    lab.pass_time(seconds=0.001)
    lab.settle()
    assert (lab.workers(endpoint), lab.claims(), lab.engine.list()) == ([], {}, [])
    lab.pass_time(hours=1)
    lab.settle()
    assert lab.workers(endpoint) == []


def test_the_idle_time_counts_from_the_end_of_the_last_job(lab: Lab) -> None:
    endpoint = lab.endpoint(idle_timeout_s=5)
    worker = lab.ready_worker(endpoint)
    job = lab.submit(endpoint)
    lab.take_one(worker)
    lab.pass_time(seconds=10)
    lab.done(worker, job)
    lab.pass_time(seconds=4)
    lab.settle()
    assert states(lab, endpoint) == [IDLE]
    lab.pass_time(seconds=1)
    lab.settle()
    assert lab.workers(endpoint) == []


def test_nobody_is_let_go_while_a_job_waits(lab: Lab) -> None:
    endpoint = lab.endpoint(workers_max=1)
    lab.ready_worker(endpoint)
    lab.submit(endpoint)
    lab.pass_time(seconds=60)
    lab.settle()
    assert states(lab, endpoint) == [IDLE]


def test_98_the_minimum_is_there_before_any_job_and_stays(lab: Lab) -> None:
    endpoint = lab.endpoint(workers_min=2)
    lab.settle()
    all_ask(lab, endpoint)
    lab.pass_time(hours=1)
    lab.settle()
    assert states(lab, endpoint) == [IDLE, IDLE]


# More and fewer


def test_95_a_job_that_waits_longer_than_the_delay_brings_one_more(lab: Lab) -> None:
    endpoint = lab.endpoint(scaler_value=4)
    worker = lab.ready_worker(endpoint)
    lab.submit(endpoint)
    taken = lab.take_one(worker)
    lab.submit(endpoint)
    lab.pass_time(seconds=4)
    lab.settle()
    assert len(lab.workers(endpoint)) == 1
    lab.pass_time(seconds=0.001)
    lab.settle()
    assert len(lab.workers(endpoint)) == 2
    lab.pass_time(seconds=60)  # the second one is on its way: it is meant for that job
    lab.ping(worker, taken)
    lab.settle()
    assert len(lab.workers(endpoint)) == 2


def test_96_with_request_count_there_is_a_worker_for_so_many_jobs(new_lab: NewLab) -> None:
    lab = new_lab("aaaa")
    endpoint = lab.endpoint(scaler="REQUEST_COUNT", scaler_value=2, workers_max=10)
    for _ in range(5):
        lab.submit(endpoint)
    lab.settle()
    assert len(lab.workers(endpoint)) == 3


def test_never_more_than_the_maximum(new_lab: NewLab) -> None:
    lab = new_lab("aaaa")
    endpoint = lab.endpoint(scaler="REQUEST_COUNT", scaler_value=1, workers_max=2)
    for _ in range(50):
        lab.submit(endpoint)
    lab.settle()
    lab.pass_time(seconds=60)
    lab.settle()
    assert len(lab.workers(endpoint)) == 2
    assert lab.see(endpoint).throttled == 0


def test_jobs_of_low_priority_bring_nobody(lab: Lab) -> None:
    endpoint = lab.endpoint()
    lab.submit(endpoint, lowPriority=True)
    lab.pass_time(seconds=60)
    lab.settle()
    assert lab.workers(endpoint) == []


def test_97_a_lower_maximum_sends_the_surplus_away_once_it_is_free(lab: Lab) -> None:
    endpoint = lab.endpoint(workers_min=2, workers_max=2)
    lab.settle()
    all_ask(lab, endpoint)
    busy, _ = lab.workers(endpoint)
    job = lab.submit(endpoint)
    lab.take_one(busy)
    lab.change(endpoint, workers_min=0, workers_max=1)
    lab.settle()
    assert [w.id for w in lab.workers(endpoint)] == [busy.id]
    lab.change(endpoint, workers_max=0)
    lab.settle()
    assert states(lab, endpoint) == [RUNNING]  # a job is never interrupted for that
    lab.done(busy, job)
    lab.settle()
    assert lab.workers(endpoint) == []


def test_97_with_a_maximum_of_none_jobs_wait(lab: Lab) -> None:
    endpoint = lab.endpoint(workers_max=0)
    job = lab.submit(endpoint)
    lab.pass_time(hours=1)
    lab.settle()
    assert (lab.workers(endpoint), lab.status(job)) == ([], JobStatus.IN_QUEUE)


# Room


def test_a_worker_takes_no_gpu_from_a_pod_not_even_from_a_spot_pod(lab: Lab) -> None:
    spot = lab.pod(gpu_count=2, bid=10**12)
    endpoint = lab.endpoint(workers_min=1)
    lab.settle()
    assert lab.workers(endpoint) == []
    assert lab.look(spot).workload.desired is Desired.RUNNING
    assert lab.see(endpoint).throttled == 1


def test_99_a_worker_that_finds_no_room_is_throttled_and_comes_when_there_is(lab: Lab) -> None:
    pod = lab.pod(gpu_count=2)
    endpoint = lab.endpoint()
    lab.submit(endpoint)
    lab.settle()
    assert (lab.workers(endpoint), lab.see(endpoint).throttled) == ([], 1)
    lab.stop(pod)
    lab.settle()
    assert len(lab.workers(endpoint)) == 1
    assert lab.see(endpoint).throttled == 0
    assert lab.engine.running() == [lab.worker(endpoint).workload.container_name]


def test_an_endpoint_nobody_wants_any_more_is_not_throttled(lab: Lab) -> None:
    lab.pod(gpu_count=2)
    endpoint = lab.endpoint()
    job = lab.submit(endpoint)
    lab.settle()
    lab.cancel(job)
    lab.settle()
    assert lab.see(endpoint).throttled == 0


def test_workers_never_get_more_memory_than_there_is(lab: Lab) -> None:
    lab.pod(min_memory=60)
    lab.endpoint(gpu_ids="AMPERE_48,ADA_24", workers_min=3)
    lab.settle()
    reserved = sum(w.needs.memory for w in lab.workloads() if w.desired is Desired.RUNNING)
    assert reserved <= lab.host.memory


def test_a_worker_gets_the_first_of_its_pools_that_is_free(lab: Lab) -> None:
    endpoint = lab.endpoint(gpu_ids="ADA_24,AMPERE_48", workers_min=1)
    lab.settle()
    assert lab.worker(endpoint).workload.gpu_uuids == ("g2",)
    lab.change(endpoint, workers_min=2)
    lab.settle()
    assert set(lab.claims()) == {"g0", "g2"}


def test_a_worker_has_as_many_gpus_as_the_endpoint_says(lab: Lab) -> None:
    endpoint = lab.endpoint(gpu_count=2, workers_min=1)
    lab.settle()
    assert lab.worker(endpoint).workload.gpu_uuids == ("g0", "g1")


# Crashes


def crash(lab: Lab, worker: Worker, after: float = 0) -> None:
    lab.pass_time(seconds=after)
    now = lab.workload(worker.id)
    assert now is not None
    lab.engine.crash(now.container_name, 1, log="boom")
    lab.settle()


def test_a_worker_that_crashes_at_its_start_is_unhealthy_and_its_gpu_is_free(lab: Lab) -> None:
    endpoint = lab.endpoint(workers_min=1, workers_max=1)
    lab.settle()
    worker = lab.worker(endpoint)
    crash(lab, worker)
    sick = lab.worker(endpoint)
    assert sick.state is UNHEALTHY
    assert "boom" in sick.workload.reason
    assert (lab.claims(), lab.engine.list()) == ({}, [])


def test_an_unhealthy_worker_is_not_replaced_again_and_again(lab: Lab) -> None:
    """With a broken image each replacement would crash as well: the maximum is also one of attempts."""
    lab.engine.behaviours[("broken",)] = Behaviour(exit_code=1)
    endpoint = lab.endpoint(template_id=lab.template(args="broken").id, workers_min=1, workers_max=3)
    for _ in range(20):
        lab.settle()
        lab.pass_time(seconds=60)
    starts = [call for call in lab.engine.calls if call[0] == "start"]
    assert len(starts) == 3
    assert states(lab, endpoint) == [UNHEALTHY] * 3


def test_an_unhealthy_worker_rests_longer_after_each_crash(lab: Lab) -> None:
    endpoint = lab.endpoint(workers_min=1, workers_max=1)
    lab.settle()
    for hours in (1, 2, 4):
        crash(lab, lab.worker(endpoint))
        lab.pass_time(hours=hours, seconds=-1)
        lab.settle()
        assert states(lab, endpoint) == [UNHEALTHY]
        lab.pass_time(seconds=1)
        lab.settle()
        assert states(lab, endpoint) == [INITIALIZING]
        assert lab.engine.running() == [lab.worker(endpoint).workload.container_name]


def test_a_worker_that_crashes_for_a_week_is_given_up(lab: Lab) -> None:
    endpoint = lab.endpoint(workers_min=1, workers_max=1)
    lab.settle()
    crashes = 0
    while not lab.worker(endpoint).gave_up:
        crash(lab, lab.worker(endpoint))
        crashes += 1
        lab.pass_time(hours=200)
        lab.settle()
    assert crashes == 8  # rests of 1, 2, 4, ... 64 hours are a week; the next one would be too long
    lab.pass_time(days=30)
    lab.settle()
    assert states(lab, endpoint) == [UNHEALTHY]


def test_an_endpoint_whose_workers_were_all_given_up_has_none_until_its_owner_changes_it(lab: Lab) -> None:
    endpoint = lab.endpoint(workers_min=2, workers_max=2)
    lab.settle()
    first, second = lab.workers(endpoint)

    def give_up(worker: Worker) -> None:
        while not (found := next(w for w in lab.workers(endpoint) if w.id == worker.id)).gave_up:
            crash(lab, found)
            lab.pass_time(hours=200)
            lab.settle()

    give_up(first)
    assert lab.see(endpoint).workers_max == 2
    give_up(second)
    seen = lab.see(endpoint)
    assert (seen.workers_min, seen.workers_max) == (0, 0)
    assert "lowered" in lab.events(endpoint.id)
    assert states(lab, endpoint) == [UNHEALTHY] * 2
    lab.change(endpoint, workers_min=1, workers_max=2)
    lab.settle()
    assert states(lab, endpoint) == [INITIALIZING]


def test_many_workers_are_spread_over_the_gpu_pools_and_few_are_of_the_first(new_lab: NewLab) -> None:
    lab = new_lab("aaaabbbb")
    wish = {"gpu_ids": "AMPERE_48,ADA_24"}
    few = lab.endpoint(workers_min=3, workers_max=4, **wish)
    lab.settle()
    assert held_types(lab, few) == {"NVIDIA RTX A6000": 3}
    lab.do(endpoints.delete, lab.podd, lab.caller, few.id, lab.now)
    many = lab.endpoint(workers_min=4, workers_max=5, **wish)
    lab.settle()
    assert held_types(lab, many) == {"NVIDIA RTX A6000": 2, "NVIDIA GeForce RTX 4090": 2}


def test_spread_workers_take_what_there_is_room_for(new_lab: NewLab) -> None:
    lab = new_lab("aaab")
    endpoint = lab.endpoint(workers_min=4, workers_max=5, gpu_ids="AMPERE_48,ADA_24")
    lab.settle()
    assert held_types(lab, endpoint) == {"NVIDIA RTX A6000": 3, "NVIDIA GeForce RTX 4090": 1}


def held_types(lab: Lab, endpoint: Any) -> dict[str, int]:
    types = {gpu.uuid: gpu.type_id for gpu in lab.ask(gpu_rows.all_present)}
    held = (uuid for worker in lab.workers(endpoint) for uuid in worker.workload.gpu_uuids)
    return Counter(types[uuid] for uuid in held)


def test_a_worker_that_was_well_for_weeks_is_not_given_up_for_one_crash(lab: Lab) -> None:
    endpoint = lab.endpoint(workers_min=1, workers_max=1)
    lab.settle()
    all_ask(lab, endpoint)
    lab.pass_time(days=30)
    worker = lab.worker(endpoint)
    crash(lab, worker)  # forgiven: it is started again at once
    assert states(lab, endpoint) == [INITIALIZING]
    crash(lab, worker, after=1)
    sick = lab.worker(endpoint)
    assert (sick.state, sick.gave_up) == (UNHEALTHY, False)
    lab.pass_time(hours=1)
    lab.settle()
    assert states(lab, endpoint) == [INITIALIZING]


def test_a_worker_that_had_been_at_work_is_started_again_at_once_but_only_once(lab: Lab) -> None:
    endpoint = lab.endpoint(workers_min=1, workers_max=1)
    lab.settle()
    all_ask(lab, endpoint)
    worker = lab.worker(endpoint)
    crash(lab, worker, after=60)
    assert states(lab, endpoint) == [INITIALIZING]
    assert lab.engine.running() == [f"podd-{worker.id}-2"]
    all_ask(lab, endpoint)
    crash(lab, worker, after=59)
    assert states(lab, endpoint) == [UNHEALTHY]


def test_a_crash_gives_the_jobs_back_counted(lab: Lab) -> None:
    endpoint = lab.endpoint()
    worker = lab.ready_worker(endpoint)
    job = lab.submit(endpoint)
    lab.take_one(worker)
    crash(lab, worker, after=1)
    assert (lab.status(job), lab.job(job).retries) == (JobStatus.IN_QUEUE, 1)


@pytest.mark.parametrize("code", [0, 1])
def test_any_end_that_nobody_asked_for_is_a_crash(lab: Lab, code: int) -> None:
    endpoint = lab.endpoint(workers_min=1, workers_max=1)
    lab.settle()
    lab.engine.crash(lab.worker(endpoint).workload.container_name, code)
    lab.settle()
    assert states(lab, endpoint) == [UNHEALTHY]


def test_an_update_gives_an_unhealthy_worker_another_chance_at_once(lab: Lab) -> None:
    template = lab.template()
    endpoint = lab.endpoint(workers_min=1, workers_max=1, template_id=template.id)
    lab.settle()
    crash(lab, lab.worker(endpoint))
    lab.do(templates.save, lab.podd, lab.caller, template.id, {"env": {"FIXED": "1"}}, lab.now)
    lab.settle()
    assert states(lab, endpoint) == [INITIALIZING]
    assert lab.worker(endpoint).workload.needs.env == {"FIXED": "1"}


def test_a_revived_worker_gets_no_more_memory_than_is_left(lab: Lab) -> None:
    endpoint = lab.endpoint(workers_min=1, workers_max=1)
    lab.settle()
    crash(lab, lab.worker(endpoint))
    lab.pod(min_memory=60)
    lab.pass_time(hours=1)
    lab.settle()
    assert states(lab, endpoint) == [INITIALIZING]
    reserved = sum(w.needs.memory for w in lab.workloads() if w.desired is Desired.RUNNING)
    assert reserved <= lab.host.memory


def test_an_unhealthy_worker_without_room_waits_and_is_throttled(lab: Lab) -> None:
    endpoint = lab.endpoint(workers_min=1, workers_max=1)
    lab.settle()
    crash(lab, lab.worker(endpoint))
    pod = lab.pod(gpu_count=2)
    lab.pass_time(hours=1)
    lab.settle()
    assert (states(lab, endpoint), lab.see(endpoint).throttled) == ([UNHEALTHY], 1)
    lab.stop(pod)
    lab.settle()
    assert (states(lab, endpoint), lab.see(endpoint).throttled) == ([INITIALIZING], 0)


def test_a_container_that_never_asks_for_a_job_is_unhealthy(lab: Lab) -> None:
    endpoint = lab.endpoint(workers_min=1, workers_max=1)
    lab.settle()
    lab.pass_time(seconds=420)
    lab.settle()
    assert states(lab, endpoint) == [INITIALIZING]
    lab.pass_time(seconds=1)
    lab.settle()
    sick = lab.worker(endpoint)
    assert sick.state is UNHEALTHY
    assert "did not ask for a job within 420 s" in sick.workload.reason


@pytest.mark.parametrize("hours", [2, -2])
def test_a_worker_that_starts_while_the_clock_jumps_has_its_time_to_ask_for_a_job(
    lab: Lab, hours: int
) -> None:
    endpoint = lab.endpoint(workers_min=1, workers_max=1)
    lab.settle()
    keeper = Timekeeper(lab.podd)
    lab.pass_time(seconds=20)
    lab.run(keeper.tick())
    lab.clock.jump(hours=hours)
    for seconds, state in ((400, INITIALIZING), (1, UNHEALTHY)):
        lab.pass_time(seconds=seconds)
        lab.run(keeper.tick())
        lab.settle()
        assert states(lab, endpoint) == [state]


@pytest.mark.parametrize(("wish", "seconds"), [("1000", 1000), ("0", 420), ("soon", 420), ("²", 420)])
def test_88_an_image_that_loads_for_long_may_say_so_in_its_environment(
    lab: Lab, wish: str, seconds: int
) -> None:
    template = lab.template(env={"RUNPOD_INIT_TIMEOUT": wish})
    endpoint = lab.endpoint(workers_min=1, workers_max=1, template_id=template.id)
    lab.settle()
    lab.pass_time(seconds=seconds)
    lab.settle()
    assert states(lab, endpoint) == [INITIALIZING]
    lab.pass_time(seconds=1)
    lab.settle()
    assert states(lab, endpoint) == [UNHEALTHY]


def test_the_time_an_image_is_pulled_is_not_the_workers_fault(lab: Lab) -> None:
    lab.engine.images.clear()
    lab.engine.pullable.add(IMAGE)
    endpoint = lab.endpoint(workers_min=1, workers_max=1)
    lab.scale()
    lab.pass_time(hours=1)
    lab.settle()
    assert states(lab, endpoint) == [INITIALIZING]


# Refresh


def test_a_worker_that_wants_a_refresh_gets_a_fresh_container_when_it_is_empty(lab: Lab) -> None:
    endpoint = lab.endpoint()
    worker = lab.ready_worker(endpoint)
    first, second = lab.submit(endpoint), lab.submit(endpoint)
    lab.taken(worker, 2)
    lab.done(worker, first, refresh=True)
    lab.settle()
    assert lab.engine.running() == [f"podd-{worker.id}-1"]
    lab.done(worker, second)
    lab.settle()
    assert lab.engine.running() == [f"podd-{worker.id}-2"]
    assert lab.worker(endpoint).crashes == 0
    assert lab.claims() == {"g0": worker.id}
    third = lab.submit(endpoint)
    assert lab.taken(lab.worker(endpoint)) == [third.id]


def test_a_worker_that_ends_itself_for_its_refresh_did_not_crash(lab: Lab) -> None:
    endpoint = lab.endpoint()
    worker = lab.ready_worker(endpoint)
    first, second = lab.submit(endpoint), lab.submit(endpoint)
    lab.taken(worker, 2)
    lab.done(worker, first, refresh=True)
    lab.engine.crash(worker.workload.container_name, 0)
    lab.settle()
    fresh = lab.worker(endpoint)
    assert (fresh.state, fresh.crashes) == (INITIALIZING, 0)
    assert lab.engine.running() == [f"podd-{worker.id}-2"]
    assert (lab.status(second), lab.job(second).retries) == (JobStatus.IN_QUEUE, 0)


def test_a_crash_is_a_crash_also_of_a_worker_that_wanted_a_refresh(lab: Lab) -> None:
    endpoint = lab.endpoint(workers_max=1)
    worker = lab.ready_worker(endpoint)
    first, second = lab.submit(endpoint), lab.submit(endpoint)
    lab.taken(worker, 2)
    lab.done(worker, first, refresh=True)
    crash(lab, worker)
    assert states(lab, endpoint) == [UNHEALTHY]
    assert lab.job(second).retries == 1


@pytest.mark.parametrize("how", ["cancelled", "lost"])
def test_a_refresh_comes_also_when_the_last_job_ends_otherwise(lab: Lab, how: str) -> None:
    endpoint = lab.endpoint(workers_max=1)
    worker = lab.ready_worker(endpoint)
    first, second = lab.submit(endpoint), lab.submit(endpoint)
    lab.taken(worker, 2)
    lab.done(worker, first, refresh=True)
    if how == "cancelled":
        lab.cancel(second)
    waiting = lab.submit(endpoint)
    lab.pass_time(seconds=3)
    assert lab.take(worker, holds_nothing=True) == Refused()
    lab.settle()
    assert lab.engine.running() == [f"podd-{worker.id}-2"]
    expected = waiting if how == "cancelled" else second
    assert lab.taken(lab.worker(endpoint)) == [expected.id]


# Releases


def release(lab: Lab, endpoint: Any) -> None:
    lab.change(endpoint, template_id=lab.template(args="new version").id)


def versions(lab: Lab, endpoint: Any) -> list[int]:
    return sorted(worker.version for worker in lab.workers(endpoint))


def test_idle_workers_of_an_older_version_are_replaced(lab: Lab) -> None:
    endpoint = lab.endpoint(workers_min=2, workers_max=2)
    lab.settle()
    all_ask(lab, endpoint)
    release(lab, endpoint)
    for _ in range(2):
        lab.settle()
        all_ask(lab, endpoint)
    assert versions(lab, endpoint) == [1, 1]
    specs = [lab.engine.spec(name) for name in lab.engine.running()]
    assert [spec.command for spec in specs] == [("new", "version")] * 2


def test_a_tenth_of_the_maximum_is_replaced_at_a_time(new_lab: NewLab) -> None:
    lab = new_lab("a" * 8)
    endpoint = lab.endpoint(workers_min=8, workers_max=20)
    lab.settle()
    all_ask(lab, endpoint)
    release(lab, endpoint)
    lab.scale()
    assert versions(lab, endpoint) == [0] * 6 + [1] * 2
    lab.settle()
    assert versions(lab, endpoint) == [0] * 6 + [1] * 2  # the new ones are not ready yet
    all_ask(lab, endpoint)
    lab.settle()
    assert versions(lab, endpoint) == [0] * 4 + [1] * 4


def test_workers_of_an_older_version_take_jobs_until_their_turn(lab: Lab) -> None:
    endpoint = lab.endpoint(workers_min=2, workers_max=2)
    lab.settle()
    all_ask(lab, endpoint)
    release(lab, endpoint)
    lab.settle()
    (old,) = [worker for worker in lab.workers(endpoint) if worker.version == 0]
    for _ in range(3):
        job = lab.submit(endpoint)
        assert lab.taken(old) == [job.id]
        lab.done(old, job)
        lab.settle()


def test_a_version_that_crashes_replaces_nobody_further(lab: Lab) -> None:
    lab.engine.behaviours[("broken",)] = Behaviour(exit_code=1)
    endpoint = lab.endpoint(workers_min=2, workers_max=2)
    lab.settle()
    all_ask(lab, endpoint)
    lab.change(endpoint, template_id=lab.template(args="broken").id)
    for _ in range(5):
        lab.settle()
        lab.pass_time(hours=5)
    (old,) = [worker for worker in lab.workers(endpoint) if worker.version == 0]
    job = lab.submit(endpoint)
    assert lab.taken(old) == [job.id]


def test_a_busy_worker_that_is_replaced_leaves_its_place_to_the_new_version_at_once(new_lab: NewLab) -> None:
    """Nobody waits for a scaler to notice that there is one worker less."""
    lab = new_lab("aa")
    endpoint = lab.endpoint(workers_max=2, scaler_value=3600)
    old = lab.ready_worker(endpoint)
    job = lab.submit(endpoint)
    lab.take_one(old)
    release(lab, endpoint)
    lab.settle()
    lab.done(old, job)
    lab.settle()
    assert versions(lab, endpoint) == [1]
    assert "leaving" in lab.events(old.id)


def test_a_busy_worker_that_is_replaced_is_not_started_again_in_its_old_version(lab: Lab) -> None:
    """Its job runs too long, which costs a worker its container."""
    endpoint = lab.endpoint(workers_max=1)
    old = lab.ready_worker(endpoint)
    job = lab.submit(endpoint, executionTimeout=5000)
    lab.take_one(old)
    release(lab, endpoint)
    lab.settle()
    assert lab.worker(endpoint).leaving
    lab.pass_time(seconds=5)
    lab.ping(old, job)
    lab.settle()
    assert lab.status(job) is JobStatus.FAILED
    assert versions(lab, endpoint) in ([], [1])


def test_a_crash_of_a_worker_that_is_replaced_is_a_lost_attempt(lab: Lab) -> None:
    endpoint = lab.endpoint(workers_max=1)
    old = lab.ready_worker(endpoint)
    job = lab.submit(endpoint)
    lab.take_one(old)
    release(lab, endpoint)
    lab.settle()
    lab.engine.crash(old.workload.container_name, 1)
    lab.settle()
    assert lab.job(job).retries == 1
    assert versions(lab, endpoint) == [1]


def test_a_version_with_more_gpus_gets_them_from_the_one_it_replaces(lab: Lab) -> None:
    endpoint = lab.endpoint(workers_min=2, workers_max=2)
    lab.settle()
    all_ask(lab, endpoint)
    lab.change(endpoint, gpu_count=2, workers_min=1)
    lab.settle()
    all_ask(lab, endpoint)
    assert [worker.workload.gpu_uuids for worker in lab.workers(endpoint)] == [("g0", "g1")]


def test_a_busy_worker_of_an_older_version_finishes_its_job_gets_no_other_and_is_replaced(lab: Lab) -> None:
    """Jobs keep coming: it would never be found free."""
    endpoint = lab.endpoint(workers_max=1)
    old = lab.ready_worker(endpoint)
    first, second = lab.submit(endpoint), lab.submit(endpoint)
    lab.take_one(old)
    release(lab, endpoint)
    lab.settle()
    assert lab.status(first) is JobStatus.IN_PROGRESS
    assert lab.engine.running() == [old.workload.container_name]
    lab.done(old, first)
    assert lab.take(old) == Refused()
    lab.settle()
    new = lab.worker(endpoint)
    assert (new.version, new.id != old.id) == (1, True)
    assert lab.taken(new) == [second.id]
    assert (lab.status(first), lab.job(second).retries) == (JobStatus.COMPLETED, 0)


def test_a_change_of_limits_replaces_nobody(lab: Lab) -> None:
    endpoint = lab.endpoint(workers_min=1)
    lab.settle()
    worker = lab.worker(endpoint)
    lab.change(endpoint, workers_max=2, idle_timeout_s=60, execution_timeout_ms=5000, name="new name")
    lab.settle()
    assert lab.worker(endpoint).id == worker.id
    assert lab.see(endpoint).version == 0


# Many endpoints


def test_an_endpoint_that_cannot_be_scaled_does_not_hold_up_the_others(lab: Lab) -> None:
    sick, well = lab.endpoint(name="sick", workers_min=1), lab.endpoint(name="well", workers_min=1)

    def break_it(tx: Tx) -> None:
        tx.run("UPDATE endpoints SET gpu_ids = 'NO SUCH POOL' WHERE id = ?", (sick.id,))

    lab.do(break_it)
    with capture_logs() as said:
        lab.settle()
    assert {line["endpoint"] for line in said if line["event"] == "endpoint not scaled"} == {sick.id}
    assert len(lab.workers(well)) == 1


def test_deleting_an_endpoint_ends_its_workers(lab: Lab) -> None:
    endpoint = lab.endpoint(workers_min=2)
    lab.submit(endpoint)
    lab.settle()
    all_ask(lab, endpoint)
    lab.do(endpoints.delete, lab.podd, lab.caller, endpoint.id, lab.now)
    assert lab.claims() == {}
    lab.settle()
    assert (lab.engine.list(), lab.workloads()) == ([], [])


def test_a_worker_of_a_deleted_endpoint_is_a_stranger_once_its_container_is_gone(lab: Lab) -> None:
    endpoint = lab.endpoint()
    worker = lab.ready_worker(endpoint)
    badge = lab.badge(worker)
    lab.do(endpoints.delete, lab.podd, lab.caller, endpoint.id, lab.now)
    assert lab.do(dispatch.take, lab.podd, badge, 1, True, lab.now) == Refused()
    lab.do(dispatch.ping, lab.podd, badge, [], lab.now)
    with pytest.raises(Unauthenticated):
        lab.do(dispatch.ping, lab.podd, replace(badge, key="another"), [], lab.now)
    lab.settle()
    refused: list[Callable[[], Any]] = [
        lambda: lab.do(dispatch.take, lab.podd, badge, 1, True, lab.now),
        lambda: lab.do(dispatch.ping, lab.podd, badge, [], lab.now),
    ]
    for ask in refused:
        with pytest.raises(Unauthenticated):
            ask()


def test_every_workload_of_kind_worker_has_its_row(lab: Lab) -> None:
    endpoint = lab.endpoint(workers_min=2)
    lab.settle()
    for workload in lab.workloads():
        assert lab.ask(rows.worker, workload.id) in lab.workers(endpoint)


# Endpoints that nobody uses


def test_an_endpoint_without_jobs_for_days_has_fewer_workers_and_then_none(new_lab: NewLab) -> None:
    lab = new_lab("a", unused_endpoint_low_days=3, unused_endpoint_off_days=7)
    endpoint = lab.endpoint(workers_max=5)
    lab.pass_time(days=2)
    job = lab.submit(endpoint)
    lab.settle()
    lab.cancel(job)
    most = []
    for days in (2.9, 0.1, 3.9, 0.1):
        lab.pass_time(days=days)
        lab.settle()
        most.append(lab.see(endpoint).workers_max)
    assert most == [5, 2, 2, 0]
    lab.change(endpoint, workers_max=5)
    lab.settle()
    assert lab.see(endpoint).workers_max == 5


def test_by_default_unused_endpoints_stay_as_they_are(lab: Lab) -> None:
    endpoint = lab.endpoint(workers_max=5)
    lab.pass_time(days=300)
    lab.settle()
    assert lab.see(endpoint).workers_max == 5


def test_a_worker_of_a_load_balancing_endpoint_says_why_it_leaves_before_it_goes(lab: Lab) -> None:
    endpoint = lab.endpoint(type="LB", workers_min=1, workers_max=1)
    lab.settle()
    worker = lab.worker(endpoint)
    assert lab.do(workers.stop, lab.podd, worker, "idle for 5 s", lab.now)
    seen = lab.worker(endpoint)
    assert (seen.doors_closed, seen.leaving, seen.workload.desired) == (True, "idle for 5 s", Desired.RUNNING)
    assert lab.do(workers.stop, lab.podd, seen, seen.leaving, lab.now)
    assert lab.workers(endpoint) == []
