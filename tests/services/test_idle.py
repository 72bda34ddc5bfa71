"""Idle reclaim: whose GPUs stand idle is warned and stopped, and nobody for what podd did not see."""

from collections.abc import Callable
from typing import Any

from podd.domain.account import OPERATOR
from podd.domain.pod import Pod
from podd.domain.use import History
from podd.domain.workload import Desired
from podd.services import idle, quotas
from tests.services.lab import IMAGE, Lab

NewLab = Callable[..., Lab]

POLICY = {"percent": 10, "window_minutes": 30, "grace_minutes": 15}


class Watched:
    """A podd with one running pod, whose GPU is seen once a minute."""

    def __init__(self, new_lab: NewLab, **policy: Any) -> None:
        self.lab = new_lab("aa", more_settings={"idle": {**POLICY, **policy}})
        self.history = History()
        self.pod = self.lab.pod(volume=10)
        self.lab.settle()
        self.now_pod()

    def now_pod(self) -> Pod:
        return self.lab.look(self.pod)

    def minutes(self, count: int, percent: int | None) -> None:
        """So many minutes pass; None: nobody can tell how busy it was. All of its memory is held."""
        for _ in range(count):
            for uuid in ("g0", "g1"):
                use: dict[str, float | None] = {"gpu_percent": percent, "memory_percent": 100}
                self.history.add(uuid, use, self.lab.now)
            self.lab.pass_time(seconds=60)
            self.lab.run(idle.tick(self.lab.podd, self.history, self.lab.now))

    @property
    def told(self) -> list[str]:
        return [kind for kind in self.lab.events(self.pod.id) if kind.startswith("idle")]


def test_an_idle_pod_is_warned_then_stopped_and_keeps_its_volume(new_lab: NewLab) -> None:
    seen = Watched(new_lab)
    seen.minutes(29, 3)
    assert seen.told == []
    seen.minutes(3, 3)
    assert seen.told == ["idle warning"]
    warned = seen.now_pod()
    assert seen.lab.ask(idle.stops_at, seen.lab.podd, warned) == (warned.idle_warned_at or 0) + 15 * 60_000
    seen.minutes(12, 3)
    assert seen.now_pod().workload.desired is Desired.RUNNING
    seen.minutes(5, 3)
    stopped = seen.now_pod()
    assert stopped.workload.desired is Desired.STOPPED
    assert stopped.workload.reason == "Its GPUs were less than 10 % busy over the last 30 minutes."
    assert (stopped.workload.needs.volume, stopped.idle_warned_at) == (10, None)
    assert seen.told == ["idle warning", "idle stop"]


def test_the_warning_is_withdrawn_from_one_that_gets_busy(new_lab: NewLab) -> None:
    seen = Watched(new_lab)
    seen.minutes(32, 0)
    seen.minutes(6, 100)
    assert seen.told == ["idle warning", "idle warning withdrawn"]
    assert seen.now_pod().idle_warned_at is None
    seen.minutes(20, 0)
    assert seen.now_pod().workload.desired is Desired.RUNNING


def test_after_a_restart_of_podd_nobody_is_stopped_before_a_whole_window_was_seen(new_lab: NewLab) -> None:
    seen = Watched(new_lab)
    seen.minutes(32, 0)
    assert seen.told == ["idle warning"]
    seen.lab.restart()
    seen.history = History()
    seen.minutes(29, 0)
    assert seen.now_pod().workload.desired is Desired.RUNNING
    seen.minutes(3, 0)
    assert seen.now_pod().workload.desired is Desired.STOPPED


def test_what_nobody_can_tell_is_not_idle(new_lab: NewLab) -> None:
    seen = Watched(new_lab)
    seen.minutes(60, None)
    seen.minutes(15, 0)
    assert seen.told == []


def test_the_operator_exempts_a_pod_and_takes_that_back(new_lab: NewLab) -> None:
    seen = Watched(new_lab)
    seen.minutes(32, 0)
    seen.lab.do(idle.exempt, OPERATOR, seen.pod.id, True, seen.lab.now)
    seen.minutes(60, 0)
    assert seen.told == ["idle warning", "idle exemption", "idle warning withdrawn"]
    seen.lab.do(idle.exempt, OPERATOR, seen.pod.id, False, seen.lab.now)
    seen.minutes(1, 0)
    assert seen.told[-1] == "idle warning"


def test_an_account_has_a_policy_of_its_own(new_lab: NewLab) -> None:
    seen = Watched(new_lab, percent=0)
    seen.minutes(40, 0)
    assert seen.told == []
    own = {"idle_percent": 20, "idle_window_minutes": 10, "idle_grace_minutes": 5}
    seen.lab.do(quotas.change, seen.lab.podd, OPERATOR, "ada@example.org", own)
    seen.minutes(5, 15)
    assert seen.told == ["idle warning"]
    seen.minutes(1, 15)
    assert seen.told == ["idle warning", "idle stop"]


def test_at_exempt_times_of_the_day_nobody_is_judged(new_lab: NewLab) -> None:
    seen = Watched(new_lab, exempt_hours=["00:00-12:00", "12:00-00:00"], time_zone="Europe/Berlin")
    seen.minutes(100, 0)
    assert seen.told == []


def test_a_pod_without_gpus_is_left_alone(new_lab: NewLab) -> None:
    seen = Watched(new_lab)
    cpu = seen.lab.pod(gpu_type_ids=(), gpu_count=0, image=IMAGE)
    seen.lab.settle()
    seen.minutes(60, 0)
    assert seen.lab.look(cpu).workload.desired is Desired.RUNNING


def test_a_resumed_pod_is_judged_afresh(new_lab: NewLab) -> None:
    seen = Watched(new_lab)
    seen.minutes(32, 0)
    seen.lab.stop(seen.pod)
    seen.lab.settle()
    seen.lab.resume(seen.pod)
    seen.lab.settle()
    seen.minutes(20, 0)
    assert seen.now_pod().idle_warned_at is None
    assert seen.told == ["idle warning"]
