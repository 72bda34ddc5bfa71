"""Templates and serverless endpoints through GraphQL."""

import re
from typing import Any

import pytest

from podd.domain.measure import HOUR, Measure
from podd.store import measures
from tests.api.served import IMAGE, Served

Json = dict[str, Any]

SAVE_TEMPLATE = """mutation ($input: SaveTemplateInput) { saveTemplate(input: $input) {
  id name imageName dockerArgs containerDiskInGb volumeInGb volumeMountPath ports env { key value }
  isServerless isPublic readme advancedStart startJupyter startScript startSsh } }"""
TEMPLATES = "{ myself { podTemplates { id name imageName isServerless env { key value } } } }"
SAVE_ENDPOINT = """mutation ($input: EndpointInput!) { saveEndpoint(input: $input) {
  id name userId templateId version gpuIds gpuCount idleTimeout scalerType scalerValue workersMin workersMax
  workersStandby executionTimeoutMs flashBootType type locations networkVolumeId computeType
  allowedCudaVersions env { key value } createdAt instanceIds networkVolumeIds { networkVolumeId } } }"""
ENDPOINTS = "{ myself { endpoints { id name version workersMin workersMax template { name } pods { id } } } }"

TEMPLATE = {
    "name": "mine",
    "imageName": IMAGE,
    "dockerArgs": "python -u handler.py",
    "containerDiskInGb": 5,
    "volumeInGb": 0,
    "env": [{"key": "A", "value": "1"}],
}


def save_template(podd: Served, **wish: Any) -> Json:
    saved: Json = podd.data(SAVE_TEMPLATE, {"input": {**TEMPLATE, **wish}})["saveTemplate"]
    return saved


def save_endpoint(podd: Served, **wish: Any) -> Json:
    saved: Json = podd.data(SAVE_ENDPOINT, {"input": wish})["saveEndpoint"]
    return saved


@pytest.fixture
def template_id(podd: Served) -> str:
    return podd.create_template(isServerless=True, env=[{"key": "A", "value": "1"}])


@pytest.fixture
def wish(template_id: str) -> Json:
    """The least an endpoint needs."""
    return {"name": "endpoint", "templateId": template_id, "gpuIds": "AMPERE_48"}


# Templates


def test_a_template_reads_as_it_was_saved(podd: Served) -> None:
    saved = save_template(podd, isServerless=True, ports="80/http", readme="# Hi", startSsh=True)
    assert re.fullmatch("[a-z0-9]{10}", saved.pop("id"))
    assert saved == {
        **TEMPLATE,
        "volumeMountPath": "/workspace",
        "ports": "80/http",
        "isServerless": True,
        "isPublic": False,
        "readme": "# Hi",
        "advancedStart": False,
        "startJupyter": False,
        "startScript": "",
        "startSsh": True,
    }


def test_a_change_of_a_template_keeps_what_it_leaves_out(podd: Served) -> None:
    first = save_template(podd, readme="# Hi", env=[{"key": "A", "value": "1"}])
    changed = podd.data(SAVE_TEMPLATE, {"input": {"id": first["id"], "imageName": "other/image"}})
    assert changed["saveTemplate"] == {**first, "imageName": "other/image"}


def test_a_name_is_taken_once_per_account(podd: Served) -> None:
    first = save_template(podd)
    error = podd.error(SAVE_TEMPLATE, {"input": TEMPLATE})
    assert "'mine'" in error["message"]
    assert save_template(podd, id=first["id"])["id"] == first["id"]
    assert podd.data(SAVE_TEMPLATE, {"input": TEMPLATE}, key=podd.account())["saveTemplate"]["name"] == "mine"


