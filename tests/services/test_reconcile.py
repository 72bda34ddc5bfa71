"""The books and the engine come to agree: in peace, with an engine that fails, and across daemons that die
at any moment."""

from pathlib import Path
from typing import Any

import pytest

from podd.domain.container import ContainerState
from podd.domain.workload import Desired, Phase
from podd.ports import EngineAway, EngineError, ImageMissing
from podd.services import workloads
from podd.store import workloads as rows
from tests.fakes import FakeEngine
from tests.services.conftest import NewLab
from tests.services.lab import DOLLAR, IMAGE, RTX4090, Died, Lab

RUNNING, FAILED = Desired.RUNNING, Desired.FAILED
CENT = DOLLAR // 100


def asked(lab: Lab, *operations: str) -> list[tuple[str, ...]]:
    """What the engine was asked to do, in order."""
    return [call[:2] for call in lab.engine.calls if call[0] in operations]


# In peace


def test_a_pod_runs_as_it_was_asked_for(lab: Lab) -> None:
    pod = lab.pod(args="run it", env=(("A", "1"),), volume=5, ports="22/tcp")
    lab.settle()
    seen = lab.look(pod).workload
    assert (seen.phase, seen.started_at, seen.exit_code) == (Phase.RUNNING, lab.now, None)
    [container] = lab.engine.list()
    assert (container.name, container.state) == (f"podd-{pod.id}-1", ContainerState.RUNNING)
    assert (seen.container_id, seen.address) == (container.id, container.address)
    spec = lab.engine.spec(container.name)
    assert (spec.image, spec.command, [gpu.uuid for gpu in spec.gpus]) == (IMAGE, ("run", "it"), ["g0"])
    assert Path(spec.mounts[0].source).is_dir()
    env = dict(spec.env)
    assert (env["A"], env["RUNPOD_POD_ID"], env["NVIDIA_VISIBLE_DEVICES"]) == ("1", pod.id, "g0")
    assert env["RUNPOD_TCP_PORT_22"] == str(pod.workload.published[0].host)
    assert lab.events(pod.id) == ["created", "starting", "running"]


def test_a_look_at_what_is_as_it_should_be_changes_nothing(lab: Lab) -> None:
    lab.pod()
    lab.settle()
    before, lab.engine.calls[:] = lab.workloads(), []
    assert not lab.reconcile()
    assert (lab.workloads(), lab.engine.calls) == (before, [("list",)])


