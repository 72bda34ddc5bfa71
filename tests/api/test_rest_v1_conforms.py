"""Every answer of REST v1 is held against RunPod's own description of it.

The description is not part of podd. It lies beside the checkout where podd is developed; elsewhere these
tests are skipped.
"""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from tests.api.served import IMAGE, QUICKLY, Json, Served

A6000 = "NVIDIA RTX A6000"
DESCRIPTION = Path(__file__).parents[2].parent / "shared" / "spec" / "rest-v1.openapi.json"

pytestmark = pytest.mark.skipif(not DESCRIPTION.parent.exists(), reason="RunPod's description is not here")

# Where podd answers otherwise than described, and why. A path into the description, and what stands there
# for podd.
OTHERWISE: list[tuple[tuple[str, ...], Any, str]] = [
    (
        ("components", "schemas", "Endpoint", "properties", "dataCenterIds", "items"),
        {"type": "string"},
        "the data centre is this machine's, which is none of RunPod's",
    ),
    (
        ("components", "schemas", "Endpoint", "properties", "gpuTypeIds", "items"),
        {"type": "string"},
        "the machine may have cards that RunPod does not rent out",
    ),
    *(
        (
            ("paths", f"/pods/{{podId}}/{action}", "post", "responses", "200", "content"),
            {"application/json": {"schema": {"$ref": "#/components/schemas/Pod"}}},
            "runpodctl decodes the answer as a pod and fails without one",
        )
        for action in ("start", "stop", "reset", "restart")
    ),
]

# Documented keys that are left out at times.
ABSENT: dict[str, dict[str, str]] = {
    "Pod": {
        "aiApiId": "only of serverless workers",
        "endpointId": "only of serverless workers",
        "slsVersion": "only of serverless workers",
        "lastStartedAt": "not before the container has started",
        "networkVolume": "only with includeNetworkVolume",
    },
    "Endpoint": {
        "minCudaVersion": "an enumeration without a word for none",
        "template": "only with includeTemplate",
        "workers": "only with includeWorkers",
    },
}

# Any operation may answer these, described or not.
ALWAYS = {401, 403, 404, 500, 501}


@pytest.fixture(scope="module")
def description() -> Json:
    described: Json = json.loads(DESCRIPTION.read_text())
    for path, replacement, _reason in OTHERWISE:
        place = described
        for part in path[:-1]:
            place = place[part]
        place[path[-1]] = replacement
    return dict(_without_nullable(described))


def _without_nullable(part: Any) -> Any:
    """OpenAPI 3.0 says `nullable` where JSON Schema has one more type."""
    if isinstance(part, list):
        return [_without_nullable(entry) for entry in part]
    if not isinstance(part, dict):
        return part
    changed = {name: _without_nullable(entry) for name, entry in part.items() if name != "nullable"}
    if part.get("nullable") is True:
        changed["type"] = [part["type"], "null"]
    return changed


class Checked:
    """Performs operations by name and holds their answers against the description."""

    def __init__(self, podd: Served, description: Json) -> None:
        self.podd = podd
        self.description = description
        self.performed: set[str] = set()
        self._operations = dict(operations(description))

    def __call__(self, operation_id: str, *ids: str, body: Any = None, **query: Any) -> Any:
        """The answer to a request that succeeds."""
        response = self.send(self.podd.http, operation_id, *ids, body=body, **query)
        assert response.is_success, response.text
        self.performed.add(operation_id)
        return response.json() if response.content and "json" in response.headers["content-type"] else None

    def send(
        self, http: httpx.Client, operation_id: str, *ids: str, body: Any = None, **query: Any
    ) -> httpx.Response:
        method, path, described = self._operations[operation_id]
        for id in ids:
            path = re.sub(r"\{\w+\}", id, path, count=1)
        sent = {} if body is None else {"json": body}
        response = http.request(method.upper(), f"/v1{path}", params=query or None, **sent)
        self._check(response, described)
        return response

    def _check(self, response: httpx.Response, described: Json) -> None:
        status = response.status_code
        documented = described["responses"]
        assert str(status) in documented or status in ALWAYS, f"{status} is not documented"
        if not response.is_success:
            self._hold(response.json(), {"$ref": "#/components/schemas/UnauthorizedError"})
            assert response.json()["status"] == status
            return
        content = documented[str(status)].get("content")
        if content is None:
            assert response.content == b""
            return
        ((media_type, entry),) = content.items()
        assert response.headers["content-type"].split(";")[0] == media_type
        if media_type == "application/json":
            self._hold(response.json(), entry["schema"])
            self._hold_keys(response.json(), entry["schema"])

    def _hold(self, instance: Any, schema: Json) -> None:
        validator = Draft202012Validator(
            {**self.description, **schema}, format_checker=Draft202012Validator.FORMAT_CHECKER
        )
        problems = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(instance)]
        assert not problems

    def _hold_keys(self, instance: Any, schema: Json) -> None:
        """Every documented key is there, but for the ones that may be absent."""
        name = schema.get("$ref", "").removeprefix("#/components/schemas/")
        schema = self.description["components"]["schemas"].get(name, schema)
        if isinstance(instance, list):
            for entry in instance:
                self._hold_keys(entry, schema["items"])
        elif "properties" in schema:
            missing = schema["properties"].keys() - instance.keys() - ABSENT.get(name, {}).keys()
            assert not missing


def operations(description: Json) -> Iterator[tuple[str, tuple[str, str, Json]]]:
    for path, entries in description["paths"].items():
        for method, entry in entries.items():
            yield entry["operationId"], (method, path, entry)


