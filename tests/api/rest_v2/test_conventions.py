"""What holds for every operation: keys, errors, methods, lists, and the description of it all."""

import json
from typing import Any

import httpx
import pytest

from podd.api.rest_v2.operation import MAX_BODY
from tests.api.rest_v2.client import A6000, RestV2, endpoint_wish
from tests.api.served import OPERATOR_KEY, Served

Json = dict[str, Any]

SPENT = [
    ("GET", "/pods"),
    ("POST", "/pods"),
    ("GET", "/pods/x/logs"),
    ("GET", "/serverless"),
    ("GET", "/templates"),
    ("GET", "/network-volumes"),
    ("GET", "/registries"),
    ("GET", "/registries/delegations"),
    ("GET", "/catalog/gpus"),
    ("GET", "/billing"),
    ("GET", "/clusters"),
    ("GET", "/account/secrets"),
]


@pytest.mark.parametrize(("method", "path"), SPENT)
def test_a_key_is_needed(shared_podd: Served, method: str, path: str) -> None:
    for key in ("", "rpa_UNKNOWN"):
        with shared_podd.client(key) as http:
            answer = http.request(method, f"/v2{path}")
        assert answer.status_code == 401
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["title"] == "Unauthorized"


@pytest.mark.parametrize(("method", "path"), [s for s in SPENT if s != ("GET", "/catalog/gpus")])
def test_the_operator_has_no_things_of_an_account(shared_podd: Served, method: str, path: str) -> None:
    body = {"name": "p", "image": "x", "gpu": {"id": A6000}} if method == "POST" else None
    RestV2(shared_podd, OPERATOR_KEY).ask(method, path, body, expect=403)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/pods", {"GET", "POST"}),
        ("POST", "/pods/x", {"GET", "PATCH", "DELETE"}),
        ("POST", "/pods/run", {"GET", "PATCH", "DELETE"}),
        ("GET", "/pods/x/action", {"POST"}),
        ("DELETE", "/registries/delegations", {"GET", "POST"}),
        ("POST", "/catalog/gpus", {"GET"}),
    ],
)
def test_a_wrong_method_says_which_are_right(
    shared_podd: Served, method: str, path: str, allowed: set[str]
) -> None:
    answer = shared_podd.http.request(method, f"/v2{path}")
    assert answer.status_code == 405
    assert answer.json()["title"] == "Method Not Allowed"
    assert allowed <= {name.strip() for name in answer.headers["allow"].split(",")}


