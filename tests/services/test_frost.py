"""FlashBoot: idle workers are frozen, thawed for the next job, and out of everybody's way."""

from typing import Any

import pytest

from podd.domain.endpoint import Endpoint
from podd.domain.errors import NoCapacity
from podd.domain.job import JobStatus
from podd.domain.worker import Worker, WorkerState
from podd.services import templates, workloads
from podd.services.dispatch import Refused
from podd.services.timekeeping import Timekeeper
from tests.services.conftest import NewLab
from tests.services.lab import Lab

IDLE, FROZEN, INITIALIZING = WorkerState.IDLE, WorkerState.FROZEN, WorkerState.INITIALIZING


def frozen_worker(lab: Lab, **wish: Any) -> tuple[Endpoint, Worker]:
    """An endpoint with one worker, which is frozen."""
    endpoint = lab.endpoint(**{"flash_boot": "FLASHBOOT", "name": f"endpoint {lab.now}", **wish})
    lab.ready_worker(endpoint)
    lab.pass_time(seconds=5)
    lab.settle()
    worker = lab.worker(endpoint)
    assert worker.state is FROZEN
    return endpoint, worker


def test_an_idle_worker_is_frozen_and_thawed_for_the_next_job(lab: Lab) -> None:
    endpoint, worker = frozen_worker(lab)
    assert (lab.engine.running(), lab.engine.paused()) == ([], [worker.workload.container_name])
    job = lab.submit(endpoint)
    lab.settle()
    awake = lab.worker(endpoint)
    assert (awake.id, awake.state) == (worker.id, INITIALIZING)
    assert (lab.engine.running(), lab.engine.paused()) == ([worker.workload.container_name], [])
    assert lab.taken(awake) == [job.id]
    lab.done(awake, job)
    assert lab.status(job) is JobStatus.COMPLETED
    assert [call[0] for call in lab.engine.calls].count("start") == 1
    said = lab.events(worker.id)
    assert said.index("frozen") < said.index("thawed")


def test_without_flashboot_an_idle_worker_is_stopped(lab: Lab) -> None:
    endpoint = lab.endpoint(flash_boot="OFF")
    lab.ready_worker(endpoint)
    lab.pass_time(seconds=5)
    lab.settle()
    assert (lab.workers(endpoint), lab.engine.list()) == ([], [])


def test_no_job_is_handed_to_a_worker_from_the_decision_to_freeze_it(lab: Lab) -> None:
    """Its poll may be open still, with nobody there to read the answer."""
    endpoint = lab.endpoint(flash_boot="FLASHBOOT")
    worker = lab.ready_worker(endpoint)
    lab.pass_time(seconds=5)
    lab.scale()
    assert lab.worker(endpoint).state is FROZEN
    assert lab.engine.running() == [worker.workload.container_name]  # the engine has not been told yet
    assert f"worker:{worker.id}" in lab.rung
    job = lab.submit(endpoint)
    assert lab.take(worker) == Refused()
    assert lab.status(job) is JobStatus.IN_QUEUE


def test_a_worker_that_may_still_be_at_a_cancelled_job_is_not_frozen(lab: Lab) -> None:
    endpoint = lab.endpoint(flash_boot="FLASHBOOT", idle_timeout_s=1)
    worker = lab.ready_worker(endpoint)
    job = lab.submit(endpoint)
    lab.take_one(worker)
    lab.cancel(job)
    lab.pass_time(seconds=1)
    lab.scale()
    assert lab.workers(endpoint) == []


def test_the_minimum_is_never_frozen(lab: Lab) -> None:
    endpoint = lab.endpoint(workers_min=1, flash_boot="FLASHBOOT")
    lab.ready_worker(endpoint)
    lab.pass_time(hours=1)
    lab.settle()
    assert lab.worker(endpoint).state is IDLE


