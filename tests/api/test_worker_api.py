"""The worker API, spoken to as the worker SDK does. Numbers in names are those of the conformance scenarios
podd was planned with."""

import json
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from podd.api import worker as worker_api
from podd.config import Settings
from podd.domain.errors import StorageFailed
from podd.services import dispatch
from tests.api.conftest import NewPodd
from tests.api.served import QUICKLY, Served, Worker
from tests.waiting import eventually

Json = dict[str, Any]


def running_job(podd: Served) -> tuple[str, Worker, str]:
    """An endpoint, its worker, and the job that it has."""
    endpoint_id, worker = podd.woken()
    podd.submit(endpoint_id, {"a": 1})
    return endpoint_id, worker, worker.take()["id"]


def seconds_for(question: Callable[[], httpx.Response]) -> tuple[float, httpx.Response]:
    began = time.monotonic()
    response = question()
    return time.monotonic() - began, response


# Asking for jobs


def test_68_the_addresses_are_as_the_sdk_needs_them(podd: Served) -> None:
    """It appends `&name=value`, finds the other channels by replacing /job-take/, and puts the job's id in
    place of $ID."""
    endpoint_id, worker = podd.woken()
    take, done = worker.env["RUNPOD_WEBHOOK_GET_JOB"], worker.env["RUNPOD_WEBHOOK_POST_OUTPUT"]
    stream, ping = worker.env["RUNPOD_WEBHOOK_POST_STREAM"], worker.env["RUNPOD_WEBHOOK_PING"]
    for url in (take, done, stream, ping):
        assert url.startswith(podd.url)
        assert urlsplit(url).query == "gpu=NVIDIA+RTX+A6000"
        assert worker.id in urlsplit(url).path
    assert "/job-take/" in take
    assert done.split("?")[0].endswith("/$ID")
    assert stream.split("?")[0].endswith("/$ID")
    assert "$ID" not in take + ping
    assert worker.env["RUNPOD_ENDPOINT_ID"] == endpoint_id
    assert int(worker.env["RUNPOD_PING_INTERVAL"]) >= 1000


def test_66_a_poll_is_held_until_its_time_is_over(new_podd: NewPodd) -> None:
    assert 15 <= Settings().limits.take_hold_seconds < 90
    podd = new_podd(limits={"take_hold_seconds": 0.4})
    _, worker = podd.woken()
    for ask in (worker.ask_job, lambda: worker.ask_jobs(5), worker.ask_stops):
        seconds, response = seconds_for(ask)
        assert seconds >= 0.4
        assert (response.status_code, response.content) == (204, b"")


def test_a_poll_is_answered_as_soon_as_there_is_a_job(podd: Served) -> None:
    endpoint_id, worker = podd.woken()
    asked = worker.ask_job_later()
    eventually(lambda: podd.health(endpoint_id)["workers"]["idle"] == 1)
    job_id = podd.submit(endpoint_id, {"a": 1})
    response = asked.result(5)
    assert response.headers["content-type"] == "application/json"
    assert response.json() == {"id": job_id, "input": {"a": 1}}


def test_the_first_poll_makes_the_worker_ready(podd: Served) -> None:
    endpoint_id, worker = podd.woken()
    assert podd.health(endpoint_id)["workers"]["initializing"] == 1
    worker.ask_job_later()
    eventually(lambda: podd.health(endpoint_id)["workers"]["ready"] == 1)
    assert podd.health(endpoint_id)["workers"]["initializing"] == 0


def test_of_many_who_ask_one_gets_the_job(podd: Served) -> None:
    endpoint_id, worker = podd.woken()
    asked = [worker.ask_job_later(holding=True) for _ in range(8)]
    podd.submit(endpoint_id)
    (served,), _ = wait(asked, timeout=5, return_when="FIRST_COMPLETED")
    assert served.result().status_code == 200
    podd.submit(endpoint_id)
    eventually(lambda: sum(future.done() for future in asked) == 2)
    assert podd.health(endpoint_id)["jobs"]["inProgress"] == 2
    podd.do(_close(podd))
    assert sorted(future.result().status_code for future in asked) == [200, 200] + [204] * 6


