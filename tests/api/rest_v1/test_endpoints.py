"""Endpoints through REST v1."""

from typing import Any

import pytest

from tests.api.conftest import NewPodd
from tests.api.rest_v1.asking import A6000, RTX_3090, V1
from tests.api.served import IMAGE, Json, Served


def test_a_new_endpoint_has_the_defaults(v1: V1) -> None:
    template = v1.create_template(isServerless=True, env={"A": "1"})
    made = v1.ask("POST", "/endpoints", {"templateId": template["id"]})
    user, id = made.pop("userId"), made.pop("id")
    assert user.startswith("user_")
    assert len(id) == 14
    assert made == {
        "name": "my endpoint",
        "templateId": template["id"],
        "version": 0,
        "createdAt": "2023-11-14T22:13:20Z",
        "computeType": "GPU",
        "gpuTypeIds": [A6000, RTX_3090],
        "gpuCount": 1,
        "instanceIds": [],
        "allowedCudaVersions": [],
        "dataCenterIds": ["LOCAL-1"],
        "networkVolumeId": "",
        "networkVolumeIds": [],
        "workersMin": 0,
        "workersMax": 3,
        "idleTimeout": 5,
        "scalerType": "QUEUE_DELAY",
        "scalerValue": 4,
        "executionTimeoutMs": 600_000,
        "flashboot": False,
        "env": {"A": "1"},
    }


def test_everything_said_is_kept(v1: V1) -> None:
    wish: Json = {
        "name": "an endpoint",
        "computeType": "GPU",
        "gpuTypeIds": [RTX_3090, A6000],
        "gpuCount": 1,
        "allowedCudaVersions": ["12.4", "12.8"],
        "minCudaVersion": "12.4",
        "dataCenterIds": ["LOCAL-1", "EU-RO-1"],
        "workersMin": 1,
        "workersMax": 2,
        "idleTimeout": 30,
        "scalerType": "REQUEST_COUNT",
        "scalerValue": 7,
        "executionTimeoutMs": 60_000,
        "flashboot": True,
    }
    made = v1.create_endpoint(**wish)
    assert {name: made[name] for name in wish} == wish
    assert v1.ask("GET", f"/endpoints/{made['id']}") == made
    assert v1.ask("GET", "/endpoints") == [made]


def test_graphql_reads_what_v1_wrote_and_the_other_way_round(podd: Served, v1: V1) -> None:
    made = v1.create_endpoint(allowedCudaVersions=["12.4", "12.8"], dataCenterIds=["LOCAL-1"])
    seen = podd.data("{ myself { endpoints { gpuIds allowedCudaVersions locations } } }")
    assert seen["myself"]["endpoints"] == [
        {"gpuIds": A6000, "allowedCudaVersions": "12.4,12.8", "locations": "LOCAL-1"}
    ]
    podd.create_endpoint(id=made["id"], name=made["name"], gpuIds="AMPERE_48,-NVIDIA A40")
    assert A6000 in v1.ask("GET", f"/endpoints/{made['id']}")["gpuTypeIds"]


def test_pools_are_understood_too(v1: V1) -> None:
    assert A6000 in v1.create_endpoint(gpuTypeIds=["AMPERE_48"])["gpuTypeIds"]


def test_template_and_workers_come_when_asked_for(podd: Served, v1: V1) -> None:
    made = v1.create_endpoint(workersMin=1, workersMax=1)
    podd.settle()
    for path in ("/endpoints", f"/endpoints/{made['id']}"):
        plain = v1.ask("GET", path)
        full = v1.ask("GET", path, includeTemplate=True, includeWorkers=True)
        plain, full = (plain[0], full[0]) if path == "/endpoints" else (plain, full)
        assert "template" not in plain
        assert "workers" not in plain
        assert full["template"]["id"] == made["templateId"]
        (worker,) = full["workers"]
        assert worker["endpointId"] == made["id"]
        assert worker["image"] == IMAGE


