"""`myself { billing }`: what was charged in the last 30 days, from the ledger."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from graphql import GraphQLResolveInfo

from podd.api.context import Call
from podd.api.graphql.views import View
from podd.api.shown import dollars, instant
from podd.domain import billing as items
from podd.domain import spending
from podd.domain.spending import Bucket, Spent, Sum
from podd.services import credit

SPAN = timedelta(days=30)

_BUCKETS: dict[str, Bucket] = {
    "MINUTELY": "hour",  # charges are not kept apart any finer
    "HOURLY": "hour",
    "DAILY": "day",
    "WEEKLY": "week",
    "MONTHLY": "month",
}
_GROUPS: dict[str, tuple[str, Callable[[Spent], str]]] = {
    "ENDPOINT": ("endpointId", lambda one: one.group),
    "GPU_TYPE": ("gpuTypeId", lambda one: one.gpu_type_id),
    "INSTANCE_ID": ("instanceId", lambda one: one.resource),
}
_CPU = (items.POD_CPU,)
_GPU = (items.POD_GPU,)
_POD_STORAGE = (items.POD_DISK, items.POD_VOLUME)
_NETWORK = (items.NETWORK_VOLUME,)


async def mine(info: GraphQLResolveInfo, input: View | None = None) -> View:
    """Billing by time bucket, read once for all of its fields."""
    call: Call = info.context
    bucket = _BUCKETS.get((input or {}).get("granularity") or "DAILY", "day")
    now = datetime.fromtimestamp(call.now / 1000, UTC)
    begin, end = spending.floor(bucket, now - SPAN), spending.ceiling(bucket, now)
    spent = await call.read(credit.spent, call.caller, begin, end, items.ITEMS)

    def serverless(_info: object, input: View | None = None) -> list[View]:
        name, key = _GROUPS.get((input or {}).get("groupBy") or "ENDPOINT", _GROUPS["ENDPOINT"])
        return [
            {**_time_and_amount(begin, sum_), name: group}
            for (begin, group), sum_ in spending.grouped(_of(spent, items.OF_WORKERS), bucket, key).items()
        ]

    return {
        "gpuCloud": _compute(_of(spent, _GPU), bucket, "gpuTypeId"),
        "cpuCloud": _compute(_of(spent, _CPU), bucket, "cpuFlavorId"),
        "serverless": serverless,
        "runpodEndpoint": [],
        "storage": [
            _storage(begin, sum_)
            for (begin, _), sum_ in _together(_of(spent, _POD_STORAGE + _NETWORK), bucket).items()
        ],
        "summary": [_summary(begin, sum_) for (begin, _), sum_ in _together(spent, bucket).items()],
    }


# Private


def _of(spent: list[Spent], of: tuple[str, ...]) -> list[Spent]:
    return [one for one in spent if one.item in of]


def _together(spent: list[Spent], bucket: Bucket) -> dict[tuple[datetime, str], Sum]:
    return spending.grouped(spent, bucket, lambda _: "")


def _compute(spent: list[Spent], bucket: Bucket, name: str) -> list[View]:
    return [
        {**_time_and_amount(begin, sum_), name: group}
        for (begin, group), sum_ in spending.grouped(spent, bucket, lambda one: one.gpu_type_id).items()
    ]


def _time_and_amount(begin: datetime, sum_: Sum) -> View:
    return {
        "time": _time(begin),
        "amount": dollars(sum_.amount),
        "timeBilledSeconds": sum_.lasted // 1000,
    }


def _storage(begin: datetime, sum_: Sum) -> View:
    pods, network = _amount(sum_, _POD_STORAGE), _amount(sum_, _NETWORK)
    return {
        "time": _time(begin),
        "amount": dollars(sum_.amount),
        "gpuStorageAmount": pods,
        "networkStorageAmount": network,
        "cpuStorageAmount": 0,
        "slsStorageAmount": 0,
    }


def _summary(begin: datetime, sum_: Sum) -> View:
    return {
        "time": _time(begin),
        "gpuCloudAmount": _amount(sum_, _GPU),
        "cpuCloudAmount": _amount(sum_, _CPU),
        "serverlessAmount": _amount(sum_, items.OF_WORKERS),
        "storageAmount": _amount(sum_, _POD_STORAGE + _NETWORK),
        "runpodEndpointAmount": 0,
    }


def _amount(sum_: Sum, of: tuple[str, ...]) -> float:
    return dollars(sum(sum_.amounts.get(item, 0) for item in of))


def _time(begin: datetime) -> Any:
    return instant(round(begin.timestamp() * 1000))
