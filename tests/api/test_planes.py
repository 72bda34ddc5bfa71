"""What is served beside GraphQL and jobs: health, documentation, the operator's API, and the control planes
that are still to come."""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from podd.domain.errors import OUT_OF_STOCK, StorageFailed
from podd.store import meta
from podd.vitals import WRITER
from tests.api.conftest import NewPodd
from tests.api.served import OPERATOR_KEY, QUICKLY, Served

Json = dict[str, Any]


def anonymous(podd: Served, path: str, method: str = "GET", **how: Any) -> httpx.Response:
    return httpx.request(method, podd.url + path, **QUICKLY, **how)


# Health


def test_it_is_alive_and_ready_without_a_key(podd: Served) -> None:
    assert anonymous(podd, "/livez").json() == {"status": "ok"}
    for path in ("/readyz", "/health"):
        response = anonymous(podd, path)
        assert response.status_code == 200
        assert response.json() == {"status": "ok", "checks": {"database": "ok", "engine": "ok"}}


def test_livez_names_the_parts_that_are_dead(podd: Served) -> None:
    patient = int(podd.settings.vitals.writer_seconds * 1000)
    long_ago = podd.clock.monotonic() - patient - 1
    podd.vitals.beat(WRITER, long_ago)
    answer = anonymous(podd, "/livez")
    assert (answer.status_code, answer.json()["dead"]) == (503, [WRITER])
    podd.vitals.beat(WRITER, podd.clock.monotonic())
    assert WRITER not in anonymous(podd, "/livez").json().get("dead", [])


def test_it_is_not_ready_while_the_engine_is_away(podd: Served) -> None:
    podd.engine.away = True
    podd.settle()
    response = anonymous(podd, "/readyz")
    assert response.status_code == 503
    assert response.json() == {"status": "unavailable", "checks": {"database": "ok", "engine": "failed"}}
    assert anonymous(podd, "/livez").status_code == 200
    podd.engine.away = False
    podd.settle()
    assert anonymous(podd, "/readyz").status_code == 200


