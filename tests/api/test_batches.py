"""Batches of jobs. Numbers in names are those of the conformance scenarios podd was planned with."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from podd.domain.account import Caller, CallerKind
from podd.services import batches
from tests.api.served import Served

Json = dict[str, Any]


@pytest.fixture
def queue(podd: Served) -> str:
    """An endpoint that starts no worker."""
    return podd.create_endpoint(workersMax=0)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Served]:
    limits = {
        "batches_active": 2,
        "batch_requests": 3,
        "batch_queued_requests": 4,
        "batch_append_bytes": 1024 * 1024,
    }
    served = Served(tmp_path, limits=limits)
    yield served
    served.close()


def inputs(*values: Any) -> list[Json]:
    return [{"input": value} for value in values]


def call(podd: Served, method: str, path: str, **how: Any) -> Json:
    response = podd.http.request(method, f"/v2/{path}", **how)
    assert response.status_code == 200, response.text
    found: Json = response.json()
    return found


def refused(podd: Served, method: str, path: str, **how: Any) -> tuple[int, str]:
    response = podd.http.request(method, f"/v2/{path}", **how)
    return response.status_code, response.json()["error"]


def draft(podd: Served, queue: str, *values: Any) -> str:
    """A draft with these inputs; its path."""
    return f"{queue}/batch/{call(podd, 'POST', f'{queue}/batch', json=inputs(*values))['id']}"


def finalized(podd: Served, queue: str, *values: Any) -> str:
    path = draft(podd, queue, *values)
    call(podd, "POST", f"{path}/finalize")
    return path


def ids_in(podd: Served, path: str) -> list[str]:
    return [request["id"] for request in call(podd, "GET", f"{path}/requests")["requests"]]


# As documented


def test_112_a_batch_is_filled_finalized_and_read_in_pages(podd: Served) -> None:
    queue, worker = podd.woken()
    batch = call(podd, "POST", f"{queue}/batch")
    assert batch["id"].startswith("batch_")
    assert (batch["status"], batch["requestTotal"], batch["endpointId"]) == ("DRAFT", 0, queue)
    path = f"{queue}/batch/{batch['id']}"
    added = call(podd, "POST", f"{path}/requests", json={"requests": inputs(1, 2, 3)})
    assert (added["status"], added["requestTotal"]) == ("DRAFT", 3)
    assert podd.health(queue)["jobs"]["inQueue"] == 0

    done = call(podd, "POST", f"{path}/finalize")
    assert (done["status"], done["finalizedAt"]) == ("FINALIZED", podd.clock.now())
    assert podd.health(queue)["jobs"]["inQueue"] == 3
    for result in ({"output": {"n": 1}}, {"error": "no luck"}):
        worker.done(worker.take()["id"], result)
    last = worker.take()
    batch = call(podd, "GET", path)
    counts = ("requestTotal", "requestInProgress", "requestCompleted", "requestFailed")
    assert [batch[count] for count in counts] == [3, 1, 1, 1]
    worker.done(last["id"], {"output": None})
    assert [call(podd, "GET", path)[count] for count in counts] == [3, 0, 2, 1]

    page = call(podd, "GET", f"{path}/requests", params={"limit": 2})
    first, second = page.pop("requests")
    assert page == {"total": 3, "offset": 0, "limit": 2, "hasMore": True}
    assert first == {
        "id": first["id"],
        "status": "COMPLETED",
        "output": {"n": 1},
        "startedAt": podd.clock.now(),
        "completedAt": podd.clock.now(),
    }
    assert (second["status"], second["error"]) == ("FAILED", "no luck")
    page = call(podd, "GET", f"{path}/requests", params={"limit": 2, "offset": 2})
    assert [(request["id"], request["output"]) for request in page["requests"]] == [(last["id"], None)]
    assert not page["hasMore"]
    assert podd.status(queue, first["id"])["output"] == {"n": 1}


def test_113_workers_are_told_the_batch(podd: Served) -> None:
    queue, worker = podd.woken()
    request = {"input": {"a": 1}, "s3Config": {"bucketName": "b"}, "batchId": "my own"}
    path = f"{queue}/batch/{call(podd, 'POST', f'{queue}/batch', json=[request])['id']}"
    call(podd, "POST", f"{path}/finalize")
    job = worker.take()
    assert job == {"id": job["id"], "input": {"a": 1}, "s3Config": {"bucketName": "b"}, "batchId": path[-30:]}


def test_a_batch_has_a_name_that_can_be_changed(podd: Served, queue: str) -> None:
    batch = call(podd, "POST", f"{queue}/batch", json={"name": "nightly", "requests": inputs(1)})
    assert (batch["name"], batch["requestTotal"]) == ("nightly", 1)
    path = f"{queue}/batch/{batch['id']}"
    call(podd, "POST", f"{path}/finalize")
    assert call(podd, "PUT", path, json={"name": "weekly"})["name"] == "weekly"
    assert call(podd, "PUT", path, json={})["name"] == "weekly"


def test_batches_are_listed_newest_first(podd: Served, queue: str) -> None:
    made = [draft(podd, queue, number).rsplit("/", 1)[1] for number in range(3)]
    found = call(podd, "GET", f"{queue}/batch")
    assert [batch["id"] for batch in found.pop("batches")] == made[::-1]
    assert found == {"total": 3, "offset": 0, "limit": 100, "hasMore": False}
    second = call(podd, "GET", f"{queue}/batch", params={"limit": 1, "offset": 1})
    assert ([batch["id"] for batch in second["batches"]], second["hasMore"]) == ([made[1]], True)


def test_requests_are_taken_out_of_drafts_only(podd: Served, queue: str) -> None:
    path = draft(podd, queue, 1, 2)
    first, second = ids_in(podd, path)
    assert call(podd, "DELETE", f"{path}/requests/{first}")["requestTotal"] == 1
    assert refused(podd, "DELETE", f"{path}/requests/{first}") == (404, "request not found")
    call(podd, "POST", f"{path}/finalize")
    said = "Only a DRAFT batch can be changed; this one is FINALIZED."
    assert refused(podd, "DELETE", f"{path}/requests/{second}") == (400, said)
    assert refused(podd, "POST", f"{path}/requests", json={"requests": inputs(3)}) == (400, said)
    assert refused(podd, "POST", f"{path}/finalize") == (400, said)
    assert ids_in(podd, path) == [second]


def test_a_batch_without_requests_is_not_finalized(podd: Served, queue: str) -> None:
    status, said = refused(podd, "POST", f"{draft(podd, queue)}/finalize")
    assert status == 400
    assert "no requests" in said


# Beside other jobs


def test_other_jobs_come_first_and_a_batch_starts_workers_all_the_same(podd: Served) -> None:
    queue = podd.create_endpoint(workersMax=1)
    finalized(podd, queue, "of the batch")
    podd.pass_time(seconds=5)
    worker = podd.worker(queue)
    podd.submit(queue, "low", policy={"lowPriority": True})
    podd.submit(queue, "first")
    asked = worker.ask_jobs(3).json()
    assert [job["input"] for job in asked] == ["first", "low", "of the batch"]


def test_a_batch_takes_no_room_from_the_queue_and_is_not_purged(tmp_path: Path) -> None:
    podd = Served(tmp_path, limits={"queued_jobs": 1, "queued_jobs_per_worker": 0})
    try:
        queue = podd.create_endpoint(workersMax=0)
        path = finalized(podd, queue, *range(5))
        podd.submit(queue)
        podd.submit(queue)
        assert podd.http.post(f"/v2/{queue}/run", json={"input": 1}).status_code == 429
        assert podd.http.post(f"/v2/{queue}/purge-queue").json()["removed"] == 2
        assert call(podd, "GET", path)["requestFailed"] == 0
    finally:
        podd.close()


def test_results_of_a_batch_stay_until_the_batch_is_forgotten(podd: Served) -> None:
    queue, worker = podd.woken()
    path = finalized(podd, queue, 1, 2)
    worker.done(worker.take()["id"], {"output": 1})
    podd.pass_time(hours=2)
    worker = podd.worker(queue)
    worker.done(worker.take()["id"], {"output": 2})
    podd.pass_time(hours=7 * 24 - 1)
    outputs = [request["output"] for request in call(podd, "GET", f"{path}/requests")["requests"]]
    assert outputs == [1, 2]
    podd.pass_time(hours=2)
    assert refused(podd, "GET", path) == (404, "batch not found")
    assert call(podd, "GET", f"{queue}/batch")["total"] == 0


# Cancelled


def test_what_has_not_begun_is_cancelled_and_what_runs_goes_on(podd: Served) -> None:
    queue, worker = podd.woken()
    path = finalized(podd, queue, 1, 2, 3)
    running = worker.take()["id"]
    batch = call(podd, "POST", f"{path}/cancel")
    assert (batch["status"], batch["requestInProgress"], batch["requestFailed"]) == ("CANCELLED", 1, 2)
    worker.done(running, {"output": "done"})
    batch = call(podd, "POST", f"{path}/cancel")
    assert (batch["status"], batch["requestCompleted"], batch["requestFailed"]) == ("CANCELLED", 1, 2)
    states = [request["status"] for request in call(podd, "GET", f"{path}/requests")["requests"]]
    assert states == ["COMPLETED", "CANCELLED", "CANCELLED"]


def test_a_cancelled_draft_never_runs(podd: Served, queue: str) -> None:
    path = draft(podd, queue, 1)
    batch = call(podd, "POST", f"{path}/cancel")
    assert (batch["status"], batch["requestTotal"], batch["requestFailed"]) == ("CANCELLED", 1, 1)
    assert refused(podd, "POST", f"{path}/finalize")[0] == 400
    assert podd.health(queue)["jobs"]["inQueue"] == 0


def test_a_batch_that_is_over_stays_what_it_is_when_cancelled(podd: Served) -> None:
    queue, worker = podd.woken()
    path = finalized(podd, queue, 1)
    worker.done(worker.take()["id"], {"output": 1})
    podd.settle()
    assert call(podd, "POST", f"{path}/cancel")["status"] == "FINALIZED"


@pytest.mark.parametrize("decision", ["finalize", "cancel"])
def test_a_step_that_a_crash_cut_off_is_taken_up_later(
    podd: Served, queue: str, decision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = draft(podd, queue, *range(7)) if decision == "finalize" else finalized(podd, queue, *range(7))
    account = podd.data("{ myself { id } }")["myself"]["id"]
    caller = Caller(CallerKind.ACCOUNT, account)
    batch_id = path.rsplit("/", 1)[1]
    if decision == "finalize":
        podd.do(podd.podd.store.write(batches.finalize, caller, queue, batch_id, podd.clock.now()))
    else:
        podd.do(podd.podd.store.write(batches.cancel, caller, queue, batch_id))
    monkeypatch.setattr(batches, "AT_ONCE", 2)
    podd.settle()
    assert podd.health(queue)["jobs"]["inQueue"] == (7 if decision == "finalize" else 0)
    assert len(set(ids_in(podd, path))) == call(podd, "GET", path)["requestTotal"] == 7


def test_a_page_during_the_move_into_the_queue_shows_each_request_once(
    podd: Served, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = draft(podd, queue, *range(5))
    before = ids_in(podd, path)
    account = podd.data("{ myself { id } }")["myself"]["id"]
    batch_id, store = path.rsplit("/", 1)[1], podd.podd.store
    now = podd.clock.now()
    podd.do(store.write(batches.finalize, Caller(CallerKind.ACCOUNT, account), queue, batch_id, now))
    monkeypatch.setattr(batches, "AT_ONCE", 2)
    podd.do(store.write(batches.advance, podd.podd, queue, batch_id, now))
    assert podd.health(queue)["jobs"]["inQueue"] == 2
    assert ids_in(podd, path) == before
    pages = [call(podd, "GET", f"{path}/requests", params={"limit": 2, "offset": at}) for at in (0, 2, 4)]
    assert [request["id"] for page in pages for request in page["requests"]] == before


# Limits


def test_large_outputs_come_in_smaller_pages(tmp_path: Path) -> None:
    podd = Served(tmp_path, limits={"stream_read_bytes": 1000})
    try:
        queue, worker = podd.woken()
        path = finalized(podd, queue, *range(3))
        for _ in range(3):
            worker.done(worker.take()["id"], {"output": "x" * 800})
        page = call(podd, "GET", f"{path}/requests")
        assert (len(page["requests"]), page["hasMore"]) == (2, True)
        page = call(podd, "GET", f"{path}/requests", params={"offset": 2})
        assert (len(page["requests"]), page["hasMore"]) == (1, False)
    finally:
        podd.close()


def test_how_many_batches_and_requests_there_may_be(small: Served) -> None:
    queue = small.create_endpoint(workersMax=0)
    first = draft(small, queue, 1, 2)
    status, said = refused(small, "POST", f"{first}/requests", json={"requests": inputs(3, 4)})
    assert (status, "no more than 3" in said) == (400, True)
    second = draft(small, queue, 1, 2)
    status, said = refused(small, "POST", f"{second}/requests", json={"requests": inputs(3)})
    assert (status, "No more than 4" in said) == (429, True)
    status, said = refused(small, "POST", f"{queue}/batch")
    assert (status, "2 batches" in said) == (429, True)
    call(small, "POST", f"{first}/cancel")
    call(small, "POST", f"{second}/requests", json={"requests": inputs(3)})
    large = inputs("x" * 1024 * 1024)
    assert refused(small, "POST", f"{queue}/batch", json=large) == (400, "exceeded max body size of 1MiB")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("{", "no JSON"),
        ('"text"', "list of requests"),
        ('{"requests": 5}', "requests must be a list"),
        ('{"requests": [{"input": 1}, {"inputs": 1}]}', "requests[1]: json is invalid"),
        ('[{"input": 1, "policy": {"ttl": 1}}]', "requests[0]: policy.ttl"),
        ('{"name": 5}', "name must be"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_place(podd: Served, queue: str, body: str, said: str) -> None:
    status, error = refused(podd, "POST", f"{queue}/batch", content=body)
    assert status == 400
    assert said in error
    assert call(podd, "GET", f"{queue}/batch")["total"] == 0


@pytest.mark.parametrize("query", ["offset=-1", "limit=0", "limit=1001", "limit=x"])
def test_a_place_that_is_none_is_refused(podd: Served, queue: str, query: str) -> None:
    assert refused(podd, "GET", f"{queue}/batch?{query}")[0] == 400


def test_foreign_batches_look_like_missing_ones(podd: Served, queue: str) -> None:
    path = draft(podd, queue, 1)
    other = podd.create_endpoint(workersMax=0)
    batch_id = path.rsplit("/", 1)[1]
    with podd.client(podd.account()) as stranger:
        for method, where in [("GET", ""), ("PUT", ""), ("POST", "/finalize"), ("POST", "/cancel")]:
            response = stranger.request(method, f"/v2/{path}{where}", content="{}")
            assert (response.status_code, response.json()["error"]) == (404, "endpoint not found")
    assert refused(podd, "GET", f"{other}/batch/{batch_id}") == (404, "batch not found")
    assert refused(podd, "GET", f"{queue}/batch/batch_none") == (404, "batch not found")


def test_batches_go_with_their_endpoint(podd: Served, queue: str) -> None:
    path = finalized(podd, queue, 1)
    draft(podd, queue, 2)
    podd.data("mutation ($id: String!) { deleteEndpoint(id: $id) }", {"id": queue})
    assert refused(podd, "GET", path) == (404, "endpoint not found")
    podd.settle()
