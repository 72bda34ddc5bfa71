"""Jobs run again, and jobs taken out of the queue. Numbers in names are those of the conformance scenarios
podd was planned with."""

from typing import Any

import pytest

from podd.services import jobs as job_verbs
from tests.api.served import Served, Worker
from tests.waiting import eventually

Json = dict[str, Any]


def failed(podd: Served, **request: Any) -> tuple[str, Worker, str]:
    endpoint_id, worker = podd.woken()
    job_id = podd.submit(endpoint_id, {"a": 1}, **request)
    worker.take()
    worker.stream(job_id, "of the first time")
    worker.done(job_id, {"error": "no luck", "output": 1})
    return endpoint_id, worker, job_id


# Again


def test_49_a_failed_job_runs_again_under_its_id(podd: Served) -> None:
    request = {"webhook": "http://127.0.0.1:9/", "s3Config": {"bucketName": "b"}}
    endpoint_id, worker, job_id = failed(podd, **request)
    response = podd.http.post(f"/v2/{endpoint_id}/retry/{job_id}")
    assert (response.status_code, response.json()) == (200, {"id": job_id, "status": "IN_QUEUE"})
    assert podd.status(endpoint_id, job_id) == {"id": job_id, "status": "IN_QUEUE"}
    podd.clock.advance(seconds=2)
    assert worker.take() == {"id": job_id, "input": {"a": 1}, **request}
    worker.done(job_id, {"output": "better"})
    job = podd.status(endpoint_id, job_id)
    assert (job["status"], job["output"], job["delayTime"]) == ("COMPLETED", "better", 2000)
    assert "error" not in job
    assert podd.http.get(f"/v2/{endpoint_id}/stream/{job_id}").json()["stream"] == []


def test_49_a_job_that_was_timed_out_gets_its_time_to_live_again(podd: Served) -> None:
    endpoint_id = podd.create_endpoint(workersMax=0)
    job_id = podd.submit(endpoint_id, policy={"ttl": 10_000})
    podd.pass_time(seconds=11)
    assert podd.status(endpoint_id, job_id)["status"] == "TIMED_OUT"
    assert podd.http.post(f"/v2/{endpoint_id}/retry/{job_id}", json={}).status_code == 200
    podd.pass_time(seconds=9)
    assert podd.status(endpoint_id, job_id)["status"] == "IN_QUEUE"
    podd.pass_time(seconds=2)
    assert podd.status(endpoint_id, job_id)["status"] == "TIMED_OUT"


def test_49_only_what_failed_can_be_run_again(podd: Served) -> None:
    endpoint_id, worker = podd.woken()
    job_id = podd.submit(endpoint_id)

    def refused(said: str) -> None:
        response = podd.http.post(f"/v2/{endpoint_id}/retry/{job_id}")
        assert response.status_code == 400
        assert said in response.json()["error"]

    refused("IN_QUEUE")
    worker.take()
    refused("IN_PROGRESS")
    worker.done(job_id, {"output": 1})
    refused("COMPLETED")
    podd.pass_time(seconds=1801)
    assert podd.http.post(f"/v2/{endpoint_id}/retry/{job_id}").status_code == 404


def test_49_a_job_its_worker_still_has_is_not_run_again_yet(podd: Served) -> None:
    endpoint_id, worker = podd.woken()
    job_id = podd.submit(endpoint_id, policy={"ttl": 10_000})
    worker.take()
    podd.clock.advance(seconds=11)
    podd.settle()
    assert podd.status(endpoint_id, job_id)["status"] == "TIMED_OUT"
    response = podd.http.post(f"/v2/{endpoint_id}/retry/{job_id}")
    assert response.status_code == 400
    assert "not let go" in response.json()["error"]
    worker.done(job_id, {"output": "late"})
    assert podd.http.post(f"/v2/{endpoint_id}/retry/{job_id}").status_code == 200


def test_49_a_late_post_about_the_first_time_changes_nothing(podd: Served) -> None:
    endpoint_id, worker, job_id = failed(podd)
    podd.http.post(f"/v2/{endpoint_id}/retry/{job_id}")
    assert worker.done(job_id, {"output": "late"}).status_code == 200
    assert worker.stream(job_id, "late").status_code == 200
    assert podd.status(endpoint_id, job_id) == {"id": job_id, "status": "IN_QUEUE"}


