"""What things cost while they are as they are: rates of pods, workers and network volumes. Pure."""

from dataclasses import dataclass

from podd.domain.meter import HOUR_MS, Rate

POD_GPU, POD_CPU, POD_DISK, POD_VOLUME = "pod-gpu", "pod-cpu", "pod-disk", "pod-volume"
SERVERLESS_GPU, SERVERLESS_CPU = "serverless-gpu", "serverless-cpu"
NETWORK_VOLUME = "network-volume"
OF_PODS = (POD_GPU, POD_CPU, POD_DISK, POD_VOLUME)
OF_WORKERS = (SERVERLESS_GPU, SERVERLESS_CPU)
COMPUTE = (POD_GPU, POD_CPU, *OF_WORKERS)
ITEMS = (*OF_PODS, *OF_WORKERS, NETWORK_VOLUME)

SECOND_MS = 1000
DAY_MS = 24 * HOUR_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class StoragePrices:
    """Nano-dollars per GB and month; a month has `month` milliseconds. Network volumes cost `network_volume`
    up to `large_from` GB, and `large_network_volume` for each GB above."""

    container_disk: int
    volume: int
    stopped_volume: int
    network_volume: int
    large_network_volume: int
    large_from: int
    month: int


def pod_rates(
    prices: StoragePrices, *, hourly: int, gpus: int, disk: int, volume: int, wanted: bool, runs: bool
) -> list[Rate]:
    """A pod's rates. `hourly` is the price of its GPUs, or of its vCPUs if it has none; `wanted`: it should
    run; `runs`: its container does."""
    rates = []
    if runs:
        rates.append(Rate(POD_GPU if gpus else POD_CPU, hourly, HOUR_MS))
        rates.append(_storage(POD_DISK, prices.container_disk * disk, disk, prices))
    per_gb = prices.volume if wanted else prices.stopped_volume
    rates.append(_storage(POD_VOLUME, per_gb * volume, volume, prices))
    return [rate for rate in rates if rate.amount]


def worker_rates(*, per_second: int, gpus: int, runs: bool) -> list[Rate]:
    """A serverless worker's rates: each second begun counts."""
    if not runs or not per_second:
        return []
    return [Rate(SERVERLESS_GPU if gpus else SERVERLESS_CPU, per_second, SECOND_MS, SECOND_MS)]


def volume_rates(prices: StoragePrices, size: int) -> list[Rate]:
    """A network volume's rates; `size` in GB."""
    large = max(size - prices.large_from, 0)
    amount = prices.network_volume * (size - large) + prices.large_network_volume * large
    return [_storage(NETWORK_VOLUME, amount, size, prices)] if amount else []


def hourly(rate: Rate) -> int:
    """Nano-dollars per hour, rounded up: for asking whether an account can afford it."""
    return -(-rate.amount * HOUR_MS // rate.period)


# Private


def _storage(item: str, amount: int, size: int, prices: StoragePrices) -> Rate:
    return Rate(item, amount, prices.month, size=size)
