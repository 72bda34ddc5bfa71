"""/v2/billing, which has nothing to report yet, and /v2/clusters, of which there are none."""

from typing import Any

import pytest

from tests.api.rest_v2.client import A6000, RestV2

Json = dict[str, Any]


@pytest.mark.parametrize(
    ("path", "totals", "unique"),
    [
        ("pods", {"totalAmount", "gpuAmount", "cpuAmount", "diskAmount"}, "uniquePodCount"),
        (
            "serverless",
            {"totalAmount", "gpuAmount", "cpuAmount", "diskAmount", "feeAmount"},
            "uniqueServerlessCount",
        ),
        ("endpoints", {"totalAmount"}, None),
        (
            "network-volumes",
            {"totalAmount", "standardAmount", "highPerformanceAmount"},
            "uniqueNetworkVolumeCount",
        ),
        (
            "networkvolumes",
            {"totalAmount", "standardAmount", "highPerformanceAmount"},
            "uniqueNetworkVolumeCount",
        ),
        ("clusters", {"totalAmount", "gpuAmount", "diskAmount", "networkingAmount"}, "uniqueClusterCount"),
    ],
)
def test_nothing_was_charged(api: RestV2, path: str, totals: set[str], unique: str | None) -> None:
    report = api.get(f"/billing/{path}")
    metadata = report["metadata"]
    assert report["records"] == []
    assert metadata["recordCount"] == 0
    assert metadata["totals"] == dict.fromkeys(totals, 0)
    assert metadata.get(unique, 0) == 0
    assert len(api.get("/billing")["metadata"]["totals"]) == 14


@pytest.mark.parametrize(
    ("query", "start", "end"),
    [
        ("", "2023-10-15T00:00:00Z", "2023-11-15T00:00:00Z"),
        ("bucketSize=hour", "2023-10-15T22:00:00Z", "2023-11-14T23:00:00Z"),
        ("bucketSize=week", "2023-10-09T00:00:00Z", "2023-11-20T00:00:00Z"),
        ("bucketSize=month", "2023-10-01T00:00:00Z", "2023-12-01T00:00:00Z"),
        ("bucketSize=year", "2023-01-01T00:00:00Z", "2024-01-01T00:00:00Z"),
        ("lastN=1", "2023-11-14T00:00:00Z", "2023-11-15T00:00:00Z"),
        ("lastN=3&bucketSize=month", "2023-09-01T00:00:00Z", "2023-12-01T00:00:00Z"),
        ("lastN=999999999", "1996-06-29T00:00:00Z", "2023-11-15T00:00:00Z"),
        ("lastN=9999&bucketSize=year", "1970-01-01T00:00:00Z", "2024-01-01T00:00:00Z"),
        (
            "startTime=2023-11-01T05:00:00Z&endTime=2023-11-02T00:00:00Z",
            "2023-11-01T00:00:00Z",
            "2023-11-02T00:00:00Z",
        ),
        (
            "startTime=2023-11-01T05:00:00-01:00&endTime=2023-11-02T05:00:00+01:00",
            "2023-11-01T00:00:00Z",
            "2023-11-03T00:00:00Z",
        ),
    ],
)
def test_a_report_covers_whole_buckets(api: RestV2, query: str, start: str, end: str) -> None:
    resolved = api.get(f"/billing/pods?{query}&podId=abc")["metadata"]["query"]
    assert (resolved["startTime"], resolved["endTime"]) == (start, end)
    assert resolved["podId"] == "abc"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("lastN=1&startTime=2023-11-01T00:00:00Z", 400),
        ("startTime=2023-11-02T00:00:00Z&endTime=2023-11-01T00:00:00Z", 400),
        ("startTime=9999-12-31T23:59:59Z", 400),
        ("startTime=0001-01-01T00:00:00Z", 400),
        ("startTime=yesterday", 422),
        ("lastN=0", 422),
        ("bucketSize=minute", 422),
    ],
)
def test_a_range_that_makes_no_sense_is_refused(api: RestV2, query: str, status: int) -> None:
    api.get(f"/billing?{query}", expect=status)


def test_there_are_no_clusters_and_none_can_be_made(api: RestV2) -> None:
    assert api.get("/clusters")["clusters"] == []
    body: Json = {
        "name": "c",
        "type": "TRAINING",
        "image": "x",
        "compute": {"gpuTypeId": A6000, "gpuCountPerPod": 1, "podCount": 2},
    }
    assert "several machines" in api.post("/clusters", body, expect=400)["detail"]
    api.errors("POST", "/clusters", {**body, "type": "GAMES"})
    for method, path, change in [
        ("GET", "", None),
        ("PATCH", "", {"name": "d"}),
        ("DELETE", "", None),
        ("GET", "/pods", None),
    ]:
        api.ask(method, f"/clusters/x{path}", change, expect=404)
