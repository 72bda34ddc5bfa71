"""What was charged, as the three control planes show it: one ledger behind all of them."""

import pytest

from podd.domain.account import OPERATOR
from podd.services import billing, credit
from tests.api.served import Served

HOUR = 3_600_000
GPU = "NVIDIA RTX A6000"
MONEY = "{ myself { clientBalance clientLifetimeSpend currentSpendPerHr underBalance } }"


@pytest.fixture
def pod_id(podd: Served) -> str:
    """A pod with one A6000, 50 GB of disk and 20 GB of volume that has run for two hours over midnight."""
    podd.clock.set(1_700_002_800_000 - HOUR)  # 22:00
    pod_id: str = podd.create_pod(volumeInGb=20, containerDiskInGb=50, gpuCount=1)
    podd.settle()
    podd.clock.advance(hours=3)
    podd.do(billing.tick(podd.podd))
    podd.data(f'mutation {{ podStop(input: {{podId: "{pod_id}"}}) {{ id }} }}')
    podd.settle()
    return pod_id


def test_the_balance_is_what_was_deposited_less_what_was_charged(podd: Served, pod_id: str) -> None:
    account_id = podd.data("{ myself { id } }")["myself"]["id"]
    now = podd.clock.now()
    podd.do(podd.podd.store.write(credit.deposit, podd.podd, OPERATOR, account_id, 10 * 10**9, "", "1", now))
    money = podd.data(MONEY)["myself"]
    assert money["clientLifetimeSpend"] == pytest.approx(3 * (0.49 + (5 + 2) / 720))
    assert money["clientBalance"] == pytest.approx(10 - money["clientLifetimeSpend"])
    assert money["currentSpendPerHr"] == pytest.approx(4 / 720), "the volume of a stopped pod"
    assert money["underBalance"] is False


def test_what_is_spent_now_is_told_by_kind(podd: Served) -> None:
    podd.create_pod(volumeInGb=20, containerDiskInGb=50, gpuCount=1)
    podd.settle()
    query = "{ myself { currentSpendPerHr spendDetails { gpuComputePerHour localStoragePerHour"
    me = podd.data(query + " networkStoragePerHour } } }")["myself"]
    assert me["spendDetails"] == {
        "gpuComputePerHour": 0.49,
        "localStoragePerHour": pytest.approx((5 + 2) / 720),
        "networkStoragePerHour": 0,
    }
    assert me["currentSpendPerHr"] == pytest.approx(sum(me["spendDetails"].values()))


def test_v1_groups_by_gpu_type_and_by_pod(podd: Served, pod_id: str) -> None:
    by_type = podd.http.get("/v1/billing/pods").json()
    assert [record["gpuTypeId"] for record in by_type] == [GPU, GPU]
    assert sum(record["timeBilledMs"] for record in by_type) == 3 * HOUR
    assert {record["diskSpaceBilledGb"] for record in by_type} == {50}
    by_hour = podd.http.get("/v1/billing/pods", params={"bucketSize": "hour", "grouping": "podId"}).json()
    assert {record["podId"] for record in by_hour} == {pod_id}
    assert sum(r["amount"] for r in by_hour) == pytest.approx(sum(r["amount"] for r in by_type))
    assert podd.http.get("/v1/billing/pods", params={"podId": "another"}).json() == []
    assert podd.http.get("/v1/billing/endpoints").json() == []
    with podd.client(podd.account()) as stranger:
        assert stranger.get("/v1/billing/pods").json() == []


def test_v2_has_a_record_for_each_pod_and_bucket_and_their_totals(podd: Served, pod_id: str) -> None:
    report = podd.http.get("/v2/billing/pods", params={"bucketSize": "month"}).json()
    (record,) = report["records"]
    assert (record["podId"], record["startTime"]) == (pod_id, "2023-11-01T00:00:00Z")
    assert record["gpuAmount"] == pytest.approx(3 * 0.49)
    assert record["diskAmount"] == pytest.approx(3 * 7 / 720)
    assert record["totalAmount"] == pytest.approx(record["gpuAmount"] + record["diskAmount"])
    metadata = report["metadata"]
    assert (metadata["recordCount"], metadata["uniquePodCount"]) == (1, 1)
    assert metadata["totals"]["totalAmount"] == record["totalAmount"]
    everything = podd.http.get("/v2/billing", params={"bucketSize": "month"}).json()
    assert everything["metadata"]["totals"]["podGpuAmount"] == record["gpuAmount"]
    assert everything["metadata"]["totals"]["totalAmount"] == record["totalAmount"]
    assert podd.http.get("/v2/billing/pods", params={"podId": "another"}).json()["records"] == []


def test_graphql_has_the_same_sums(podd: Served, pod_id: str) -> None:
    found = podd.data(
        "{ myself { billing(input: {granularity: MONTHLY}) { gpuCloud { gpuTypeId time timeBilledSeconds"
        " amount } serverless(input: {groupBy: ENDPOINT}) { amount } storage { amount }"
        " summary { gpuCloudAmount storageAmount } } } }"
    )["myself"]["billing"]
    (gpu,) = found["gpuCloud"]
    assert (gpu["gpuTypeId"], gpu["timeBilledSeconds"]) == (GPU, 3 * 3600)
    assert gpu["amount"] == pytest.approx(3 * 0.49)
    (storage,) = found["storage"]
    assert found["summary"] == [{"gpuCloudAmount": gpu["amount"], "storageAmount": storage["amount"]}]
    assert found["serverless"] == []
