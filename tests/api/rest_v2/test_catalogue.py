"""/v2/catalog: what there is, what it costs, how much is free."""

from typing import Any

import pytest

from tests.api.rest_v2.client import A6000, R3090, RestV2
from tests.api.served import Served


def test_the_gpu_types_of_the_machine_with_their_prices(api: RestV2) -> None:
    a6000, r3090 = api.get("/catalog/gpus")["gpus"]
    assert a6000 == {
        "id": A6000,
        "name": "RTX A6000",
        "pool": "AMPERE_48",
        "manufacturer": "NVIDIA",
        "memory": 48,
        "secure": True,
        "community": False,
        "price": {"secure": 0.49, "community": 0.33, "serverless": 1.224},
        "maxCount": {"secure": 2, "community": 0},
    }
    assert r3090["id"] == R3090


@pytest.mark.parametrize("path", ["NVIDIA%20RTX%20A6000", "NVIDIA RTX A6000"])
def test_a_gpu_type_is_found_by_its_id_with_spaces(api: RestV2, path: str) -> None:
    assert api.get(f"/catalog/gpus/{path}")["name"] == "RTX A6000"
    api.get("/catalog/gpus/NVIDIA%20H100%20PCIe", expect=404)


def levels(api: RestV2, query: str = "") -> list[str]:
    return [gpu["availability"] for gpu in api.get(f"/catalog/gpus?include=AVAILABILITY{query}")["gpus"]]


def test_availability_follows_what_is_claimed(api: RestV2) -> None:
    assert levels(api) == ["HIGH", "HIGH"]
    api.pod()
    assert levels(api) == ["MEDIUM", "HIGH"]
    assert levels(api, "&count=2") == ["NONE", "NONE"]
    api.pod()
    assert levels(api) == ["NONE", "HIGH"]
    here = api.get("/catalog/gpus/NVIDIA%20RTX%20A6000?include=AVAILABILITY")
    assert here["dataCenters"] == [{"id": "LOCAL-1", "name": "LOCAL-1", "availability": "NONE"}]
    assert here["cudaVersions"] == []


@pytest.mark.parametrize(
    ("query", "level"),
    [
        ("&product=POD", "HIGH"),
        ("&product=POD,SERVERLESS", "HIGH"),
        ("&product=POD%2CSERVERLESS", "HIGH"),
        ("&product=POD&product=SERVERLESS", "HIGH"),
        ("&product=CLUSTER", "NONE"),
        ("&cloud=SECURE", "HIGH"),
        ("&cloud=COMMUNITY", "NONE"),
        ("&countryCodes=XX,US", "HIGH"),
        ("&countryCodes=US", "NONE"),
        ("&unknown=1", "HIGH"),
    ],
)
def test_filters_are_about_availability(api: RestV2, query: str, level: str) -> None:
    assert levels(api, query)[0] == level


@pytest.mark.parametrize("query", ["product=POD", "count=1", "cloud=SECURE", "cudaVersions=12.4"])
def test_filters_without_availability_are_refused(api: RestV2, query: str) -> None:
    assert "include=AVAILABILITY" in api.get(f"/catalog/gpus?{query}", expect=400)["detail"]
    assert "include=AVAILABILITY" in api.get("/catalog/cpus?vcpuCount=4", expect=400)["detail"]


@pytest.mark.parametrize(
    "query",
    ["include=EVERYTHING", "include=AVAILABILITY&product=GAMES", "include=AVAILABILITY&count=none"],
)
def test_words_nobody_knows_are_refused(api: RestV2, query: str) -> None:
    assert api.get(f"/catalog/gpus?{query}", expect=422)["errors"][0].startswith("query.")


def test_cpu_flavours_and_the_room_for_them(podd: Served, api: RestV2) -> None:
    flavours = {cpu["id"]: cpu for cpu in api.get("/catalog/cpus?include=AVAILABILITY")["cpus"]}
    assert flavours["cpu3g"]["vcpu"] == {"min": 2, "max": 32}
    assert flavours["cpu3g"]["ramGbPerVcpu"] == 4
    assert flavours["cpu3g"]["availability"] == "HIGH"
    big = api.get("/catalog/cpus/cpu3m?include=AVAILABILITY&vcpuCount=16")
    assert big["availability"] == "NONE"
    assert "availability" not in api.get("/catalog/cpus/cpu3m")
    api.get("/catalog/cpus/cpu9", expect=404)


def test_the_machine_is_the_one_data_center(api: RestV2) -> None:
    here = {
        "id": "LOCAL-1",
        "name": "LOCAL-1",
        "region": "UNKNOWN",
        "globalNetwork": True,
        "networkVolumeTypes": ["STANDARD"],
        "compliance": [],
    }
    assert api.get("/catalog/datacenters")["dataCenters"] == [here]
    assert api.get("/catalog/datacenters/local-1") == here
    api.get("/catalog/datacenters/EU-RO-1", expect=404)
    full = api.get("/catalog/datacenters/LOCAL-1?include=GPU_AVAILABILITY,CPU_AVAILABILITY")
    assert [gpu["availability"] for gpu in full["gpuAvailability"]] == ["HIGH", "HIGH"]
    assert full["cpuAvailability"][0]["availability"] == "HIGH"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("regions=EUROPE", 0),
        ("regions=EUROPE,UNKNOWN", 1),
        ("networkVolumeTypes=HIGH_PERFORMANCE", 0),
        ("networkVolumeTypes=STANDARD", 1),
        ("compliance=GDPR", 0),
        ("globalNetwork=true", 1),
        ("globalNetwork=false", 0),
    ],
)
def test_data_centers_can_be_filtered(api: RestV2, query: str, found: int) -> None:
    assert len(api.get(f"/catalog/datacenters?{query}")["dataCenters"]) == found


def test_everybody_with_a_key_may_read_the_catalogue(podd: Served, api: RestV2) -> None:
    inside: Any = RestV2(podd, podd.podd.keys.pod(api.pod()["id"]))
    assert inside.get("/catalog/gpus")["gpus"]
    RestV2(podd, "rpa_UNKNOWN").get("/catalog/gpus", expect=401)
