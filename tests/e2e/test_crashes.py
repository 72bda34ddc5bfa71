"""SIGKILL at the worst moments, then a new start: no job and no pod is lost or doubled."""

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psutil
import pytest

from tests.e2e.conftest import NewDaemon
from tests.e2e.daemon import Daemon
from tests.waiting import eventually

HANDLER = """
import os, time, runpod

def handler(job):
    with open(os.environ["RECORD"], "a") as record:
        record.write(job["id"] + "\\n")
    gate = job["input"].get("gate")
    while gate and not os.path.exists(gate):
        time.sleep(0.05)
    return {"echo": job["input"]["n"]}

runpod.serverless.start({"handler": handler})
"""


@pytest.fixture
def record(tmp_path: Path) -> Path:
    """Where the handler notes each job it runs."""
    path = tmp_path / "record"
    path.touch()
    return path


@contextmanager
def submitting(daemon: Daemon, endpoint_id: str, threads: int) -> Iterator[list[str]]:
    """Clients that submit jobs one after another until the daemon is gone; the ids they were given."""
    acknowledged: list[str] = []
    over = threading.Event()
    key = daemon.key

    def submit() -> None:
        with httpx.Client(base_url=daemon.url, trust_env=False) as client, suppress(httpx.HTTPError):
            while not over.is_set():
                answer = client.post(
                    f"/v2/{endpoint_id}/run", json={"input": {}}, headers={"Authorization": key}
                )
                acknowledged.append(answer.json()["id"])

    clients = [threading.Thread(target=submit) for _ in range(threads)]
    for client in clients:
        client.start()
    try:
        yield acknowledged
    finally:
        over.set()
        for client in clients:
            client.join()


def kill_at(daemon: Daemon, event: str, count: int = 1) -> None:
    """SIGKILL as soon as the daemon has said `event` for the `count`-th time in its life."""
    eventually(lambda: len(daemon.log_lines(event)) >= count)
    daemon.kill()


def serving(daemon: Daemon, tmp_path: Path, record: Path) -> str:
    """An endpoint whose one worker runs the handler above."""
    script = tmp_path / "crash_handler.py"
    script.write_text(HANDLER)
    template = daemon.create_template(f"python3 -u {script}", env=[{"key": "RECORD", "value": str(record)}])
    return daemon.save_endpoint(templateId=template, workersMax=1, idleTimeout=30)


def test_86_every_job_that_was_acknowledged_before_a_kill_is_queued_exactly_once(daemon: Daemon) -> None:
    template = daemon.create_template("sleep 1")
    endpoint = daemon.save_endpoint(templateId=template, workersMax=0)
    threads = 8
    with submitting(daemon, endpoint, threads) as acknowledged:
        eventually(lambda: len(acknowledged) > 300)
        daemon.kill()
    daemon.start()

    assert len(set(acknowledged)) == len(acknowledged)
    for job_id in acknowledged:
        assert daemon.status(endpoint, job_id)["status"] == "IN_QUEUE"
    queued = daemon.health(endpoint)["jobs"]["inQueue"]
    # A job may have been stored whose answer the kill cut off; one for each client at most.
    assert len(acknowledged) <= queued <= len(acknowledged) + threads


@pytest.mark.parametrize("moment", ["job queued", "job taken", "job ended"])
def test_jobs_end_once_whatever_moment_the_daemon_is_killed_at(
    new_daemon: NewDaemon, tmp_path: Path, record: Path, moment: str
) -> None:
    daemon = new_daemon().start()
    endpoint = serving(daemon, tmp_path, record)
    first = daemon.run(endpoint, {"n": 0})
    assert daemon.finished(endpoint, first)["status"] == "COMPLETED"

    jobs = [first]
    for n in range(1, 4):
        seen = len(daemon.log_lines(moment))
        killer = threading.Thread(target=kill_at, args=(daemon, moment, seen + 1))
        killer.start()
        with suppress(httpx.HTTPError):
            jobs.append(daemon.run(endpoint, {"n": n}))
        killer.join()
        daemon.start()
        for job_id in jobs:
            assert daemon.finished(endpoint, job_id)["status"] == "COMPLETED"

    # What was stored although its answer was cut off runs as well. A result that was posted while the
    # daemon was away is lost, for the SDK does not try again: such a job runs twice, and still ends once.
    eventually(lambda: daemon.health(endpoint)["jobs"]["inQueue"] == 0)
    eventually(lambda: daemon.health(endpoint)["jobs"]["inProgress"] == 0)
    runs = Counter(record.read_text().split())
    assert set(jobs) <= set(runs)
    assert daemon.health(endpoint)["jobs"] == {
        "completed": len(runs),
        "failed": 0,
        "inProgress": 0,
        "inQueue": 0,
        "retried": 0,
    }


