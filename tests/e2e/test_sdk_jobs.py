"""Jobs from the unmodified client SDK to the unmodified worker SDK and back, on a real daemon.

Numbers in names are those of the conformance scenarios podd was planned with.
"""

import json
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.daemon import Daemon
from tests.e2e.sdk import Sdk, SdkError
from tests.waiting import eventually

Json = dict[str, Any]

VALUES = [
    "text",
    "",
    7,
    0,
    1.5,
    True,
    False,
    None,
    [],
    [1, [2]],
    {"a": {"b": []}},
    "Grüße, 世界 \U0001f680",
    "x" * 2**20,
]


@pytest.fixture(scope="module")
def endpoint(shared_daemon: Daemon, sdk: Sdk) -> Iterator[str]:
    """An endpoint with one worker that does many jobs at a time; `endpoint` in the SDK's process."""
    endpoint_id = shared_daemon.create_endpoint("ready", workersMin=1, workersMax=1)
    sdk.do(f"endpoint = runpod.Endpoint('{endpoint_id}')")
    yield endpoint_id
    shared_daemon.delete_endpoint(endpoint_id)


@pytest.fixture
def finish(shared_daemon: Daemon, endpoint: str) -> Callable[..., Json]:
    """Runs a job; what became of it."""

    def finish(input: Any, **request: Any) -> Json:
        return shared_daemon.finished(endpoint, shared_daemon.run(endpoint, input, **request))

    return finish


def test_1_2_a_job_is_run_and_its_output_fetched(sdk: Sdk, endpoint: str, shared_daemon: Daemon) -> None:
    sdk.do("job = endpoint.run({'return': {'a': 1}})")
    job_id = sdk("job.job_id")
    assert job_id.endswith("-u1")
    assert sdk("job.output(timeout=30)") == {"a": 1}
    assert sdk("job.status()") == "COMPLETED"
    seen = shared_daemon.status(endpoint, job_id)
    assert seen.keys() == {"id", "status", "delayTime", "executionTime", "workerId", "output"}
    assert isinstance(seen["delayTime"], int)
    assert isinstance(seen["executionTime"], int)
    assert seen["workerId"] == shared_daemon.workers(endpoint)[0]["id"]


def test_4_a_running_job_is_in_progress(sdk: Sdk, endpoint: str, shared_daemon: Daemon) -> None:
    sdk.do("job = endpoint.run({'sleep': 2, 'return': 1})")
    eventually(lambda: sdk("job.status()") == "IN_PROGRESS")
    seen = shared_daemon.status(endpoint, sdk("job.job_id"))
    assert seen.keys() == {"id", "status", "delayTime", "workerId"}
    assert sdk("job.output()") is None
    assert sdk("job.output(timeout=30)") == 1


def test_5_outputs_of_every_kind_come_back_equal(shared_daemon: Daemon, endpoint: str) -> None:
    ids = [shared_daemon.run(endpoint, {"return": value}) for value in VALUES]
    for value, job_id in zip(VALUES, ids, strict=True):
        job = shared_daemon.finished(endpoint, job_id)
        assert (job["status"], job["output"]) == ("COMPLETED", value)
        assert type(job["output"]) is type(value)


@pytest.mark.parametrize("value", [{}, None, [], 0, ""], ids=repr)
def test_6_an_empty_input_reaches_the_handler(finish: Callable[..., Json], value: Any) -> None:
    job = finish(value)
    assert (job["status"], job["output"]) == ("COMPLETED", {"got": value})


def test_8_the_handler_sees_id_and_what_travels_with_the_input(finish: Callable[..., Json]) -> None:
    request = {"webhook": "http://127.0.0.1:9/", "s3Config": {"bucketName": "b"}}
    job = finish({"tell job": True}, **request)
    assert job["output"] == {"id": job["id"], "input": {"tell job": True}, **request}


def test_9_an_exception_becomes_an_error_that_clients_can_read(finish: Callable[..., Json]) -> None:
    job = finish({"raise": "no luck"})
    assert job["status"] == "FAILED"
    error = json.loads(job["error"])
    assert error["error_type"] == "<class 'ValueError'>"
    assert error["error_message"] == "no luck"
    assert "Traceback" in error["error_traceback"]
    assert error["worker_id"] == job["workerId"]
    assert error["runpod_version"]


def test_9_the_sdk_has_no_output_for_a_failed_job(sdk: Sdk, endpoint: str) -> None:
    sdk.do("job = endpoint.run({'raise': 'no luck'})")
    assert sdk("job.output(timeout=30)") is None
    assert sdk("job.status()") == "FAILED"


