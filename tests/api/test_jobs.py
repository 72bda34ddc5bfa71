"""The job API as clients call it, on an endpoint without workers. Numbers in names are those of the
conformance scenarios podd was planned with."""

import re
import socket
from typing import Any

import httpx
import pytest

from tests.api.conftest import NewPodd
from tests.api.served import QUICKLY, Served

Json = dict[str, Any]


@pytest.fixture(scope="module")
def podd(shared_podd: Served) -> Served:
    return shared_podd


@pytest.fixture
def queue(podd: Served) -> str:
    """An endpoint nobody works for."""
    return podd.create_endpoint(workersMax=0)


# Submitting


def test_1_a_queued_job_has_an_id_and_a_status(podd: Served, queue: str) -> None:
    response = podd.http.post(f"/v2/{queue}/run", json={"input": {"a": 1}})
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert re.fullmatch("[0-9a-f-]{36}-u1", body["id"])
    assert body == {"id": body["id"], "status": "IN_QUEUE"}


def test_3_a_job_nobody_takes_stays_as_it_was_submitted(podd: Served, queue: str) -> None:
    job_id = podd.submit(queue, {"a": 1})
    podd.pass_time(hours=1)
    assert podd.status(queue, job_id) == {"id": job_id, "status": "IN_QUEUE"}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "json is invalid"),
        (b"{", "json is invalid"),
        (b"null", "json is invalid"),
        (b"[1]", "json is invalid"),
        (b'"text"', "json is invalid"),
        (b"{}", "json is invalid"),
        (b'{"inputs": {}}', "json is invalid"),
        (b'{"input": NaN}', "json is invalid"),
        (b'{"input": "\xff"}', "json is invalid"),
        (b'{"input": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "json is invalid"),
        (b'{"input": 1, "policy": "fast"}', "policy"),
    ],
)
@pytest.mark.parametrize("operation", ["run", "runsync"])
def test_7_what_is_no_job_is_refused(
    podd: Served, queue: str, operation: str, body: bytes, said: str
) -> None:
    response = podd.http.post(f"/v2/{queue}/{operation}", content=body)
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/json"
    assert said in response.json()["error"]
    assert "status" not in response.json()
    assert podd.health(queue)["jobs"]["inQueue"] == 0


@pytest.mark.parametrize(
    "content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded"]
)
def test_7_the_content_type_does_not_matter(podd: Served, queue: str, content_type: str) -> None:
    headers = {"Content-Type": content_type}
    assert podd.http.post(f"/v2/{queue}/run", content=b'{"input": 1}', headers=headers).status_code == 200


# Looking at it


@pytest.mark.parametrize("operation", ["status", "status-sync", "cancel"])
def test_14_an_unknown_job_is_404_without_a_status(podd: Served, queue: str, operation: str) -> None:
    """Clients that ignore the code take a numeric `status` for a job's and wait for ever."""
    response = podd.http.post(f"/v2/{queue}/{operation}/00000000-0000-0000-0000-000000000000-u1")
    assert response.status_code == 404
    assert response.json() == {"error": "job not found", "title": "Not Found", "detail": "job not found"}


@pytest.mark.parametrize("job_id", ["..", "%2e%2e", "%00", "%ff", "x" * 5000, "'--", "*", "a%20b"])
def test_14_odd_ids_are_just_unknown(podd: Served, queue: str, job_id: str) -> None:
    response = podd.http.get(f"/v2/{queue}/status/{job_id}")
    assert response.status_code == 404
    assert response.json()["error"]


def test_14_a_job_of_another_endpoint_is_unknown(podd: Served, queue: str) -> None:
    other = podd.create_endpoint(workersMax=0)
    assert podd.http.get(f"/v2/{other}/status/{podd.submit(queue)}").status_code == 404


@pytest.mark.parametrize("operation", ["status", "status-sync", "stream"])
def test_15_jobs_are_asked_for_by_get_and_by_post(podd: Served, queue: str, operation: str) -> None:
    job_id = podd.submit(queue)
    path = f"/v2/{queue}/{operation}/{job_id}" + ("?wait=1000" if operation != "status" else "")
    if operation == "status-sync":
        podd.http.post(f"/v2/{queue}/cancel/{job_id}")
    answers = [
        podd.http.get(path),
        podd.http.post(path),
        podd.http.post(path, json={}),
        podd.http.post(path, content=b"", headers={"Content-Type": "application/json"}),
    ]
    assert len({answer.status_code for answer in answers}) == 1
    assert len({answer.content for answer in answers}) == 1