# Out of the queue


@pytest.mark.parametrize("operation", ["purge-queue", "purge"])
def test_50_a_purge_takes_what_waits_and_leaves_what_runs(podd: Served, operation: str) -> None:
    endpoint_id, worker = podd.woken()
    running = podd.submit(endpoint_id)
    worker.take()
    waiting = [podd.submit(endpoint_id) for _ in range(3)]
    response = podd.http.post(f"/v2/{endpoint_id}/{operation}")
    assert (response.status_code, response.json()) == (200, {"removed": 3, "status": "completed"})
    assert {podd.status(endpoint_id, job)["status"] for job in waiting} == {"CANCELLED"}
    assert podd.health(endpoint_id)["jobs"]["inQueue"] == 0
    worker.done(running, {"output": 1})
    assert podd.status(endpoint_id, running)["status"] == "COMPLETED"


def test_50_a_purge_is_of_one_endpoint(podd: Served) -> None:
    mine, other = podd.create_endpoint(workersMax=0), podd.create_endpoint(workersMax=0)
    for endpoint_id in (mine, other):
        podd.submit(endpoint_id)
    assert podd.http.post(f"/v2/{mine}/purge-queue", json={}).json()["removed"] == 1
    assert podd.health(other)["jobs"]["inQueue"] == 1


def test_50_a_long_queue_is_purged_in_several_steps(podd: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_verbs, "PURGE_AT_ONCE", 2)
    endpoint_id = podd.create_endpoint(workersMax=0)
    for _ in range(6):
        podd.submit(endpoint_id)
    assert podd.http.post(f"/v2/{endpoint_id}/purge-queue").json()["removed"] == 6
    assert podd.http.post(f"/v2/{endpoint_id}/purge-queue").json()["removed"] == 0


@pytest.mark.parametrize("operation", ["purge-queue", "retry/x", "cancel/x"])
@pytest.mark.parametrize("body", [b"", b"{}"])
def test_18_48_posts_without_a_body_are_fine_and_foreign_ones_are_not_found(
    podd: Served, operation: str, body: bytes
) -> None:
    endpoint_id = podd.create_endpoint(workersMax=0)
    own = podd.http.post(f"/v2/{endpoint_id}/{operation}", content=body)
    assert own.status_code == (200 if operation == "purge-queue" else 404)
    with podd.client(podd.account()) as stranger:
        assert stranger.post(f"/v2/{endpoint_id}/{operation}", content=body).status_code == 404


# With the endpoint


@pytest.mark.parametrize("operation", ["runsync", "status-sync", "stream"])
def test_whoever_waits_is_told_when_the_endpoint_is_deleted(podd: Served, operation: str) -> None:
    endpoint_id = podd.create_endpoint(workersMax=0)
    if operation == "runsync":
        asked = podd.later("POST", f"/v2/{endpoint_id}/runsync", json={"input": 1})
    else:
        asked = podd.later("GET", f"/v2/{endpoint_id}/{operation}/{podd.submit(endpoint_id)}?wait=90000")
    eventually(lambda: podd.podd.bells._listeners.get(f"endpoint:{endpoint_id}"))
    podd.data("mutation ($id: String!) { deleteEndpoint(id: $id) }", {"id": endpoint_id})
    answer = asked.result()
    assert (answer.status_code, answer.json()["status"]) == (200, "CANCELLED")


def test_a_worker_that_is_to_leave_still_hears_of_cancelled_jobs(podd: Served) -> None:
    endpoint_id, worker = podd.woken()
    first, second = podd.submit(endpoint_id), podd.submit(endpoint_id)
    assert {job["id"] for job in worker.ask_jobs(2).json()} == {first, second}
    worker.done(first, {"output": 1, "stopPod": True})
    podd.http.post(f"/v2/{endpoint_id}/cancel/{second}")
    answer = worker.ask_stops()
    assert (answer.status_code, answer.json()) == (200, {"jobsToStop": [second]})
