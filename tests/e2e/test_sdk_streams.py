"""Streamed results from the unmodified worker SDK to the unmodified client SDK. Numbers in names are those of
the conformance scenarios podd was planned with."""

from collections.abc import Iterator

import pytest

from tests.e2e.daemon import Daemon
from tests.e2e.sdk import Sdk
from tests.waiting import eventually


@pytest.fixture(scope="module", params=["parts", "parts_async"])
def endpoint(shared_daemon: Daemon, sdk: Sdk, request: pytest.FixtureRequest) -> Iterator[str]:
    endpoint_id = shared_daemon.create_endpoint(request.param, workersMin=1, workersMax=1)
    sdk.do(f"endpoint = runpod.Endpoint('{endpoint_id}')")
    yield endpoint_id
    shared_daemon.delete_endpoint(endpoint_id)


def test_30_32_the_sdk_reads_all_parts_in_order(sdk: Sdk, endpoint: str, shared_daemon: Daemon) -> None:
    sdk.do("job = endpoint.run({'count': 5, 'pause': 0.1})")
    assert sdk("list(job.stream())") == [0, 1, 2, 3, 4]
    assert shared_daemon.status(endpoint, sdk("job.job_id"))["output"] == []


def test_36_the_parts_are_there_after_the_end(sdk: Sdk, endpoint: str) -> None:
    sdk.do("job = endpoint.run({'parts': ['a', {'b': None}, [1]]})")
    eventually(lambda: sdk("job.status()") == "COMPLETED")
    assert sdk("list(job.stream())") == ["a", {"b": None}, [1]]


def test_38_parts_before_a_failure_are_read(sdk: Sdk, endpoint: str, shared_daemon: Daemon) -> None:
    sdk.do("job = endpoint.run({'count': 2, 'raise': 'no luck'})")
    assert sdk("list(job.stream())") == [0, 1]
    job = shared_daemon.status(endpoint, sdk("job.job_id"))
    assert job["status"] == "FAILED"
    assert "no luck" in job["error"]


def test_39_a_part_that_is_an_error_ends_the_job(sdk: Sdk, endpoint: str, shared_daemon: Daemon) -> None:
    sdk.do("job = endpoint.run({'parts': [1, {'error': 'x'}, 2]})")
    assert sdk("list(job.stream())") == [1]
    job = shared_daemon.status(endpoint, sdk("job.job_id"))
    assert (job["status"], job["error"]) == ("FAILED", "x")


def test_41_a_long_part_comes_back_whole(sdk: Sdk, endpoint: str) -> None:
    sdk.do("text = 'x' * 2_500_000")
    sdk.do("job = endpoint.run({'parts': [text]})")
    sdk.do("got = list(job.stream())")
    assert sdk("''.join(got) == text")
    assert sdk("max(map(len, got)) <= 2**20")


def test_31_an_aggregate_is_streamed_and_returned(shared_daemon: Daemon, sdk: Sdk) -> None:
    endpoint_id = shared_daemon.create_endpoint("aggregate", workersMin=1, workersMax=1)
    sdk.do(f"aggregate = runpod.Endpoint('{endpoint_id}')")
    sdk.do("job = aggregate.run({'count': 5})")
    assert sdk("list(job.stream())") == [0, 1, 2, 3, 4]
    assert sdk("job.output()") == [0, 1, 2, 3, 4]
    assert sdk("aggregate.run_sync({'count': 3})") == [0, 1, 2]
    shared_daemon.delete_endpoint(endpoint_id)