def test_it_is_not_ready_when_nothing_can_be_stored(podd: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise StorageFailed("disk full at /secret/path")

    monkeypatch.setattr(meta, "put", full)
    response = anonymous(podd, "/readyz")
    assert response.status_code == 503
    assert response.json()["checks"] == {"database": "failed", "engine": "ok"}
    assert "secret" not in response.text


# Documentation


def test_the_documentation_lists_every_job_operation(podd: Served) -> None:
    described = anonymous(podd, "/docs/openapi.json")
    assert anonymous(podd, "/docs").content == described.content
    paths = described.json()["paths"]
    documented = {path.split("/")[3] for path in paths if path.startswith("/v2/{endpoint_id}/")}
    assert {"run", "runsync", "status", "status-sync", "cancel", "health"} <= documented
    assert not documented & {"job-take", "job-done", "job-stream", "job-stop", "ping"}
    assert "/graphql" in paths


# Nothing there


@pytest.mark.parametrize("path", ["/", "/v3", "/nothing", "/v2", "/operator/v1/nothing"])
def test_what_there_is_not_is_404_with_a_reason(podd: Served, path: str) -> None:
    response = anonymous(podd, path)
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json() == {"title": "Not Found", "status": 404, "detail": "Not Found"}


@pytest.mark.parametrize("path", ["/v1/pods", "/v2/pods", "/v1/endpoints/abc", "/v2/serverless/abc"])
def test_the_control_planes_ask_for_a_key(podd: Served, path: str) -> None:
    for headers, detail in (({}, "no token provided"), ({"Authorization": "x"}, "invalid api key")):
        response = anonymous(podd, path, headers=headers)
        assert response.status_code == 401
        assert response.json()["status"] == 401
        if path.startswith("/v2"):
            assert response.headers["content-type"] == "application/problem+json"
            assert response.json()["detail"] == detail
        else:
            assert response.json()["error"] == detail


# The operator


def test_who_may_open_the_socket_needs_no_key(podd: Served) -> None:
    made = podd.local.post("/operator/v1/accounts", json={"email": "Ann@Example.com"})
    assert made.status_code == 201
    body = made.json()
    assert re.fullmatch("user_[a-z0-9]{24}", body["account_id"])
    assert body["email"] == "ann@example.com"
    assert re.fullmatch("rpa_[0-9A-F]{40}", body["api_key"])
    assert podd.data("{ myself { id email } }", key=body["api_key"]) == {
        "myself": {"id": body["account_id"], "email": "ann@example.com"}
    }


@pytest.mark.parametrize("whose", ["account_id", "email"])
def test_an_account_gets_more_keys(podd: Served, whose: str) -> None:
    account = podd.local.post("/operator/v1/accounts", json={"email": "a@example.com", "name": "Ann"}).json()
    made = podd.local.post("/operator/v1/keys", json={"account": account[whose], "name": "laptop"})
    assert made.status_code == 201
    assert made.json().keys() >= {"key_id", "api_key"}
    for key in (account["api_key"], made.json()["api_key"]):
        assert podd.data("{ myself { id } }", key=key)["myself"]["id"] == account["account_id"]


def test_the_machine_is_described(podd: Served) -> None:
    podd.create_pod(gpuCount=2)
    body = podd.local.get("/operator/v1/machine").json()
    assert {name: body[name] for name in ("engine", "gpus", "gpus_free", "pods", "endpoints")} == {
        "engine": "fake",
        "gpus": 3,
        "gpus_free": 1,
        "pods": 1,
        "endpoints": 0,
    }


def test_gpus_are_shown_with_their_holders_and_taken_out_of_service(podd: Served) -> None:
    pod_id = podd.create_pod()
    found = podd.local.get("/operator/v1/gpus").json()["gpus"]
    assert len(found) == 3
    (held,) = [gpu for gpu in found if gpu["held_by"]]
    assert (held["held_by"]["workload"], held["held_by"]["kind"]) == (pod_id, "pod")
    assert (held["simulated"], held["state"], held["duty"], held["gpu_percent"]) == (
        True,
        "healthy",
        "serving",
        None,
    )

    for verb, duty in (("cordon", "cordoned"), ("drain", "draining"), ("return", "serving")):
        answer = podd.local.post(f"/operator/v1/gpus/{held['uuid']}/{verb}")
        assert answer.status_code == 200
        (gpu,) = answer.json()["gpus"]
        assert (gpu["uuid"], gpu["duty"]) == (held["uuid"], duty)
    assert podd.local.post("/operator/v1/gpus/GPU-none/cordon").status_code == 404
    assert podd.local.post(f"/operator/v1/gpus/{held['uuid']}/drain", json={"force": True}).status_code == 200
    stopped = podd.data(f'{{ pod(input: {{podId: "{pod_id}"}}) {{ desiredStatus lastStatusChange }} }}')[
        "pod"
    ]
    assert stopped["desiredStatus"] == "EXITED"
    assert "out of service" in stopped["lastStatusChange"]


def test_every_surface_says_what_is_short_beside_the_words_that_clients_compare(podd: Served) -> None:
    short = "9 x NVIDIA RTX A6000 wanted, 2 free of 2"
    fields = 'imageName: "a/b", gpuTypeId: "NVIDIA RTX A6000", gpuCount: 9'
    query = f"mutation {{ podFindAndDeployOnDemand(input: {{{fields}}}) {{ id }} }}"
    (error,) = podd.http.post("/graphql", json={"query": query}).json()["errors"]
    assert (error["message"], error["extensions"]) == (
        OUT_OF_STOCK,
        {"code": "SUPPLY_CONSTRAINT", "reason": short},
    )
    wish = {"imageName": "a/b", "gpuTypeIds": ["NVIDIA RTX A6000"], "gpuCount": 9}
    first = podd.http.post("/v1/pods", json=wish).json()
    assert (first["error"], first["reason"]) == (f"create pod: {OUT_OF_STOCK}", short)
    second = podd.http.post(
        "/v2/pods", json={"name": "x", "image": "a/b", "gpu": {"id": "NVIDIA RTX A6000", "count": 9}}
    )
    assert (second.json()["detail"], second.json()["errors"]) == (OUT_OF_STOCK, [short])


def test_how_busy_something_was_is_readable_minute_by_minute(podd: Served) -> None:
    gpu = podd.local.get("/operator/v1/gpus").json()["gpus"][0]["uuid"]
    assert podd.local.get(f"/operator/v1/use/{gpu}").json() == {"id": gpu, "minutes": []}
    podd.api.telemetry.history.add(gpu, {"gpu_percent": 40}, podd.clock.now())
    (minute,) = podd.local.get(f"/operator/v1/use/{gpu}").json()["minutes"]
    assert minute == {"at": podd.clock.now() // 60_000 * 60_000, "means": {"gpu_percent": 40}}


def test_an_explanation_is_for_operator_and_owner_and_says_how_busy_the_gpus_are(
    podd: Served,
) -> None:
    pod_id, endpoint_id = podd.create_pod(), podd.create_endpoint(workersMax=0)
    podd.settle()
    (gpu,) = [gpu["uuid"] for gpu in podd.local.get("/operator/v1/gpus").json()["gpus"] if gpu["held_by"]]
    podd.api.telemetry.history.add(gpu, {"gpu_percent": 40}, podd.clock.now())
    with podd.client(podd.account()) as stranger:
        for id in (pod_id, endpoint_id):
            path = f"/operator/v1/explanations/{id}"
            foreign, unknown = stranger.get(path), stranger.get(path[:-1] + "-")
            assert (foreign.status_code, foreign.content) == (404, unknown.content)
            assert podd.http.get(path).json() == podd.local.get(path).json()
            assert anonymous(podd, path).status_code == 401
    said = podd.local.get(f"/operator/v1/explanations/{pod_id}").json()["sentences"]
    assert any("40 %" in sentence for sentence in said), said


OPERATIONS: list[tuple[str, str, Json | None]] = [
    ("POST", "/operator/v1/accounts", {"email": "b@example.com"}),
    ("POST", "/operator/v1/teams/x/members", {"user": "y", "role": "dev"}),
    ("GET", "/operator/v1/machine", None),
    ("POST", "/operator/v1/secrets/rotate", None),
    ("GET", "/operator/v1/gpus", None),
    ("GET", "/operator/v1/use/GPU-none", None),
    ("POST", "/operator/v1/gpus/GPU-none/cordon", None),
    ("POST", "/operator/v1/gpus/GPU-none/drain", None),
    ("POST", "/operator/v1/gpus/GPU-none/drain", {}),
    ("POST", "/operator/v1/gpus/GPU-none/return", None),
]


@pytest.mark.parametrize(("method", "path", "body"), OPERATIONS)
def test_over_the_network_only_the_operators_key_will_do(
    podd: Served, method: str, path: str, body: Json | None
) -> None:
    nobody = anonymous(podd, path, method, json=body)
    assert (nobody.status_code, nobody.json()["detail"]) == (401, "no token provided")
    user = podd.http.request(method, path, json=body)
    assert (user.status_code, user.json()["detail"]) == (403, "Unauthorized")
    operator = anonymous(podd, path, method, json=body, headers={"Authorization": f"Bearer {OPERATOR_KEY}"})
    assert operator.status_code in (200, 201, 404)


@pytest.mark.parametrize(("method", "path", "body"), OPERATIONS)
def test_a_key_shown_at_the_socket_counts(podd: Served, method: str, path: str, body: Json | None) -> None:
    for key, status in ((podd.key, 403), ("wrong", 401)):
        response = podd.local.request(method, path, json=body, headers={"Authorization": f"Bearer {key}"})
        assert response.status_code == status


def test_the_socket_is_no_way_around_an_accounts_key(podd: Served) -> None:
    """The operator is nobody's account."""
    response = podd.local.post("/graphql", json={"query": "{ myself { id } }"})
    assert response.json()["errors"][0]["message"] == "Unauthorized"
    endpoint_id = podd.create_endpoint(workersMax=0)
    assert podd.local.post(f"/v2/{endpoint_id}/run", json={"input": 1}).status_code in (401, 403, 404)


def test_an_address_is_used_once(podd: Served) -> None:
    podd.local.post("/operator/v1/accounts", json={"email": "a@example.com"})
    again = podd.local.post("/operator/v1/accounts", json={"email": " A@EXAMPLE.com "})
    assert again.status_code == 409
    assert again.json() == {
        "title": "Conflict",
        "status": 409,
        "detail": "There is already an account for a@example.com.",
    }


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("accounts", {"email": "nobody"}, 400, "'nobody' is not an e-mail address."),
        ("accounts", {"email": ""}, 400, "not an e-mail address"),
        ("accounts", {"email": "a b@example.com"}, 400, "not an e-mail address"),
        ("accounts", {}, 400, "email"),
        ("accounts", {"email": 5}, 400, "email"),
        ("accounts", {"email": "c@example.com", "admin": True}, 400, "admin"),
        ("keys", {"account": "nobody@example.com"}, 404, "There is no account 'nobody@example.com'"),
        ("keys", {}, 400, "account"),
    ],
)
def test_what_makes_no_sense_is_told(podd: Served, path: str, body: Json, status: int, said: str) -> None:
    response = podd.local.post(f"/operator/v1/{path}", json=body)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["status"] == status
    assert said in response.json()["detail"]


