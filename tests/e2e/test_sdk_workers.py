"""The life of workers that run the unmodified worker SDK, on a real daemon.

Numbers in names are those of the conformance scenarios podd was planned with.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from podd.processes import record
from tests.e2e.daemon import Daemon, worker_command
from tests.records import records
from tests.waiting import eventually

Json = dict[str, Any]
NewEndpoint = Callable[..., str]


@pytest.fixture
def new_endpoint(shared_daemon: Daemon) -> Iterator[NewEndpoint]:
    """Makes endpoints that are deleted after the test; their workers leave when they can."""
    made: list[str] = []

    def new(handler: str, **wish: Any) -> str:
        made.append(shared_daemon.create_endpoint(handler, **wish))
        return made[-1]

    yield new
    for endpoint_id in made:
        shared_daemon.delete_endpoint(endpoint_id)


def finish(daemon: Daemon, endpoint_id: str, input: Any, **request: Any) -> Json:
    return daemon.finished(endpoint_id, daemon.run(endpoint_id, input, **request))


def taken(daemon: Daemon, endpoint_id: str, input: Any, **request: Any) -> str:
    """A job that a worker has; its id."""
    job_id = daemon.run(endpoint_id, input, **request)
    eventually(lambda: daemon.status(endpoint_id, job_id)["status"] == "IN_PROGRESS")
    return job_id


def kill(daemon: Daemon, container: str) -> None:
    """SIGKILL for the container's main process, as by the kernel when memory is short."""
    found = record.read(daemon.data_dir / "processes" / container)
    assert found is not None
    assert found.state is not None
    os.kill(found.state["pid"], signal.SIGKILL)


# Coming and going


def test_3_94_52_a_worker_comes_for_the_first_job_and_goes_when_idle(
    shared_daemon: Daemon, new_endpoint: NewEndpoint
) -> None:
    endpoint = new_endpoint("single", workersMax=0)
    first = shared_daemon.run(endpoint, {"tell process": True})
    assert shared_daemon.status(endpoint, first) == {"id": first, "status": "IN_QUEUE"}
    shared_daemon.save_endpoint(id=endpoint, workersMax=2, idleTimeout=2)
    done = shared_daemon.finished(endpoint, first)
    assert done["status"] == "COMPLETED"
    warm = finish(shared_daemon, endpoint, {"tell process": True})
    assert (warm["workerId"], warm["output"]["pid"]) == (done["workerId"], done["output"]["pid"])
    assert warm["output"]["jobs"] == 2
    eventually(lambda: shared_daemon.running(endpoint) == [])
    workers = shared_daemon.health(endpoint)["workers"]
    assert (workers["running"], workers["initializing"]) == (0, 0)
    assert workers["idle"] >= 1
    cold = finish(shared_daemon, endpoint, {"tell process": True})
    assert cold["output"]["jobs"] == 1


def at(line: Json) -> float:
    return datetime.fromisoformat(line["timestamp"]).timestamp()


def test_91_92_an_idle_worker_leaves_within_seconds_and_a_job_that_comes_meanwhile_is_anothers(
    shared_daemon: Daemon, new_endpoint: NewEndpoint
) -> None:
    endpoint = new_endpoint("single", workersMax=1, idleTimeout=1)
    worker_id = finish(shared_daemon, endpoint, {"return": 1})["workerId"]

    def line(event: str, subject: str) -> Json | None:
        lines = shared_daemon.log_lines(event)
        return next((line for line in lines if worker_id in line[subject]), None)

    eventually(lambda: line("stopped", "subject"))
    late = finish(shared_daemon, endpoint, {"return": "late"})
    assert (late["status"], late["output"]) == ("COMPLETED", "late")
    assert late["workerId"] != worker_id
    assert "retries" not in late
    eventually(lambda: line("container removed", "container"))
    stopped, removed = line("stopped", "subject"), line("container removed", "container")
    assert stopped is not None
    assert removed is not None
    assert at(removed) - at(stopped) < 5


def test_69_a_worker_does_as_many_jobs_at_once_as_it_says(
    shared_daemon: Daemon, new_endpoint: NewEndpoint, tmp_path: Path
) -> None:
    endpoint = new_endpoint("four", workersMin=1, workersMax=1)
    until = tmp_path / "go on"
    ids = [shared_daemon.run(endpoint, {"until": str(until)}) for _ in range(8)]
    eventually(lambda: shared_daemon.health(endpoint)["jobs"]["inProgress"] == 4)
    health = shared_daemon.health(endpoint)
    assert (health["jobs"]["inQueue"], health["workers"]["running"]) == (4, 1)
    until.touch()
    eventually(lambda: shared_daemon.health(endpoint)["jobs"]["completed"] == 8)
    assert len({shared_daemon.status(endpoint, job_id)["workerId"] for job_id in ids}) == 1


# While a job runs