def test_a_foreign_template_is_as_good_as_none(podd: Served) -> None:
    saved, stranger = save_template(podd), podd.account()
    changed = {"input": {**TEMPLATE, "id": saved["id"]}}
    unknown = podd.error(SAVE_TEMPLATE, {"input": {**TEMPLATE, "id": "x" * 10}})
    assert podd.error(SAVE_TEMPLATE, changed, key=stranger) == unknown
    assert podd.data(TEMPLATES, key=stranger) == {"myself": {"podTemplates": []}}
    wish = {"name": "endpoint", "templateId": saved["id"], "gpuIds": "AMPERE_48"}
    foreign = podd.error(SAVE_ENDPOINT, {"input": wish}, key=stranger)
    assert foreign == podd.error(SAVE_ENDPOINT, {"input": {**wish, "templateId": "x" * 10}}, key=stranger)


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 192}, "name"),
        ({"imageName": ""}, "imageName"),
        ({"containerDiskInGb": 0}, "containerDiskInGb"),
        ({"volumeInGb": -1}, "volumeInGb"),
        ({"ports": "x/http"}, "ports"),
        ({"dockerArgs": "'"}, "dockerArgs"),
        ({"volumeMountPath": "/sys/x"}, "volumeMountPath"),
        ({"env": [{"key": "1A", "value": ""}]}, "env"),
    ],
)
def test_a_template_that_makes_no_sense_is_refused_by_field(podd: Served, wrong: Json, name: str) -> None:
    error = podd.error(SAVE_TEMPLATE, {"input": {**TEMPLATE, **wrong}})
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert name in error["message"]


# Endpoints


def test_an_endpoint_has_the_defaults_clients_expect(podd: Served, wish: Json) -> None:
    saved = save_endpoint(podd, **wish)
    assert re.fullmatch("[a-z0-9]{14}", saved["id"])
    expected = {
        **wish,
        "gpuCount": 1,
        "scalerType": "QUEUE_DELAY",
        "scalerValue": 4,
        "workersMin": 0,
        "workersMax": 3,
        "executionTimeoutMs": 600000,
        "type": "QB",
        "locations": "",
        "networkVolumeId": "",
        "instanceIds": [],
        "networkVolumeIds": [],
        "env": [{"key": "A", "value": "1"}],
        "createdAt": "2023-11-14T22:13:20Z",
    }
    assert {name: saved[name] for name in expected} == expected


def test_an_endpoint_reads_as_it_was_saved(podd: Served, wish: Json) -> None:
    settings = {
        "gpuCount": 2,
        "idleTimeout": 7,
        "scalerType": "REQUEST_COUNT",
        "scalerValue": 2,
        "workersMin": 0,
        "workersMax": 5,
        "executionTimeoutMs": 60000,
        "flashBootType": "FLASHBOOT",
        "allowedCudaVersions": "12.4,12.5",
    }
    saved = save_endpoint(podd, **wish, **settings, networkVolumeId="", locations="")
    assert {name: saved[name] for name in settings} == settings
    changed = save_endpoint(podd, **{**wish, **settings, "id": saved["id"], "workersMax": 1})
    assert changed == {**saved, "workersMax": 1}


def test_flash_boot_is_read_in_each_clients_way(podd: Served, wish: Json) -> None:
    inline = f'name: "endpoint", templateId: "{wish["templateId"]}", gpuIds: "AMPERE_48"'
    for value in ("FLASHBOOT", '"FLASHBOOT"'):
        document = (
            f"mutation {{ saveEndpoint(input: {{ {inline}, flashBootType: {value} }}) {{ flashBootType }} }}"
        )
        assert podd.data(document) == {"saveEndpoint": {"flashBootType": "FLASHBOOT"}}
    assert save_endpoint(podd, **wish, flashBootType="")["flashBootType"] == "OFF"
    assert save_endpoint(podd, **{**wish, "name": "old client -fb"})["flashBootType"] == "FLASHBOOT"


def test_what_does_not_need_new_containers_makes_no_version(podd: Served, wish: Json) -> None:
    saved = save_endpoint(podd, **wish)
    same = save_endpoint(
        podd, **{**wish, "id": saved["id"], "workersMax": 1, "idleTimeout": 30, "name": "renamed"}
    )
    assert same["version"] == saved["version"]
    assert (
        save_endpoint(podd, **{**wish, "id": saved["id"], "gpuCount": 2})["version"] == saved["version"] + 1
    )


