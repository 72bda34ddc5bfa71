"""How GraphQL requests and answers travel: who is let in, what is refused, and with which status."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.api.served import OPERATOR_KEY, QUICKLY, Served

Json = dict[str, Any]
MYSELF = "{ myself { id } }"


@pytest.fixture(scope="module")
def podd(shared_podd: Served) -> Served:
    """What these tests deploy, they terminate."""
    return shared_podd


@pytest.fixture
def pod(podd: Served) -> Iterator[str]:
    """A running pod."""
    pod_id = podd.create_pod()
    podd.settle()
    yield pod_id
    podd.data("mutation ($id: String!) { podTerminate(input: {podId: $id}) }", {"id": pod_id})
    podd.settle()


@pytest.fixture
def post(podd: Served) -> Callable[..., httpx.Response]:
    """Sends a body, or a query, as it is."""

    def send(body: bytes | str, path: str = "/graphql", **headers: str) -> httpx.Response:
        content = json.dumps({"query": body}).encode() if isinstance(body, str) else body
        headers = {"content-type": "application/json", "authorization": f"Bearer {podd.key}", **headers}
        return httpx.post(podd.url + path, content=content, headers=headers, **QUICKLY)

    return send


Post = Callable[..., httpx.Response]


def code_of(response: httpx.Response) -> str:
    """The error's code, after a look at the shape that clients rely on."""
    body = response.json()
    assert body.get("data") is None
    for error in body["errors"]:
        assert isinstance(error["message"], str)
        assert error["message"]
        assert isinstance(error["path"], list)
    code: str = body["errors"][0]["extensions"]["code"]
    return code


# Who is let in


def asked_with(podd: Served, query: str = "", **headers: str) -> httpx.Response:
    return httpx.post(f"{podd.url}/graphql{query}", json={"query": MYSELF}, headers=headers, **QUICKLY)


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER  ", ""])
def test_a_key_is_good_with_and_without_its_scheme(podd: Served, scheme: str) -> None:
    assert asked_with(podd, Authorization=f"{scheme}{podd.key}").json()["data"]["myself"]["id"]


def test_of_two_keys_one_that_is_good_will_do(podd: Served) -> None:
    """Some clients send their key both ways, and one of the two may be stale."""
    assert asked_with(podd, f"?api_key={podd.key}", Authorization="Bearer stale").status_code == 200
    assert asked_with(podd, "?api_key=stale", Authorization=f"Bearer {podd.key}").status_code == 200
    assert asked_with(podd, "?api_key=stale", Authorization="Bearer stale").status_code == 401


@pytest.mark.parametrize("key", ["rpa_0000", "x", "Bearer", "rpa_a_b", "$YOUR_API_KEY", "'; DROP TABLE keys"])
def test_a_key_nobody_has_is_401(podd: Served, key: str) -> None:
    for response in (asked_with(podd, Authorization=f"Bearer {key}"), asked_with(podd, f"?api_key={key}")):
        assert response.status_code == 401
        assert response.json() == {"title": "Unauthorized", "status": 401, "detail": "invalid api key"}


def test_without_a_key_the_catalogue_answers_and_myself_is_null(podd: Served) -> None:
    document = "{ myself { id pods { id } } gpuTypes { id } }"
    response = httpx.post(f"{podd.url}/graphql", json={"query": document}, **QUICKLY)
    assert response.status_code == 200
    assert response.json().keys() == {"data"}
    assert response.json()["data"]["myself"] is None
    assert len(response.json()["data"]["gpuTypes"]) == 2


def test_without_a_key_nothing_is_changed(podd: Served, pod: str) -> None:
    document = f'mutation {{ podStop(input: {{podId: "{pod}"}}) {{ id }} }}'
    response = httpx.post(f"{podd.url}/graphql", json={"query": document}, **QUICKLY)
    assert response.status_code == 200
    assert response.json() == {
        "errors": [{"message": "Unauthorized", "path": ["podStop"], "extensions": {"code": "RUNPOD"}}],
        "data": {"podStop": None},
    }
    assert podd.data("{ myself { pods { desiredStatus } } }")["myself"]["pods"] == [
        {"desiredStatus": "RUNNING"}
    ]


def key_inside(podd: Served, pod_id: str) -> str:
    """What the pod's container finds in RUNPOD_API_KEY."""
    specs = map(podd.engine.spec, podd.engine.running())
    return next(dict(spec.env)["RUNPOD_API_KEY"] for spec in specs if spec.workload_id == pod_id)