def test_74_progress_is_shown_while_the_job_runs(
    shared_daemon: Daemon, new_endpoint: NewEndpoint, tmp_path: Path
) -> None:
    endpoint = new_endpoint("telling", workersMax=1)
    until = tmp_path / "go on"
    job_id = shared_daemon.run(endpoint, {"progress": "50% \u2026", "until": str(until)})
    eventually(lambda: shared_daemon.status(endpoint, job_id).get("output") == "50% \u2026")
    assert shared_daemon.status(endpoint, job_id)["status"] == "IN_PROGRESS"
    until.touch()
    assert shared_daemon.finished(endpoint, job_id)["output"] == "done"


def test_44_46_42_cancelling_what_does_not_listen(shared_daemon: Daemon, new_endpoint: NewEndpoint) -> None:
    """A blocking handler cannot be interrupted. One that ends soon keeps its worker, though nobody listens to
    its result; one that goes on loses it. What was only queued never starts."""
    endpoint = new_endpoint("busy", workersMax=1, idleTimeout=30)
    process = finish(shared_daemon, endpoint, {"tell process": True})["output"]["pid"]
    short = taken(shared_daemon, endpoint, {"sleep": 1, "return": "late"})
    queued = shared_daemon.run(endpoint, {"return": "never"})
    for job_id in (queued, short):
        cancelled = shared_daemon.http("POST", f"/v2/{endpoint}/cancel/{job_id}").json()
        assert cancelled["status"] == "CANCELLED"
    after = finish(shared_daemon, endpoint, {"tell process": True})["output"]
    assert (after["pid"], after["jobs"]) == (process, 3)
    assert shared_daemon.status(endpoint, short)["status"] == "CANCELLED"
    assert "output" not in shared_daemon.status(endpoint, short)
    assert shared_daemon.status(endpoint, queued)["status"] == "CANCELLED"
    long = taken(shared_daemon, endpoint, {"sleep": 60})
    shared_daemon.http("POST", f"/v2/{endpoint}/cancel/{long}")
    fresh = finish(shared_daemon, endpoint, {"tell process": True})
    assert (fresh["status"], fresh["output"]["jobs"]) == ("COMPLETED", 1)
    assert fresh["output"]["pid"] != process


def test_53_54_a_job_past_its_time_fails_and_the_next_one_runs(
    shared_daemon: Daemon, new_endpoint: NewEndpoint
) -> None:
    endpoint = new_endpoint("busy", workersMax=1, idleTimeout=30, executionTimeoutMs=1500)
    job = finish(shared_daemon, endpoint, {"sleep": 30})
    assert (job["status"], job["error"]) == ("FAILED", "executionTimeout exceeded")
    assert 1500 <= job["executionTime"] < 6000
    longer = finish(shared_daemon, endpoint, {"sleep": 2, "return": 1}, policy={"executionTimeout": 20000})
    assert longer["status"] == "COMPLETED"


def test_85_a_job_goes_on_while_the_daemon_is_restarted(
    shared_daemon: Daemon, new_endpoint: NewEndpoint, tmp_path: Path
) -> None:
    endpoint = new_endpoint("single", workersMax=1, idleTimeout=30)
    before = finish(shared_daemon, endpoint, {"tell process": True})
    record, gate = tmp_path / "record", tmp_path / "go on"
    wish = {"until": str(gate), "append": str(record), "return": "survived"}
    job_id = taken(shared_daemon, endpoint, wish)
    shared_daemon.restart()
    gate.touch()  # not before: the SDK posts a result for five seconds at most
    job = shared_daemon.finished(endpoint, job_id)
    assert (job["status"], job["output"], job["workerId"]) == ("COMPLETED", "survived", before["workerId"])
    assert "retries" not in job
    assert record.read_text().split() == [job_id]
    after = finish(shared_daemon, endpoint, {"tell process": True})
    assert after["output"]["pid"] == before["output"]["pid"]


# What a worker says about itself


def test_79_a_worker_whose_own_checks_fail_is_unhealthy_with_its_reason(
    shared_daemon: Daemon, new_endpoint: NewEndpoint
) -> None:
    """They are off unless an endpoint wants them: see every other test."""
    checks = {"RUNPOD_SKIP_AUTO_SYSTEM_CHECKS": "false", "RUNPOD_MIN_MEMORY_GB": "1000000"}
    endpoint = new_endpoint("single", env=checks, workersMin=1, workersMax=1)
    eventually(lambda: shared_daemon.health(endpoint)["workers"]["unhealthy"] == 1)
    (worker,) = shared_daemon.workers(endpoint)
    assert "check" in worker["lastStatusChange"]
    assert "memory" in worker["lastStatusChange"].lower()


def test_80_a_jobs_lines_are_found_in_its_workers_log(
    shared_daemon: Daemon, new_endpoint: NewEndpoint
) -> None:
    endpoint = new_endpoint("single", workersMax=1, idleTimeout=60)
    first, second = (finish(shared_daemon, endpoint, {"return": n}) for n in (1, 2))
    (container,) = shared_daemon.running(endpoint)

    def lines_of(job: Json) -> list[str]:
        told = records("\n".join(shared_daemon.written_by(container)))
        return [line["message"] for line in told if line["requestId"] == job["id"]]

    eventually(lambda: "Finished." in lines_of(second))
    for job in (first, second):
        assert {"Started.", "Finished."} <= set(lines_of(job))