@pytest.mark.parametrize(
    ("returned", "shown"),
    [
        ({"error": "x"}, {"status": "FAILED", "error": "x"}),
        ({"error": {"k": 1}}, {"status": "FAILED", "error": '{"k":1}'}),
        ({"error": "x", "a": 1}, {"status": "FAILED", "error": "x", "output": {"a": 1}}),
        ({}, {"status": "COMPLETED"}),
        ({"output": {"z": 1}}, {"status": "COMPLETED", "output": {"output": {"z": 1}}}),
    ],
    ids=repr,
)
def test_10_11_12_what_a_handler_returns_is_what_clients_read(
    finish: Callable[..., Json], returned: Json, shown: Json
) -> None:
    job = finish({"return": returned})
    assert {name: job.get(name) for name in ("status", "error", "output") if name in job} == shown


def test_13_not_a_number_is_null(shared_daemon: Daemon, endpoint: str, finish: Callable[..., Json]) -> None:
    job = finish({"not a number": True})
    text = shared_daemon.http("GET", f"/v2/{endpoint}/status/{job['id']}").text
    assert json.loads(text, parse_constant=pytest.fail)["output"] == {"nan": None, "inf": [None]}


def test_14_the_asynchronous_client_works_and_does_not_wait_for_an_unknown_job(
    sdk: Sdk, endpoint: str
) -> None:
    sdk.do(
        "import asyncio\n"
        "from runpod import AsyncioEndpoint, AsyncioJob, http_client\n"
        "async def run():\n"
        "    async with http_client.AsyncClientSession() as session:\n"
        f"        endpoint = AsyncioEndpoint('{endpoint}', session)\n"
        "        job = await endpoint.run({'return': 'async'})\n"
        "        output = await job.output(timeout=30)\n"
        "        health = await endpoint.health()\n"
        "        cancelled = await (await endpoint.run({'sleep': 30})).cancel()\n"
        "        return output, await job.status(), health, cancelled['status']\n"
        "async def unknown():\n"
        "    async with http_client.AsyncClientSession() as session:\n"
        f"        job = await AsyncioEndpoint('{endpoint}', session).run({{'return': 1}})\n"
        "        job.job_id = 'no-such-job'\n"
        "        return await job.output(timeout=30)\n"
    )
    output, status, health, cancelled = sdk("asyncio.run(run())")
    # It always wraps, so the handler found no wish of its own and told what it got.
    assert (output, status, cancelled) == ("async", "COMPLETED", "CANCELLED")
    assert health["workers"]["running"] + health["workers"]["idle"] == 1
    began = time.monotonic()
    with pytest.raises(SdkError) as raised:
        sdk("asyncio.run(unknown())")
    assert raised.value.kind == "KeyError"
    assert time.monotonic() - began < 10


def test_18_another_account_sees_nothing(shared_daemon: Daemon, endpoint: str, sdk: Sdk) -> None:
    job_id = shared_daemon.run(endpoint, {"return": "secret"})
    assert shared_daemon.finished(endpoint, job_id)["output"] == "secret"
    stranger = shared_daemon.account()
    for path in (f"status/{job_id}", "health"):
        response = shared_daemon.http("GET", f"/v2/{endpoint}/{path}", key=stranger)
        assert response.status_code == 404
        assert "secret" not in response.text
    with pytest.raises(SdkError, match="404"):
        sdk(f"runpod.Endpoint('{endpoint}', api_key='{stranger}').run({{'a': 1}})")


def test_19_a_hundred_jobs_are_done_once_each(shared_daemon: Daemon, endpoint: str, tmp_path: Path) -> None:
    record = tmp_path / "record"
    before = shared_daemon.health(endpoint)["jobs"]["completed"]
    with ThreadPoolExecutor(10) as threads:
        ids = list(
            threads.map(
                lambda n: shared_daemon.run(endpoint, {"append": str(record), "return": n}), range(100)
            )
        )
    assert len(set(ids)) == 100
    eventually(lambda: shared_daemon.health(endpoint)["jobs"]["completed"] >= before + 100)
    assert [shared_daemon.status(endpoint, job_id)["output"] for job_id in ids] == list(range(100))
    assert sorted(record.read_text().split()) == sorted(ids)


def test_20_run_sync_takes_one_round_trip(sdk: Sdk, endpoint: str, shared_daemon: Daemon) -> None:
    assert sdk("endpoint.run_sync({'return': 'at once'})") == "at once"
    response = shared_daemon.http("POST", f"/v2/{endpoint}/runsync", json={"input": {"return": 1}})
    body = response.json()
    assert body["id"].startswith("sync-")
    assert body["status"] == "COMPLETED"
    assert {"delayTime", "executionTime", "workerId"} <= body.keys()


def test_21_24_run_sync_goes_on_asking_after_the_wait_is_over(
    sdk: Sdk, endpoint: str, shared_daemon: Daemon
) -> None:
    """The wait of this daemon is 2 seconds."""
    response = shared_daemon.http(
        "POST", f"/v2/{endpoint}/runsync", json={"input": {"sleep": 3, "return": 1}}
    )
    assert response.json()["status"] == "IN_PROGRESS"
    assert sdk("endpoint.run_sync({'sleep': 3, 'return': 'late'})") == "late"
    assert shared_daemon.finished(endpoint, response.json()["id"])["output"] == 1


