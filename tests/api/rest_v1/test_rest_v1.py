"""What all of REST v1 has in common: who may ask, how refusals read, billing and the description."""

from typing import Any

import httpx
import pytest

from tests.api.rest_v1.asking import V1
from tests.api.served import OPERATOR_KEY, QUICKLY, Served

OPERATIONS = [
    ("GET", "/pods"),
    ("POST", "/pods"),
    ("GET", "/pods/x"),
    ("PATCH", "/pods/x"),
    ("PUT", "/pods/x"),
    ("DELETE", "/pods/x"),
    *(("POST", f"/pods/x/{action}") for action in ("update", "start", "stop", "reset", "restart")),
    *(
        (method, f"/{noun}{suffix}")
        for noun in ("endpoints", "templates", "networkvolumes")
        for method, suffix in (
            ("GET", ""),
            ("POST", ""),
            ("GET", "/x"),
            ("PATCH", "/x"),
            ("POST", "/x/update"),
            ("DELETE", "/x"),
        )
    ),
    ("GET", "/containerregistryauth"),
    ("POST", "/containerregistryauth"),
    ("GET", "/containerregistryauth/x"),
    ("DELETE", "/containerregistryauth/x"),
    ("GET", "/billing/pods"),
    ("GET", "/billing/endpoints"),
    ("GET", "/billing/networkvolumes"),
]


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_no_key_and_bad_keys_are_refused_before_anything_is_looked_at(
    shared_podd: Served, method: str, path: str
) -> None:
    for headers in ({}, {"Authorization": "Bearer rpa_WRONG"}):
        # Even with a query or body that makes no sense.
        body = b"" if method in ("GET", "DELETE") else b'{"name": 7}'
        url = f"{shared_podd.url}/v1{path}?includeMachine=x&bucketSize=x"
        response = httpx.request(method, url, headers=headers, content=body, **QUICKLY)
        assert response.status_code == 401
        answer = response.json()
        assert answer == {"error": answer["error"], "message": answer["error"], "status": 401}


NOUNS = ("pods", "endpoints", "templates", "networkvolumes", "containerregistryauth", "billing/pods")


@pytest.mark.parametrize("noun", NOUNS)
def test_the_operators_key_is_not_an_accounts(shared_podd: Served, noun: str) -> None:
    V1(shared_podd, OPERATOR_KEY).refused(403, "GET", f"/{noun}")


def test_unknown_paths_and_methods_are_refused_in_v1s_shape(shared_podd: Served) -> None:
    v1 = V1(shared_podd)
    v1.refused(404, "GET", "/nothing")
    v1.refused(404, "GET", "/pods/x/logs")
    v1.refused(405, "PUT", "/pods")
    v1.refused(405, "DELETE", "/templates")


def test_too_large_a_body_is_refused(shared_podd: Served) -> None:
    response = shared_podd.http.post("/v1/pods", content=b'{"name": "' + b"x" * 2_000_000 + b'"}')
    assert response.status_code in (400, 413)
    assert response.json()["status"] == response.status_code


def test_a_deep_body_is_refused(shared_podd: Served) -> None:
    response = shared_podd.http.post("/v1/pods", content=b'{"env": ' + b"[" * 100_000 + b"]" * 100_000 + b"}")
    assert response.status_code == 400
    assert response.json()["status"] == 400


# Billing


@pytest.mark.parametrize("what", ["pods", "endpoints", "networkvolumes"])
def test_nothing_was_charged(shared_podd: Served, what: str) -> None:
    v1 = V1(shared_podd)
    assert v1.ask("GET", f"/billing/{what}") == []
    query: dict[str, Any] = {
        "bucketSize": "hour",
        "startTime": "2026-01-01T00:00:00Z",
        "endTime": "2026-02-01T00:00:00Z",
        "gpuTypeId": ["NVIDIA A40", "NVIDIA L4"],
        "podId": "x",
    }
    assert v1.ask("GET", f"/billing/{what}", **query) == []
    assert "bucketSize" in v1.refused(400, "GET", f"/billing/{what}", bucketSize="minute")
    assert "startTime" in v1.refused(400, "GET", f"/billing/{what}", startTime="yesterday")


def test_groupings_are_those_of_the_resource(shared_podd: Served) -> None:
    v1 = V1(shared_podd)
    assert v1.ask("GET", "/billing/pods", grouping="podId") == []
    assert v1.ask("GET", "/billing/endpoints", grouping="endpointId") == []
    assert "grouping" in v1.refused(400, "GET", "/billing/pods", grouping="endpointId")


# The description


def test_the_description_lists_every_operation_without_a_key(shared_podd: Served) -> None:
    response = httpx.get(f"{shared_podd.url}/v1/openapi.json", **QUICKLY)
    assert response.status_code == 200
    document = response.json()
    assert document["servers"] == [{"url": "/v1"}]
    listed = {(method.upper(), path) for path, entries in document["paths"].items() for method in entries}
    assert len(listed) == 37 + 1  # RunPod's, and PUT on pods
    assert ("PUT", "/pods/{podId}") in listed
    create = document["paths"]["/pods"]["post"]
    assert create["operationId"] == "CreatePod"
    assert create["description"]
    assert "201" in create["responses"]


def test_every_schema_of_the_description_is_there(shared_podd: Served) -> None:
    text = shared_podd.http.get("/v1/openapi.json").text
    schemas = shared_podd.http.get("/v1/openapi.json").json()["components"]["schemas"]
    named = {part.split('"')[0] for part in text.split('"#/components/schemas/')[1:]}
    assert named == schemas.keys()


def test_the_page_for_people_names_the_operations(shared_podd: Served) -> None:
    response = httpx.get(f"{shared_podd.url}/v1/docs", **QUICKLY)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")
    assert "/v1/pods/{podId}/start" in response.text