# Crashes


def test_81_82_a_job_is_tried_once_more_after_a_crash(
    shared_daemon: Daemon, new_endpoint: NewEndpoint, tmp_path: Path
) -> None:
    endpoint = new_endpoint("single", workersMax=3)
    once = finish(
        shared_daemon, endpoint, {"crash unless": str(tmp_path / "crashed"), "return": "second try"}
    )
    assert (once["status"], once["output"], once["retries"]) == ("COMPLETED", "second try", 1)
    twice = finish(shared_daemon, endpoint, {"crash": True})
    assert (twice["status"], twice["error"]) == ("FAILED", "job timed out after 1 retries")
    assert twice["retries"] == 1
    jobs = shared_daemon.health(endpoint)["jobs"]
    assert (jobs["completed"], jobs["failed"], jobs["retried"]) == (1, 1, 2)


def test_83_a_job_moves_to_another_worker_when_its_own_is_killed(
    shared_daemon: Daemon, new_endpoint: NewEndpoint
) -> None:
    endpoint = new_endpoint("single", workersMax=2)
    job_id = taken(shared_daemon, endpoint, {"sleep": 2, "tell process": True})
    (container,) = shared_daemon.running(endpoint)
    kill(shared_daemon, container)
    job = shared_daemon.finished(endpoint, job_id)
    assert (job["status"], job["retries"]) == ("COMPLETED", 1)
    assert job["workerId"] not in container


def test_87_a_command_that_ends_at_once_is_not_started_again_and_again(
    shared_daemon: Daemon, new_endpoint: NewEndpoint
) -> None:
    template = shared_daemon.create_template("sh -c 'echo no such model; exit 3'")
    endpoint = new_endpoint("single", workersMax=0)
    shared_daemon.save_endpoint(id=endpoint, templateId=template)
    job_id = shared_daemon.run(endpoint, {"return": 1})
    began = len(shared_daemon.log_lines("container started"))
    shared_daemon.save_endpoint(id=endpoint, workersMax=2)
    eventually(lambda: shared_daemon.health(endpoint)["workers"]["unhealthy"] == 2)
    (one, other) = shared_daemon.workers(endpoint)
    for worker in (one, other):
        assert "exit 3" in worker["lastStatusChange"]
    time.sleep(1)  # in which nothing is to happen
    assert len(shared_daemon.log_lines("container started")) - began <= 4
    assert shared_daemon.status(endpoint, job_id)["status"] == "IN_QUEUE"


# Starting afresh


def test_89_a_worker_that_asks_for_it_starts_afresh_before_its_next_job(
    shared_daemon: Daemon, new_endpoint: NewEndpoint
) -> None:
    endpoint = new_endpoint("single", workersMax=1, idleTimeout=30)
    first = shared_daemon.run(endpoint, {"tell process": True, "refresh": True})
    second = shared_daemon.run(endpoint, {"tell process": True})
    old, new = (shared_daemon.finished(endpoint, job_id) for job_id in (first, second))
    assert (old["status"], new["status"]) == ("COMPLETED", "COMPLETED")
    assert "refresh_worker" not in old["output"]
    assert old["output"]["pid"] != new["output"]["pid"]
    assert new["output"]["jobs"] == 1
    assert "retries" not in new


def test_90_a_worker_that_always_starts_afresh_does_each_job_in_a_new_process(
    shared_daemon: Daemon, new_endpoint: NewEndpoint
) -> None:
    endpoint = new_endpoint("fresh", workersMax=1, idleTimeout=30)
    ids = [shared_daemon.run(endpoint, {"tell process": True}) for _ in range(3)]
    done = [shared_daemon.finished(endpoint, job_id) for job_id in ids]
    assert [job["status"] for job in done] == ["COMPLETED"] * 3
    assert len({job["output"]["pid"] for job in done}) == 3
    assert shared_daemon.health(endpoint)["workers"]["unhealthy"] == 0
    assert shared_daemon.health(endpoint)["jobs"]["retried"] == 0


def test_93_an_update_waits_for_the_running_job(shared_daemon: Daemon, new_endpoint: NewEndpoint) -> None:
    endpoint = new_endpoint("single", workersMax=1, idleTimeout=30)
    old = taken(shared_daemon, endpoint, {"sleep": 2, "tell process": True})
    env = [{"key": "RUNPOD_UA_INTEGRATION", "value": "newer"}]
    template = shared_daemon.create_template(worker_command("single"), env=env)
    shared_daemon.save_endpoint(id=endpoint, templateId=template)
    new = shared_daemon.run(endpoint, {"tell environment": True})
    done = shared_daemon.finished(endpoint, old)
    assert done["status"] == "COMPLETED"
    assert "retries" not in done
    assert shared_daemon.finished(endpoint, new)["output"]["RUNPOD_UA_INTEGRATION"] == "newer"