@pytest.mark.parametrize("body", [b"", b"not JSON", b"[]", b"\xff", b"[" * 100_000])
def test_a_body_that_is_none_is_refused(podd: Served, body: bytes) -> None:
    response = podd.local.post("/operator/v1/accounts", content=body)
    assert response.status_code == 400
    assert response.json()["status"] == 400


def test_a_body_without_end_is_refused_unread(podd: Served) -> None:
    """One of somebody who shows no key is not looked at."""
    chunks = (b"a" * 2**20 for _ in range(30))
    assert anonymous(podd, "/operator/v1/accounts", "POST", content=chunks).status_code == 401
    chunks = (b"a" * 2**20 for _ in range(30))
    response = podd.local.post("/operator/v1/accounts", content=chunks)
    assert response.status_code == 413
    assert response.json()["status"] == 413
    huge = podd.local.post("/operator/v1/accounts", content=b'{"email": "' + b"a" * 2**21)
    assert huge.status_code == 413


# Secrets


def test_the_databases_file_holds_no_key(new_podd: NewPodd) -> None:
    podd = new_podd()
    endpoint_id, worker = podd.woken()
    made = podd.local.post("/operator/v1/accounts", json={"email": "a@example.com"}).json()["api_key"]
    stored = b"".join(path.read_bytes() for path in Path(podd.settings.data_dir).glob("podd.sqlite3*"))
    assert endpoint_id.encode() in stored
    for key in (podd.key, made, OPERATOR_KEY, worker.env["RUNPOD_AI_API_KEY"], worker.env["RUNPOD_API_KEY"]):
        assert key.encode() not in stored


