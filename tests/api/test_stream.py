"""/stream, with a worker at the other end. Numbers in names are those of the conformance scenarios podd was
planned with."""

import socket
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from podd.services import workloads
from tests.api.conftest import NewPodd
from tests.api.served import Served, Worker
from tests.waiting import eventually

Json = dict[str, Any]


def running(podd: Served) -> tuple[str, Worker, str]:
    """A job that its worker has."""
    endpoint_id, worker = podd.woken()
    job_id = podd.submit(endpoint_id)
    worker.take()
    return endpoint_id, worker, job_id


def read(podd: Served, endpoint_id: str, job_id: str, wait: str = "") -> Json:
    response = podd.http.get(f"/v2/{endpoint_id}/stream/{job_id}{wait}")
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    body: Json = response.json()
    return body


def outputs(body: Json) -> list[Any]:
    assert all(item.keys() == {"output"} for item in body["stream"])
    return [item["output"] for item in body["stream"]]


def later(podd: Served, endpoint_id: str, job_id: str) -> Future[httpx.Response]:
    """A read that is held: somebody listens for the job before this returns."""
    asked = podd.later("GET", f"/v2/{endpoint_id}/stream/{job_id}")
    bell = f"job:{job_id}"
    eventually(lambda: podd.podd.bells._listeners.get(bell) or asked.done())
    return asked


def test_30_chunks_come_in_order_and_once(podd: Served) -> None:
    endpoint_id, worker, job_id = running(podd)
    for n in range(3):
        worker.stream(job_id, {"n": n})
    first = read(podd, endpoint_id, job_id)
    assert (first["status"], outputs(first)) == ("IN_PROGRESS", [{"n": n} for n in range(3)])
    worker.stream(job_id, None)
    worker.stream(job_id, "Grüße")
    worker.done(job_id, {"output": []})
    assert read(podd, endpoint_id, job_id) == {
        "status": "COMPLETED",
        "stream": [{"output": None}, {"output": "Grüße"}],
    }
    assert read(podd, endpoint_id, job_id) == {"status": "COMPLETED", "stream": []}
    assert podd.status(endpoint_id, job_id)["output"] == []


def test_31_an_aggregate_is_in_the_stream_and_in_the_result(podd: Served) -> None:
    endpoint_id, worker, job_id = running(podd)
    for n in range(5):
        worker.stream(job_id, n)
    worker.done(job_id, {"output": list(range(5))})
    assert podd.status(endpoint_id, job_id)["output"] == list(range(5))
    assert outputs(read(podd, endpoint_id, job_id)) == list(range(5))


def test_33_a_read_waits_for_a_chunk(podd: Served) -> None:
    endpoint_id, worker, job_id = running(podd)
    asked = later(podd, endpoint_id, job_id)
    worker.stream(job_id, "late")
    assert asked.result().json() == {"status": "IN_PROGRESS", "stream": [{"output": "late"}]}


def test_33_a_read_waits_for_the_end(podd: Served) -> None:
    endpoint_id, worker, job_id = running(podd)
    asked = later(podd, endpoint_id, job_id)
    worker.done(job_id, {"output": 1})
    assert asked.result().json() == {"status": "COMPLETED", "stream": []}


def test_34_an_empty_read_ends_with_its_hold(new_podd: NewPodd) -> None:
    podd = new_podd(limits={"stream_hold_seconds": 0.05})
    endpoint_id, _, job_id = running(podd)
    assert read(podd, endpoint_id, job_id) == {"status": "IN_PROGRESS", "stream": []}
    waiting = podd.submit(endpoint_id)
    assert read(podd, endpoint_id, waiting) == {"status": "IN_QUEUE", "stream": []}


def test_34_the_hold_is_shorter_than_the_patience_of_the_python_sdk(podd: Served) -> None:
    assert podd.settings.limits.stream_hold_seconds <= 8


@pytest.mark.parametrize("wait", ["999", "300001", "abc"])
def test_34_a_wait_out_of_range_is_refused(podd: Served, wait: str) -> None:
    endpoint_id, _, job_id = running(podd)
    response = podd.http.get(f"/v2/{endpoint_id}/stream/{job_id}?wait={wait}")
    assert response.status_code == 400
    assert "wait is invalid" in response.json()["error"]


def test_34_a_wait_of_its_own_is_kept(podd: Served) -> None:
    endpoint_id, _, job_id = running(podd)
    assert read(podd, endpoint_id, job_id, "?wait=1000") == {"status": "IN_PROGRESS", "stream": []}