def test_a_look_reads_the_books_only_when_they_have_changed(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    pod = lab.pod()
    lab.settle()
    lab.reconcile()
    asked: list[str] = []
    read = lab.podd.store.read

    def count(question: Any, *args: Any) -> Any:
        asked.append(question.__name__)
        return read(question, *args)

    monkeypatch.setattr(lab.podd.store, "read", count)
    written = lab.podd.store.changes
    for _ in range(3):
        lab.reconcile()
    assert (asked, lab.podd.store.changes) == ([], written)
    lab.stop(pod)
    lab.reconcile()
    assert asked == ["awake"]


def test_pods_at_rest_are_not_looked_at(lab: Lab) -> None:
    resting, running = lab.pod(), lab.pod()
    lab.settle()
    lab.stop(resting)
    lab.settle()
    assert [workload.id for workload in lab.ask(rows.awake, [])] == [running.id]


def test_a_container_of_a_pod_at_rest_is_removed(lab: Lab) -> None:
    """Nobody looks at such a pod; its container is what it is noticed by."""
    pod = lab.pod()
    lab.settle()
    spec = lab.engine.spec(f"podd-{pod.id}-1")
    lab.stop(pod)
    lab.settle()
    lab.engine.start(spec)
    lab.settle()
    assert lab.engine.list() == []
    assert lab.look(pod).workload.desired is Desired.STOPPED


def test_a_stopped_pods_container_is_gone_and_its_volume_is_not(lab: Lab) -> None:
    pod = lab.pod(volume=5)
    lab.settle()
    volume = lab.podd.volumes / pod.id
    (volume / "data").write_text("kept")
    lab.stop(pod)
    lab.settle()
    seen = lab.look(pod).workload
    assert (lab.engine.list(), seen.phase, seen.container_id, seen.address) == ([], Phase.NONE, "", "")
    assert (volume / "data").read_text() == "kept"


def test_a_resumed_pod_is_a_new_generation_on_the_same_volume(lab: Lab) -> None:
    pod = lab.pod(volume=5)
    lab.settle()
    first = lab.engine.spec(f"podd-{pod.id}-1")
    lab.stop(pod)
    lab.settle()
    lab.resume(pod)
    lab.settle()
    assert lab.engine.running() == [f"podd-{pod.id}-2"]
    assert lab.engine.spec(f"podd-{pod.id}-2").mounts == first.mounts


def test_a_terminated_pod_leaves_nothing_behind(lab: Lab) -> None:
    pod = lab.pod(volume=5, ports="22/tcp")
    lab.settle()
    (lab.podd.volumes / pod.id / "data").write_text("gone soon")
    lab.terminate(pod)
    lab.settle()
    assert (lab.workload(pod.id), lab.engine.list(), lab.claims()) == (None, [], {})
    assert not (lab.podd.volumes / pod.id).exists()


def test_a_pod_terminated_before_anything_was_made_is_forgotten(lab: Lab) -> None:
    pod = lab.pod(volume=5)
    lab.terminate(pod)
    lab.settle()
    assert lab.workload(pod.id) is None
    assert asked(lab, "start", "stop", "remove") == []


def test_a_container_nobody_knows_is_removed(lab: Lab) -> None:
    pod = lab.pod()
    lab.settle()
    spec = lab.engine.spec(f"podd-{pod.id}-1")
    lab.terminate(pod)
    lab.settle()
    lab.engine.start(spec)
    lab.settle()
    assert lab.engine.list() == []


def test_a_container_that_vanished_is_made_again(lab: Lab) -> None:
    pod = lab.pod()
    lab.settle()
    lab.pass_time(seconds=60)
    lab.engine.lose(f"podd-{pod.id}-1")
    lab.settle()
    seen = lab.look(pod).workload
    assert (seen.phase, seen.restarts) == (Phase.EXITED, 1)
    assert "vanished" in seen.reason
    lab.pass_time(seconds=1)
    lab.settle()
    assert lab.engine.running() == [f"podd-{pod.id}-1"]
    assert lab.claims() == {"g0": pod.id}


def test_many_pods_start_at_once(new_lab: NewLab) -> None:
    lab = new_lab("a" * 16)
    made = [lab.pod() for _ in range(16)]
    assert lab.reconcile()
    assert len(lab.engine.running()) == 16
    assert len({lab.engine.spec(name).gpus for name in lab.engine.running()}) == len(made)


# Images


def test_an_image_is_pulled_once_for_all_who_wait_for_it(lab: Lab) -> None:
    lab.engine.images.clear()
    lab.engine.pullable.add(IMAGE)
    one, other = lab.pod(), lab.pod()
    lab.settle()
    assert asked(lab, "pull") == [("pull", IMAGE)]
    assert lab.engine.running() == sorted([f"podd-{one.id}-1", f"podd-{other.id}-1"])
    assert "pulling" in lab.events(one.id) + lab.events(other.id)


def test_a_failed_pull_fails_all_who_wait_for_it(lab: Lab) -> None:
    one, other = lab.pod(image="missing"), lab.pod(image="missing")
    lab.settle()
    for pod in (one, other):
        assert lab.look(pod).workload.desired is FAILED
        assert "missing cannot be had" in lab.look(pod).workload.reason
    assert lab.claims() == {}


def test_a_pull_that_may_work_next_time_is_tried_again(lab: Lab) -> None:
    lab.engine.images.clear()
    lab.engine.pullable.add(IMAGE)
    lab.engine.fail_next("pull", EngineError("the registry is slow"))
    pod = lab.pod()
    lab.settle()
    seen = lab.look(pod).workload
    assert (seen.desired, seen.phase, seen.reason) == (RUNNING, Phase.NONE, "the registry is slow")
    lab.pass_time(seconds=1)
    lab.settle()
    assert lab.engine.running() == [f"podd-{pod.id}-1"]
    assert lab.look(pod).workload.reason == ""


def test_an_image_that_vanishes_between_pull_and_start_fails_the_pod_with_the_reason(lab: Lab) -> None:
    lab.engine.fail_next("start", ImageMissing("The image is gone."))
    pod = lab.pod()
    lab.settle()
    assert (lab.look(pod).workload.desired, lab.look(pod).workload.reason) == (FAILED, "The image is gone.")


# An engine that fails


def test_an_engine_that_is_away_costs_nothing_but_time(lab: Lab) -> None:
    pod, running = lab.pod(), lab.pod()
    lab.settle()
    lab.stop(pod)
    new = lab.pod(gpu_type_ids=(RTX4090,))
    before = lab.workloads()
    lab.engine.away = True
    lab.settle()
    lab.pass_time(hours=1)
    lab.settle()
    away = lab.reconciler.engine_away
    assert (away, lab.workloads()) == (True, before)
    lab.engine.away = False
    lab.settle()
    away = lab.reconciler.engine_away
    assert not away
    assert lab.engine.running() == sorted([f"podd-{running.id}-1", f"podd-{new.id}-1"])
    assert lab.look(running).workload.restarts == 0


@pytest.mark.parametrize("operation", ["start", "has_image", "stop", "remove", "pull"])
def test_an_engine_that_leaves_in_the_middle_of_a_step_is_no_failure_of_the_pod(
    lab: Lab, operation: str
) -> None:
    lab.engine.images.clear()
    lab.engine.pullable.add(IMAGE)
    lab.engine.fail_next(operation, EngineAway("gone"))
    pod = lab.pod()
    for _ in range(3):
        lab.settle()
        lab.pass_time(seconds=2)
    assert lab.engine.running() == [f"podd-{pod.id}-1"]
    lab.stop(pod)
    for _ in range(3):
        lab.settle()
        lab.pass_time(seconds=2)
    assert lab.engine.list() == []
    assert lab.look(pod).workload.restarts == 0


def test_a_start_that_fails_is_tried_again_later_each_time(lab: Lab) -> None:
    pod = lab.pod()
    for wait in (1, 2, 4, 8):
        lab.engine.fail_next("start", EngineError("the engine is busy"))
        lab.settle()
        seen = lab.look(pod).workload
        assert (seen.desired, seen.reason) == (RUNNING, "the engine is busy")
        assert seen.retry_at == lab.now + wait * 1000
        lab.pass_time(seconds=wait)
    lab.settle()
    assert lab.engine.running() == [f"podd-{pod.id}-1"]


def test_one_workloads_failure_stays_with_it(lab: Lab) -> None:
    bad, good = lab.pod(), lab.pod()
    lab.settle()
    lab.engine.fail_next("stop", EngineError("stop failed"))
    lab.stop(bad)
    lab.stop(good)
    lab.reconcile()
    assert len(lab.engine.list()) == 1
    lab.settle()
    assert lab.engine.list() == []


def test_a_host_port_that_is_in_use_is_replaced_by_another(lab: Lab) -> None:
    pod = lab.pod(ports="22/tcp,23/tcp")
    other = lab.pod(ports="22/tcp")
    lab.engine.taken_ports.add(pod.workload.published[0].host)
    lab.settle()
    seen = lab.look(pod).workload
    used = {port.host for port in seen.published}
    assert lab.engine.running() == sorted([seen.container_name, f"podd-{other.id}-1"])
    assert not used & {*lab.engine.taken_ports, *(p.host for p in other.workload.published)}
    assert (seen.restarts, seen.failures) == (0, 0)
    assert "ports" in lab.events(pod.id)


def test_at_the_end_of_the_range_a_lower_port_will_do(new_lab: NewLab) -> None:
    lab = new_lab(machine_settings={"port_range": (40000, 40001)})
    first = lab.pod(ports="22/tcp")
    second = lab.pod(ports="22/tcp")
    lab.terminate(first)
    lab.settle()
    lab.stop(second)
    lab.settle()
    lab.engine.taken_ports.add(40001)
    lab.resume(second)
    lab.settle()
    assert [port.host for port in lab.look(second).workload.published] == [40000]
    assert lab.engine.running() == [lab.look(second).workload.container_name]


def test_without_any_free_port_a_pod_waits_and_says_why(new_lab: NewLab) -> None:
    lab = new_lab(machine_settings={"port_range": (40000, 40000)})
    lab.engine.taken_ports.add(40000)
    pod = lab.pod(ports="22/tcp")
    lab.settle()
    seen = lab.look(pod).workload
    assert seen.desired is RUNNING
    assert "host ports" in seen.reason
    lab.engine.taken_ports.clear()
    lab.pass_time(seconds=1)
    lab.settle()
    assert lab.engine.running() == [f"podd-{pod.id}-1"]


def test_news_about_a_container_nobody_wants_any_more_changes_nothing(lab: Lab) -> None:
    """The start of the old generation fails, succeeds or ends after the owner has moved on."""
    pod = lab.pod(ports="22/tcp")
    old = pod.workload
    lab.settle()
    container = lab.engine.list()[0]
    lab.stop(pod)
    lab.resume(pod)
    before = lab.workload(pod.id)
    for late in (
        lambda tx: workloads.note_phase(tx, old, Phase.STARTING, "late", lab.now),
        lambda tx: workloads.note_running(tx, old, container, lab.now),
        lambda tx: workloads.note_exit(tx, lab.podd, old, container, "late", lab.now),
        lambda tx: workloads.note_refusal(tx, lab.podd, old, "late", lab.now),
        lambda tx: workloads.note_failure(tx, lab.podd, old, "late", lab.now),
        lambda tx: workloads.note_port_taken(tx, lab.podd, old, lab.now),
        lambda tx: workloads.note_gone(tx, old),
    ):
        lab.do(late)
        assert lab.workload(pod.id) == before


# The handover of a GPU


def test_a_gpu_is_never_in_two_containers_while_its_owner_changes(lab: Lab) -> None:
    """The loser takes its time to stop: the winner's container is not made before it is gone."""
    loser = lab.pod(gpu_count=2, bid=20 * CENT)
    lab.settle()
    winner = lab.pod(gpu_count=2)
    with lab.engine.holding("stop"):
        assert lab.begin() == 1
        lab.until(lambda: "stop" in lab.engine.asked)
        assert lab.begin() == 0
    lab.settle()
    assert lab.engine.running() == [f"podd-{winner.id}-1"]
    assert lab.engine.clashes == []
    assert lab.look(loser).workload.phase is Phase.NONE


def test_a_step_that_takes_its_time_is_not_begun_again(lab: Lab) -> None:
    pod = lab.pod()
    with lab.engine.holding("start"):
        assert lab.begin() == 1
        lab.until(lambda: "start" in lab.engine.asked)
        assert [lab.begin() for _ in range(3)] == [0, 0, 0]
    lab.settle()
    assert lab.engine.running() == [f"podd-{pod.id}-1"]
    assert lab.engine.asked.count("start") == 1


def test_a_slow_step_holds_up_nobody_else(lab: Lab) -> None:
    other = lab.pod()
    lab.settle()
    slow = lab.pod()
    with lab.engine.holding("start"):
        lab.begin()
        lab.until(lambda: lab.engine.asked.count("start") == 2)
        lab.stop(other)
        assert lab.begin() == 1
        lab.until(lambda: lab.engine.running() == [])
    lab.settle()
    assert lab.engine.running() == [f"podd-{slow.id}-1"]


def test_containers_that_take_their_time_to_stop_hold_up_nothing_else(new_lab: NewLab) -> None:
    """More of them than may stop at once: the engine is still looked at, and what should run is started."""
    lab = new_lab("a" * 36 + "b", engine_stops_at_once=4)
    slow = [lab.pod() for _ in range(36)]  # more than any pool of threads has by default
    lab.settle()
    with lab.engine.holding("stop"):
        for pod in slow:
            lab.stop(pod)
        lab.begin()
        lab.until(lambda: lab.engine.asked.count("stop") == 4)
        other = lab.pod(gpu_type_ids=(RTX4090,))
        assert lab.begin() == 1
        lab.until(lambda: f"podd-{other.id}-1" in lab.engine.running())
    lab.settle()
    assert lab.engine.running() == [f"podd-{other.id}-1"]


def test_a_gpu_on_its_way_into_a_container_is_not_put_into_another(lab: Lab) -> None:
    """Its pod is stopped while the container is being made; another pod gets the GPU in the books."""
    first = lab.pod(gpu_count=2)
    with lab.engine.holding("start"):
        lab.begin()
        lab.until(lambda: "start" in lab.engine.asked)
        lab.stop(first)
        second = lab.pod(gpu_count=2)
        assert lab.begin() == 0
    lab.settle()
    assert lab.engine.running() == [f"podd-{second.id}-1"]
    assert asked(lab, "start", "remove") == [
        ("start", f"podd-{first.id}-1"),
        ("remove", f"podd-{first.id}-1"),
        ("start", f"podd-{second.id}-1"),
    ]


def test_leaving_waits_for_the_steps_under_way(lab: Lab) -> None:
    pod = lab.pod()
    with lab.engine.holding("start"):
        lab.begin()
        lab.until(lambda: "start" in lab.engine.asked)
    lab.run(lab.reconciler.drain())
    assert lab.engine.running() == [f"podd-{pod.id}-1"]
    assert lab.look(pod).workload.phase is Phase.RUNNING


# Daemons that come and go


def test_a_new_daemon_adopts_what_runs(lab: Lab) -> None:
    running, stopped = lab.pod(), lab.pod()
    lab.settle()
    lab.stop(stopped)
    lab.settle()
    lab.engine.calls.clear()
    before = lab.workloads()
    lab.restart()
    lab.settle()
    assert asked(lab, "start", "stop", "remove", "pull") == []
    assert lab.workloads() == before
    assert lab.engine.running() == [f"podd-{running.id}-1"]


def test_what_happened_while_no_daemon_was_there_is_made_up_for(lab: Lab) -> None:
    ended, lost, unrecorded = lab.pod(), lab.pod(), lab.pod(gpu_type_ids=(RTX4090,))
    lab.settle()
    lab.pass_time(seconds=60)
    lab.engine.crash(f"podd-{ended.id}-1", 3)
    lab.engine.lose(f"podd-{lost.id}-1")
    lab.stop(unrecorded)
    lab.restart()
    lab.settle()
    assert (lab.look(ended).workload.exit_code, lab.look(ended).workload.restarts) == (3, 1)
    assert lab.look(lost).workload.restarts == 1
    assert lab.engine.running() == []
    lab.pass_time(seconds=1)
    lab.settle()
    assert lab.engine.running() == sorted([f"podd-{ended.id}-1", f"podd-{lost.id}-1"])


def test_after_a_reboot_everything_that_should_run_starts_afresh(lab: Lab) -> None:
    pod, stopped = lab.pod(volume=5), lab.pod()
    endpoint = lab.endpoint(gpu_ids="ADA_24", workers_min=1)
    lab.settle()
    lab.stop(stopped)
    worker = lab.worker(endpoint)
    job = lab.submit(endpoint)
    assert lab.taken(worker) == [job.id]
    lab.settle()
    for name in lab.engine.running():
        lab.engine.crash(name, 255)
    lab.pass_time(seconds=30)
    lab.podd.store.close()
    lab._start()
    lab.do(workloads.note_reboot, lab.podd, lab.now)
    lab.settle()
    assert lab.engine.running() == sorted([f"podd-{pod.id}-2", f"podd-{worker.id}-2"])
    assert [c.generation for c in lab.engine.list()] == [2, 2]
    seen = lab.look(pod).workload
    assert (seen.restarts, seen.failures, "exited" in lab.events(pod.id)) == (0, 0, False)
    fresh = lab.worker(endpoint)
    assert (fresh.crashes, fresh.ready_at) == (0, None)
    assert lab.taken(fresh) == [job.id]
    assert lab.job(job).retries == 0


class Life:
    """Wishes, one after the other. A daemon that dies is followed by another, which goes on."""

    def __init__(self, directory: Path, last_call: int, after: bool) -> None:
        self.lab = Lab(directory, "aa")
        self.engine = self.lab.engine
        self.engine.images.clear()
        self.engine.pullable.add(IMAGE)
        self.engine.last_call, self.engine.after = last_call, after
        self.deaths = 0

    def live(self) -> None:
        lab = self.lab
        pod = lab.pod(volume=5, ports="22/tcp", bid=20 * CENT, gpu_count=2)
        self.settle()
        assert lab.engine.running() == [f"podd-{pod.id}-1"]
        lab.clock.advance(seconds=60)
        lab.engine.crash(f"podd-{pod.id}-1", 1)
        self.settle()
        lab.clock.advance(seconds=1)
        self.settle()
        assert lab.engine.running() == [f"podd-{pod.id}-1"]
        assert lab.look(pod).workload.restarts == 1
        other = lab.pod()  # displaces it
        self.settle()
        assert lab.engine.running() == [f"podd-{other.id}-1"]
        lab.terminate(other)
        lab.resume(pod)
        self.settle()
        assert lab.engine.running() == [f"podd-{pod.id}-2"]
        assert lab.look(pod).workload.restarts == 1
        lab.terminate(pod)
        self.settle()
        assert (FakeEngine.list(self.engine), lab.workloads(), lab.claims()) == ([], [], {})
        assert not (lab.podd.volumes / pod.id).exists()

    def settle(self) -> None:
        while True:
            try:
                while self.lab.reconcile():
                    self.check()
                return
            except Died:
                self.deaths += 1
                self.check()
                self.lab.restart()

    def check(self) -> None:
        """What holds at any moment, also right after a death."""
        live = [self.engine.spec(name) for name in FakeEngine.running(self.engine)]
        assert len({spec.workload_id for spec in live}) == len(live)
        assert self.engine.clashes == []


def calls_of_a_whole_life(directory: Path) -> list[str]:
    """The operations the engine is asked for when nobody dies, in order."""
    life = Life(directory, 0, False)
    life.live()
    life.lab.close()
    return life.engine.asked


@pytest.mark.parametrize("after", [False, True], ids=["before it", "right after it"])
def test_a_daemon_may_die_at_any_call_of_the_engine(
    tmp_path_factory: pytest.TempPathFactory, after: bool
) -> None:
    """Right after a call that changes nothing is the same moment as before the next one."""
    calls = calls_of_a_whole_life(tmp_path_factory.mktemp("whole"))
    assert {"list", "has_image", "pull", "start", "stop", "remove"} == set(calls)
    for number, operation in enumerate(calls, start=1):
        if operation == "has_image" or (after and operation == "list"):
            continue
        life = Life(tmp_path_factory.mktemp("cut"), number, after)
        try:
            life.live()
            assert life.deaths == 1
        finally:
            life.lab.close()