def test_jobs_that_are_not_finished_are_not_forgotten(podd: Served, queue: str) -> None:
    job_id = podd.submit(queue)
    podd.pass_time(hours=23)
    assert podd.status(queue, job_id)["status"] == "IN_QUEUE"


# Who may


@pytest.mark.parametrize("scheme", ["", "Bearer ", "bearer ", "BEARER  "])
def test_17_the_key_is_taken_with_and_without_a_scheme(podd: Served, queue: str, scheme: str) -> None:
    headers = {"Authorization": scheme + podd.key}
    response = httpx.post(f"{podd.url}/v2/{queue}/run", json={"input": 1}, headers=headers, **QUICKLY)
    assert response.status_code == 200


OPERATIONS = [
    ("POST", "run"),
    ("POST", "runsync"),
    ("GET", "status/abc"),
    ("GET", "status-sync/abc"),
    ("POST", "cancel/abc"),
    ("GET", "health"),
    ("GET", "stream/abc"),
    ("POST", "retry/abc"),
    ("POST", "purge-queue"),
    ("GET", "metrics"),
    ("GET", "requests"),
    ("GET", "batch"),
]


@pytest.mark.parametrize(("method", "operation"), OPERATIONS)
@pytest.mark.parametrize(
    ("headers", "detail"),
    [({}, "no token provided"), ({"Authorization": "Bearer rpa_WRONG"}, "invalid api key")],
)
def test_17_without_a_good_key_it_is_401_in_json(
    podd: Served, queue: str, method: str, operation: str, headers: dict[str, str], detail: str
) -> None:
    url = f"{podd.url}/v2/{queue}/{operation}"
    response = httpx.request(method, url, headers=headers, **QUICKLY)
    assert response.status_code == 401
    assert response.headers["content-type"] == "application/json"
    assert response.json() == {"error": detail, "title": "Unauthorized", "detail": detail, "status": 401}


@pytest.mark.parametrize(("method", "operation"), OPERATIONS)
def test_18_a_foreign_endpoint_is_the_same_as_none(
    podd: Served, queue: str, method: str, operation: str
) -> None:
    with podd.client(podd.account()) as stranger:
        body = {"input": 1} if operation.startswith("run") else None
        foreign = stranger.request(method, f"/v2/{queue}/{operation}", json=body)
        unknown = stranger.request(method, f"/v2/{'x' * 14}/{operation}", json=body)
    assert foreign.status_code == unknown.status_code == 404
    assert foreign.content == unknown.content
    assert podd.health(queue)["jobs"]["inQueue"] == 0


def test_18_a_foreign_job_is_not_shown_or_cancelled(podd: Served, queue: str) -> None:
    job_id = podd.submit(queue, "secret")
    with podd.client(podd.account()) as stranger:
        for method, operation in (("GET", "status"), ("POST", "cancel"), ("GET", "status-sync")):
            assert stranger.request(method, f"/v2/{queue}/{operation}/{job_id}").status_code == 404
    assert podd.status(queue, job_id)["status"] == "IN_QUEUE"


# Waiting for it


@pytest.mark.parametrize(
    "wait", ["999", "300001", "abc", "-1000", "1e4", "1000.5", "0", "\uff11\uff12\uff13\uff14"]
)
def test_22_a_wait_out_of_range_is_refused(podd: Served, queue: str, wait: str) -> None:
    job_id = podd.submit(queue)
    for path, body in ((f"/v2/{queue}/runsync", {"input": 1}), (f"/v2/{queue}/status-sync/{job_id}", None)):
        response = podd.http.post(path, params={"wait": wait}, json=body)
        assert response.status_code == 400
        assert response.json()["error"] == "wait is invalid; must be between 1000 and 300000"
    assert podd.health(queue)["jobs"]["inQueue"] == 1


def test_23_the_wait_is_90_seconds_unless_said_otherwise(new_podd: NewPodd) -> None:
    assert new_podd().podd.job_limits.default_wait == 90_000
    quick = new_podd(limits={"runsync_wait_seconds": 0.2})
    queue = quick.create_endpoint(workersMax=0)
    response = quick.http.post(f"/v2/{queue}/runsync", json={"input": 1})
    assert response.json()["status"] == "IN_QUEUE"


