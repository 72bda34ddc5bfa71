"""Several releases of the worker SDK, as they are and with the accelerator: what jobs come to, in which
order, how many at once, and how a worker stops must be the same.

Numbers in names are those of the conformance scenarios podd was planned with.
"""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
import pytest

from podd.processes import record
from tests.e2e.daemon import Daemon
from tests.waiting import eventually

Json = dict[str, Any]

INSTALLED = version("runpod")
EndpointOf = Callable[[str], str]


@dataclass(frozen=True)
class Worker:
    """What an endpoint's workers are: a release of the SDK, with the accelerator or without."""

    sdk: str
    accelerated: bool
    env: dict[str, str]

    @property
    def stops_jobs(self) -> bool:
        """Whether it asks which jobs to stop."""
        return tuple(map(int, self.sdk.split("."))) >= (1, 10)


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path | None]:
    """The directory of a release of the SDK; None for the one installed here."""
    places: dict[str, Path] = {}

    def find(wanted: str) -> Path | None:
        if wanted == INSTALLED:
            return None
        if wanted not in places:
            place = tmp_path_factory.mktemp("sdk")
            uv = Path(sys.executable).with_name("uv")
            install = [str(uv), "pip", "install", "-q", "--python", sys.executable, "--target", str(place)]
            subprocess.run([*install, f"runpod=={wanted}"], check=True, timeout=110)
            places[wanted] = place
        return places[wanted]

    return find


@pytest.fixture(
    scope="module",
    params=[(INSTALLED, True), (INSTALLED, False), ("1.7.13", True), ("1.7.13", False)],
    ids=lambda how: f"{how[0]}-{'accelerated' if how[1] else 'plain'}",
)
def worker(request: pytest.FixtureRequest, release: Callable[[str], Path | None]) -> Worker:
    sdk, accelerated = request.param
    place = release(sdk)
    env = {"PYTHONPATH": str(place)} if place else {}
    return Worker(sdk, accelerated, env if accelerated else {**env, "PODD_ACCELERATE": "0"})


@pytest.fixture(scope="module")
def endpoint_of(shared_daemon: Daemon, worker: Worker) -> Iterator[EndpointOf]:
    """An endpoint with one such worker that runs the handler of this name: the same for all tests."""
    made: dict[str, str] = {}

    def find(handler: str) -> str:
        if handler not in made:
            made[handler] = shared_daemon.create_endpoint(
                handler, env=worker.env, workersMin=1, workersMax=1, idleTimeout=60
            )
        return made[handler]

    yield find
    for endpoint_id in made.values():
        shared_daemon.delete_endpoint(endpoint_id)


def ended(daemon: Daemon, endpoint_id: str, *inputs: Any) -> list[Json]:
    """The jobs with these inputs, queued at once, when all are over."""
    ids = [daemon.run(endpoint_id, input) for input in inputs]
    return [daemon.finished(endpoint_id, job_id) for job_id in ids]


def process_of(daemon: Daemon, endpoint_id: str) -> psutil.Process:
    """The main process of the endpoint's one worker."""
    (container,) = daemon.running(endpoint_id)
    found = record.read(daemon.data_dir / "processes" / container)
    assert found is not None
    assert found.state is not None
    return psutil.Process(found.state["pid"])


def test_78_69_results_and_how_many_at_once(
    shared_daemon: Daemon, worker: Worker, endpoint_of: EndpointOf
) -> None:
    endpoint = endpoint_of("four")
    (sdk,) = ended(shared_daemon, endpoint, {"tell sdk": True})
    assert (sdk["output"]["version"], sdk["output"]["accelerated"]) == (worker.sdk, worker.accelerated)
    if "PYTHONPATH" in worker.env:
        assert worker.env["PYTHONPATH"] in sdk["output"]["path"]
    wishes = [{"return": "h\u00e9"}, {"raise": "no such prompt"}, {"not a number": True}]
    echo, broken, odd = ended(shared_daemon, endpoint, *wishes)
    assert (echo["status"], echo["output"]) == ("COMPLETED", "h\u00e9")
    assert broken["status"] == "FAILED"
    assert "no such prompt" in broken["error"]
    assert odd["output"] == {"nan": None, "inf": [None]}
    most = 0

    def all_done() -> bool:
        nonlocal most
        jobs = shared_daemon.health(endpoint)["jobs"]
        most = max(most, jobs["inProgress"])
        return bool(jobs["completed"] == 3 + 8)

    for _ in range(8):
        shared_daemon.run(endpoint, {"sleep": 0.5})
    eventually(all_done)
    assert most <= 4
    assert shared_daemon.health(endpoint)["jobs"]["retried"] == 0


