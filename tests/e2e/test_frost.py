"""FlashBoot with the unmodified worker SDK: frozen, thawed, and nothing lost on the way."""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from podd.domain.container import ContainerState
from tests.e2e.daemon import Daemon
from tests.waiting import eventually

IMAGE = os.environ.get("PODD_TEST_WORKER_IMAGE", "podd-test/worker:latest")
COUNTING = """python3 -u -c 'import os, runpod
jobs = []
def count(job):
    jobs.append(1)
    return {"pid": os.getpid(), "jobs": len(jobs)}
runpod.serverless.start({"handler": count})'"""


@pytest.fixture(params=["process", pytest.param("docker", marks=pytest.mark.docker)])
def daemon(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Daemon]:
    daemon = Daemon(tmp_path, engine=request.param, gpus=1)
    try:
        yield daemon.start()
    finally:
        daemon.close()


def counting_endpoint(daemon: Daemon, **wish: Any) -> str:
    """An endpoint whose workers say which process they are and how many jobs it has done. It freezes them
    after a second."""
    template = daemon.create_template(COUNTING, image=IMAGE)
    return daemon.save_endpoint(
        templateId=template, idleTimeout=1, workersMax=1, **{"flashBootType": "FLASHBOOT", **wish}
    )


def states(daemon: Daemon) -> list[ContainerState]:
    engine = daemon.containers()
    try:
        return [container.state for container in engine.list()]
    finally:
        engine.close()


def frozen(daemon: Daemon) -> bool:
    return states(daemon) == [ContainerState.PAUSED]


def frozen_so_often(daemon: Daemon, number: int) -> bool:
    return len(daemon.log_lines("frozen")) >= number


def finish(daemon: Daemon, endpoint_id: str) -> Any:
    return daemon.finished(endpoint_id, daemon.run(endpoint_id, {"a": 1}), 60)


def test_a_frozen_worker_goes_on_with_what_it_had_loaded(daemon: Daemon) -> None:
    endpoint_id = counting_endpoint(daemon)
    first = finish(daemon, endpoint_id)["output"]
    for number in (2, 3):
        eventually(lambda: frozen(daemon))
        done = finish(daemon, endpoint_id)
        assert (done["status"], done["output"], done.get("retries", 0)) == (
            "COMPLETED",
            {"pid": first["pid"], "jobs": number},
            0,
        )


def test_jobs_that_come_just_as_a_worker_is_frozen_are_not_lost(daemon: Daemon) -> None:
    """The freeze is found out by its event, and each job is sent at once: the container may not even be
    paused yet."""
    endpoint_id = counting_endpoint(daemon)
    finish(daemon, endpoint_id)
    for number in range(1, 4):
        eventually(partial(frozen_so_often, daemon, number))
        done = finish(daemon, endpoint_id)
        assert (done["status"], done.get("retries", 0)) == ("COMPLETED", 0)


def test_a_daemon_that_was_killed_thaws_what_the_one_before_froze(daemon: Daemon) -> None:
    endpoint_id = counting_endpoint(daemon)
    first = finish(daemon, endpoint_id)["output"]
    eventually(lambda: frozen(daemon))
    daemon.kill()
    daemon.start()
    assert finish(daemon, endpoint_id)["output"] == {"pid": first["pid"], "jobs": 2}


def test_a_pod_gets_the_gpu_of_a_frozen_worker(daemon: Daemon) -> None:
    endpoint_id = counting_endpoint(daemon)
    finish(daemon, endpoint_id)
    eventually(lambda: frozen(daemon))
    pod_id = daemon.create_pod("sleep 1000", imageName=IMAGE)
    eventually(lambda: daemon.runs(pod_id))
    assert states(daemon) == [ContainerState.RUNNING]


def test_no_accepted_job_is_lost_while_a_new_version_is_rolled_out(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, gpus=2)
    try:
        daemon.start()
        template = daemon.create_template(COUNTING, image=IMAGE)
        endpoint_id = daemon.save_endpoint(
            templateId=template, workersMin=2, workersMax=2, idleTimeout=60, scalerValue=1
        )
        job_ids = [daemon.run(endpoint_id, number) for number in range(4)]
        eventually(lambda: len(daemon.log_lines("ready")) >= 2)
        daemon.save_endpoint(
            id=endpoint_id,
            templateId=daemon.create_template(COUNTING, image=IMAGE, env=[{"key": "NEW", "value": "1"}]),
            workersMin=2,
            workersMax=2,
            name="rolled out",
            gpuIds="AMPERE_48",
        )
        while len(daemon.log_lines("ready")) < 4:
            job_ids.append(daemon.run(endpoint_id, len(job_ids)))
            daemon.finished(endpoint_id, job_ids[-1])
        for job_id in job_ids:
            done = daemon.finished(endpoint_id, job_id)
            assert (done["status"], done.get("retries", 0)) == ("COMPLETED", 0)
    finally:
        daemon.close()
