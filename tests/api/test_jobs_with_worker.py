"""The job API with a worker at the other end. Numbers in names are those of the conformance scenarios podd
was planned with."""

import json
import re
import socket
import time
from typing import Any

import pytest

from tests.api.served import Served
from tests.waiting import eventually

Json = dict[str, Any]

VALUES = [
    "text",
    "",
    "Grüße, 世界 \U0001f680 \u2028 \u0000",
    0,
    -1,
    2**53,
    10**30,
    0.1,
    1e-8,
    1.0,
    True,
    False,
    None,
    [],
    [1, [2, [3]]],
    {},
    {"a": {"b": [None, {"c": "d"}]}, "$ID": "$ID"},
    {"output": 1, "error": "just a name", "status": "COMPLETED", "id": "x"},
]


# Submitting


def test_5_6_inputs_and_outputs_arrive_as_they_were_sent(podd: Served) -> None:
    endpoint_id, worker = podd.woken()
    for value in VALUES:
        job_id = podd.submit(endpoint_id, value)
        assert worker.take() == {"id": job_id, "input": value}
        worker.done(job_id, {"output": value})
        job = podd.status(endpoint_id, job_id)
        assert (job["status"], job["output"]) == ("COMPLETED", value)
        assert type(job["output"]) is type(value)


def test_7_8_the_worker_gets_what_travels_with_the_input(podd: Served) -> None:
    endpoint_id, worker = podd.woken()
    request = {
        "input": {"a": 1},
        "webhook": "http://127.0.0.1:9/hook",
        "s3Config": {"accessId": "x", "bucketName": "b"},
        "somethingElse": [1],
    }
    job = podd.http.post(
        f"/v2/{endpoint_id}/run", json={**request, "policy": {"ttl": 60000}, "id": "forged"}
    ).json()
    assert worker.take() == {**request, "id": job["id"]}


# Looking at it


def test_2_a_finished_job_shows_what_became_of_it(podd: Served) -> None:
    endpoint_id, worker = podd.woken()
    job_id = podd.submit(endpoint_id)
    podd.clock.advance(seconds=3)
    worker.take()
    podd.clock.advance(seconds=1.5)
    worker.done(job_id, {"output": "value"})
    assert podd.status(endpoint_id, job_id) == {
        "id": job_id,
        "status": "COMPLETED",
        "delayTime": 3000,
        "executionTime": 1500,
        "workerId": worker.id,
        "output": "value",
    }


def test_4_a_running_job_shows_its_worker_and_no_output(podd: Served) -> None:
    endpoint_id, worker = podd.woken()
    job_id = podd.submit(endpoint_id)
    podd.clock.advance(seconds=2)
    worker.take()
    assert podd.status(endpoint_id, job_id) == {
        "id": job_id,
        "status": "IN_PROGRESS",
        "delayTime": 2000,
        "workerId": worker.id,
    }


def test_13_what_json_has_no_word_for_becomes_null(podd: Served) -> None:
    endpoint_id, worker = podd.woken()
    job_id = podd.submit(endpoint_id)
    worker.take()
    worker.done_raw(job_id, b'{"output": {"a": NaN, "b": [Infinity, -Infinity, 1.5]}}')
    text = podd.http.get(f"/v2/{endpoint_id}/status/{job_id}").text
    assert json.loads(text, parse_constant=pytest.fail)["output"] == {"a": None, "b": [None, None, 1.5]}


@pytest.mark.parametrize(("sync", "seconds"), [(False, 1800), (True, 60)])
def test_16_results_are_kept_for_their_time(podd: Served, sync: bool, seconds: int) -> None:
    endpoint_id, worker = podd.woken()
    running = podd.later(
        "POST", f"/v2/{endpoint_id}/runsync" if sync else f"/v2/{endpoint_id}/run", json={"input": 1}
    )
    job_id = worker.take()["id"]
    worker.done(job_id, {"output": 1})
    assert running.result().json()["id"] == job_id
    podd.pass_time(seconds=seconds - 1)
    assert podd.status(endpoint_id, job_id)["status"] == "COMPLETED"
    podd.pass_time(seconds=2)
    assert podd.http.get(f"/v2/{endpoint_id}/status/{job_id}").status_code == 404


# Who may


def test_a_workers_own_user_key_runs_no_jobs(podd: Served) -> None:
    """RUNPOD_API_KEY in a container is for that container alone."""
    endpoint_id, worker = podd.woken()
    with podd.client(worker.env["RUNPOD_API_KEY"]) as inside:
        response = inside.post(f"/v2/{endpoint_id}/run", json={"input": 1})
    assert response.status_code in (401, 403)


