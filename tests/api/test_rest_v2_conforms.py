"""Every answer of every documented operation of REST v2 has the documented shape."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from jsonschema import Draft202012Validator

from tests.api.served import IMAGE, Served

Json = dict[str, Any]

SPEC = Path(__file__).parents[2].parent / "shared" / "spec" / "rest-v2.openapi.json"
A6000 = "NVIDIA RTX A6000"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKey ada@example.org"
METHODS = {"get", "post", "put", "patch", "delete"}

pytestmark = pytest.mark.skipif(not SPEC.parent.exists(), reason="the API's description is not here")


class Described:
    """A client that looks up operations by their id, and holds each answer to what is written about it."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http
        self._spec: Json = json.loads(SPEC.read_text())
        self._operations = {
            operation["operationId"]: (method, path, operation)
            for path, methods in self._spec["paths"].items()
            for method, operation in methods.items()
            if method in METHODS
        }
        self.good: set[str] = set()

    def missing(self) -> set[str]:
        return set(self._operations) - self.good

    def __call__(self, id: str, *ids: str, expect: int, query: Json | None = None, **body: Any) -> Any:
        method, path, operation = self._operations[id]
        for value in ids:
            before, _, after = path.partition("{")
            path = before + value + after.partition("}")[2]
        content: Json = {"json": body} if body or method in ("post", "put", "patch") else {}
        answer = self._http.request(method, path, params=query, **content)
        assert answer.status_code == expect, answer.text
        self._hold(operation, answer)
        if answer.is_success:
            self.good.add(id)
        return answer.json() if answer.content else None

    @contextmanager
    def stream(self, id: str, *ids: str) -> Iterator[httpx.Response]:
        _, path, operation = self._operations[id]
        for name, value in zip(("{id}", "{workerId}"), ids, strict=False):
            path = path.replace(name, value)
        with self._http.stream("GET", path) as answer:
            assert answer.status_code == 200
            media = answer.headers["content-type"].partition(";")[0]
            assert media in operation["responses"]["200"]["content"]
            self.good.add(id)
            yield answer

    def _hold(self, operation: Json, answer: httpx.Response) -> None:
        assert answer.headers["x-request-id"]
        responses = operation["responses"]
        described = responses.get(str(answer.status_code), responses["default"])
        if "$ref" in described:
            described = self._at(described["$ref"])
        content = described.get("content", {})
        if not content:
            assert answer.content == b""
            return
        media = answer.headers["content-type"].partition(";")[0]
        schema = {**content[media]["schema"], "components": self._spec["components"]}
        Draft202012Validator(schema).validate(answer.json())

    def _at(self, ref: str) -> Json:
        found: Json = self._spec
        for part in ref.removeprefix("#/").split("/"):
            found = found[part]
        return found


@pytest.fixture
def call(podd: Served) -> Described:
    return Described(podd.http)


def test_every_operation_answers_as_described(podd: Served, call: Described) -> None:
    account(call)
    volume_id = volumes(call)
    registries(call)
    template_id = templates(call)
    pods(podd, call, template_id, volume_id)
    endpoints(podd, call)
    catalogue(call)
    billing(call)
    clusters(call)
    assert not call.missing() - {"createDelegation", "revokeDelegation", *CLUSTERS}


CLUSTERS = {"createCluster", "getCluster", "updateCluster", "deleteCluster", "listClusterPods"}


def account(call: Described) -> None:
    call("getSshKeys", expect=200)
    assert call("updateSshKeys", keys=[KEY], expect=200) == {"keys": [KEY]}
    call("updateSshKeys", keys=["no key"], expect=422)


