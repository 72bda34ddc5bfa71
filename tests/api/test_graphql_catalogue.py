"""The GPU types of the machine through GraphQL, with what is free of them now."""

from typing import Any

import pytest

from tests.api.served import Served

Json = dict[str, Any]

A6000, RTX3090 = "NVIDIA RTX A6000", "NVIDIA GeForce RTX 3090"
LOWEST = """query ($input: GpuLowestPriceInput) { gpuTypes(input: {id: "NVIDIA RTX A6000"}) {
  lowestPrice(input: $input) { minimumBidPrice uninterruptablePrice stockStatus rentedCount totalCount
  maxUnreservedGpuCount availableGpuCounts } } }"""


def lowest_price(podd: Served, **wish: Any) -> Json:
    (found,) = podd.data(LOWEST, {"input": wish})["gpuTypes"]
    price: Json = found["lowestPrice"]
    return price


def test_all_fields_clients_read_are_filled(podd: Served) -> None:
    """gpuhunt takes the greatest of the counts and indexes the prices: none may be null."""
    document = """{ gpuTypes { id displayName manufacturer memoryInGb cudaCores secureCloud communityCloud
      securePrice communityPrice secureSpotPrice communitySpotPrice oneWeekPrice oneMonthPrice threeMonthPrice
      sixMonthPrice maxGpuCount maxGpuCountSecureCloud maxGpuCountCommunityCloud minPodGpuCount
      nodeGroupDatacenters { id } lowestPrice(input: {gpuCount: 1})
      { minimumBidPrice uninterruptablePrice } } }"""
    first, second = podd.data(document)["gpuTypes"]
    assert (first["id"], second["id"]) == (A6000, RTX3090)
    for gpu_type in (first, second):
        assert [name for name, value in gpu_type.items() if value is None] == []
    assert (first["maxGpuCount"], second["maxGpuCount"]) == (2, 1)
    assert (first["securePrice"], first["communityPrice"], first["secureSpotPrice"]) == (0.49, 0.33, 0.2)
    assert first["manufacturer"] == "Nvidia"


@pytest.mark.parametrize(
    ("wish", "found"),
    [
        ({"id": RTX3090}, [RTX3090]),
        ({"ids": [RTX3090, "NVIDIA H100 PCIe"]}, [RTX3090]),
        ({"id": "NVIDIA H100 PCIe"}, []),
        ({"id": "no such card"}, []),
        ({"id": ""}, [A6000, RTX3090]),
        ({"ids": []}, [A6000, RTX3090]),
        ({"cluster": False}, [A6000, RTX3090]),
        ({"cluster": True}, []),
        (None, [A6000, RTX3090]),
    ],
)
def test_types_are_found_by_what_is_asked(podd: Served, wish: Json | None, found: list[str]) -> None:
    answer = podd.data("query ($input: GpuTypeFilter) { gpuTypes(input: $input) { id } }", {"input": wish})
    assert [gpu_type["id"] for gpu_type in answer["gpuTypes"]] == found


def test_the_lowest_price_follows_the_cloud(podd: Served) -> None:
    assert lowest_price(podd)["uninterruptablePrice"] == 0.49
    assert lowest_price(podd, secureCloud=True)["uninterruptablePrice"] == 0.49
    assert lowest_price(podd, secureCloud=False)["uninterruptablePrice"] == 0.33
    assert lowest_price(podd, gpuCount=2, minMemoryInGb=8, allowedCudaVersions=[])["minimumBidPrice"] == 0.2


def test_the_lowest_price_is_an_object_even_when_nothing_is_free(podd: Served) -> None:
    assert lowest_price(podd, gpuCount=3)["uninterruptablePrice"] is None
    podd.create_pod(gpuCount=2)
    assert lowest_price(podd) == {
        "minimumBidPrice": None,
        "uninterruptablePrice": None,
        "stockStatus": None,
        "rentedCount": None,
        "totalCount": 2,
        "maxUnreservedGpuCount": None,
        "availableGpuCounts": None,
    }


def test_what_is_free_is_counted_as_it_is_now(podd: Served) -> None:
    assert lowest_price(podd)["availableGpuCounts"] == [1, 2]
    pod_id = podd.create_pod()
    price = lowest_price(podd)
    assert (price["rentedCount"], price["maxUnreservedGpuCount"]) == (1, 1)
    podd.data("mutation ($id: String!) { podStop(input: {podId: $id}) { id } }", {"id": pod_id})
    assert lowest_price(podd)["maxUnreservedGpuCount"] == 2


def test_a_client_that_asks_for_everything_at_once_gets_an_answer_per_field(podd: Served) -> None:
    """gpuhunt's catalogue query has several root fields; those podd has are answered in any case."""
    data, _ = podd.graphql("query { countryCodes dataCenters { id name } gpuTypes { id } }")
    assert data is not None
    assert len(data["gpuTypes"]) == 2