def test_a_new_template_and_a_changed_one_make_new_versions(podd: Served, wish: Json) -> None:
    saved = save_endpoint(podd, **wish)
    other = podd.create_template(isServerless=True)
    swapped = podd.data(
        "mutation ($input: UpdateEndpointTemplateInput!)"
        " { updateEndpointTemplate(input: $input) { id templateId version } }",
        {"input": {"endpointId": saved["id"], "templateId": other}},
    )["updateEndpointTemplate"]
    assert swapped == {"id": saved["id"], "templateId": other, "version": saved["version"] + 1}
    podd.data(SAVE_TEMPLATE, {"input": {"id": other, "imageName": "newer/image"}})
    (listed,) = podd.data(ENDPOINTS)["myself"]["endpoints"]
    assert listed["version"] == saved["version"] + 2


def test_endpoints_are_listed_and_found_by_id(podd: Served, wish: Json) -> None:
    assert podd.data(ENDPOINTS) == {"myself": {"endpoints": []}}
    saved = save_endpoint(podd, **wish)
    (listed,) = podd.data(ENDPOINTS)["myself"]["endpoints"]
    assert (listed["id"], listed["name"], listed["pods"]) == (saved["id"], "endpoint", [])
    find = "query ($id: String!) { myself { endpoint(id: $id) { id name } } }"
    assert podd.data(find, {"id": saved["id"]})["myself"]["endpoint"]["name"] == "endpoint"
    assert podd.data(find, {"id": "x" * 14})["myself"]["endpoint"] is None
    assert podd.data(find, {"id": saved["id"]}, key=podd.account())["myself"]["endpoint"] is None


def test_an_endpoints_workers_are_its_pods(podd: Served) -> None:
    _, worker = podd.woken()
    (listed,) = podd.data("{ myself { endpoints { pods { id desiredStatus } } } }")["myself"]["endpoints"]
    assert listed["pods"] == [{"id": worker.id, "desiredStatus": "RUNNING"}]
    assert podd.data("{ myself { pods { id } } }") == {"myself": {"pods": []}}


def test_a_deleted_endpoint_is_gone_with_its_workers_and_jobs(podd: Served) -> None:
    endpoint_id, _ = podd.woken()
    job_id = podd.submit(endpoint_id)
    document = f'mutation {{ deleteEndpoint(id: "{endpoint_id}") }}'
    assert podd.http.post("/graphql", json={"query": document}).text == '{"data":{"deleteEndpoint":null}}'
    assert podd.data(ENDPOINTS) == {"myself": {"endpoints": []}}
    assert podd.http.get(f"/v2/{endpoint_id}/status/{job_id}").status_code == 404
    assert podd.http.get(f"/v2/{endpoint_id}/health").status_code == 404
    podd.settle()
    assert podd.engine.list() == []
    assert podd.error(document)["message"] == "endpoint not found"


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"name": "ab"}, "name"),
        ({"templateId": ""}, "template"),
        ({"templateId": "x" * 10}, "template"),
        ({"gpuIds": ""}, "gpuIds"),
        ({"gpuIds": "NO_SUCH_POOL"}, "NO_SUCH_POOL"),
        ({"gpuCount": 0}, "gpuCount"),
        ({"idleTimeout": 0}, "idleTimeout"),
        ({"idleTimeout": 3601}, "idleTimeout"),
        ({"scalerType": "MAGIC"}, "scalerType"),
        ({"scalerValue": 0}, "scalerValue"),
        ({"workersMin": -1}, "workersMin"),
        ({"workersMax": -1}, "workersMax"),
        ({"workersMin": 4, "workersMax": 3}, "workersMin"),
        ({"executionTimeoutMs": 4999}, "executionTimeoutMs"),
    ],
)
def test_an_endpoint_that_makes_no_sense_is_refused_by_field(
    podd: Served, wish: Json, wrong: Json, name: str
) -> None:
    error = podd.error(SAVE_ENDPOINT, {"input": {**wish, **wrong}})
    assert name in error["message"]
    assert podd.data(ENDPOINTS) == {"myself": {"endpoints": []}}