def volumes(call: Described) -> str:
    wish: Json = {"name": "data", "size": 10, "dataCenter": "LOCAL-1"}
    made = call("createNetworkVolume", **wish, expect=201)
    call("createNetworkVolume", **{**wish, "dataCenter": "EU-RO-1"}, expect=400)
    call("createNetworkVolume", expect=422)
    call("listNetworkVolumes", expect=200)
    call("getNetworkVolume", made["id"], expect=200)
    call("getNetworkVolume", "missing", expect=404)
    call("updateNetworkVolume", made["id"], size=20, expect=200)
    call("updateNetworkVolume", made["id"], size=15, expect=400)
    call("updateNetworkVolume", made["id"], expect=422)
    call("updateNetworkVolume", "missing", size=20, expect=404)
    spare = call("createNetworkVolume", **wish, expect=201)
    call("deleteNetworkVolume", spare["id"], expect=204)
    call("deleteNetworkVolume", spare["id"], expect=404)
    return str(made["id"])


def registries(call: Described) -> None:
    made = call("createRegistry", name="ghcr", username="ada", password="secret", expect=201)
    call("createRegistry", name="ghcr", username="ada", password="secret", expect=400)
    call("createRegistry", name="ghcr", expect=422)
    call("listRegistries", expect=200)
    call("getRegistry", made["id"], expect=200)
    call("deleteRegistry", made["id"], expect=204)
    call("getRegistry", made["id"], expect=404)
    call("deleteRegistry", made["id"], expect=404)
    call("listDelegations", expect=200)
    call("createDelegation", resource="arn:aws:ecr:us-east-1:1:repository/x", expect=501)
    call("revokeDelegation", "missing", expect=404)


def templates(call: Described) -> str:
    mounts = {"persistent": {"size": 20, "path": "/workspace"}}
    made = call(
        "createTemplate", name="t", image=IMAGE, mounts=mounts, ports=["22/tcp"], env={"A": "1"}, expect=201
    )
    call("createTemplate", name="t", image=IMAGE, expect=400)
    call("createTemplate", name="t", expect=422)
    call("listTemplates", expect=200)
    call("getTemplate", made["id"], expect=200)
    call("getTemplate", "missing", expect=404)
    call("updateTemplate", made["id"], disk=7, expect=200)
    call("updateTemplate", made["id"], disk=0, expect=422)
    call("updateTemplate", "missing", disk=7, expect=404)
    spare = call("createTemplate", name="spare", image=IMAGE, public=True, expect=201)
    call("listPublicTemplates", query={"source": "community"}, expect=200)
    call("listPublicTemplates", expect=200)
    call("deleteTemplate", spare["id"], expect=204)
    call("deleteTemplate", spare["id"], expect=404)
    return str(made["id"])


def pods(podd: Served, call: Described, template_id: str, volume_id: str) -> None:
    made = call("createPod", name="p", gpu={"id": A6000}, args="run", templateId=template_id, expect=201)
    call("createPod", name="p", expect=422)
    call("createPod", name="p", image=IMAGE, expect=400)
    call("createPod", name="p", gpu={"id": A6000}, templateId="missing", expect=404)
    cpu = {"id": "cpu3c", "vcpuCount": 2}
    network = {"network": [{"volumeId": volume_id, "path": "/data"}]}
    other = call("createPod", name="c", cpu=cpu, image=IMAGE, args="run", mounts=network, expect=201)
    podd.settle()
    call("listPods", expect=200)
    call("getPod", made["id"], expect=200)
    call("getPod", other["id"], expect=200)
    call("getPod", "missing", expect=404)
    call("updatePod", made["id"], name="q", locked=True, expect=200)
    call("updatePod", made["id"], image="other/image", expect=409)
    call("updatePod", made["id"], x=1, expect=422)
    call("updatePod", made["id"], mounts=network, expect=400)
    call("updatePod", "missing", name="q", expect=404)
    call("updatePod", made["id"], locked=False, expect=200)
    call("podAction", made["id"], action="restart", expect=200)
    call("podAction", made["id"], action="stop", expect=200)
    call("podAction", made["id"], action="stop", expect=409)
    call("podAction", made["id"], action="reset", expect=422)
    call("podAction", "missing", action="stop", expect=404)
    podd.settle()
    call("getPod", made["id"], expect=200)
    with call.stream("getPodLogs", other["id"]):
        pass
    call("getPodLogs", "missing", expect=404)
    call("podAction", made["id"], action="terminate", expect=204)
    call("deletePod", other["id"], expect=204)
    call("deletePod", other["id"], expect=404)


