"""What things cost while they are as they are."""

import pytest

from podd.domain.billing import (
    DAY_MS,
    NETWORK_VOLUME,
    POD_CPU,
    POD_DISK,
    POD_GPU,
    POD_VOLUME,
    SERVERLESS_CPU,
    SERVERLESS_GPU,
    StoragePrices,
    hourly,
    pod_rates,
    volume_rates,
    worker_rates,
)
from podd.domain.meter import HOUR_MS, Rate, price

DOLLAR = 1_000_000_000
MONTH = 30 * DAY_MS
PRICES = StoragePrices(
    container_disk=DOLLAR // 10,
    volume=DOLLAR // 10,
    stopped_volume=DOLLAR // 5,
    network_volume=DOLLAR * 7 // 100,
    large_network_volume=DOLLAR * 5 // 100,
    large_from=1000,
    month=MONTH,
)


def cost(rates: list[Rate], hours: int) -> dict[str, float]:
    return {rate.item: price(rate, hours * HOUR_MS) / DOLLAR for rate in rates}


def pod(**how: object) -> list[Rate]:
    facts = {"hourly": DOLLAR, "gpus": 1, "disk": 50, "volume": 20, "wanted": True, "runs": True, **how}
    return pod_rates(PRICES, **facts)  # type: ignore[arg-type]


def test_a_running_pod_costs_its_gpus_its_disk_and_its_volume() -> None:
    assert cost(pod(), 720) == {POD_GPU: 720, POD_DISK: 5, POD_VOLUME: 2}


def test_a_pod_without_gpus_costs_its_vcpus() -> None:
    assert cost(pod(gpus=0), 1) == {
        POD_CPU: 1,
        POD_DISK: pytest.approx(5 / 720),
        POD_VOLUME: pytest.approx(2 / 720),
    }


def test_a_stopped_pod_costs_its_volume_at_the_stopped_rate() -> None:
    assert cost(pod(wanted=False, runs=False), 720) == {POD_VOLUME: 4}


def test_a_pod_that_does_not_run_yet_costs_no_compute() -> None:
    assert cost(pod(runs=False), 720) == {POD_VOLUME: 2}


def test_nothing_costs_nothing() -> None:
    assert pod(volume=0, wanted=False, runs=False) == []
    assert worker_rates(per_second=0, gpus=1, runs=True) == []
    assert worker_rates(per_second=5, gpus=1, runs=False) == []


@pytest.mark.parametrize(("gpus", "item"), [(2, SERVERLESS_GPU), (0, SERVERLESS_CPU)])
def test_a_worker_costs_each_second_begun(gpus: int, item: str) -> None:
    (rate,) = worker_rates(per_second=300, gpus=gpus, runs=True)
    assert (rate.item, price(rate, 1), price(rate, 1000), price(rate, 1001)) == (item, 300, 300, 600)


@pytest.mark.parametrize(("size", "dollars"), [(1, 0.07), (1000, 70), (1001, 70.05), (4000, 220)])
def test_a_network_volume_costs_less_above_its_first_thousand_gigabytes(size: int, dollars: float) -> None:
    assert cost(volume_rates(PRICES, size), 720) == {NETWORK_VOLUME: dollars}


def test_what_is_asked_for_an_hour_is_never_less_than_it_costs() -> None:
    assert hourly(Rate("x", 1, MONTH)) == 1
    assert hourly(Rate("x", 5, HOUR_MS)) == 5
    assert hourly(Rate("x", 5, 1000, 1000)) == 18_000