@pytest.mark.parametrize("path", ["/pods/x/y/z", "/serverless/x/nothing", "/catalog", "/billing/x/y"])
def test_what_there_is_not_is_a_problem(shared_podd: Served, path: str) -> None:
    answer = shared_podd.http.get(f"/v2{path}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_every_answer_has_a_number_of_its_own(shared_podd: Served) -> None:
    paths = ["/v2/pods", "/v2/pods", "/v2/pods/x", "/v2/nothing", "/v2/openapi.json", "/livez"]
    numbers = [shared_podd.http.get(path).headers["x-request-id"] for path in paths]
    assert len(set(numbers)) == len(paths)


# Bodies


@pytest.mark.parametrize(
    ("body", "problems"),
    [
        ({}, ["$: missing property 'name'"]),
        ({"name": "p"}, ["$: missing property 'image'"]),
        ({"name": "p", "image": "x", "x": 1}, ["$: additional properties 'x' not allowed"]),
        (
            {"name": "p", "image": "x", "gpu": {"id": A6000, "type": "y"}},
            ["$.gpu: additional properties 'type' not allowed"],
        ),
        ({"name": "p", "image": 1}, ["$.image: got number, want string"]),
        ({"name": "", "image": "x"}, ["$.name: String should have at least 1 character"]),
        ({"name": "p", "image": "x", "disk": "5"}, ["$.disk: got string, want integer"]),
        ({"name": "p", "image": "x", "disk": True}, ["$.disk: got boolean, want integer"]),
        ({"name": "p", "image": "x", "disk": 0}, ["$.disk: minimum: got 0, want 1"]),
        ({"name": "p", "image": "x", "ports": "22/tcp"}, ["$.ports: got string, want array"]),
        ({"name": "p", "image": "x", "ports": [22]}, ["$.ports[0]: got number, want string"]),
        ({"name": "p", "image": "x", "env": {"A": 1}}, ["$.env.A: got number, want string"]),
        ({"name": "p", "image": "x", "startSsh": "yes"}, ["$.startSsh: got string, want boolean"]),
        (
            {"name": "p", "image": "x", "cloud": "ALL"},
            ["$.cloud: value must be one of 'SECURE', 'COMMUNITY'"],
        ),
        (
            {"name": "p", "image": "x", "mounts": {"persistent": {"size": 20}}},
            ["$.mounts.persistent: missing property 'path'"],
        ),
        (
            {"name": "p", "image": "x", "mounts": {"persistent": {"size": 9, "path": "/a"}}},
            ["$.mounts.persistent.size: minimum: got 9, want 10"],
        ),
        (
            {"name": "p", "image": "x", "cpu": {"id": "cpu3c", "vcpuCount": 1}},
            ["$.cpu.vcpuCount: minimum: got 1, want 2"],
        ),
        ([], ["$: got array, want object"]),
        ("x", ["$: got string, want object"]),
        (
            {"a": 1, "b": 2, "name": "p", "image": "x"},
            ["$: additional properties 'a' not allowed", "$: additional properties 'b' not allowed"],
        ),
    ],
)
def test_a_body_of_another_shape_is_told_where(podd: Served, body: Any, problems: list[str]) -> None:
    answer = podd.http.post("/v2/pods", json=body)
    assert answer.status_code == 422
    assert answer.json() == {
        "title": "Unprocessable Entity",
        "status": 422,
        "detail": "; ".join(problems),
        "errors": problems,
    }


def test_an_action_nobody_knows_is_told_which_there_are(api: RestV2) -> None:
    assert api.errors("POST", "/pods/x/action", {"action": "reset"}) == [
        "$.action: value must be one of 'start', 'stop', 'restart', 'terminate'"
    ]


def test_the_members_of_a_choice_are_told_apart_by_their_type(api: RestV2) -> None:
    for scaling, problem in [
        ({"type": "QUEUE_DELAY"}, "$.scaling: missing property 'queueDelay'"),
        ({"type": "QUEUE_DELAY", "queueDelay": 0.1}, "$.scaling.queueDelay: minimum: got 0.1, want 0.5"),
        ({"type": "REQUEST_COUNT", "requestCount": 0}, "$.scaling.requestCount: minimum: got 0, want 1"),
        ({}, "$.scaling: missing property 'type'"),
    ]:
        assert api.errors("POST", "/serverless", {**endpoint_wish(), "scaling": scaling}) == [problem]


@pytest.mark.parametrize("body", [b"{", b"nope", b'{"name": "\xff"}'])
def test_a_body_that_is_not_json_is_a_bad_request(podd: Served, body: bytes) -> None:
    answer = podd.http.post("/v2/pods", content=body)
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("The body is not JSON: ")


def test_a_body_that_is_too_long_is_not_read(podd: Served) -> None:
    answer = podd.http.post("/v2/pods", content=b" " * (MAX_BODY + 1))
    assert answer.status_code == 400
    assert "max body size" in answer.json()["detail"]


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", None])
def test_an_empty_body_is_an_empty_object_whatever_its_type(
    podd: Served, api: RestV2, content_type: str | None
) -> None:
    pod_id = api.pod()["id"]
    headers = {"content-type": content_type} if content_type else {}
    assert podd.http.patch(f"/v2/pods/{pod_id}", headers=headers).status_code == 200
    assert podd.http.get(f"/v2/pods/{pod_id}", headers=headers).status_code == 200
    answer = podd.http.delete(f"/v2/pods/{pod_id}", headers=headers)
    assert (answer.status_code, answer.content) == (204, b"")


def test_half_a_character_is_refused(podd: Served) -> None:
    body = b'{"name": "\\ud800", "image": "x", "gpu": {"id": "x"}}'
    assert podd.http.post("/v2/pods", content=body).status_code in (400, 422)


# Lists


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/pods", "pods"),
        ("/serverless", "endpoints"),
        ("/templates", "templates"),
        ("/network-volumes", "networkVolumes"),
        ("/registries", "registries"),
        ("/clusters", "clusters"),
        ("/account/secrets", "secrets"),
    ],
)
def test_a_list_is_wrapped_and_tells_of_its_pages(shared_podd: Served, path: str, name: str) -> None:
    api = RestV2(shared_podd)
    pagination = {"nextCursor": None, "hasNextPage": False}
    assert api.get(path) == {name: [], "pagination": pagination}
    for query in ("limit=0", "limit=1001", "limit=x"):
        assert api.get(f"{path}?{query}", expect=422)["errors"][0].startswith("query.limit: ")
    for cursor in ("x", "YWJj", "ZGVm=="):
        assert "cursor" in api.get(f"{path}?cursor={cursor}", expect=400)["detail"]


@pytest.mark.parametrize(
    ("path", "name", "make"),
    [
        ("/templates", "templates", lambda api, n: api.template(name=f"t{n}")),
        ("/serverless", "endpoints", lambda api, n: api.endpoint(name=f"endpoint {n}")),
        ("/network-volumes", "networkVolumes", lambda api, n: api.volume(name=f"v{n}")),
    ],
)
def test_pages_together_are_the_whole_newest_first(api: RestV2, path: str, name: str, make: Any) -> None:
    # Made in the same millisecond: the id decides.
    made = {make(api, number)["id"] for number in range(5)}
    whole = [one["id"] for one in api.get(path)[name]]
    assert set(whole) == made
    seen, cursor = [], ""
    while True:
        answer = api.get(f"{path}?limit=2{cursor}")
        seen += [one["id"] for one in answer[name]]
        if not answer["pagination"]["hasNextPage"]:
            break
        cursor = f"&cursor={answer['pagination']['nextCursor']}"
    assert seen == whole


# The description


def described(podd: Served) -> Json:
    document: Json = httpx.get(f"{podd.url}/v2/openapi.json", trust_env=False, verify=False).json()
    return document


def test_the_description_needs_no_key_and_lists_all_operations(shared_podd: Served) -> None:
    document = described(shared_podd)
    assert document["openapi"] == "3.1.0"
    ids = [o["operationId"] for methods in document["paths"].values() for o in methods.values()]
    assert len(ids) == len(set(ids))
    assert {"listPods", "createPod", "getPodLogs", "listEndpointReleases", "listBilling"} <= set(ids)
    assert all(o["summary"] for methods in document["paths"].values() for o in methods.values())


def test_every_reference_of_the_description_leads_somewhere(shared_podd: Served) -> None:
    document = described(shared_podd)
    schemas = document["components"]["schemas"]
    for ref in references(document):
        assert ref.startswith("#/components/schemas/")
        assert ref.removeprefix("#/components/schemas/") in schemas
    assert "discriminator" in json.dumps(schemas["CreateEndpointRequest"])


def references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [ref for part in value.values() for ref in references(part)]
    if isinstance(value, list):
        return [ref for part in value for ref in references(part)]
    return []