def test_19_each_job_is_handed_out_once(podd: Served) -> None:
    endpoint_id, worker = podd.woken()
    with ThreadPoolExecutor(8) as threads:
        ids = list(threads.map(lambda n: podd.submit(endpoint_id, n), range(40)))
        taken = list(threads.map(lambda _: worker.take(holding=True), range(40)))
        done = list(threads.map(lambda job: worker.done(job["id"], {"output": job["input"]}), taken))
    assert sorted(job["id"] for job in taken) == sorted(ids)
    assert {response.status_code for response in done} == {200}
    assert [podd.status(endpoint_id, job_id)["output"] for job_id in ids] == list(range(40))
    assert podd.health(endpoint_id)["jobs"]["completed"] == 40


@pytest.mark.parametrize(("size", "given"), [(1, 1), (2, 2), (5, 3), (1000, 3)])
def test_70_a_batch_is_as_large_as_asked_and_what_there_is(podd: Served, size: int, given: int) -> None:
    endpoint_id, worker = podd.woken()
    ids = [podd.submit(endpoint_id, n) for n in range(3)]
    batch = worker.ask_jobs(size).json()
    assert batch == [{"id": job_id, "input": n} for n, job_id in enumerate(ids[:given])]


@pytest.mark.parametrize("size", ["0", "-1", "x", "", "\u0663", "99999999999999999999"])
def test_70_an_odd_batch_size_is_taken_as_well_as_can_be(podd: Served, size: str) -> None:
    endpoint_id, worker = podd.woken()
    podd.submit(endpoint_id)
    url = worker.take_url.replace("job-take", "job-take-batch")
    response = worker.get(f"{url}&batch_size={size}&job_in_progress=0")
    assert len(response.json()) == 1


def test_a_job_goes_to_its_own_endpoint_only(podd: Served) -> None:
    first, one = podd.woken()
    second, other = podd.woken()
    podd.submit(first, "first")
    podd.submit(second, "second")
    assert other.take()["input"] == "second"
    assert one.take()["input"] == "first"


# Being refused


