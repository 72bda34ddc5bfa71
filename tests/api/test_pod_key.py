"""RUNPOD_API_KEY of a pod against every operation that podd has: it reads, stops and terminates its own pod,
sees what everybody sees, and does nothing else."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from graphql import is_leaf_type
from litestar.routes import HTTPRoute

from podd.api.graphql.endpoint import _schema as schema
from podd.api.rest_v1 import routes as rest_v1
from podd.api.rest_v2 import routes as rest_v2
from podd.api.rest_v2.document import operations_of
from tests.api.graphql.test_access import example
from tests.api.rest_v1.asking import V1
from tests.api.rest_v2.client import RestV2, endpoint_wish
from tests.api.served import IMAGE, QUICKLY, Json, Served

A6000 = "NVIDIA RTX A6000"
BODIES: dict[str, Json] = {
    "CreatePod": {"imageName": IMAGE},
    "CreateEndpoint": {"templateId": "x"},
    "CreateTemplate": {"name": "x", "imageName": IMAGE},
    "CreateNetworkVolume": {"name": "x", "size": 1, "dataCenterId": "LOCAL-1"},
    "CreateContainerRegistryAuth": {"name": "x", "username": "x", "password": "x"},
    "updateSshKeys": {"keys": []},
    "createSecret": {"name": "x", "value": "x"},
    "updateSecret": {"value": "x"},
    "createPod": {"name": "x", "image": IMAGE, "gpu": {"id": A6000}},
    "podAction": {"action": "restart"},
    "createEndpoint": endpoint_wish(),
    "createTemplate": {"name": "x", "image": IMAGE},
    "createNetworkVolume": {"name": "x", "size": 10, "dataCenter": "LOCAL-1"},
    "updateNetworkVolume": {"name": "y"},
    "createDelegation": {"resource": "x"},
    "createCluster": {
        "name": "x",
        "type": "TRAINING",
        "compute": {"gpuTypeId": A6000, "gpuCountPerPod": 1, "podCount": 2},
    },
    "updateCluster": {"name": "x"},
    "createRegistry": {"name": "x", "username": "x", "password": "x"},
}
"""For operations that look at the body before they look at what the caller may do."""

FOR_ALL = {
    "GetOpenAPI",
    "GetDocs",
    "listGpuTypes",
    "getGpuType",
    "listCpuTypes",
    "getCpuType",
    "listDataCenters",
    "getDataCenter",
    "listPublicTemplates",
}
OWN = {"GetPod", "StopPod", "DeletePod", "getPod", "deletePod", "getPodLogs", "podAction"}
"""With the id of its own pod."""

NOT_THERE = {"GetTemplate", "getTemplate", "deleteCluster"}
"""Public templates are for everybody, others look missing; clusters are missing."""

READABLE = (
    "gpuTypes cpuTypes cpuFlavors dataCenters countryCodes serverlessGpuPools podTemplates podTemplate "
    "models myModels myModel listings listing listingFromRepo allAiApiPublicConfigs flashAuthRequestStatus"
).split()

V1_OPERATIONS = sorted(
    (route.path, str(method), str(handler.operation_id))
    for route in rest_v1.router().routes
    if isinstance(route, HTTPRoute)
    for handler in route.route_handlers
    if isinstance(handler.operation_id, str)
    for method in handler.http_methods
)
V2_OPERATIONS = [
    (f"/v2{path}", operation.method, operation.id)
    for operation in operations_of(rest_v2.DOCUMENTED)
    for path in operation.paths
]
JOBS = [
    ("POST", "/v2/{endpoint}/run"),
    ("POST", "/v2/{endpoint}/runsync"),
    ("GET", "/v2/{endpoint}/status/{job}"),
    ("GET", "/v2/{endpoint}/stream/{job}"),
    ("POST", "/v2/{endpoint}/cancel/{job}"),
    ("POST", "/v2/{endpoint}/retry/{job}"),
    ("POST", "/v2/{endpoint}/purge-queue"),
    ("GET", "/v2/{endpoint}/health"),
    ("GET", "/v2/{endpoint}/metrics"),
    ("GET", "/v2/{endpoint}/requests"),
    ("GET", "/v2/{endpoint}/openai/v1/models"),
    ("GET", "/v2/{endpoint}/job-take/{pod}?gpu=x&job_in_progress=0"),
    ("POST", "/v2/{endpoint}/job-done/{pod}/{job}?gpu=x"),
    ("GET", "/v2/{endpoint}/ping/{pod}?gpu=x"),
]
OPERATOR = ["/operator/v1/machine", "/operator/v1/gpus", "/operator/v1/explanations/{pod}"]


@dataclass(frozen=True)
class Inside:
    """A pod, its key, and one of everything that its account has beside it."""

    podd: Served
    pod: str
    key: str
    others: dict[str, str]

    def ask(self, method: str, path: str, body: Json | None = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.key}"}
        return httpx.request(
            method, f"{self.podd.url}{path}", headers=headers, timeout=30, json=body, **QUICKLY
        )

    def named(self, path: str) -> str:
        """The path with ids of what the account has beside the pod."""
        first, _, rest = path.removeprefix("/v1").removeprefix("/v2").lstrip("/").partition("/")
        kind = KINDS.get(path.split("/")[2], first)
        own = re.sub(r"\{(\w+?)(:str)?\}", lambda found: self.others.get(found[1], "{id}"), path)
        return own.replace("{id}", self.others.get(kind, "x")) if rest else own


KINDS = {
    "pods": "pod",
    "endpoints": "endpoint",
    "serverless": "endpoint",
    "templates": "template",
    "networkvolumes": "volume",
    "network-volumes": "volume",
    "containerregistryauth": "registry",
    "registries": "registry",
}


@pytest.fixture(scope="module")
def inside(shared_podd: Served) -> Inside:
    podd = shared_podd
    v1 = V1(podd)
    pod, other = podd.create_pod(), podd.create_pod()
    endpoint = podd.create_endpoint(workersMax=0)
    secret = RestV2(podd).post("/account/secrets", {"name": "mine", "value": "x"})
    others = {
        "pod": other,
        "endpoint": endpoint,
        "job": podd.submit(endpoint, {"n": 1}),
        "template": v1.create_template()["id"],
        "volume": v1.create_volume()["id"],
        "registry": v1.create_registry()["id"],
        "secret": secret["id"],
    }
    podd.settle()
    specs = map(podd.engine.spec, podd.engine.running())
    key = next(dict(spec.env)["RUNPOD_API_KEY"] for spec in specs if spec.workload_id == pod)
    return Inside(podd, pod, key, others)


@pytest.fixture(autouse=True)
def nothing_changes(inside: Inside) -> Iterator[None]:
    """Whatever the key tries, its account has afterwards what it had before, as it was."""
    before = possessions(inside)
    yield
    assert possessions(inside) == before


def possessions(inside: Inside) -> list[Any]:
    podd = inside.podd
    lists = "pods endpoints templates networkvolumes containerregistryauth".split()
    found = [podd.http.get(f"/v1/{name}").json() for name in lists]
    account = podd.data("{ myself { pubKey apiKeys { id } secrets { name } } }")
    job = podd.status(inside.others["endpoint"], inside.others["job"])["status"]
    return [*found, account, job]


@pytest.mark.parametrize(("path", "method", "name"), V1_OPERATIONS + V2_OPERATIONS)
def test_it_does_nothing_to_what_is_not_its_pod(inside: Inside, method: str, path: str, name: str) -> None:
    response = inside.ask(method, inside.named(path), BODIES.get(name.removesuffix("Alias")))
    if name in FOR_ALL:
        assert response.status_code in (200, 404)
    elif name in OWN | NOT_THERE:
        assert response.status_code == 404
    else:
        assert response.status_code == 403, response.text


@pytest.mark.parametrize(("method", "path"), JOBS)
def test_it_reaches_no_endpoint(inside: Inside, method: str, path: str) -> None:
    body: Json | None = {"input": {}} if method == "POST" else None
    response = inside.ask(method, path.format(**inside.others), body)
    assert response.status_code in (401, 403, 404), response.text
    assert inside.others["job"] not in response.text


@pytest.mark.parametrize("path", OPERATOR)
def test_it_is_no_operator(inside: Inside, path: str) -> None:
    assert inside.ask("GET", path.format(pod=inside.pod)).status_code == 403


@pytest.mark.parametrize("name", sorted(schema.query_type.fields.keys() - {"pod"}))
def test_it_reads_what_everybody_reads(inside: Inside, name: str) -> None:
    field = schema.query_type.fields[name]
    arguments = ", ".join(f"{arg}: {example(known.type)}" for arg, known in field.args.items())
    kind = getattr(field.type, "of_type", field.type)
    selection = "" if is_leaf_type(kind) else " { __typename }"
    document = f"{{ {name}{f'({arguments})' if arguments else ''}{selection} }}"
    data, errors = inside.podd.graphql(document, key=inside.key)
    if name in READABLE:
        assert errors == inside.podd.graphql(document, key="")[1]
        assert data == inside.podd.graphql(document, key="")[0]
    else:
        assert data == {name: None}
        assert errors


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/pods/{}"), ("GET", "/v2/pods/{}"), ("GET", "/v1/pods/{}?includeMachine=1")],
)
def test_it_reads_its_own_pod(inside: Inside, method: str, path: str) -> None:
    response = inside.ask(method, path.format(inside.pod))
    assert response.status_code == 200
    assert response.json()["id"] == inside.pod


@pytest.mark.parametrize("action", ["start", "reset", "restart", "update"])
def test_it_does_not_change_its_own_pod(inside: Inside, action: str) -> None:
    assert inside.ask("POST", f"/v1/pods/{inside.pod}/{action}", {}).status_code == 403
    assert inside.ask("PATCH", f"/v1/pods/{inside.pod}", {"name": "x"}).status_code == 403
    assert inside.ask("PATCH", f"/v2/pods/{inside.pod}", {"name": "x"}).status_code == 403
    assert inside.ask("POST", f"/v2/pods/{inside.pod}/action", {"action": "restart"}).status_code == 403


@dataclass(frozen=True)
class Doomed:
    """A pod of its own for what ends it."""

    inside: Inside
    id: str

    def ask(self, method: str, path: str, body: Json | None) -> None:
        podd = self.inside.podd
        own = Inside(podd, self.id, podd.podd.keys.pod(self.id), {})
        if body and "query" in body:
            body = {"query": body["query"].replace("{}", self.id)}
        done = own.ask(method, path.format(self.id), body)
        assert done.is_success, done.text
        assert "errors" not in done.text

    def status(self) -> str | None:
        query = "query ($id: String!) { pod(input: {podId: $id}) { desiredStatus } }"
        found = self.inside.podd.data(query, {"id": self.id})["pod"]
        return found and str(found["desiredStatus"])


@pytest.fixture
def doomed(inside: Inside, nothing_changes: None) -> Iterator[Doomed]:
    pod = Doomed(inside, inside.podd.create_pod(gpuTypeId="NVIDIA GeForce RTX 3090"))
    yield pod
    inside.podd.http.delete(f"/v1/pods/{pod.id}")
    inside.podd.settle()


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/pods/{}/stop", None),
        ("POST", "/v2/pods/{}/action", {"action": "stop"}),
        ("POST", "/graphql", {"query": 'mutation { podStop(input: {podId: "{}"}) { id } }'}),
    ],
)
def test_it_stops_its_own_pod(doomed: Doomed, method: str, path: str, body: Json | None) -> None:
    doomed.ask(method, path, body)
    assert doomed.status() == "EXITED"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("DELETE", "/v1/pods/{}", None),
        ("DELETE", "/v2/pods/{}", None),
        ("POST", "/v2/pods/{}/action", {"action": "terminate"}),
        ("POST", "/graphql", {"query": 'mutation { podTerminate(input: {podId: "{}"}) }'}),
    ],
)
def test_it_terminates_its_own_pod_and_is_nobodys_key_from_then_on(
    doomed: Doomed, method: str, path: str, body: Json | None
) -> None:
    doomed.ask(method, path, body)
    assert doomed.status() is None
    podd = doomed.inside.podd
    podd.settle()
    own = Inside(podd, doomed.id, podd.podd.keys.pod(doomed.id), {})
    assert own.ask("GET", f"/v1/pods/{doomed.id}").status_code == 401