@pytest.fixture
def checked(podd: Served, description: Json) -> Checked:
    return Checked(podd, description)


def describe_itself(checked: Checked) -> None:
    checked("GetOpenAPI")
    checked("GetDocs")


def keep_credentials(checked: Checked) -> None:
    body = {"name": "hub", "username": "ada", "password": "secret"}
    made = checked("CreateContainerRegistryAuth", body=body)["id"]
    checked("ListContainerRegistryAuths")
    checked("GetContainerRegistryAuth", made)
    checked("DeleteContainerRegistryAuth", made)


def keep_volumes(checked: Checked) -> None:
    made = checked("CreateNetworkVolume", body={"name": "data", "size": 10, "dataCenterId": "LOCAL-1"})["id"]
    checked("ListNetworkVolumes")
    checked("GetNetworkVolume", made)
    checked("UpdateNetworkVolume", made, body={"size": 11})
    checked("UpdateNetworkVolumeViaPost", made, body={"name": "new"})
    checked("DeleteNetworkVolume", made)


def keep_templates(checked: Checked) -> None:
    made = checked("CreateTemplate", body={"name": "mine", "imageName": IMAGE, "env": {"A": "1"}})["id"]
    checked("ListTemplates", includePublicTemplates=True)
    checked("GetTemplate", made)
    checked("UpdateTemplate", made, body={"dockerStartCmd": ["run"]})
    checked("UpdateTemplateViaPost", made, body={"readme": "# Mine"})
    checked("DeleteTemplate", made)


def run_pods(checked: Checked) -> None:
    volume = checked("CreateNetworkVolume", body={"name": "data", "size": 10, "dataCenterId": "LOCAL-1"})[
        "id"
    ]
    template = checked("CreateTemplate", body={"name": "of pods", "imageName": IMAGE})["id"]
    wish = {"templateId": template, "gpuTypeIds": [A6000], "networkVolumeId": volume, "interruptible": True}
    made = checked("CreatePod", body=wish)["id"]
    checked("CreatePod", body={"imageName": IMAGE, "computeType": "CPU", "cpuFlavorIds": ["cpu3c"]})
    checked.podd.settle()
    everything = {f"include{what}": True for what in ("Machine", "NetworkVolume", "SavingsPlans", "Template")}
    full = checked("GetPod", made, **everything)
    assert full["networkVolume"]
    assert full["machine"]
    assert full["portMappings"]
    checked("ListPods", **everything)
    checked("ListPods", computeType="CPU")
    checked("UpdatePod", made, body={"name": "new"})
    checked("UpdatePodViaPost", made, body={"env": {"A": "1"}})
    for action in ("ResetPod", "RestartPod", "StopPod", "StartPod"):
        checked(action, made)
        checked("GetPod", made)
    checked("DeletePod", made)


def run_endpoints(checked: Checked) -> None:
    template = checked("CreateTemplate", body={"name": "w", "imageName": IMAGE, "isServerless": True})["id"]
    body = {"templateId": template, "gpuTypeIds": [A6000], "workersMin": 1, "minCudaVersion": "12.4"}
    made = checked("CreateEndpoint", body=body)["id"]
    checked("CreateEndpoint", body={"templateId": template})
    checked.podd.settle()
    full = checked("GetEndpoint", made, includeTemplate=True, includeWorkers=True)
    assert full["workers"]
    assert full["template"]
    checked("ListEndpoints", includeTemplate=True, includeWorkers=True)
    assert any(pod.get("endpointId") == made for pod in checked("ListPods", includeWorkers=True))
    checked("ListEndpoints")
    checked("UpdateEndpoint", made, body={"workersMax": 5, "allowedCudaVersions": ["12.4", "12.8"]})
    checked("UpdateEndpointViaPost", made, body={"flashboot": True})
    checked("DeleteEndpoint", made)


def look_at_bills(checked: Checked) -> None:
    checked("PodBilling", bucketSize="hour", grouping="podId")
    checked("EndpointBilling")
    checked("NetworkVolumeBilling")


JOURNEYS: list[Callable[[Checked], None]] = [
    describe_itself,
    keep_credentials,
    keep_volumes,
    keep_templates,
    run_pods,
    run_endpoints,
    look_at_bills,
]


@pytest.mark.parametrize("journey", JOURNEYS, ids=lambda journey: journey.__name__)
def test_answers_are_as_described(checked: Checked, journey: Callable[[Checked], None]) -> None:
    journey(checked)


def test_no_operation_is_left_out(checked: Checked) -> None:
    for journey in JOURNEYS:
        journey(checked)
    assert checked.performed == {operation_id for operation_id, _ in operations(checked.description)}


def test_refusals_are_as_described(checked: Checked) -> None:
    wishes = {"CreateEndpoint": {"templateId": "nope"}, "CreatePod": {"templateId": "nope"}}
    for operation_id, (_, path, _) in operations(checked.description):
        if path in ("/openapi.json", "/docs"):
            continue
        response = checked.send(checked.podd.http, operation_id, "nope", body=wishes.get(operation_id))
        if "{" in path or operation_id in wishes:
            assert response.status_code == 404
        with httpx.Client(base_url=checked.podd.url, **QUICKLY) as nobody:
            assert checked.send(nobody, operation_id, "nope").status_code == 401


def test_no_room_is_as_described(checked: Checked) -> None:
    response = checked.send(checked.podd.http, "CreatePod", body={"imageName": IMAGE, "gpuCount": 9})
    assert response.status_code == 500
    assert "no longer any instances available" in response.json()["error"]
