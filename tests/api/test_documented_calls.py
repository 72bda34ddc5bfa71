"""The curl calls of RunPod's documentation, with host, key and ids replaced: they work as documented."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.api import documented
from tests.api.served import QUICKLY, Served

Json = dict[str, Any]

RUNSYNC = """
{
  "input": {
    "prompt": "A coffee cup.",
    "height": 512,
    "width": 512,
    "num_outputs": 1,
    "num_inference_steps": 50,
    "guidance_scale": 7.5,
    "scheduler": "KLMS"
  }
}
"""

BY_QUERY = "key in the query"
BY_HEADER = "key in the header"
BY_NAME = "to RunPod's host name"


@pytest.fixture(params=[BY_QUERY, BY_HEADER, BY_NAME])
def call(request: pytest.FixtureRequest, podd: Served) -> Any:
    """Sends a documented body as curl does; `data` of the answer. Ids in it are replaced by `its_id`."""

    def send(body: str, its_id: str = "") -> Any:
        body = re.sub(r"podId: \\\"\w+\\\"", rf'podId: \\"{its_id}\\"', body) if its_id else body
        by_query = request.param != BY_HEADER
        host = {"Host": "api.runpod.io"} if request.param == BY_NAME else {}
        response = httpx.post(
            f"{podd.url}/graphql" + (f"?api_key={podd.key}" if by_query else ""),
            content=body.encode(),
            headers={"content-type": "application/json", **host}
            | ({} if by_query else {"Authorization": f"Bearer {podd.key}"}),
            **QUICKLY,
        )
        assert response.status_code == 200, response.text
        assert response.headers["content-type"] == "application/json"
        answer = response.json()
        assert answer.keys() == {"data"}
        return answer["data"]

    return send


def test_an_on_demand_pod_is_deployed(podd: Served, call: Any) -> None:
    pod = call(documented.DEPLOY_ON_DEMAND)["podFindAndDeployOnDemand"]
    assert pod.keys() == {"id", "imageName", "env", "machineId", "machine"}
    assert re.fullmatch("[a-z0-9]{14}", pod["id"])
    assert pod["imageName"] == "runpod/tensorflow"
    assert pod["env"] == ["JUPYTER_PASSWORD=rn51hunbpgtltcpac3ol"]
    assert re.fullmatch("[a-z0-9]{12}", pod["machineId"])
    assert re.fullmatch(f"{pod['id']}-[0-9a-f]{{8}}", pod["machine"]["podHostId"])


def test_the_deployed_pod_has_what_was_asked_for(podd: Served, call: Any) -> None:
    pod_id = call(documented.DEPLOY_ON_DEMAND)["podFindAndDeployOnDemand"]["id"]
    podd.settle()
    pod = podd.data(
        "query ($id: String!) { pod(input: {podId: $id}) { name podType gpuCount containerDiskInGb volumeInGb"
        " volumeMountPath ports dockerArgs vcpuCount memoryInGb machine { gpuDisplayName } } }",
        {"id": pod_id},
    )["pod"]
    assert pod["vcpuCount"] >= 2
    assert pod["memoryInGb"] >= 15
    del pod["vcpuCount"], pod["memoryInGb"]
    assert pod == {
        "name": "RunPod Tensorflow",
        "podType": "RESERVED",
        "gpuCount": 1,
        "containerDiskInGb": 40,
        "volumeInGb": 40,
        "volumeMountPath": "/workspace",
        "ports": "8888/http",
        "dockerArgs": "",
        "machine": {"gpuDisplayName": "RTX A6000"},
    }


def test_a_spot_pod_is_rented(podd: Served, call: Any) -> None:
    pod = call(documented.RENT_SPOT)["podRentInterruptable"]
    assert pod.keys() == {"id", "imageName", "env", "machineId", "machine"}
    assert pod["imageName"] == "runpod/pytorch"
    assert pod["env"] == ["JUPYTER_PASSWORD=vunw9ybnzqwpia2795p2"]
    seen = podd.data(
        "query ($id: String!) { pod(input: {podId: $id}) { podType costPerHr } }", {"id": pod["id"]}
    )
    assert seen["pod"] == {"podType": "INTERRUPTABLE", "costPerHr": 0.2}


def test_pods_are_stopped_and_resumed(podd: Served, call: Any) -> None:
    pod_id = call(documented.DEPLOY_ON_DEMAND)["podFindAndDeployOnDemand"]["id"]
    podd.settle()
    assert call(documented.STOP, pod_id) == {"podStop": {"id": pod_id, "desiredStatus": "EXITED"}}
    podd.settle()
    assert podd.engine.running() == []
    pod = call(documented.RESUME, pod_id)["podResume"]
    assert pod.keys() == {"id", "desiredStatus", "imageName", "env", "machineId", "machine"}
    assert (pod["id"], pod["desiredStatus"], pod["imageName"]) == (pod_id, "RUNNING", "runpod/tensorflow")
    assert pod["env"] == ["JUPYTER_PASSWORD=rn51hunbpgtltcpac3ol"]
    podd.settle()
    assert len(podd.engine.running()) == 1


def test_a_spot_pod_is_resumed_with_a_bid(podd: Served, call: Any) -> None:
    pod_id = call(documented.RENT_SPOT)["podRentInterruptable"]["id"]
    call(documented.STOP, pod_id)
    podd.settle()
    pod = call(documented.RESUME_SPOT, pod_id)["podBidResume"]
    assert pod.keys() == {"id", "desiredStatus", "imageName", "env", "machineId", "machine"}
    assert pod["desiredStatus"] == "RUNNING"


def test_pods_are_listed_with_what_they_use(podd: Served, call: Any) -> None:
    assert call(documented.LIST_PODS) == {"myself": {"pods": []}}
    running = call(documented.DEPLOY_ON_DEMAND)["podFindAndDeployOnDemand"]["id"]
    podd.settle()
    podd.clock.advance(seconds=90)
    waiting = podd.create_pod(imageName="test/not-here", name="waiting")
    pods = {pod["id"]: pod for pod in call(documented.LIST_PODS)["myself"]["pods"]}
    assert pods.keys() == {running, waiting}
    assert pods[waiting] == {"id": waiting, "name": "waiting", "runtime": None}
    runtime = pods[running]["runtime"]
    assert runtime["uptimeInSeconds"] == 90
    assert runtime["ports"] == [
        {
            "ip": runtime["ports"][0]["ip"],
            "isIpPublic": False,
            "privatePort": 8888,
            "publicPort": 8888,
            "type": "http",
        }
    ]
    (gpu,) = runtime["gpus"]
    assert gpu.keys() == {"id", "gpuUtilPercent", "memoryUtilPercent"}
    assert runtime["container"].keys() == {"cpuPercent", "memoryPercent"}


def test_one_pod_is_shown(podd: Served, call: Any) -> None:
    pod_id = podd.create_pod(name="mine", ports="22/tcp")
    assert call(documented.GET_POD, pod_id) == {"pod": {"id": pod_id, "name": "mine", "runtime": None}}
    podd.settle()
    pod = call(documented.GET_POD, pod_id)["pod"]
    (port,) = pod["runtime"]["ports"]
    assert (port["isIpPublic"], port["privatePort"], port["type"]) == (True, 22, "tcp")


def test_the_gpu_types_of_the_machine_are_listed(podd: Served, call: Any) -> None:
    assert call(documented.LIST_GPU_TYPES) == {
        "gpuTypes": [
            {"id": "NVIDIA RTX A6000", "displayName": "RTX A6000", "memoryInGb": 48},
            {"id": "NVIDIA GeForce RTX 3090", "displayName": "RTX 3090", "memoryInGb": 24},
        ]
    }


def test_one_gpu_type_is_shown_with_its_prices(podd: Served, call: Any) -> None:
    assert call(documented.GET_GPU_TYPE) == {
        "gpuTypes": [
            {
                "id": "NVIDIA GeForce RTX 3090",
                "displayName": "RTX 3090",
                "memoryInGb": 24,
                "secureCloud": True,
                "communityCloud": True,
                "lowestPrice": {"minimumBidPrice": 0.11, "uninterruptablePrice": 0.5},
            }
        ]
    }


def test_a_template_is_saved(podd: Served, call: Any) -> None:
    template = call(documented.SAVE_TEMPLATE)["saveTemplate"]
    assert re.fullmatch("[a-z0-9]{10}", template.pop("id"))
    assert template == {
        "containerDiskInGb": 5,
        "dockerArgs": "sleep infinity",
        "env": [{"key": "key1", "value": "value1"}, {"key": "key2", "value": "value2"}],
        "imageName": "ubuntu:latest",
        "name": "Generated Template",
        "ports": "8888/http,22/tcp",
        "readme": "## Hello, World!",
        "volumeInGb": 15,
        "volumeMountPath": "/workspace",
    }


@pytest.mark.parametrize(
    "body",
    [v for k, v in vars(documented).items() if k.isupper()],
    ids=[k for k in vars(documented) if k.isupper()],
)
def test_every_documented_body_is_json_with_a_query(body: str) -> None:
    assert json.loads(body).keys() == {"query"}


def test_a_job_is_run_and_looked_at_as_documented(podd: Served) -> None:
    """curl sends a key without `Bearer` in one place and with it in others; both do."""
    endpoint_id, worker = podd.woken()
    started = httpx.post(
        f"{podd.url}/v2/{endpoint_id}/run",
        content=b'{"input": {"prompt": "Your prompt"}}',
        headers={"Content-Type": "application/json", "Authorization": f"Bearer {podd.key}"},
        **QUICKLY,
    )
    assert started.status_code == 200
    job = started.json()
    assert job == {"id": job["id"], "status": "IN_QUEUE"}
    assert worker.take() == {"id": job["id"], "input": {"prompt": "Your prompt"}}
    podd.clock.advance(seconds=2)
    worker.done(job["id"], {"output": [{"image": "..."}]})
    shown = httpx.get(
        f"{podd.url}/v2/{endpoint_id}/status/{job['id']}", headers={"Authorization": podd.key}, **QUICKLY
    )
    assert shown.json() == {
        "id": job["id"],
        "status": "COMPLETED",
        "delayTime": 0,
        "executionTime": 2000,
        "workerId": worker.id,
        "output": [{"image": "..."}],
    }


@pytest.mark.parametrize("host", ["", "api.runpod.ai"])
def test_a_job_is_run_to_its_end_in_one_call_as_documented(podd: Served, host: str) -> None:
    """With a bare key, as documented, also to RunPod's host name."""
    endpoint_id, worker = podd.woken()
    headers = {
        "accept": "application/json",
        "authorization": podd.key,
        "content-type": "application/json",
        **({"Host": host} if host else {}),
    }
    with ThreadPoolExecutor(1) as threads:
        answer = threads.submit(
            httpx.post,
            f"{podd.url}/v2/{endpoint_id}/runsync",
            content=RUNSYNC.encode(),
            headers=headers,
            timeout=30,
            **QUICKLY,
        )
        job = worker.take()
        assert job["input"] == json.loads(RUNSYNC)["input"]
        worker.done(job["id"], {"output": "a coffee cup"})
        ended = answer.result(30).json()
    assert (ended["id"], ended["status"], ended["output"]) == (job["id"], "COMPLETED", "a coffee cup")
    assert re.fullmatch(r"sync-.+", ended["id"])