@pytest.mark.parametrize(("method", "suffix"), [("PATCH", ""), ("POST", "/update")], ids=["patch", "post"])
def test_scaling_changes_in_place_and_gpus_are_a_release(v1: V1, method: str, suffix: str) -> None:
    made = v1.create_endpoint()
    path = f"/endpoints/{made['id']}{suffix}"
    changed = v1.ask(method, path, {"name": "another", "workersMax": 5, "idleTimeout": 60, "scalerValue": 9})
    assert (changed["name"], changed["workersMax"], changed["version"]) == ("another", 5, made["version"])
    changed = v1.ask(method, path, {"gpuTypeIds": [RTX_3090]})
    assert (changed["gpuTypeIds"], changed["version"]) == ([RTX_3090], made["version"] + 1)


def test_an_empty_change_changes_nothing(v1: V1) -> None:
    made = v1.create_endpoint(workersMax=2)
    assert v1.ask("PATCH", f"/endpoints/{made['id']}", {}) == made
    assert v1.ask("PATCH", f"/endpoints/{made['id']}") == made
    assert v1.ask("PATCH", f"/endpoints/{made['id']}", {"name": None, "workersMax": None}) == made


def test_no_execution_timeout_is_the_default(v1: V1) -> None:
    made = v1.create_endpoint(executionTimeoutMs=0)
    assert made["executionTimeoutMs"] == 600_000


def test_a_change_of_the_template_is_a_release(v1: V1) -> None:
    made = v1.create_endpoint()
    v1.ask("PATCH", f"/templates/{made['templateId']}", {"env": {"B": "2"}})
    changed = v1.ask("GET", f"/endpoints/{made['id']}")
    assert changed["version"] == made["version"] + 1
    assert changed["env"] == {"B": "2"}


@pytest.mark.parametrize(
    "values",
    [
        {"name": "new"},
        {"readme": "# New"},
        {"volumeInGb": 3},
        {"volumeMountPath": "/x"},
        {"category": "AMD"},
        {},
    ],
)
def test_what_is_for_people_in_a_template_is_no_release(v1: V1, values: Json) -> None:
    made = v1.create_endpoint()
    v1.ask("PATCH", f"/templates/{made['templateId']}", values)
    assert v1.ask("GET", f"/endpoints/{made['id']}")["version"] == made["version"]


def test_an_endpoint_goes_with_its_workers(podd: Served, v1: V1) -> None:
    made = v1.create_endpoint(workersMin=1, workersMax=1)
    podd.settle()
    v1.ask("DELETE", f"/endpoints/{made['id']}", status=204)
    podd.settle()
    assert podd.engine.running() == []
    assert v1.ask("GET", "/endpoints") == []
    assert v1.refused(404, "DELETE", f"/endpoints/{made['id']}") == "endpoint not found"


@pytest.mark.parametrize(
    ("wish", "status", "word"),
    [
        ({"templateId": None}, 400, "templateId"),
        ({"templateId": "nope"}, 404, "template not found"),
        ({"gpuTypeIds": ["RTX 9090"]}, 400, "gpuTypeIds"),
        ({"name": "x"}, 400, "name"),
        ({"name": "x" * 192}, 400, "name"),
        ({"workersMin": 2, "workersMax": 1}, 400, "workersMin"),
        ({"workersMax": -1}, 400, "workersMax"),
        ({"scalerType": "GUESS"}, 400, "scalerType"),
        ({"scalerValue": 0}, 400, "scalerValue"),
        ({"idleTimeout": 3601}, 400, "idleTimeout"),
        ({"executionTimeoutMs": 1}, 400, "executionTimeoutMs"),
        ({"gpuCount": 0}, 400, "gpuCount"),
        ({"flashboot": "FLASHBOOT"}, 400, "flashboot"),
        ({"computeType": "CPU", "cpuFlavorIds": ["cpu9x"]}, 400, "cpu9x"),
        ({"computeType": "CPU", "cpuFlavorIds": ["cpu3c"], "vcpuCount": 1000}, 400, "cpu3c-1000"),
        ({"cpuFlavorIds": ["cpu3c"]}, 400, "exclude each other"),
        ({"networkVolumeId": "abc"}, 404, "network volume not found"),
        ({"networkVolumeIds": ["abc", "def"]}, 400, "networkVolumeIds"),
    ],
)
def test_a_senseless_wish_is_refused(v1: V1, wish: Any, status: int, word: str) -> None:
    template = v1.create_template(isServerless=True)["id"]
    wish = {"templateId": template, "name": "an endpoint", "gpuTypeIds": [A6000], **wish}
    assert word in v1.refused(status, "POST", "/endpoints", wish)
    assert v1.ask("GET", "/endpoints") == []