# RunPod's own names


@pytest.mark.parametrize(
    ("host", "method", "path"),
    [
        ("rest.runpod.io", "GET", "/v1/pods"),
        ("rest.runpod.io", "GET", "/v1/openapi.json"),
        ("api.runpod.io", "GET", "/v2/pods"),
        ("api.runpod.io", "GET", "/v2/openapi.json"),
        ("api.runpod.io", "POST", "/graphql"),
        ("api.runpod.io:443", "POST", "/graphql/"),
        ("api.runpod.ai", "GET", "/v2/{endpoint}/health"),
        ("api.runpod.io", "GET", "/v2/{endpoint}/health"),
        ("api.runpod.ai", "POST", "/v2/{endpoint}/run"),
    ],
)
def test_requests_for_runpods_hosts_are_answered_as_for_any_other(
    podd: Served, host: str, method: str, path: str
) -> None:
    path = path.replace("{endpoint}", podd.create_endpoint(workersMax=0))
    body: Json | None = None
    if method == "POST":
        body = {"query": "{ myself { id } }"} if "graphql" in path else {"input": {}}

    def ask(headers: dict[str, str]) -> httpx.Response:
        return podd.http.request(method, path, json=body, headers=headers)

    named, plain = ask({"Host": host}), ask({})
    assert named.status_code == plain.status_code == 200
    if not path.endswith("/run"):
        assert named.json() == plain.json()