def test_78_a_generators_parts_become_its_result(shared_daemon: Daemon, endpoint_of: EndpointOf) -> None:
    (job,) = ended(shared_daemon, endpoint_of("aggregate"), {"parts": [1, 2, 3]})
    assert (job["status"], job["output"]) == ("COMPLETED", [1, 2, 3])


def test_78_with_one_slot_jobs_run_one_by_one_in_the_order_they_came(
    shared_daemon: Daemon, worker: Worker, endpoint_of: EndpointOf, tmp_path: Path
) -> None:
    endpoint = endpoint_of("single")
    notes = tmp_path / "notes"
    number = 40 if worker.accelerated else 3
    ids = [shared_daemon.run(endpoint, {"append": str(notes)}) for _ in range(number)]
    most = 0

    def all_done() -> bool:
        nonlocal most
        jobs = shared_daemon.health(endpoint)["jobs"]
        most = max(most, jobs["inProgress"])
        return bool(jobs["inQueue"] + jobs["inProgress"] == 0)

    eventually(all_done)
    assert notes.read_text().split() == ids
    assert most <= 1


def test_43_44_45_78_a_cancelled_job_leaves_its_worker_free(
    shared_daemon: Daemon, worker: Worker, endpoint_of: EndpointOf
) -> None:
    """One that does not ask which jobs to stop is started afresh."""
    endpoint = endpoint_of("single")
    (before,) = ended(shared_daemon, endpoint, {"tell process": True})
    job_id = shared_daemon.run(endpoint, {"sleep": 60})
    eventually(lambda: shared_daemon.status(endpoint, job_id)["status"] == "IN_PROGRESS")
    shared_daemon.http("POST", f"/v2/{endpoint}/cancel/{job_id}")
    (after,) = ended(shared_daemon, endpoint, {"tell process": True})
    assert after["status"] == "COMPLETED"
    assert (after["output"]["pid"] == before["output"]["pid"]) is worker.stops_jobs
    assert shared_daemon.status(endpoint, job_id)["status"] == "CANCELLED"


def test_89_90_a_worker_that_always_starts_afresh_takes_no_second_job(
    shared_daemon: Daemon, endpoint_of: EndpointOf
) -> None:
    endpoint = endpoint_of("fresh")
    jobs = ended(shared_daemon, endpoint, {"tell process": True}, {"tell process": True})
    assert [job["output"]["jobs"] for job in jobs] == [1, 1]
    assert shared_daemon.health(endpoint)["jobs"]["retried"] == 0


def test_a_worker_that_is_told_to_end_finishes_its_job_first(
    shared_daemon: Daemon, endpoint_of: EndpointOf, tmp_path: Path
) -> None:
    endpoint = endpoint_of("single")
    begun, gate = tmp_path / "begun", tmp_path / "go on"
    job_id = shared_daemon.run(endpoint, {"begin": str(begun), "until": str(gate), "return": "in peace"})
    eventually(begun.exists, 20)  # one that it has not read yet is never run: the SDK forgets it
    process = process_of(shared_daemon, endpoint)
    process.send_signal(signal.SIGTERM)
    gate.touch()
    job = shared_daemon.finished(endpoint, job_id)
    assert (job["status"], job["output"]) == ("COMPLETED", "in peace")
    assert "retries" not in job
    eventually(lambda: not process.is_running())


@pytest.mark.parametrize("sdk", ["1.5.0", "1.6.2"])
def test_78_releases_before_the_long_poll_do_their_jobs(
    shared_daemon: Daemon, release: Callable[[str], Path | None], sdk: str
) -> None:
    env = {"PYTHONPATH": str(release(sdk))}
    endpoints = {
        handler: shared_daemon.create_endpoint(handler, env=env, workersMin=1, workersMax=1)
        for handler in ("single", "aggregate")
    }
    wishes = [{"tell sdk": True}, {"return": "h\u00e9"}, {"raise": "no such prompt"}]
    told, echo, broken = ended(shared_daemon, endpoints["single"], *wishes)
    assert (told["output"]["version"], told["output"]["accelerated"]) == (sdk, False)
    assert (echo["status"], echo["output"]) == ("COMPLETED", "h\u00e9")
    assert broken["status"] == "FAILED"
    assert "no such prompt" in broken["error"]
    (parts,) = ended(shared_daemon, endpoints["aggregate"], {"parts": [1, 2, 3]})
    assert (parts["status"], parts["output"]) == ("COMPLETED", [1, 2, 3])
    for endpoint_id in endpoints.values():
        shared_daemon.delete_endpoint(endpoint_id)
