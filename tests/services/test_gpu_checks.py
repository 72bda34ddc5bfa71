"""Containers that lose their GPUs while they run."""

from functools import partial
from pathlib import Path

import pytest

from podd.domain import gpu_loss
from podd.domain.workload import Phase
from podd.ports import ExecResult
from podd.services.gpu_checks import GpuChecks
from tests.fakes import Behaviour, Running
from tests.services.lab import Lab

SMI, OPEN = gpu_loss.QUESTIONS
WELL = ExecResult(0, "GPU 0: NVIDIA RTX A6000 (UUID: g0)\n")
LOST = ExecResult(255, "Failed to initialize NVML: Unknown Error\n")


def answers(lab: Lab, **said: ExecResult) -> None:
    """What is found inside containers: `smi` and `open`, missing unless given."""
    commands = {"smi": SMI, "open": OPEN}
    lab.engine.behaviours[()] = Behaviour(
        commands={commands[name]: partial(_say, result) for name, result in said.items()}
    )


def _say(result: ExecResult, _inside: Running) -> ExecResult:
    return result


def check(lab: Lab) -> None:
    lab.run(GpuChecks(lab.podd, lab.engine).tick(lab.now))


def test_a_pod_that_lost_its_gpus_is_shown_until_it_has_them_again(lab: Lab) -> None:
    pod = lab.pod()
    lab.settle()
    answers(lab, smi=WELL)
    check(lab)
    assert lab.look(pod).workload.trouble == ""
    answers(lab, smi=LOST)
    check(lab)
    check(lab)
    assert "lost its GPUs" in lab.look(pod).workload.trouble
    assert lab.events(pod.id).count("gpus lost") == 1
    assert lab.look(pod).workload.restart_of == 0
    answers(lab, smi=WELL)
    check(lab)
    assert lab.look(pod).workload.trouble == ""
    assert "gpus back" in lab.events(pod.id)


def test_where_nothing_tells_nothing_is_concluded(lab: Lab) -> None:
    pod = lab.pod()
    lab.settle()
    check(lab)
    answers(lab, open=ExecResult(2, "sh: 1: cannot open /dev/nvidiactl: No such file"))
    check(lab)
    assert lab.look(pod).workload.gpus_lost_at is None
    answers(lab, open=ExecResult(2, "sh: 1: cannot open /dev/nvidiactl: Operation not permitted"))
    check(lab)
    assert lab.look(pod).workload.gpus_lost_at == lab.now


def test_a_pod_is_restarted_where_the_operator_wishes_it(tmp_path: Path) -> None:
    lab = Lab(tmp_path / "podd", gpus_settings={"restart_pods_without_gpus": True})
    try:
        pod = lab.pod()
        lab.settle()
        lab.pass_time(seconds=5)
        answers(lab, smi=LOST)
        check(lab)
        lab.settle()
        now = lab.look(pod).workload
        assert (now.started_at, now.gpus_lost_at, now.generation) == (lab.now, None, 1)
    finally:
        lab.close()


@pytest.mark.parametrize("busy", [False, True])
def test_a_worker_makes_place_for_a_fresh_one_once_it_holds_nothing(lab: Lab, busy: bool) -> None:
    endpoint = lab.endpoint(workers_min=1, workers_max=1)
    lab.settle()
    worker = lab.worker(endpoint)
    job = lab.submit(endpoint)
    taken = lab.take_one(worker) if busy else None
    answers(lab, smi=LOST)
    check(lab)
    answers(lab, smi=WELL)
    if taken:
        assert lab.worker(endpoint).id == worker.id
        lab.done(worker, job)
    lab.settle()
    now = lab.worker(endpoint)
    assert now.id != worker.id
    assert (now.workload.phase, now.doors_closed) == (Phase.RUNNING, False)
    assert len(lab.engine.running()) == 1