def test_a_key_that_may_not_is_told_so_with_200(podd: Served, pod: str) -> None:
    """403 would make the SDK die with a KeyError."""
    data, errors = podd.graphql(MYSELF, key=key_inside(podd, pod))
    assert data == {"myself": None}
    assert errors == [{"message": "Unauthorized", "path": ["myself"], "extensions": {"code": "RUNPOD"}}]


def test_a_pods_own_key_reaches_only_that_pod(podd: Served, pod: str) -> None:
    key = key_inside(podd, pod)
    other = podd.create_pod()
    ask = "query ($id: String!) { pod(input: {podId: $id}) { id } }"
    assert podd.data(ask, {"id": pod}, key=key)["pod"] == {"id": pod}
    assert podd.data(ask, {"id": other}, key=key)["pod"] is None
    stop = "mutation ($id: String!) { podStop(input: {podId: $id}) { desiredStatus } }"
    assert podd.error(stop, {"id": other}, key=key)["message"] == "pod not found to stop"
    assert podd.data(stop, {"id": pod}, key=key)["podStop"] == {"desiredStatus": "EXITED"}
    resume = "mutation ($id: String!) { podResume(input: {podId: $id}) { id } }"
    assert podd.error(resume, {"id": pod}, key=key)["message"] == "Unauthorized"
    podd.data("mutation ($id: String!) { podTerminate(input: {podId: $id}) }", {"id": other})


def test_the_operators_key_is_no_account(podd: Served) -> None:
    assert podd.error(MYSELF, key=OPERATOR_KEY)["message"] == "Unauthorized"


# What is answered


@pytest.mark.parametrize("path", ["/graphql", "//graphql", "/graphql/", "//graphql/"])
def test_it_is_found_with_the_slashes_clients_add(post: Post, path: str) -> None:
    assert post(MYSELF, path).status_code == 200


def test_there_is_no_errors_key_without_errors(post: Post) -> None:
    """The SDK looks for the key alone."""
    assert post(MYSELF).json().keys() == {"data"}


@pytest.mark.parametrize(
    "extra",
    [
        '"variables": null',
        '"variables": {}',
        '"variables": {"undeclared": 1}',
        '"variable": {}',
        '"operationName": null',
        '"operationName": ""',
        '"extensions": {"a": 1}',
    ],
)
def test_what_clients_add_to_the_body_does_no_harm(post: Post, extra: str) -> None:
    response = post(f'{{"query": "{MYSELF}", {extra}}}'.encode())
    assert response.status_code == 200
    assert response.json().keys() == {"data"}


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "text/plain", "application/graphql"]
)
def test_the_content_type_does_not_matter(post: Post, content_type: str) -> None:
    assert post(MYSELF, **{"content-type": content_type}).status_code == 200


def test_one_of_several_operations_is_chosen_by_name(post: Post) -> None:
    several = "query A { myself { id } } query B { gpuTypes { id } }"
    chosen = post(json.dumps({"query": several, "operationName": "B"}).encode())
    assert chosen.json()["data"].keys() == {"gpuTypes"}
    assert post(several).status_code == 400
    assert post(json.dumps({"query": several, "operationName": "C"}).encode()).status_code == 400


def test_several_fields_fail_and_succeed_by_themselves(podd: Served) -> None:
    data, errors = podd.graphql('{ a: pod(input: {podId: "x"}) { id } flashBuild { id } me: myself { id } }')
    assert data is not None
    assert data["a"] is None
    assert data["flashBuild"] is None
    assert data["me"]["id"]
    assert [error["path"] for error in errors] == [["flashBuild"]]


def test_the_schema_may_be_asked_for(podd: Served) -> None:
    found = podd.data(
        "{ __schema { queryType { name } mutationType { fields { name } } } myself { __typename } }"
    )
    assert "podFindAndDeployOnDemand" in [f["name"] for f in found["__schema"]["mutationType"]["fields"]]
    assert found["myself"]["__typename"] == "User"