def test_a_job_that_runs_while_the_daemon_is_killed_is_finished_by_the_same_worker(
    daemon: Daemon, tmp_path: Path, record: Path
) -> None:
    endpoint = serving(daemon, tmp_path, record)
    gate = tmp_path / "gate"
    job = daemon.run(endpoint, {"n": 7, "gate": str(gate)})
    eventually(lambda: record.read_text().split() == [job])
    daemon.kill()
    daemon.start()
    gate.touch()

    ended = daemon.finished(endpoint, job)
    assert ended["status"] == "COMPLETED"
    assert ended["output"] == {"echo": 7}
    assert "retries" not in ended
    assert record.read_text().split() == [job]


@pytest.mark.parametrize("moment", ["created", "starting", "running"])
def test_a_pod_has_one_container_whatever_moment_of_its_start_the_daemon_is_killed_at(
    daemon: Daemon, moment: str
) -> None:
    seen = len(daemon.log_lines(moment))
    killer = threading.Thread(target=kill_at, args=(daemon, moment, seen + 1))
    killer.start()
    with suppress(httpx.HTTPError):
        daemon.create_pod("sleep 300", volumeInGb=1)
    killer.join()
    daemon.start()

    pods = daemon.graphql("{ myself { pods { id } } }")["myself"]["pods"]
    assert len(pods) == 1
    pod_id = pods[0]["id"]
    eventually(lambda: daemon.runs(pod_id))
    assert processes_of(pod_id) == 1
    assert daemon.running() == [f"podd-{pod_id}-1"]


def test_a_stopped_daemon_leaves_its_pods_running_and_a_new_start_adopts_them(daemon: Daemon) -> None:
    pod_id = daemon.create_pod("sleep 300")
    eventually(lambda: daemon.runs(pod_id))
    before = process_ids_of(pod_id)
    daemon.restart()

    eventually(lambda: daemon.runs(pod_id))
    assert process_ids_of(pod_id) == before
    assert daemon.running() == [f"podd-{pod_id}-1"]


def test_a_pod_terminated_just_before_a_kill_leaves_nothing_behind(daemon: Daemon) -> None:
    pod_id = daemon.create_pod("sleep 300", volumeInGb=1)
    eventually(lambda: daemon.runs(pod_id))
    volume = daemon.data_dir / "volumes" / pod_id
    assert volume.is_dir()
    daemon.graphql(f'mutation {{ podTerminate(input: {{podId: "{pod_id}"}}) }}')
    daemon.kill()
    daemon.start()

    eventually(lambda: not process_ids_of(pod_id))
    eventually(lambda: not volume.exists())
    assert daemon.pod(pod_id) is None


@pytest.mark.docker
@pytest.mark.parametrize("moment", ["starting", "running"])
def test_a_docker_pod_has_one_container_whatever_moment_of_its_start_the_daemon_is_killed_at(
    daemon: Daemon, moment: str
) -> None:
    image = os.environ.get("PODD_TEST_IMAGE", "podd-test/busybox:latest")
    killer = threading.Thread(target=kill_at, args=(daemon, moment))
    killer.start()
    with suppress(httpx.HTTPError):
        daemon.create_pod("sleep 300", imageName=image)
    killer.join()
    daemon.start()

    pods = daemon.graphql("{ myself { pods { id } } }")["myself"]["pods"]
    assert len(pods) == 1
    pod_id = pods[0]["id"]
    eventually(lambda: daemon.runs(pod_id))
    assert daemon.running() == [f"podd-{pod_id}-1"]


def processes_of(pod_id: str) -> int:
    return len(process_ids_of(pod_id))


def process_ids_of(pod_id: str) -> set[int]:
    """The pod's main processes, found by their environment."""
    return {process.pid for process in psutil.process_iter() if _is_of(process, pod_id)}


def _is_of(process: psutil.Process, pod_id: str) -> bool:
    with suppress(psutil.Error):
        command: Callable[[], list[str]] = process.cmdline
        return process.environ().get("RUNPOD_POD_ID") == pod_id and command()[:1] == ["sleep"]
    return False