def endpoints(podd: Served, call: Described) -> None:
    wish: Json = {
        "name": "endpoint",
        "type": "QUEUE",
        "image": IMAGE,
        "args": "run",
        "gpu": {"pools": ["AMPERE_48"]},
        "scaling": {"type": "QUEUE_DELAY", "queueDelay": 4},
        "workers": {"min": 1, "max": 2},
    }
    made = call("createEndpoint", **wish, expect=201)
    call("createEndpoint", **{**wish, "scaling": {"type": "NO"}}, expect=422)
    call("createEndpoint", **{**wish, "gpu": {"pools": ["NO"]}}, expect=400)
    call("createEndpoint", **wish, templateId="missing", expect=404)
    podd.settle()
    call("listEndpoints", expect=200)
    call("getEndpoint", made["id"], expect=200)
    call("getEndpoint", "missing", expect=404)
    scaling = {"type": "REQUEST_COUNT", "requestCount": 3}
    call("updateEndpoint", made["id"], scaling=scaling, image="test/other", expect=200)
    call("updateEndpoint", made["id"], workers={"min": 3, "max": 1}, expect=400)
    call("updateEndpoint", made["id"], x=1, expect=422)
    call("updateEndpoint", "missing", name="other", expect=404)
    crew = call("listEndpointWorkers", made["id"], expect=200)
    call("listEndpointWorkers", "missing", expect=404)
    call("listEndpointReleases", made["id"], expect=200)
    call("listEndpointReleases", "missing", expect=404)
    with call.stream("getWorkerLogs", made["id"], crew["workers"][0]["id"]):
        pass
    call("getWorkerLogs", made["id"], "missing", expect=404)
    call("deleteEndpoint", made["id"], expect=204)
    call("deleteEndpoint", made["id"], expect=404)


def catalogue(call: Described) -> None:
    for query in ({}, {"include": "AVAILABILITY"}):
        call("listGpuTypes", query=query, expect=200)
        call("getGpuType", "NVIDIA%20RTX%20A6000", query=query, expect=200)
        call("listCpuTypes", query=query, expect=200)
        call("getCpuType", "cpu3c", query=query, expect=200)
    call("getGpuType", "missing", expect=404)
    call("getCpuType", "missing", expect=404)
    call("listDataCenters", expect=200)
    call("listDataCenters", query={"include": "GPU_AVAILABILITY,CPU_AVAILABILITY"}, expect=200)
    call("getDataCenter", "LOCAL-1", expect=200)
    call("getDataCenter", "missing", expect=404)


def billing(call: Described) -> None:
    for id in "Billing PodBilling ServerlessBilling EndpointBilling".split():
        call(f"list{id}", expect=200)
    call("listNetworkVolumeBilling", query={"networkVolumeId": "x", "bucketSize": "month"}, expect=200)
    call("listClusterBilling", query={"lastN": "2"}, expect=200)
    call("listBilling", query={"lastN": "2", "endTime": "2026-01-01T00:00:00Z"}, expect=400)


def clusters(call: Described) -> None:
    compute = {"gpuTypeId": A6000, "gpuCountPerPod": 1, "podCount": 2}
    call("listClusters", expect=200)
    call("createCluster", name="c", type="RAY", compute=compute, image=IMAGE, expect=400)
    call("createCluster", expect=422)
    call("getCluster", "missing", expect=404)
    call("updateCluster", "missing", name="d", expect=404)
    call("updateCluster", "missing", expect=422)
    call("deleteCluster", "missing", expect=404)
    call("listClusterPods", "missing", expect=404)


def test_without_a_key_every_operation_answers_401_as_described(podd: Served) -> None:
    with podd.client("") as nobody:
        call = Described(nobody)
        for id, (_, path, _) in call._operations.items():
            call(id, *["x"] * path.count("{"), expect=401)
