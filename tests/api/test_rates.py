"""Too much at once. Numbers in names are those of the conformance scenarios podd was planned with."""

import pytest

from tests.api.conftest import NewPodd
from tests.api.served import Served
from tests.waiting import eventually


@pytest.fixture
def podd(new_podd: NewPodd) -> Served:
    few = dict.fromkeys(("run", "runsync", "status", "stream", "cancel", "openai"), "3 per 10 minutes")
    return new_podd(settings={"rates": {**few, "stream_at_once": 1}})


@pytest.fixture
def queue(podd: Served) -> str:
    return podd.create_endpoint(workersMax=0)


def statuses(podd: Served, method: str, path: str, number: int = 5) -> list[int]:
    return [podd.http.request(method, path, json={"input": 1}).status_code for _ in range(number)]


def test_58_what_comes_too_often_is_429_and_says_when_to_come_again(podd: Served, queue: str) -> None:
    assert statuses(podd, "POST", f"/v2/{queue}/run") == [200, 200, 200, 429, 429]
    response = podd.http.post(f"/v2/{queue}/run", json={"input": 1})
    assert response.headers["content-type"] == "application/json"
    assert 1 <= int(response.headers["retry-after"]) <= 600
    assert "try again in" in response.json()["error"]
    assert "status" not in response.json()
    assert podd.health(queue)["jobs"]["inQueue"] == 3


def test_58_limits_are_per_operation_endpoint_and_key(podd: Served, queue: str) -> None:
    assert statuses(podd, "POST", f"/v2/{queue}/run")[-1] == 429
    assert statuses(podd, "POST", f"/v2/{podd.create_endpoint(workersMax=0)}/run", 1) == [200]
    assert statuses(podd, "POST", f"/v2/{queue}/cancel/x", 4) == [404, 404, 404, 429]
    assert statuses(podd, "GET", f"/v2/{queue}/status/x", 2) == [404, 404]
    assert statuses(podd, "GET", f"/v2/{queue}/status-sync/x", 2) == [404, 429]
    with podd.client(podd.account()) as stranger:
        assert stranger.post(f"/v2/{queue}/run", json={"input": 1}).status_code == 404


def test_58_an_openai_client_is_told_in_its_own_shape(podd: Served, queue: str) -> None:
    path = f"/v2/{queue}/openai/v1/models"
    assert [podd.http.post(path, content=b"{").status_code for _ in range(4)] == [400, 400, 400, 429]
    response = podd.http.get(path)
    assert response.json()["error"]["code"] == 429
    assert response.headers["retry-after"]


def test_58_at_the_same_time_has_a_limit_too(podd: Served, queue: str) -> None:
    path = f"/v2/{queue}/stream/{podd.submit(queue)}"
    held = podd.later("GET", f"{path}?wait=300000")
    eventually(lambda: any(name.startswith("job:") for name in podd.podd.bells._listeners))
    assert podd.http.get(path).status_code == 429
    podd.http.post(f"/v2/{queue}/cancel/{path.rsplit('/', 1)[1]}")
    assert held.result().status_code == 200
    assert podd.http.get(path).status_code == 200


def test_58_no_rate_is_no_limit_and_workers_have_none(new_podd: NewPodd) -> None:
    podd = new_podd(settings={"rates": {"run": "", "run_at_once": 0}})
    endpoint_id, worker = podd.woken()
    assert set(statuses(podd, "POST", f"/v2/{endpoint_id}/run", 20)) == {200}
    for _ in range(20):
        worker.done(worker.take()["id"], {"output": 1})


def test_58_the_defaults_are_those_of_the_documentation(new_podd: NewPodd) -> None:
    podd = new_podd()
    assert podd.settings.rates.run == "1000 per 10 seconds"
    endpoint_id = podd.create_endpoint(workersMax=0)
    assert statuses(podd, "POST", f"/v2/{endpoint_id}/purge-queue", 3) == [200, 200, 429]


def test_59_a_full_queue_takes_no_more_until_there_is_room(new_podd: NewPodd) -> None:
    podd = new_podd(limits={"queued_jobs": 5, "queued_jobs_per_worker": 7})
    paused = podd.create_endpoint(workersMax=0)
    assert statuses(podd, "POST", f"/v2/{paused}/run", 8) == [200] * 6 + [429] * 2
    endpoint_id, worker = podd.woken()
    assert statuses(podd, "POST", f"/v2/{endpoint_id}/run", 9) == [200] * 8 + [429]
    worker.take()
    assert statuses(podd, "POST", f"/v2/{endpoint_id}/run", 2) == [200, 429]
    podd.create_endpoint(id=paused, workersMax=1, name="more")
    assert statuses(podd, "POST", f"/v2/{paused}/run", 3) == [200, 200, 429]


def test_59_fifty_jobs_may_always_wait(new_podd: NewPodd) -> None:
    podd = new_podd()
    paused = podd.create_endpoint(workersMax=0)
    assert statuses(podd, "POST", f"/v2/{paused}/run", 52) == [200] * 51 + [429]


def test_59_without_a_cap_there_is_none(new_podd: NewPodd) -> None:
    podd = new_podd(limits={"queued_jobs": 0, "queued_jobs_per_worker": 0})
    paused = podd.create_endpoint(workersMax=0)
    assert set(statuses(podd, "POST", f"/v2/{paused}/run", 60)) == {200}