def test_a_word_that_is_no_flash_boot_type_is_400(podd: Served, wish: Json) -> None:
    body = {"query": SAVE_ENDPOINT, "variables": {"input": {**wish, "flashBootType": "TURBO"}}}
    response = podd.http.post("/graphql", json=body)
    assert response.status_code == 400
    assert "TURBO" in response.json()["errors"][0]["message"]


def test_what_is_not_built_yet_is_said_plainly(podd: Served, wish: Json) -> None:
    for name, value in {"hubReleaseId": "x", "flashEnvironmentId": "x"}.items():
        error = podd.error(SAVE_ENDPOINT, {"input": {**wish, name: value}})
        assert "not available in this version of podd yet" in error["message"]


# In numbers and sentences


SEEN = """query ($id: String!) { myself { endpoint(id: $id) { explanation
  workerState(input: {granularity: LIVE}) {
    time initialized initializing ready idle running throttled unhealthy }
  webhookRequests(input: {granularity: DAILY}) { time responses } } } }"""


def seen(podd: Served, endpoint_id: str) -> Json:
    found: Json = podd.data(SEEN, {"id": endpoint_id})["myself"]["endpoint"]
    return found


def test_an_endpoint_says_why_its_jobs_wait(podd: Served) -> None:
    endpoint_id = podd.create_endpoint(workersMax=0)
    assert seen(podd, endpoint_id)["explanation"] == []
    podd.submit(endpoint_id)
    assert any("maximum of workers is 0" in sentence for sentence in seen(podd, endpoint_id)["explanation"])


def test_workers_are_counted_as_they_are_now(podd: Served) -> None:
    endpoint_id, worker = podd.woken()
    podd.submit(endpoint_id)
    worker.take()
    (now,) = seen(podd, endpoint_id)["workerState"]
    assert now.pop("time").startswith("2023-11-14T22:13:20")
    cached = now["idle"]
    assert now == {
        "initialized": cached + 1,
        "initializing": 0,
        "ready": cached,
        "idle": cached,
        "running": 1,
        "throttled": 0,
        "unhealthy": 0,
    }


def test_answers_to_webhooks_are_counted_by_step(podd: Served) -> None:
    endpoint_id = podd.create_endpoint()
    assert seen(podd, endpoint_id)["webhookRequests"] == []
    sent, failed = {Measure.WEBHOOK_SENT: None}, {Measure.WEBHOOK_FAILED: None}
    start = podd.clock.now()
    for hours, told in ((0, sent), (1, sent), (1, failed), (30, sent)):
        podd.podd.store.submit(measures.note, endpoint_id, told, start + hours * HOUR).result()
    assert seen(podd, endpoint_id)["webhookRequests"] == [
        {"time": "2023-11-14T00:00:00Z", "responses": [2, 1]},
        {"time": "2023-11-16T00:00:00Z", "responses": [1, 0]},
    ]


def test_a_workers_tcp_port_is_shown_with_the_one_outside(podd: Served) -> None:
    template = podd.create_template(isServerless=True, ports="22/tcp,8080/http")
    endpoint_id = podd.create_endpoint(templateId=template, workersMin=1)
    podd.settle()
    ports = "{ runtime { ports { privatePort publicPort type } } }"
    question = f"query ($id: String!) {{ myself {{ endpoint(id: $id) {{ pods {ports} }} }} }}"
    (worker,) = podd.data(question, {"id": endpoint_id})["myself"]["endpoint"]["pods"]
    (tcp,) = [port for port in worker["runtime"]["ports"] if port["type"] == "tcp"]
    assert tcp["privatePort"] == 22
    assert tcp["publicPort"] == int(dict(podd.worker(endpoint_id).env)["RUNPOD_TCP_PORT_22"])
