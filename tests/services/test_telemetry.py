"""How busy everything is, and was."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from podd.domain.use import MINUTE, MINUTES_KEPT, History
from podd.domain.words import Port
from podd.ports import EngineError, GpuUse, Stats
from podd.services import explain
from podd.services.telemetry import Telemetry
from tests.fakes import FakeGpuProbe
from tests.services.lab import Lab


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path / "lab", gpus_settings={"sample_seconds": 0.4})
    yield lab
    lab.close()


class SlowEngine:
    """Answers about all containers but one, which it never gets done with until it is told to."""

    def __init__(self, lab: Lab, slow: str) -> None:
        self._engine, self._slow, self._lab = lab.engine, slow, lab

    def stats(self, name: str) -> Stats:
        if name == self._slow:
            self._lab.engine._thawed.wait()
        self._lab.engine.calls.append(("stats", name))
        return self._lab.engine.use


def test_a_tick_samples_gpus_and_containers(lab: Lab) -> None:
    pod = lab.pod()
    lab.settle()
    sampler = Telemetry(lab.podd, lab.engine, FakeGpuProbe(use={"g0": GpuUse(40, 50, 200.5, 61)}))
    lab.run(sampler.tick(lab.now))
    assert sampler.gpus["g0"] == GpuUse(40, 50, 200.5, 61)
    assert sampler.containers[pod.id].use.cpu_percent == 12.5
    (minute,) = sampler.history.of("g0")
    assert minute.means == {"gpu_percent": 40, "memory_percent": 50, "watts": 200.5, "celsius": 61}
    assert sampler.history.of(pod.id)[0].means == {"cpu_percent": 12.5, "memory_mb": 16}


def test_a_sample_says_which_declared_ports_nothing_listens_at(lab: Lab) -> None:
    pod = lab.pod(ports="8888/http,22/tcp,70000/tcp,53/udp,9000/http")
    lab.settle()
    symmetric = next(port for port in lab.look(pod).workload.published if port.container == 70000)
    there = {("tcp", 8888), ("tcp", symmetric.host), ("udp", 53), ("tcp", 53), ("udp", 22)}
    lab.engine.use = replace(lab.engine.use, listening=frozenset(there))
    sampler = Telemetry(lab.podd, lab.engine, FakeGpuProbe())
    lab.run(sampler.tick(lab.now))
    assert sampler.containers[pod.id].deaf == (Port(22, "tcp"), Port(9000, "http"))
    assert sampler.history.of(pod.id)[0].means["deaf_ports"] == 2
    said = lab.ask(explain.pod, lab.podd, lab.caller, pod.id, lab.now, sampler)
    assert "Nothing listens in its container at 22/tcp, 9000/http." in said
    lab.engine.use = replace(lab.engine.use, listening=None)
    lab.run(sampler.tick(lab.now))
    assert sampler.containers[pod.id].deaf is None


def test_a_sample_bears_the_time_at_which_it_was_taken(lab: Lab) -> None:
    pod = lab.pod()
    lab.settle()
    engine: Any = SlowEngine(lab, lab.look(pod).workload.container_name)
    sampler = Telemetry(lab.podd, engine, FakeGpuProbe())
    lab.engine.freeze()
    lab.run(sampler.tick(lab.now))
    lab.pass_time(seconds=7)
    lab.engine.thaw()
    lab.until(lambda: pod.id in sampler.containers)
    taken = lab.now
    lab.pass_time(seconds=7)
    assert sampler.containers[pod.id].at == taken


def test_what_cannot_be_read_or_runs_no_more_has_no_sample(lab: Lab) -> None:
    first, second = lab.pod(), lab.pod()
    lab.settle()
    sampler = Telemetry(lab.podd, lab.engine, FakeGpuProbe())
    lab.run(sampler.tick(lab.now))
    assert sampler.containers.keys() == {first.id, second.id}
    lab.engine.fail_next("stats", EngineError("busy"))
    lab.stop(second)
    lab.settle()
    lab.run(sampler.tick(lab.now))
    assert sampler.containers == {}


def test_a_slow_container_delays_no_other_and_is_asked_once(lab: Lab) -> None:
    slow, quick = lab.pod(), lab.pod()
    lab.settle()
    engine: Any = SlowEngine(lab, lab.look(slow).workload.container_name)
    sampler = Telemetry(lab.podd, engine, FakeGpuProbe())
    lab.engine.freeze()
    lab.run(sampler.tick(lab.now))
    lab.run(sampler.tick(lab.now))
    assert sampler.containers.keys() == {quick.id}
    lab.engine.thaw()
    lab.until(lambda: slow.id in sampler.containers)
    assert len([call for call in lab.engine.calls if call[0] == "stats"]) == 3


def test_minutes_are_means_and_a_day_is_kept() -> None:
    history = History()
    for number in range(MINUTES_KEPT + 100):
        for value in (10, 20, None):
            history.add("gpu", {"gpu_percent": value, "watts": None}, number * MINUTE)
    now = (MINUTES_KEPT + 99) * MINUTE
    history.add("idle", {"gpu_percent": 0}, now - MINUTES_KEPT * MINUTE - MINUTE)
    history.forget(now)
    minutes = history.of("gpu")
    assert len(minutes) == MINUTES_KEPT + 1
    assert {tuple(minute.means.items()) for minute in minutes} == {(("gpu_percent", 15),)}
    assert history.mean("gpu", "gpu_percent", now - 60 * MINUTE) == 15
    assert history.mean("gpu", "watts", 0) is None
    assert history.of("idle") == []
