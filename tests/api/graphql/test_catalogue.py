"""The catalogue: what the machine offers, with and without a key."""

from typing import Any

import pytest

from tests.api.served import Served

Json = dict[str, Any]
A6000, RTX_3090 = "NVIDIA RTX A6000", "NVIDIA GeForce RTX 3090"
FLAVORS = """query ($input: CpuFlavorInput, $specifics: SpecificsInput) { cpuFlavors(input: $input) {
  id groupId groupName displayName minVcpu maxVcpu vcpuBurstable ramMultiplier diskLimitPerVcpu
  specifics(input: $specifics) { stockStatus securePrice slsPrice } } }"""
AVAILABILITY = """query ($input: GpuAvailabilityInput) { dataCenters { gpuAvailability(input: $input) {
  gpuTypeId displayName stockStatus available gpuType { id } } } }"""
LOWEST = """query ($wish: GpuLowestPriceInput) { gpuTypes(input: {id: "NVIDIA RTX A6000"}) {
  lowestPrice(input: $wish) { uninterruptablePrice minVcpu minMemory stockStatus countryCode } } }"""


def availability(podd: Served, **wish: Any) -> Json:
    (center,) = podd.data(AVAILABILITY, {"input": wish}, key="")["dataCenters"]
    return {gpu["gpuTypeId"]: (gpu["available"], gpu["stockStatus"]) for gpu in center["gpuAvailability"]}


def lowest(podd: Served, **wish: Any) -> Json:
    price: Json = podd.data(LOWEST, {"wish": wish}, key="")["gpuTypes"][0]["lowestPrice"]
    return price


def test_the_machine_is_the_one_data_center(podd: Served) -> None:
    document = (
        "{ countryCodes dataCenters { id name location listed storageSupport globalNetwork compliance } }"
    )
    assert podd.data(document, key="") == {
        "countryCodes": ["XX"],
        "dataCenters": [
            {
                "id": "LOCAL-1",
                "name": "LOCAL-1",
                "location": "XX",
                "listed": True,
                "storageSupport": True,
                "globalNetwork": True,
                "compliance": [],
            }
        ],
    }


def test_every_gpu_type_of_the_machine_is_available_in_it(podd: Served) -> None:
    """runpodctl shows only the types that are, with their stock."""
    assert availability(podd) == {A6000: (True, "High"), RTX_3090: (True, "High")}
    assert availability(podd, gpuCount=2) == {A6000: (True, "High"), RTX_3090: (False, None)}
    assert availability(podd, minMemoryInGb=10_000)[A6000] == (False, None)
    podd.create_pod()
    assert availability(podd)[A6000] == (True, "Medium")
    podd.create_pod()
    assert availability(podd)[A6000] == (False, None)


def test_the_lowest_price_knows_the_size_of_the_machine(podd: Served) -> None:
    assert lowest(podd, gpuCount=2) == {
        "uninterruptablePrice": 0.49,
        "minVcpu": 8,
        "minMemory": 64,
        "stockStatus": "High",
        "countryCode": "XX",
    }


@pytest.mark.parametrize(
    "wish",
    [
        {"dataCenterId": "EU-RO-1"},
        {"countryCode": "SE"},
        {"minVcpuCount": 1000},
        {"minMemoryInGb": 10_000},
        {"minDisk": 2_000_000},
        {"totalDisk": 2_000_000},
        {"gpuCount": 3},
    ],
)
def test_the_lowest_price_is_empty_where_nothing_matches(podd: Served, wish: Json) -> None:
    assert set(lowest(podd, **wish).values()) == {None}
    empty = {"dataCenterId": "", "countryCode": "", "minVcpuCount": 0, "gpuCount": 0, "secureCloud": None}
    assert lowest(podd, **empty)["uninterruptablePrice"] == 0.49


def test_pools_are_those_of_the_machines_gpus(podd: Served) -> None:
    assert podd.data("{ serverlessGpuPools { id gpuTypeIds } }", key="")["serverlessGpuPools"] == [
        {"id": "AMPERE_48", "gpuTypeIds": [A6000]},
        {"id": "AMPERE_24", "gpuTypeIds": [RTX_3090]},
    ]


def test_cpu_flavors_have_the_price_of_their_smallest_size(podd: Served) -> None:
    flavors = {flavor["id"]: flavor for flavor in podd.data(FLAVORS, key="")["cpuFlavors"]}
    assert flavors.keys() == {"cpu3c", "cpu3g", "cpu3m", "cpu5c", "cpu5g", "cpu5m"}
    assert flavors["cpu3g"] == {
        "id": "cpu3g",
        "groupId": "cpu3",
        "groupName": "CPU3",
        "displayName": "General Purpose",
        "minVcpu": 2,
        "maxVcpu": 12,
        "vcpuBurstable": False,
        "ramMultiplier": 4,
        "diskLimitPerVcpu": None,
        "specifics": {"stockStatus": "High", "securePrice": 0.08, "slsPrice": 0.000026},
    }


def test_cpu_specifics_are_of_the_instance_asked_for(podd: Served) -> None:
    def specifics(**wish: str) -> Any:
        asked = {"input": {"id": "cpu3c"}, "specifics": wish}
        (flavor,) = podd.data(FLAVORS, asked, key="")["cpuFlavors"]
        return flavor["specifics"]["securePrice"], flavor["specifics"]["stockStatus"]

    assert specifics(instanceId="cpu3c-4-8", dataCenterId="LOCAL-1") == (0.12, "High")
    assert specifics(instanceId="cpu3c-4-8", dataCenterId="EU-RO-1") == (0.12, None)
    assert specifics(instanceId="cpu3c-32-64") == (0.96, None)
    assert podd.data(FLAVORS, {"input": {"id": "cpu9z"}}, key="")["cpuFlavors"] == []


def test_the_cpu_of_the_machine_is_one_type(podd: Served) -> None:
    (cpu,) = podd.data("{ cpuTypes { id displayName cores threadsPerCore } }", key="")["cpuTypes"]
    assert cpu == {"id": "local", "displayName": "12 vCPU", "cores": 12, "threadsPerCore": 1}