def test_35_readers_share_one_place_in_the_stream(podd: Served) -> None:
    endpoint_id, worker, job_id = running(podd)
    seen: list[Any] = []

    def follow() -> list[Any]:
        mine = []
        while True:
            body = read(podd, endpoint_id, job_id)
            mine += outputs(body)
            if body["status"] == "COMPLETED" and not body["stream"]:
                return mine

    with ThreadPoolExecutor(4) as threads:
        readers = [threads.submit(follow) for _ in range(4)]
        for n in range(60):
            worker.stream(job_id, n)
        worker.done(job_id, {"output": []})
        for reader in readers:
            mine = reader.result()
            assert mine == sorted(mine)
            seen += mine
    assert sorted(seen) == list(range(60))


def test_36_all_chunks_can_be_read_after_the_end(podd: Served) -> None:
    endpoint_id, worker, job_id = running(podd)
    for n in range(20):
        worker.stream(job_id, n)
    worker.done(job_id, {"output": []})
    body = read(podd, endpoint_id, job_id)
    assert (body["status"], outputs(body)) == ("COMPLETED", list(range(20)))


def test_37_a_job_that_streams_nothing_has_an_empty_stream(podd: Served) -> None:
    endpoint_id, worker, job_id = running(podd)
    worker.done(job_id, {"output": {"a": 1}})
    assert read(podd, endpoint_id, job_id) == {"status": "COMPLETED", "stream": []}
    assert podd.status(endpoint_id, job_id)["output"] == {"a": 1}


@pytest.mark.parametrize("error", ["handler: no luck \ntraceback: ...", "x"])
def test_38_39_chunks_before_a_failure_are_read(podd: Served, error: str) -> None:
    endpoint_id, worker, job_id = running(podd)
    worker.stream(job_id, 1)
    worker.stream(job_id, 2)
    worker.done(job_id, {"error": error})
    body = read(podd, endpoint_id, job_id)
    assert (body["status"], outputs(body)) == ("FAILED", [1, 2])
    assert podd.status(endpoint_id, job_id)["error"] == error


def hang_up_while_held(podd: Served, endpoint_id: str, job_id: str) -> None:
    bell = f"job:{job_id}"
    with socket.create_connection(podd.address) as client:
        head = (
            f"GET /v2/{endpoint_id}/stream/{job_id} HTTP/1.1\r\nHost: x\r\nAuthorization: {podd.key}\r\n\r\n"
        )
        client.sendall(head.encode())
        eventually(lambda: podd.podd.bells._listeners.get(bell))
    eventually(lambda: not podd.podd.bells._listeners.get(bell))


def test_40_a_client_that_hung_up_takes_no_chunks_with_it(podd: Served) -> None:
    endpoint_id, worker, job_id = running(podd)
    hang_up_while_held(podd, endpoint_id, job_id)
    worker.stream(job_id, "kept")
    assert outputs(read(podd, endpoint_id, job_id)) == ["kept"]


def test_40_chunks_that_a_client_did_not_take_are_kept(podd: Served) -> None:
    """It goes away in the middle of an answer that is larger than what a connection holds."""
    endpoint_id, worker, job_id = running(podd)
    chunks = [f"{n}" + "x" * 900_000 for n in range(15)]
    for chunk in chunks:
        worker.stream(job_id, chunk)
    with socket.socket() as client:
        # Before it connects: later, the window is agreed on and the kernel may have made room for all of it.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(podd.address)
        head = (
            f"GET /v2/{endpoint_id}/stream/{job_id} HTTP/1.1\r\nHost: x\r\nAuthorization: {podd.key}\r\n\r\n"
        )
        client.sendall(head.encode())
        assert client.recv(12) == b"HTTP/1.1 200"
    assert outputs(read(podd, endpoint_id, job_id)) == chunks