def test_nobody_misses_a_frozen_worker(lab: Lab) -> None:
    endpoint, worker = frozen_worker(lab)
    lab.pass_time(days=2)
    lab.settle()
    assert lab.worker(endpoint).state is FROZEN
    assert lab.events(worker.id)[-1] == "frozen"


# Others come first


def test_a_pod_gets_the_gpu_of_a_frozen_worker(new_lab: NewLab) -> None:
    lab = new_lab("a")
    endpoint, _ = frozen_worker(lab)
    pod = lab.pod()
    assert lab.claims() == {"g0": pod.id}
    lab.settle()
    assert lab.engine.running() == [pod.workload.container_name]
    assert (lab.workers(endpoint), lab.engine.paused()) == ([], [])


def test_a_frozen_worker_goes_before_a_spot_pod(new_lab: NewLab) -> None:
    lab = new_lab("aa")
    spot = lab.pod(bid=10**12)
    endpoint, _ = frozen_worker(lab)
    lab.pod()
    assert lab.look(spot).workload.desired == "RUNNING"
    assert lab.workers(endpoint) == []


def test_a_free_gpu_goes_before_that_of_a_frozen_worker(new_lab: NewLab) -> None:
    lab = new_lab("aa")
    endpoint, _ = frozen_worker(lab)
    lab.pod()
    assert lab.worker(endpoint).state is FROZEN


def test_another_endpoint_gets_the_gpu_of_a_frozen_worker(new_lab: NewLab) -> None:
    lab = new_lab("a")
    endpoint, _ = frozen_worker(lab)
    other = lab.endpoint(name="other")
    lab.submit(other)
    lab.settle()
    assert lab.workers(endpoint) == []
    assert lab.engine.running() == [lab.worker(other).workload.container_name]


def test_who_has_been_frozen_longest_goes_first(new_lab: NewLab) -> None:
    lab = new_lab("aa")
    early, _ = frozen_worker(lab)
    late, _ = frozen_worker(lab)
    lab.pod()
    assert (lab.workers(early), [w.state for w in lab.workers(late)]) == ([], [FROZEN])