# Waiting for it


def test_20_a_fast_job_is_done_in_one_round_trip(podd: Served) -> None:
    endpoint_id, worker = podd.woken()
    asked = podd.later("POST", f"/v2/{endpoint_id}/runsync", json={"input": {"a": 1}})
    job = worker.take()
    assert re.fullmatch("sync-[0-9a-f-]{36}-u1", job["id"])
    podd.clock.advance(seconds=0.25)
    worker.done(job["id"], {"output": {"b": 2}})
    response = asked.result()
    assert response.status_code == 200
    assert response.json() == {
        "id": job["id"],
        "status": "COMPLETED",
        "delayTime": 0,
        "executionTime": 250,
        "workerId": worker.id,
        "output": {"b": 2},
    }


def test_21_a_wait_that_is_over_answers_with_the_state(podd: Served) -> None:
    endpoint_id, worker = podd.woken()
    asked = podd.later("POST", f"/v2/{endpoint_id}/runsync?wait=1000", json={"input": 1})
    job_id = worker.take()["id"]
    assert asked.result().json() == {"id": job_id, "status": "IN_PROGRESS"}
    assert asked.result().status_code == 200
    worker.done(job_id, {"output": 1})
    assert podd.status(endpoint_id, job_id)["status"] == "COMPLETED"


def test_25_status_sync_answers_when_the_job_is_done(podd: Served) -> None:
    """The JavaScript and Go SDKs wait with it after /runsync."""
    endpoint_id, worker = podd.woken()
    job_id = podd.submit(endpoint_id)
    worker.take()
    asked = podd.later("POST", f"/v2/{endpoint_id}/status-sync/{job_id}?wait=90000")
    worker.done(job_id, {"output": "done"})
    assert asked.result().json()["output"] == "done"
    again = podd.http.get(f"/v2/{endpoint_id}/status-sync/{job_id}")
    assert again.json() == asked.result().json()