def test_41_a_long_text_is_cut_and_comes_back_whole(podd: Served) -> None:
    endpoint_id, worker, job_id = running(podd)
    text = "".join(chr(0x61 + n % 26) + "ü\n" for n in range(2_500_000 // 4))
    assert worker.stream(job_id, text).status_code == 200
    found = outputs(read(podd, endpoint_id, job_id))
    assert len(found) > 2
    assert all(len(part.encode()) <= 2**20 for part in found)
    assert "".join(found) == text


def test_41_a_large_value_that_is_no_text_stays_whole(podd: Served) -> None:
    endpoint_id, worker, job_id = running(podd)
    value = {"a": ["x" * 1000] * 2500}
    assert worker.stream(job_id, value).status_code == 200
    assert outputs(read(podd, endpoint_id, job_id)) == [value]


def test_more_than_fits_in_one_answer_comes_in_several_of_which_the_last_is_final(new_podd: NewPodd) -> None:
    podd = new_podd(limits={"stream_read_bytes": 100})
    endpoint_id, worker, job_id = running(podd)
    for n in range(5):
        worker.stream(job_id, str(n) * 60)
    worker.done(job_id, {"output": []})
    answers = [read(podd, endpoint_id, job_id) for _ in range(3)]
    assert [a["status"] for a in answers] == ["IN_PROGRESS", "IN_PROGRESS", "COMPLETED"]
    assert [part[0] for a in answers for part in outputs(a)] == list("01234")


def test_a_lost_attempt_streams_from_the_beginning_again(podd: Served) -> None:
    endpoint_id, worker, job_id = running(podd)
    worker.stream(job_id, "first attempt")
    podd.clock.advance(seconds=3)
    assert worker.take()["id"] == job_id
    worker.stream(job_id, "second attempt")
    assert outputs(read(podd, endpoint_id, job_id)) == ["second attempt"]


def test_an_attempt_that_a_reboot_ended_streams_from_the_beginning_again(podd: Served) -> None:
    endpoint_id, worker, job_id = running(podd)
    worker.stream(job_id, "first attempt")
    podd.podd.store.submit(workloads.note_reboot, podd.podd, podd.clock.now()).result(20)
    podd.settle()
    fresh = podd.worker(endpoint_id)
    assert fresh.take()["id"] == job_id
    fresh.stream(job_id, "second attempt")
    assert outputs(read(podd, endpoint_id, job_id)) == ["second attempt"]


def test_chunks_of_others_are_accepted_and_ignored(podd: Served) -> None:
    endpoint_id, worker, job_id = running(podd)
    _, other = podd.woken()
    assert other.stream(job_id, "foreign").status_code == 200
    worker.done(job_id, {"output": 1})
    assert worker.stream(job_id, "late").status_code == 200
    assert read(podd, endpoint_id, job_id) == {"status": "COMPLETED", "stream": []}


def test_a_stream_goes_with_its_job(podd: Served) -> None:
    endpoint_id, worker, job_id = running(podd)
    worker.stream(job_id, 1)
    worker.done(job_id, {"output": []})
    podd.pass_time(seconds=1801)
    assert podd.http.get(f"/v2/{endpoint_id}/stream/{job_id}").status_code == 404
    assert podd.podd.store.ask(lambda db: db.value("SELECT COUNT(*) FROM chunks")) == 0


def test_a_stream_can_be_read_by_post_with_an_empty_body(podd: Served) -> None:
    endpoint_id, worker, job_id = running(podd)
    worker.stream(job_id, 1)
    assert outputs(podd.http.post(f"/v2/{endpoint_id}/stream/{job_id}").json()) == [1]


def test_18_another_account_reads_no_stream(podd: Served) -> None:
    endpoint_id, worker, job_id = running(podd)
    worker.stream(job_id, "secret")
    with podd.client(podd.account()) as stranger:
        assert stranger.get(f"/v2/{endpoint_id}/stream/{job_id}").status_code == 404
    assert outputs(read(podd, endpoint_id, job_id)) == ["secret"]


def test_a_stream_that_nobody_reads_fails_its_job_before_it_fills_the_disk(new_podd: NewPodd) -> None:
    podd = new_podd(limits={"stream_unread_bytes": 1000})
    endpoint_id, worker, job_id = running(podd)
    for _ in range(3):  # what has been read does not count
        worker.stream(job_id, "x" * 700)
        assert len(outputs(read(podd, endpoint_id, job_id))) == 1
    worker.stream(job_id, "x" * 700)
    assert podd.status(endpoint_id, job_id)["status"] == "IN_PROGRESS"
    worker.stream(job_id, "x" * 700)
    job = podd.status(endpoint_id, job_id)
    assert (job["status"], "1000 bytes" in job["error"]) == ("FAILED", True)
    assert worker.ask_stops().json() == {"jobsToStop": [job_id]}
    worker.stream(job_id, "more")
    last = read(podd, endpoint_id, job_id)
    assert (last["status"], len(last["stream"])) == ("FAILED", 2)