def test_67_a_refusal_is_held(podd: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK asks again at once after 401, 404 or 204."""
    assert Settings().limits.take_hold_seconds > 1
    monkeypatch.setattr(worker_api, "REFUSAL_HOLD", 0.25)
    _, worker = podd.woken()
    wrong_worker = worker.take_url.replace(worker.id, "x" * 14)
    wrong_endpoint = worker.take_url.replace(worker.env["RUNPOD_ENDPOINT_ID"], "x" * 14)
    for ask in (
        lambda: worker.get(worker.take_url, key="wrong"),
        lambda: worker.get(worker.take_url, key=podd.key),
        lambda: worker.get(wrong_worker),
        lambda: worker.get(wrong_endpoint),
        lambda: worker.get(worker.take_url.replace("job-take", "job-take-batch"), key="wrong"),
        lambda: worker.get(worker.take_url.replace("job-take", "job-stop"), key="wrong"),
    ):
        seconds, response = seconds_for(ask)
        assert seconds >= 0.25
        assert response.status_code == 401
        assert response.json()["error"] == "invalid api key"


def test_67_refusals_are_held_for_a_second_at_least(request: pytest.FixtureRequest) -> None:
    request.getfixturevalue("monkeypatch").undo()
    assert worker_api.REFUSAL_HOLD >= 1


def test_a_workers_key_is_good_for_that_worker_only(podd: Served) -> None:
    _, one = podd.woken()
    endpoint_id, other = podd.woken()
    podd.submit(endpoint_id)
    job_id = other.take()["id"]
    assert one.get(other.take_url).status_code == 401
    url = other.env["RUNPOD_WEBHOOK_POST_OUTPUT"].replace("$ID", job_id)
    for key in (one.env["RUNPOD_AI_API_KEY"], podd.key, "", other.env["RUNPOD_API_KEY"]):
        response = httpx.post(
            url, content=b'{"output": 1}', headers={"Authorization": key} if key else {}, **QUICKLY
        )
        assert response.status_code == 401
    with podd.client(other.env["RUNPOD_AI_API_KEY"]) as inside:
        assert inside.get(f"/v2/{endpoint_id}/health").status_code == 401
        assert inside.post("/graphql", json={"query": "{ myself { id } }"}).status_code == 401
    assert podd.status(endpoint_id, job_id)["status"] == "IN_PROGRESS"


@pytest.mark.parametrize("operation", ["job-done", "job-stream"])
def test_without_a_workers_key_no_body_is_waited_for(podd: Served, operation: str) -> None:
    endpoint_id, worker, job_id = running_job(podd)
    worker_id = worker.env["RUNPOD_POD_ID"]
    with socket.create_connection(podd.address, timeout=20) as connection:
        connection.sendall(
            f"POST /v2/{endpoint_id}/{operation}/{worker_id}/{job_id} HTTP/1.1\r\nHost: h\r\n"
            f"Authorization: {podd.key}\r\nContent-Length: 20000000\r\n\r\n".encode()
        )
        assert connection.recv(1000).startswith(b"HTTP/1.1 401 ")


def test_a_workers_key_may_come_with_a_scheme(podd: Served) -> None:
    endpoint_id, worker = podd.woken()
    podd.submit(endpoint_id)
    key = f"Bearer {worker.env['RUNPOD_AI_API_KEY']}"
    assert worker.get(worker.take_url, key=key).status_code == 200


# Hanging up


def poll(client: socket.socket, worker: Worker) -> None:
    """Ask for a job without reading the answer."""
    parts = urlsplit(worker.take_url)
    head = f"GET {parts.path}?{parts.query}&job_in_progress=0 HTTP/1.1\r\nHost: podd\r\n"
    client.sendall(f"{head}Authorization: {worker.env['RUNPOD_AI_API_KEY']}\r\n\r\n".encode())


def test_a_worker_that_hung_up_gets_nothing(podd: Served) -> None:
    endpoint_id, worker = podd.woken()
    with socket.create_connection(podd.address) as client:
        poll(client, worker)
        eventually(lambda: podd.health(endpoint_id)["workers"]["idle"] == 1)
    # Its hanging up is on the way to podd before this is.
    podd.health(endpoint_id)
    job_id = podd.submit(endpoint_id)
    assert worker.take()["id"] == job_id
    assert "retries" not in podd.status(endpoint_id, job_id)


def test_a_job_taken_by_a_worker_that_hangs_up_meanwhile_goes_back(
    podd: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint_id, worker = podd.woken()
    job_id = podd.submit(endpoint_id, "precious")
    really_take = dispatch.take
    with socket.create_connection(podd.address) as client:

        def take(*arguments: Any, **how: Any) -> Any:
            taken = really_take(*arguments, **how)
            client.close()
            time.sleep(0.2)  # podd's other threads hear of it before this one goes on
            return taken

        with monkeypatch.context() as meanwhile:
            meanwhile.setattr(dispatch, "take", take)
            poll(client, worker)
            eventually(lambda: client.fileno() == -1)
    eventually(lambda: podd.health(endpoint_id)["jobs"]["inQueue"] == 1)
    assert podd.status(endpoint_id, job_id) == {"id": job_id, "status": "IN_QUEUE"}
    assert worker.take() == {"id": job_id, "input": "precious"}
    assert podd.health(endpoint_id)["jobs"]["retried"] == 0


async def _close(podd: Served) -> None:
    podd.podd.bells.close()


def test_polls_are_answered_at_once_when_podd_leaves(podd: Served) -> None:
    endpoint_id, worker = podd.woken()
    asked = [worker.ask_job_later(), worker.ask_stops_later()]
    waiting = podd.later("POST", f"/v2/{podd.create_endpoint(workersMax=0)}/runsync", json={"input": 1})
    eventually(lambda: podd.health(endpoint_id)["workers"]["idle"] == 1)
    podd.do(_close(podd))
    assert [future.result(5).status_code for future in asked] == [204, 204]
    assert waiting.result(5).json()["status"] == "IN_QUEUE"


# Posting results


@pytest.mark.parametrize(
    ("posted", "shown"),
    [
        ({"output": "v"}, {"status": "COMPLETED", "output": "v"}),
        ({"output": None}, {"status": "COMPLETED", "output": None}),
        ({}, {"status": "COMPLETED"}),
        ({"output": {"output": {"z": 1}}}, {"status": "COMPLETED", "output": {"output": {"z": 1}}}),
        ({"output": []}, {"status": "COMPLETED", "output": []}),
        ({"error": "x"}, {"status": "FAILED", "error": "x"}),
        ({"error": "x", "output": {"a": 1}}, {"status": "FAILED", "error": "x", "output": {"a": 1}}),
        ({"error": {"k": 1}}, {"status": "FAILED", "error": '{"k":1}'}),
        ({"error": None, "output": 1}, {"status": "COMPLETED", "output": 1}),
        ({"error": "", "output": 1}, {"status": "COMPLETED", "output": 1}),
        ({"output": 1, "extra": {"a": 1}}, {"status": "COMPLETED", "output": 1}),
    ],
    ids=repr,
)
def test_10_11_12_what_a_worker_posts_is_what_clients_read(podd: Served, posted: Json, shown: Json) -> None:
    endpoint_id, worker, job_id = running_job(podd)
    assert worker.done(job_id, posted).status_code == 200
    job = podd.status(endpoint_id, job_id)
    rest = {"id": job_id, "delayTime": 0, "executionTime": 0, "workerId": worker.id}
    assert job == {**rest, **shown}


def test_71_a_result_is_read_as_json_whatever_its_content_type_says(podd: Served) -> None:
    endpoint_id, worker, job_id = running_job(podd)
    value = {"text": "Grüße, 世界 \U0001f680 & a=b%20c"}
    assert worker.done(job_id, {"output": value}).status_code == 200
    assert podd.status(endpoint_id, job_id)["output"] == value


def test_72_a_result_that_could_not_be_stored_is_asked_for_again(
    podd: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SDK tries again after 5xx and after nothing else."""
    endpoint_id, worker, job_id = running_job(podd)

    def no_room(*_: Any) -> None:
        raise StorageFailed("The database could not store the change: disk full.")

    with monkeypatch.context() as broken:
        broken.setattr(dispatch, "post", no_room)
        for _ in range(2):
            assert worker.done(job_id, {"output": 1}).status_code == 503
    assert podd.status(endpoint_id, job_id)["status"] == "IN_PROGRESS"
    assert worker.done(job_id, {"output": 1}).status_code == 200
    assert podd.status(endpoint_id, job_id)["output"] == 1
    assert podd.health(endpoint_id)["jobs"]["completed"] == 1


def test_73_a_repeated_result_changes_nothing(podd: Served) -> None:
    endpoint_id, worker, job_id = running_job(podd)
    worker.done(job_id, {"output": 1})
    job = podd.status(endpoint_id, job_id)
    podd.clock.advance(seconds=1)
    assert worker.done(job_id, {"output": 2}).status_code == 200
    assert worker.done(job_id, {"error": "x"}).status_code == 200
    assert podd.status(endpoint_id, job_id) == job
    assert podd.health(endpoint_id)["jobs"]["completed"] == 1


def test_74_progress_is_shown_until_the_result_replaces_it(podd: Served) -> None:
    endpoint_id, worker, job_id = running_job(podd)
    for value in ("10%", {"step": 2}, None, "50%"):
        assert worker.done(job_id, {"status": "IN_PROGRESS", "output": value}).status_code == 200
        job = podd.status(endpoint_id, job_id)
        assert (job["status"], job["output"]) == ("IN_PROGRESS", value)
    worker.done(job_id, {"output": "final"})
    worker.done(job_id, {"status": "IN_PROGRESS", "output": "late"})
    job = podd.status(endpoint_id, job_id)
    assert (job["status"], job["output"]) == ("COMPLETED", "final")


def test_74_progress_never_becomes_the_result(podd: Served) -> None:
    endpoint_id, worker, job_id = running_job(podd)
    worker.done(job_id, {"status": "IN_PROGRESS", "output": "50%"})
    worker.done(job_id, {"error": "died"})
    job = podd.status(endpoint_id, job_id)
    assert (job["status"], job["error"], "output" in job) == ("FAILED", "died", False)


def test_75_a_result_that_is_too_large_fails_the_job_at_once(new_podd: NewPodd) -> None:
    podd = new_podd(limits={"result_bytes": 2**20})
    endpoint_id, worker, job_id = running_job(podd)
    response = worker.done(job_id, {"output": "x" * 2**20})
    assert response.status_code == 400
    job = podd.status(endpoint_id, job_id)
    assert job["status"] == "FAILED"
    assert "1MiB" in job["error"]
    podd.submit(endpoint_id, "next")
    assert worker.take()["input"] == "next"


@pytest.mark.parametrize("body", [b"not JSON", b"[]", b'"text"', b"\xff", b"[" * 100_000])
def test_a_result_that_is_none_fails_the_job_at_once(podd: Served, body: bytes) -> None:
    endpoint_id, worker, job_id = running_job(podd)
    assert worker.done_raw(job_id, body).status_code == 400
    job = podd.status(endpoint_id, job_id)
    assert job["status"] == "FAILED"
    assert "result" in job["error"]


def test_posts_about_jobs_a_worker_has_not_are_taken_and_ignored(podd: Served) -> None:
    """A 4xx would make a worker's log say that something is wrong."""
    endpoint_id, _, job_id = running_job(podd)
    _, other = podd.woken()
    assert other.done("no-such-job", {"output": 1}).status_code == 200
    assert other.done(job_id, {"output": "stolen"}).status_code == 200
    assert other.stream(job_id, "stolen").status_code == 200
    assert podd.status(endpoint_id, job_id)["status"] == "IN_PROGRESS"


def test_a_part_of_a_result_is_accepted_and_is_no_result(podd: Served) -> None:
    endpoint_id, worker, job_id = running_job(podd)
    assert worker.stream(job_id, {"token": "a"}).status_code == 200
    assert podd.status(endpoint_id, job_id)["status"] == "IN_PROGRESS"


# Getting lost


def test_a_worker_that_says_it_has_nothing_has_lost_its_job(podd: Served) -> None:
    endpoint_id, worker, job_id = running_job(podd)
    podd.clock.advance(seconds=3)
    assert worker.take()["id"] == job_id
    job = podd.status(endpoint_id, job_id)
    assert (job["status"], job["retries"], job["delayTime"]) == ("IN_PROGRESS", 1, 0)
    assert podd.health(endpoint_id)["jobs"]["retried"] == 1
    podd.clock.advance(seconds=3)
    worker.ask_job_later()
    eventually(lambda: podd.status(endpoint_id, job_id)["status"] == "FAILED")
    job = podd.status(endpoint_id, job_id)
    assert (job["error"], job["retries"]) == ("job timed out after 1 retries", 1)
    assert podd.health(endpoint_id)["jobs"]["failed"] == 1


def test_a_worker_that_says_it_has_something_has_lost_nothing(podd: Served) -> None:
    endpoint_id, worker, job_id = running_job(podd)
    podd.clock.advance(seconds=30)
    podd.submit(endpoint_id, "second")
    assert worker.take(holding=True)["input"] == "second"
    assert podd.status(endpoint_id, job_id)["status"] == "IN_PROGRESS"


def test_a_hand_out_that_crosses_with_the_next_poll_is_not_lost(podd: Served) -> None:
    endpoint_id, worker, job_id = running_job(podd)
    podd.submit(endpoint_id, "second")
    assert worker.take()["input"] == "second"
    assert podd.status(endpoint_id, job_id)["status"] == "IN_PROGRESS"


def test_a_job_that_pings_name_is_alive_and_a_silent_one_is_lost(podd: Served) -> None:
    endpoint_id, worker, job_id = running_job(podd)
    for _ in range(5):
        podd.clock.advance(seconds=30)
        assert worker.ping("other-job", job_id).status_code == 200
        podd.settle()
    assert podd.status(endpoint_id, job_id)["status"] == "IN_PROGRESS"
    podd.pass_time(seconds=45)
    job = podd.status(endpoint_id, job_id)
    assert (job["status"], job["retries"]) == ("IN_QUEUE", 1)


def test_a_crash_takes_the_jobs_back(podd: Served) -> None:
    endpoint_id, worker, job_id = running_job(podd)
    podd.engine.crash(f"podd-{worker.id}-1", exit_code=1, log="Traceback: boom")
    podd.settle()
    job = podd.status(endpoint_id, job_id)
    assert (job["status"], job["retries"]) == ("IN_QUEUE", 1)
    assert podd.health(endpoint_id)["workers"]["unhealthy"] == 1


def test_77_a_worker_that_calls_itself_unhealthy_is_believed(podd: Served) -> None:
    endpoint_id, worker = podd.woken()
    worker.ask_job_later()
    eventually(lambda: podd.health(endpoint_id)["workers"]["ready"] == 1)
    response = worker.ping(status="unhealthy", check="check_cuda", reason="no CUDA " * 100)
    assert response.status_code == 200
    assert podd.health(endpoint_id)["workers"]["unhealthy"] == 1
    assert podd.health(endpoint_id)["workers"]["ready"] == 0


# Starting afresh, and going


def test_89_a_worker_that_wants_a_refresh_gets_no_more_jobs_and_a_new_process(podd: Served) -> None:
    endpoint_id, worker, job_id = running_job(podd)
    waiting = worker.ask_job_later(holding=True)
    worker.done(job_id, {"output": 1, "stopPod": True})
    assert waiting.result(5).status_code == 204
    podd.submit(endpoint_id, "next")
    assert worker.ask_job().status_code == 204
    podd.settle()
    podd.settle()
    fresh = podd.worker(endpoint_id)
    assert (fresh.id, fresh.env["RUNPOD_AI_API_KEY"]) != (worker.id, worker.env["RUNPOD_AI_API_KEY"])
    assert fresh.take()["input"] == "next"
    assert podd.status(endpoint_id, job_id)["status"] == "COMPLETED"


def test_a_container_of_the_past_changes_nothing(podd: Served) -> None:
    """Its process may go on for a while after its successor has started."""
    endpoint_id, old, job_id = running_job(podd)
    old.done(job_id, {"output": 1, "stopPod": True})
    podd.submit(endpoint_id, "next")
    podd.settle()
    podd.settle()
    fresh = podd.worker(endpoint_id)
    next_job = fresh.take()["id"]
    assert old.ask_job().status_code == 204
    assert old.ask_stops().status_code == 204
    assert old.done(next_job, {"output": "old"}).status_code == 200
    assert old.ping(next_job).status_code == 200
    assert podd.status(endpoint_id, next_job)["status"] == "IN_PROGRESS"


def test_workers_of_a_deleted_endpoint_are_heard_out_and_change_nothing(podd: Served) -> None:
    endpoint_id, worker = podd.woken()
    job_id = podd.submit(endpoint_id)
    worker.take()
    podd.data("mutation ($id: String!) { deleteEndpoint(id: $id) }", {"id": endpoint_id})
    answers = [worker.done(job_id, {"output": 1}), worker.stream(job_id, "part"), worker.ping(job_id)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert worker.ask_job().status_code == 204
    assert podd.http.get(f"/v2/{endpoint_id}/status/{job_id}").status_code == 404
    podd.settle()  # and with that its container is gone
    assert worker.done(job_id, {"output": 1}).status_code == 401


def test_91_92_an_idle_worker_is_let_go_with_its_polls_answered_first(podd: Served) -> None:
    endpoint_id = podd.create_endpoint(workersMax=1, idleTimeout=5)
    job_id = podd.submit(endpoint_id)
    podd.settle()
    worker = podd.worker(endpoint_id)
    worker.take()
    worker.done(job_id, {"output": 1})
    polls = [worker.ask_job_later(), worker.ask_stops_later()]
    podd.engine.freeze()
    podd.clock.advance(seconds=6)
    stopping = podd.background(podd.settling())
    assert [poll.result(5).status_code for poll in polls] == [204, 204]
    podd.submit(endpoint_id, "late")
    assert worker.ask_job().status_code == 204
    podd.engine.thaw()
    stopping.result(10)
    podd.settle()
    assert podd.worker(endpoint_id).take()["input"] == "late"


def test_93_a_worker_of_an_old_version_finishes_its_job_first(podd: Served) -> None:
    endpoint_id, worker, job_id = running_job(podd)
    podd.engine.images.add("test/newer")
    template_id = podd.create_template(imageName="test/newer", isServerless=True)
    podd.create_endpoint(id=endpoint_id, templateId=template_id)
    podd.settle()
    assert podd.engine.running() == [f"podd-{worker.id}-1"]
    worker.done(job_id, {"output": "old"})
    assert podd.status(endpoint_id, job_id)["output"] == "old"
    podd.settle()
    podd.settle()
    assert [podd.engine.spec(name).image for name in podd.engine.running()] == ["test/newer"]


def test_no_connection_of_a_worker_is_kept_unless_it_asks_for_that(podd: Served) -> None:
    """A blocking handler does not notice that one has died, and posts its result into it."""
    _, worker, job_id = running_job(podd)
    url = worker.env["RUNPOD_WEBHOOK_PING"]
    with httpx.Client(headers={"Authorization": worker.env["RUNPOD_AI_API_KEY"]}, timeout=90) as client:
        assert client.get(url).headers.get("connection") != "close"
        del client.headers["connection"]
        assert client.get(url).headers["connection"] == "close"
    done = worker.done(job_id, {"output": json.loads("1")})
    assert done.status_code == 200