def test_26_a_job_goes_on_when_its_client_hangs_up(
    shared_daemon: Daemon, endpoint: str, tmp_path: Path
) -> None:
    record = tmp_path / "record"
    body = json.dumps({"input": {"sleep": 0.5, "append": str(record)}})
    with socket.create_connection(("127.0.0.1", shared_daemon.port)) as client:
        head = f"POST /v2/{endpoint}/runsync HTTP/1.1\r\nHost: podd\r\nAuthorization: {shared_daemon.key}\r\n"
        client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        eventually(lambda: shared_daemon.health(endpoint)["jobs"]["inProgress"] > 0)
    eventually(record.exists)
    (job_id,) = record.read_text().split()
    assert shared_daemon.finished(endpoint, job_id)["status"] == "COMPLETED"


def test_27_a_failed_job_is_a_successful_answer(sdk: Sdk, endpoint: str, shared_daemon: Daemon) -> None:
    response = shared_daemon.http("POST", f"/v2/{endpoint}/runsync", json={"input": {"raise": "x"}})
    assert response.status_code == 200
    assert response.json()["status"] == "FAILED"
    assert sdk("endpoint.run_sync({'raise': 'x'})") is None


def test_43_a_cancelled_job_stops_and_its_worker_goes_on(
    sdk: Sdk, endpoint: str, shared_daemon: Daemon
) -> None:
    (before,) = shared_daemon.running(endpoint)
    sdk.do("job = endpoint.run({'sleep': 60})")
    eventually(lambda: sdk("job.status()") == "IN_PROGRESS")
    began = time.monotonic()
    assert sdk("job.cancel()")["status"] == "CANCELLED"
    assert time.monotonic() - began < 3
    assert sdk("job.status()") == "CANCELLED"
    stopped = json.dumps({"requestId": sdk("job.job_id"), "message": "Job stopped.", "level": "INFO"})
    eventually(lambda: stopped in shared_daemon.written_by(before))
    assert sdk("endpoint.run_sync({'return': 'next'})") == "next"
    assert shared_daemon.running(endpoint) == [before]


def test_47_a_finished_job_cannot_be_cancelled(sdk: Sdk, endpoint: str) -> None:
    sdk.do("job = endpoint.run({'return': 1})")
    assert sdk("job.output(timeout=30)") == 1
    assert sdk("job.cancel()")["status"] == "COMPLETED"


def test_51_health_is_what_the_sdk_reads(sdk: Sdk, endpoint: str) -> None:
    eventually(lambda: sdk("endpoint.health()")["workers"]["idle"] == 1)
    health = sdk("endpoint.health()")
    assert health["jobs"].keys() == {"completed", "failed", "inProgress", "inQueue", "retried"}
    assert health["workers"] == {
        "idle": 1,
        "initializing": 0,
        "ready": 1,
        "running": 0,
        "throttled": 0,
        "unhealthy": 0,
    }


def test_the_worker_knows_where_it_is(finish: Callable[..., Json], endpoint: str) -> None:
    environment = finish({"tell environment": True})["output"]
    assert environment["RUNPOD_ENDPOINT_ID"] == endpoint
    assert environment["RUNPOD_GPU_COUNT"] == "1"
    assert environment["RUNPOD_GPU_NAME"] == "NVIDIA+RTX+A6000"
    assert environment["RUNPOD_POD_ID"] in environment["RUNPOD_WEBHOOK_GET_JOB"]


def test_76_a_result_that_is_no_json_is_missed_and_fails(
    endpoint: str, shared_daemon: Daemon, finish: Callable[..., Json]
) -> None:
    """The SDK tells nobody; the worker's next poll says that it has nothing."""
    (before,) = shared_daemon.running(endpoint)
    job = finish({"set": True})
    assert (job["status"], job["error"], job["retries"]) == ("FAILED", "job timed out after 1 retries", 1)
    assert shared_daemon.running(endpoint) == [before]
    assert finish({"return": "alive"})["output"] == "alive"


def test_keys_are_never_in_the_log(shared_daemon: Daemon, endpoint: str, finish: Callable[..., Json]) -> None:
    environment = finish({"tell environment": True})["output"]
    shared_daemon.http(
        "POST", f"/graphql?api_key={shared_daemon.key}", key="", json={"query": "{ nonsense }"}
    )
    shared_daemon.http("GET", f"/v2/{endpoint}/health?api_key=rpa_WRONG", key="")
    log = shared_daemon.log_text()
    assert "serving" in log
    for key in (
        shared_daemon.key,
        environment["RUNPOD_AI_API_KEY"],
        environment["RUNPOD_API_KEY"],
        "rpa_WRONG",
    ):
        assert key not in log
    operator_key = (shared_daemon.data_dir / "operator.key").read_text().strip()
    assert operator_key not in log