# Sizes


def body_of(size: int) -> bytes:
    return b'{"input": "' + b"x" * (size - 13) + b'"}'


@pytest.mark.parametrize(
    ("operation", "limit", "shown"),
    [("run", 10 * 2**20, "10MiB"), ("runsync?wait=1000", 20 * 2**20, "20MiB")],
)
def test_28_bodies_are_taken_up_to_their_limit(
    podd: Served, queue: str, operation: str, limit: int, shown: str
) -> None:
    assert podd.http.post(f"/v2/{queue}/{operation}", content=body_of(limit)).status_code == 200
    for size in (limit + 1, limit + 2**20):
        response = podd.http.post(f"/v2/{queue}/{operation}", content=body_of(size))
        assert response.status_code == 400
        assert response.json()["error"] == f"exceeded max body size of {shown}"
        assert "status" not in response.json()


def test_28_a_body_that_only_says_it_is_huge_is_refused_unread(podd: Served, queue: str) -> None:
    with socket.create_connection(podd.address, timeout=10) as client:
        head = f"POST /v2/{queue}/run HTTP/1.1\r\nHost: podd\r\nAuthorization: {podd.key}\r\n"
        client.sendall(head.encode() + f"Content-Length: {50 * 2**20}\r\n\r\n".encode())
        answer = client.recv(65536)
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"exceeded max body size of 10MiB" in answer


def test_28_a_body_without_a_length_is_refused_when_it_is_too_much(podd: Served, queue: str) -> None:
    response = podd.http.post(f"/v2/{queue}/run", content=(b"x" * 2**20 for _ in range(50)))
    assert response.status_code == 400
    assert response.json()["error"] == "exceeded max body size of 10MiB"


# Cancelling


@pytest.mark.parametrize(
    "how", [{}, {"json": {}}, {"content": b"", "headers": {"Content-Type": "application/json"}}]
)
def test_48_no_body_is_needed_to_cancel(podd: Served, queue: str, how: Json) -> None:
    job_id = podd.submit(queue)
    assert podd.http.post(f"/v2/{queue}/cancel/{job_id}", **how).json()["status"] == "CANCELLED"


def test_whoever_waits_for_a_cancelled_job_is_told(podd: Served, queue: str) -> None:
    job_id = podd.submit(queue)
    asked = podd.later("GET", f"/v2/{queue}/status-sync/{job_id}")
    podd.http.post(f"/v2/{queue}/cancel/{job_id}")
    assert asked.result().json() == {"id": job_id, "status": "CANCELLED"}


# Health


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_51_health_is_only_read(podd: Served, queue: str, method: str) -> None:
    response = podd.http.request(method, f"/v2/{queue}/health")
    assert response.status_code == 405
    assert response.json()["error"]


# Time


@pytest.mark.parametrize(
    ("policy", "name"),
    [
        ({"ttl": 9999}, "ttl"),
        ({"ttl": 604_800_001}, "ttl"),
        ({"ttl": 0}, "ttl"),
        ({"ttl": "20000"}, "ttl"),
        ({"ttl": True}, "ttl"),
        ({"executionTimeout": 4999}, "executionTimeout"),
        ({"executionTimeout": 604_800_001}, "executionTimeout"),
        ({"executionTimeout": -1}, "executionTimeout"),
        ({"executionTimeout": 5000.5}, "executionTimeout"),
        ({"executionTimeout": False}, "executionTimeout"),
    ],
)
def test_56_limits_out_of_range_are_refused_by_name(
    podd: Served, queue: str, policy: Json, name: str
) -> None:
    response = podd.http.post(f"/v2/{queue}/run", json={"input": 1, "policy": policy})
    assert response.status_code == 400
    assert name in response.json()["error"]


# What there is not


def test_what_there_is_not_is_404_in_json(podd: Served, queue: str) -> None:
    for path in (f"/v2/{queue}", f"/v2/{queue}/", f"/v2/{queue}/nothing", f"/v2/{queue}/status"):
        response = podd.http.get(path)
        assert response.status_code == 404
        assert response.headers["content-type"] == "application/json"
        assert response.json()["error"]