def test_26_a_job_goes_on_when_its_client_hangs_up(podd: Served) -> None:
    endpoint_id, worker = podd.woken()
    with socket.create_connection(podd.address) as client:
        body = b'{"input": 1}'
        head = f"POST /v2/{endpoint_id}/runsync HTTP/1.1\r\nHost: podd\r\nAuthorization: {podd.key}\r\n"
        client.sendall(head.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        job_id = worker.take()["id"]
    worker.done(job_id, {"output": 1})
    assert podd.status(endpoint_id, job_id)["status"] == "COMPLETED"


def test_27_a_failed_job_is_a_successful_answer(podd: Served) -> None:
    endpoint_id, worker = podd.woken()
    asked = podd.later("POST", f"/v2/{endpoint_id}/runsync", json={"input": 1})
    job_id = worker.take()["id"]
    worker.done(job_id, {"error": "no luck"})
    response = asked.result()
    assert response.status_code == 200
    assert (response.json()["status"], response.json()["error"]) == ("FAILED", "no luck")
    assert "output" not in response.json()


@pytest.mark.parametrize(
    ("posted", "strings"), [({"output": 1}, []), ({"error": {"k": 1}}, ["error"])], ids=["done", "failed"]
)
def test_29_answers_decode_into_whole_numbers_and_texts_as_go_has_them(
    podd: Served, posted: Json, strings: list[str]
) -> None:
    endpoint_id, worker = podd.woken()
    asked = podd.later("POST", f"/v2/{endpoint_id}/runsync", json={"input": 1})
    job_id = worker.take()["id"]
    podd.clock.advance(seconds=0.0015)
    worker.done(job_id, posted)
    for body in (asked.result().json(), podd.http.post(f"/v2/{endpoint_id}/status/{job_id}").json()):
        assert all(type(body[name]) is int for name in ("delayTime", "executionTime"))
        assert all(type(body[name]) is str for name in ("id", "status", "workerId", *strings))


def test_synchronous_and_other_jobs_wait_in_one_line(podd: Served) -> None:
    endpoint_id, worker = podd.woken()
    first = podd.submit(endpoint_id, 1)
    podd.later("POST", f"/v2/{endpoint_id}/runsync?wait=1000", json={"input": 2})
    eventually(lambda: podd.health(endpoint_id)["jobs"]["inQueue"] == 2)
    third = podd.submit(endpoint_id, 3)
    assert [worker.take(holding=True)["input"] for _ in range(3)] == [1, 2, 3]
    assert podd.status(endpoint_id, first)["status"] == podd.status(endpoint_id, third)["status"]


# Cancelling


def test_42_a_cancelled_job_never_reaches_a_worker(podd: Served) -> None:
    endpoint_id, worker = podd.woken()
    job_id = podd.submit(endpoint_id, "no")
    began = time.monotonic()
    response = podd.http.post(f"/v2/{endpoint_id}/cancel/{job_id}")
    assert time.monotonic() - began < 3
    assert response.status_code == 200
    assert response.json() == {"id": job_id, "status": "CANCELLED"}
    assert podd.health(endpoint_id)["jobs"]["inQueue"] == 0
    podd.submit(endpoint_id, "yes")
    assert worker.take()["input"] == "yes"


def test_43_a_running_job_is_cancelled_at_once_and_its_worker_told(podd: Served) -> None:
    endpoint_id, worker = podd.woken()
    job_id = podd.submit(endpoint_id)
    worker.take()
    told = worker.ask_stops_later()
    podd.clock.advance(seconds=1)
    cancelled = podd.http.post(f"/v2/{endpoint_id}/cancel/{job_id}").json()
    assert cancelled == {
        "id": job_id,
        "status": "CANCELLED",
        "delayTime": 0,
        "executionTime": 1000,
        "workerId": worker.id,
    }
    assert told.result().json() == {"jobsToStop": [job_id]}
    worker.ping()
    second = podd.submit(endpoint_id)
    assert worker.take()["id"] == second
    podd.pass_time(seconds=30)
    assert worker.ping(second).status_code == 200
    assert podd.status(endpoint_id, second)["status"] == "IN_PROGRESS"


def test_43_a_worker_that_was_told_too_early_is_told_again(podd: Served) -> None:
    """The SDK passes over a stop for a job that it has not begun yet, and then polls for the next one."""
    endpoint_id, worker = podd.woken()
    job_id = podd.submit(endpoint_id)
    worker.take()
    podd.http.post(f"/v2/{endpoint_id}/cancel/{job_id}")
    assert worker.ask_stops().json() == {"jobsToStop": [job_id]}
    told = worker.ask_stops_later()
    worker.ping(job_id)
    podd.pass_time(seconds=1)
    assert not told.done()
    podd.pass_time(seconds=1.5)
    assert told.result(5).json() == {"jobsToStop": [job_id]}


def test_44_a_worker_that_does_not_let_go_is_started_afresh(podd: Served) -> None:
    endpoint_id, worker = podd.woken()
    job_id = podd.submit(endpoint_id)
    worker.take()
    podd.http.post(f"/v2/{endpoint_id}/cancel/{job_id}")
    podd.pass_time(seconds=8)
    worker.ping(job_id)
    assert podd.engine.running() == [f"podd-{worker.id}-1"]
    podd.pass_time(seconds=5)
    podd.settle()
    assert podd.engine.running() == [f"podd-{worker.id}-2"]
    podd.submit(endpoint_id, "next")
    assert podd.worker(endpoint_id).take()["input"] == "next"


def test_46_a_late_result_of_a_cancelled_job_changes_nothing(podd: Served) -> None:
    endpoint_id, worker = podd.woken()
    job_id = podd.submit(endpoint_id)
    worker.take()
    cancelled = podd.http.post(f"/v2/{endpoint_id}/cancel/{job_id}").json()
    assert worker.done(job_id, {"output": "late"}).status_code == 200
    assert podd.status(endpoint_id, job_id) == cancelled
    assert podd.health(endpoint_id)["jobs"]["completed"] == 0


@pytest.mark.parametrize(("result", "status"), [({"output": 1}, "COMPLETED"), ({"error": "x"}, "FAILED")])
def test_47_a_finished_job_stays_as_it_is(podd: Served, result: Json, status: str) -> None:
    endpoint_id, worker = podd.woken()
    job_id = podd.submit(endpoint_id)
    worker.take()
    worker.done(job_id, result)
    finished = podd.status(endpoint_id, job_id)
    response = podd.http.post(f"/v2/{endpoint_id}/cancel/{job_id}")
    assert response.status_code == 200
    assert response.json() == finished
    assert finished["status"] == status


# Health


def test_51_health_counts_jobs_and_workers(podd: Served) -> None:
    endpoint_id, worker = podd.woken()
    assert podd.health(endpoint_id) == {
        "jobs": {"completed": 0, "failed": 0, "inProgress": 0, "inQueue": 0, "retried": 0},
        "workers": {"idle": 0, "initializing": 1, "ready": 0, "running": 0, "throttled": 0, "unhealthy": 0},
    }
    for result in ({"output": 1}, {"error": "x"}):
        job_id = podd.submit(endpoint_id)
        worker.take()
        worker.done(job_id, result)
    podd.submit(endpoint_id)
    worker.take()
    podd.submit(endpoint_id)
    health = podd.health(endpoint_id)
    assert health.pop("explanation")[0].startswith("1 job waits")
    assert health == {
        "jobs": {"completed": 1, "failed": 1, "inProgress": 1, "inQueue": 1, "retried": 0},
        "workers": {"idle": 0, "initializing": 0, "ready": 0, "running": 1, "throttled": 0, "unhealthy": 0},
    }


def test_52_a_cached_worker_that_does_not_run_is_idle(podd: Served) -> None:
    endpoint_id = podd.create_endpoint(workersMax=2, idleTimeout=5)
    job_id = podd.submit(endpoint_id)
    podd.settle()
    worker = podd.worker(endpoint_id)
    worker.take()
    worker.done(job_id, {"output": 1})
    podd.pass_time(seconds=6)
    podd.settle()
    assert podd.engine.running() == []
    workers = podd.health(endpoint_id)["workers"]
    assert (workers["running"], workers["initializing"]) == (0, 0)
    assert workers["idle"] >= 1
    assert workers["ready"] == workers["idle"]


def test_a_worker_without_a_gpu_is_throttled(podd: Served) -> None:
    podd.create_pod(gpuCount=2)
    endpoint_id = podd.create_endpoint()
    podd.submit(endpoint_id)
    podd.settle()
    assert podd.health(endpoint_id)["workers"]["throttled"] == 1


# Time


def test_53_a_job_that_runs_too_long_fails_and_its_worker_is_renewed(podd: Served) -> None:
    endpoint_id, worker = podd.woken()
    job_id = podd.submit(endpoint_id, policy={"executionTimeout": 5000})
    podd.clock.advance(seconds=60)
    worker.take()
    podd.pass_time(seconds=4.9)
    assert podd.status(endpoint_id, job_id)["status"] == "IN_PROGRESS"
    podd.pass_time(seconds=0.2)
    job = podd.status(endpoint_id, job_id)
    assert (job["status"], job["error"]) == ("FAILED", "executionTimeout exceeded")
    podd.settle()
    podd.submit(endpoint_id, "next")
    assert podd.engine.running() == [f"podd-{worker.id}-2"]
    assert podd.worker(endpoint_id).take()["input"] == "next"


@pytest.mark.parametrize(
    ("endpoint", "policy", "seconds"),
    [
        (6000, {}, 6),
        (6000, {"executionTimeout": 9000}, 9),
        (9000, {"executionTimeout": 5000}, 5),
        (0, {}, None),
        (6000, {"executionTimeout": 0}, None),
    ],
)
def test_54_the_jobs_own_limit_goes_before_the_endpoints(
    podd: Served, endpoint: int, policy: Json, seconds: int | None
) -> None:
    endpoint_id, worker = podd.woken(executionTimeoutMs=endpoint)
    job_id = podd.submit(endpoint_id, policy=policy)
    worker.take()
    podd.clock.advance(seconds=(seconds or 80_000) - 0.5)
    worker.ping(job_id)
    podd.settle()
    assert podd.status(endpoint_id, job_id)["status"] == "IN_PROGRESS"
    podd.pass_time(seconds=1)
    assert podd.status(endpoint_id, job_id)["status"] == ("IN_PROGRESS" if seconds is None else "FAILED")


def test_55_a_job_that_nobody_takes_in_its_time_is_timed_out(podd: Served) -> None:
    queue = podd.create_endpoint(workersMax=0)
    job_id = podd.submit(queue, policy={"ttl": 10000})
    podd.pass_time(seconds=9.9)
    assert podd.status(queue, job_id)["status"] == "IN_QUEUE"
    podd.pass_time(seconds=0.2)
    job = podd.status(queue, job_id)
    assert (job["status"], job["delayTime"], job["executionTime"], job["workerId"]) == ("TIMED_OUT", 0, 0, "")
    assert isinstance(job["error"], str)
    podd.create_endpoint(id=queue, workersMin=1, workersMax=1)
    podd.settle()
    podd.submit(queue, "another")
    assert podd.worker(queue).take()["input"] == "another"


def test_57_a_job_of_low_priority_starts_nobody_and_comes_last(podd: Served) -> None:
    endpoint_id = podd.create_endpoint()
    podd.submit(endpoint_id, "low", policy={"lowPriority": True})
    podd.settle()
    assert podd.engine.running() == []
    podd.submit(endpoint_id, "normal")
    podd.settle()
    worker = podd.worker(endpoint_id)
    assert [worker.take(holding=True)["input"] for _ in range(2)] == ["normal", "low"]