# What makes no sense


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("{ myself { id }", "GRAPHQL_PARSE_FAILED"),
        ("# nothing", "GRAPHQL_PARSE_FAILED"),
        ("{ myself { noSuchField } }", "GRAPHQL_VALIDATION_FAILED"),
        ("mutation { podRestart { id } }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { pods { id } }", "GRAPHQL_VALIDATION_FAILED"),
        ('mutation { podStop(input: {podId: "a", unknown: 1}) { id } }', "GRAPHQL_VALIDATION_FAILED"),
        (
            "mutation { podFindAndDeployOnDemand(input: {gpuCount: 99999999999}) { id } }",
            "GRAPHQL_VALIDATION_FAILED",
        ),
        ("", "GRAPHQL_VALIDATION_FAILED"),
        (b"", "BAD_REQUEST"),
        (b"not JSON", "BAD_REQUEST"),
        (b"[]", "BAD_REQUEST"),
        (b'[{"query": "{ myself { id } }"}]', "BAD_REQUEST"),
        (b"{}", "BAD_REQUEST"),
        (b'{"query": null}', "BAD_REQUEST"),
        (b'{"query": {"a": 1}}', "BAD_REQUEST"),
        (b'{"query": "{ myself { id } }", "variables": []}', "BAD_REQUEST"),
        (b'{"query": "{ myself { id } } # \xff"}', "BAD_REQUEST"),
    ],
)
def test_what_makes_no_sense_is_400_with_a_code(post: Post, body: bytes | str, code: str) -> None:
    response = post(body)
    assert response.status_code == 400
    assert code_of(response) == code


@pytest.mark.parametrize(
    "variables",
    ["{}", "null", '{"id": null}', '{"id": 1.5}', '{"id": {"a": 1}}', '{"id": ["a"]}'],
)
def test_variables_that_do_not_fit_are_400_and_named(post: Post, variables: str) -> None:
    query = "query ($id: String!) { pod(input: {podId: $id}) { id } }"
    response = post(f'{{"query": "{query}", "variables": {variables}}}'.encode())
    assert response.status_code == 400
    assert code_of(response) == "BAD_USER_INPUT"
    assert "$id" in response.json()["errors"][0]["message"]


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999", '"0.2"', "{}"])
def test_a_number_must_be_one(post: Post, value: str) -> None:
    query = "mutation ($bid: Float) { podRentInterruptable(input: {bidPerGpu: $bid}) { id } }"
    response = post(f'{{"query": "{query}", "variables": {{"bid": {value}}}}}'.encode())
    assert response.status_code == 400
    assert code_of(response) == "BAD_USER_INPUT"


def test_half_a_character_is_refused(post: Post) -> None:
    query = "mutation ($input: SaveTemplateInput) { saveTemplate(input: $input) { id } }"
    body = f'{{"query": "{query}", "variables": {{"input": {{"name": "\\ud83d", "imageName": "x"}}}}}}'
    assert code_of(post(body.encode())) == "BAD_REQUEST"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_only_post_is_answered(podd: Served, method: str) -> None:
    response = podd.http.request(method, "/graphql")
    assert response.status_code == 405
    assert response.json()["status"] == 405


# What is meant to hurt


@pytest.mark.parametrize(
    "document",
    [
        "{ myself " + "{ pods { machine " * 5000 + "{ id }" + "} }" * 5000 + " }",
        "{ gpuTypes(input: {ids: " + "[" * 5000 + "]" * 5000 + "}) { id } }",
        "{" + " myself { id }" * 3000 + "}",
        "{" + "".join(f" a{n}: myself {{ id }}" for n in range(2500)) + "}",
        "{ myself { id " + "pods { id } " * 1500 + "} }",
        "{ myself { " + "...a " * 3000 + "} } fragment a on User { " + "id " * 900 + "}",
        "query { ...a } fragment a on Query { ...b } fragment b on Query { ...a }",
        MYSELF + " " * 1024 * 1024,
        MYSELF + "#" + "x" * 50 * 1024 * 1024,
    ],
    ids="deep lists fields aliases overlaps fragments cycle 1MB 50MB".split(),
)
def test_hostile_documents_are_refused_cleanly(podd: Served, post: Post, document: str) -> None:
    response = post(document)
    assert response.status_code == 400
    assert code_of(response)
    assert len(response.content) < 20_000
    assert post(MYSELF).status_code == 200


def test_variables_nested_without_end_are_refused(post: Post) -> None:
    body = (
        b'{"query": "{ myself { id } }", "variables": ' + b'{"a": ' * 100_000 + b"1" + b"}" * 100_000 + b"}"
    )
    assert code_of(post(body)) == "BAD_REQUEST"