def test_memory_is_given_back_as_well(new_lab: NewLab) -> None:
    lab = new_lab("aab")
    frozen_worker(lab)
    frozen_worker(lab)
    before = len(lab.claims())
    lab.pod(gpu_type_ids=("NVIDIA GeForce RTX 4090",), min_memory=lab.host.memory // 1024 - 2)
    assert len(lab.claims()) < before + 1
    reserved = sum(w.needs.memory for w in lab.workloads() if w.desired == "RUNNING")
    assert reserved <= lab.host.memory


def test_when_not_even_that_helps_the_frozen_workers_stay(new_lab: NewLab) -> None:
    lab = new_lab("a")
    endpoint, _ = frozen_worker(lab)
    with pytest.raises(NoCapacity):
        lab.pod(gpu_count=2)
    assert lab.worker(endpoint).state is FROZEN


def test_the_budget_keeps_those_that_were_frozen_last(new_lab: NewLab) -> None:
    lab = new_lab("aaaa", flashboot_memory_gb=20)
    first, worker = frozen_worker(lab)
    assert worker.workload.needs.memory <= 20 * 1024 < 2 * worker.workload.needs.memory
    second, _ = frozen_worker(lab)
    assert (lab.workers(first), [w.state for w in lab.workers(second)]) == ([], [FROZEN])


def test_a_budget_of_none_freezes_nobody(new_lab: NewLab) -> None:
    lab = new_lab("a", flashboot_memory_gb=0)
    endpoint = lab.endpoint(flash_boot="FLASHBOOT")
    lab.ready_worker(endpoint)
    lab.pass_time(seconds=5)
    lab.settle()
    assert lab.workers(endpoint) == []


# Changes


@pytest.mark.parametrize("change", [{"flash_boot": "OFF"}, {"workers_max": 0}, {"gpu_count": 2}])
def test_a_frozen_worker_that_the_endpoint_has_no_use_for_goes(lab: Lab, change: dict[str, Any]) -> None:
    endpoint, _ = frozen_worker(lab)
    lab.change(endpoint, **change)
    lab.settle()
    assert (lab.workers(endpoint), lab.engine.list(), lab.claims()) == ([], [], {})


def test_a_frozen_worker_of_an_older_version_is_never_thawed(lab: Lab) -> None:
    template = lab.template()
    endpoint, worker = frozen_worker(lab, template_id=template.id)
    lab.do(templates.save, lab.podd, lab.caller, template.id, {"env": {"NEW": "1"}}, lab.now)
    lab.submit(endpoint)
    lab.settle()
    assert lab.worker(endpoint).id != worker.id
    assert lab.engine.paused() == []


def test_a_worker_that_does_not_come_back_from_its_freeze_is_replaced(lab: Lab) -> None:
    endpoint, worker = frozen_worker(lab)
    job = lab.submit(endpoint)
    lab.settle()
    lab.pass_time(seconds=31)
    lab.settle()
    fresh = lab.worker(endpoint)
    assert fresh.id != worker.id
    assert lab.taken(fresh) == [job.id]


# Crashes


def test_a_new_daemon_finds_the_frozen_workers_and_can_thaw_them(lab: Lab) -> None:
    endpoint, worker = frozen_worker(lab)
    lab.restart()
    lab.settle()
    assert lab.engine.paused() == [worker.workload.container_name]
    lab.submit(endpoint)
    lab.settle()
    assert lab.engine.running() == [worker.workload.container_name]


def test_a_frozen_container_that_ends_is_no_crash(lab: Lab) -> None:
    endpoint, worker = frozen_worker(lab)
    lab.engine.crash(worker.workload.container_name, 137)
    lab.settle()
    assert (lab.workers(endpoint), lab.engine.list(), lab.claims()) == ([], [], {})


def test_nothing_is_left_of_a_frozen_worker_after_a_restart_of_the_machine(lab: Lab) -> None:
    endpoint, worker = frozen_worker(lab)
    lab.engine.lose(worker.workload.container_name)
    lab.do(workloads.note_reboot, lab.podd, lab.now)
    lab.settle()
    assert (lab.workers(endpoint), lab.claims()) == ([], {})


def test_a_container_that_was_paused_for_nothing_goes_on(lab: Lab) -> None:
    """The daemon died between a wish to freeze that was taken back and the engine's doing."""
    endpoint = lab.endpoint(workers_min=1)
    worker = lab.ready_worker(endpoint)
    lab.engine.pause(worker.workload.container_name)
    lab.settle()
    assert lab.engine.running() == [worker.workload.container_name]


def test_a_frozen_worker_that_has_filled_its_disk_goes_and_is_not_started_for_nobody(lab: Lab) -> None:
    """It was measured just before it was frozen."""
    endpoint, worker = frozen_worker(lab)
    lab.do(workloads.note_overfull, lab.podd, worker.workload, 10_000 * 2**30, lab.now)
    lab.settle()
    assert (lab.workers(endpoint), lab.engine.list(), lab.claims()) == ([], [], {})


@pytest.mark.parametrize("hours", [2, -2])
def test_a_worker_that_thaws_while_the_clock_jumps_has_its_time_to_come_back(lab: Lab, hours: int) -> None:
    endpoint, worker = frozen_worker(lab)
    keeper = Timekeeper(lab.podd)
    lab.submit(endpoint)
    lab.scale()
    lab.pass_time(seconds=1)
    lab.run(keeper.tick())
    lab.clock.jump(hours=hours)
    lab.run(keeper.tick())
    lab.reconcile()
    lab.scale()
    assert [each.id for each in lab.workers(endpoint)] == [worker.id]
    lab.pass_time(seconds=lab.settings.limits.thaw_timeout_seconds)
    lab.scale()
    assert worker.id not in [each.id for each in lab.workers(endpoint)]
