"""What an endpoint did, in numbers and as a list. Numbers in names are those of the conformance scenarios
podd was planned with."""

from typing import Any

import pytest

from tests.api.served import Served

Json = dict[str, Any]


def metrics(podd: Served, endpoint_id: str, query: str = "") -> Json:
    response = podd.http.get(f"/v2/{endpoint_id}/metrics{query}")
    assert response.status_code == 200, response.text
    body: Json = response.json()
    return body


def near(value: int) -> Any:
    return pytest.approx(value, rel=0.05)


def test_101_an_endpoint_that_did_nothing_has_zeros(podd: Served) -> None:
    nothing = {"p70": 0, "p90": 0, "p98": 0}
    assert metrics(podd, podd.create_endpoint(workersMax=0)) == {
        "hours": 24,
        "readyWorkers": [],
        "workers": dict.fromkeys(("idle", "initializing", "ready", "running", "throttled", "unhealthy"), 0),
        "requests": {"total": 0, "completed": 0, "failed": 0, "retried": 0},
        "delayTime": nothing,
        "executionTime": nothing,
        "coldStartTime": nothing,
        "coldStarts": 0,
        "webhooks": {"sent": 0, "success": 0, "failure": 0},
    }


def test_101_delays_executions_and_cold_starts_are_measured(podd: Served) -> None:
    endpoint_id, worker = podd.woken()
    podd.clock.advance(seconds=9)
    job_ids = [podd.submit(endpoint_id) for _ in range(10)]
    for n, job_id in enumerate(job_ids, 1):
        worker.take()
        podd.clock.advance(seconds=n)
        worker.done(job_id, {"error": "x"} if n == 10 else {"output": n})
    found = metrics(podd, endpoint_id)
    assert found["requests"] == {"total": 10, "completed": 9, "failed": 1, "retried": 0}
    assert found["executionTime"] == {"p70": near(7000), "p90": near(9000), "p98": near(10_000)}
    assert found["delayTime"] == {"p70": near(21_000), "p90": near(36_000), "p98": near(45_000)}
    assert (found["coldStarts"], found["coldStartTime"]["p98"]) == (1, near(9000))
    assert found["readyWorkers"] == [worker.id]
    assert found["workers"] == podd.health(endpoint_id)["workers"]


def test_101_lost_attempts_are_counted(podd: Served) -> None:
    endpoint_id, worker = podd.woken()
    podd.submit(endpoint_id)
    worker.take()
    podd.clock.advance(seconds=3)
    worker.take()
    assert metrics(podd, endpoint_id)["requests"]["retried"] == 1


def test_101_what_is_long_ago_does_not_count_and_is_forgotten(podd: Served) -> None:
    endpoint_id, worker = podd.woken()
    job_id = podd.submit(endpoint_id)
    worker.take()
    worker.done(job_id, {"output": 1})
    podd.clock.advance(hours=30)
    assert metrics(podd, endpoint_id)["requests"]["total"] == 0
    assert metrics(podd, endpoint_id, "?hours=48")["requests"]["total"] == 1
    podd.clock.advance(hours=720)
    podd.settle()
    assert (
        podd.podd.store.ask(lambda db: db.value("SELECT COUNT(*) FROM measures WHERE kind = 'completed'"))
        == 0
    )


@pytest.mark.parametrize(
    "query", ["metrics?hours=0", "metrics?hours=x", "requests?limit=0", "requests?status=x"]
)
def test_odd_questions_are_refused_by_name(podd: Served, query: str) -> None:
    response = podd.http.get(f"/v2/{podd.create_endpoint(workersMax=0)}/{query}")
    assert response.status_code == 400
    assert query.split("?")[1].split("=")[0] in response.json()["error"]


def test_requests_are_the_jobs_youngest_first_without_what_went_in_and_came_out(podd: Served) -> None:
    endpoint_id, worker = podd.woken()
    first, second, third = (podd.submit(endpoint_id, "secret input") for _ in range(3))
    worker.take()
    worker.done(first, {"output": "secret output"})
    worker.take()
    response = podd.http.get(f"/v2/{endpoint_id}/requests")
    assert "secret" not in response.text
    found = response.json()["requests"]
    assert [(job["id"], job["status"]) for job in found] == [
        (third, "IN_QUEUE"),
        (second, "IN_PROGRESS"),
        (first, "COMPLETED"),
    ]
    assert found[2].keys() == {"id", "status", "delayTime", "executionTime", "workerId"}
    only = podd.http.get(f"/v2/{endpoint_id}/requests?status=IN_PROGRESS&limit=1").json()["requests"]
    assert [job["id"] for job in only] == [second]
