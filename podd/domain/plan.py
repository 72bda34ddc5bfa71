"""Savings plans: GPUs of a type, paid for a term in advance. Pure; amounts in nano-dollars."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from podd.domain.meter import HOUR_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Up to `gpu_count` GPUs of on-demand pods of this type cost nothing from `begins_at` to `ends_at`, for
    which `price` was paid. `over`: meters do not go by it any more. `key` buys it once."""

    id: str
    account_id: str
    key: str
    gpu_type_id: str
    gpu_count: int
    months: int
    price: int
    begins_at: int
    ends_at: int
    over: bool = False


def price(hourly: int, *, gpus: int, lasts: int, discount: int) -> int:
    """What a plan of `lasts` milliseconds costs: `hourly` for each GPU, less `discount` percent, rounded
    once."""
    exact = hourly * gpus * lasts * (100 - discount)
    return (2 * exact + 100 * HOUR_MS) // (2 * 100 * HOUR_MS)


def shared_out(bought: Mapping[str, int], pods: Iterable[tuple[str, str, int]]) -> dict[str, int]:
    """How many GPUs of each pod are paid for: `bought` by GPU type, given to the pods (id, type, GPUs) in
    their order. Pods that get none are left out."""
    left = dict(bought)
    covered = {}
    for pod_id, type_id, gpus in pods:
        if got := min(gpus, left.get(type_id, 0)):
            covered[pod_id] = got
            left[type_id] -= got
    return covered