def test_a_cpu_endpoint_has_an_instance_of_each_flavor_of_the_size_asked_for(v1: V1) -> None:
    made = v1.create_endpoint(computeType="CPU", cpuFlavorIds=["cpu3c", "cpu5g"], vcpuCount=4)
    assert made["instanceIds"] == ["cpu3c-4-8", "cpu5g-4-16"]
    assert (made["computeType"], made["gpuTypeIds"], made["gpuCount"]) == ("CPU", [], 0)
    larger = v1.ask("PATCH", f"/endpoints/{made['id']}", {"vcpuCount": 8})
    assert (larger["instanceIds"], larger["version"]) == (["cpu3c-8-16", "cpu5g-8-32"], 1)


def test_a_cpu_worker_reads_as_a_cpu_pod_with_its_price(podd: Served, v1: V1) -> None:
    wish = {"computeType": "CPU", "cpuFlavorIds": ["cpu3c"], "workersMin": 1, "workersMax": 1}
    made = v1.create_endpoint(**wish)
    podd.settle()
    (worker,) = v1.ask("GET", f"/endpoints/{made['id']}", includeWorkers=True)["workers"]
    assert (worker["cpuFlavorId"], worker["vcpuCount"], worker["memoryInGb"]) == ("cpu3c", 2, 4)
    assert worker["gpuCount"] == 0
    flavour = podd.podd.catalogue.flavour("cpu3c")
    assert flavour is not None
    assert worker["costPerHr"] == pytest.approx(2 * 3600 * flavour.serverless_second / 1e9)


def test_a_network_volume_of_an_endpoint_is_mounted_and_kept_from_deletion(podd: Served, v1: V1) -> None:
    volume = v1.create_volume()["id"]
    made = v1.create_endpoint(networkVolumeId=volume, workersMin=1, workersMax=1)
    assert (made["networkVolumeId"], made["networkVolumeIds"]) == (volume, [volume])
    podd.settle()
    spec = podd.engine.spec(podd.engine.running()[0])
    assert "/runpod-volume" in [mount.target for mount in spec.mounts]
    assert dict(spec.env)["RUNPOD_VOLUME_ID"] == volume
    assert "in use by the endpoint" in v1.refused(400, "DELETE", f"/networkvolumes/{volume}")
    without = v1.ask("PATCH", f"/endpoints/{made['id']}", {"networkVolumeId": ""})
    assert (without["networkVolumeIds"], without["version"]) == ([], 1)


def test_foreign_endpoints_look_like_missing_ones(v1: V1, stranger: V1) -> None:
    foreign = stranger.create_endpoint()
    for method, suffix in (("GET", ""), ("PATCH", ""), ("POST", "/update"), ("DELETE", "")):
        asked = v1.refused(404, method, f"/endpoints/{foreign['id']}{suffix}")
        assert asked == v1.refused(404, method, f"/endpoints/nope{suffix}") == "endpoint not found"
    assert v1.ask("GET", "/endpoints") == []
    wish = {"templateId": foreign["templateId"]}
    assert "template not found" in v1.refused(404, "POST", "/endpoints", wish)


def test_without_gpus_an_endpoint_must_name_them(new_podd: NewPodd) -> None:
    v1 = V1(new_podd(settings={"gpus": {"simulated": []}}))
    template = v1.create_template(isServerless=True)["id"]
    assert "gpu" in v1.refused(400, "POST", "/endpoints", {"templateId": template})
