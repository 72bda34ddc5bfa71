"""/v1/billing: what was charged, from the ledger."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from litestar import get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from podd.api.context import Call
from podd.api.rest_v1.call import errors
from podd.api.shown import dollars, instant
from podd.domain import billing as items
from podd.domain import spending
from podd.domain.errors import Invalid
from podd.domain.spending import Spent, Sum
from podd.services import credit
from podd.wire import rest_v1 as wire

Bucket = Annotated[wire.BucketSize, QueryParameter(name="bucketSize")]
Start = Annotated[datetime | None, QueryParameter(name="startTime")]
End = Annotated[datetime | None, QueryParameter(name="endTime")]
PodGrouping = Literal["podId", "gpuTypeId"]
EndpointGrouping = Literal["endpointId", "podId", "gpuTypeId"]

DEFAULT_SPAN = timedelta(days=30)


@get("/billing/pods", operation_id="PodBilling", responses=errors())
async def pod_billing(
    call: NamedDependency[Call],
    bucket_size: Bucket = "day",
    start_time: Start = None,
    end_time: End = None,
    grouping: Annotated[PodGrouping, QueryParameter()] = "gpuTypeId",
    pod_id: Annotated[str, QueryParameter(name="podId")] = "",
    gpu_type_id: Annotated[str, QueryParameter(name="gpuTypeId")] = "",
) -> list[wire.BillingRecord]:
    """What pods cost, by time bucket."""
    spent = [
        one
        for one in await _spent(call, bucket_size, start_time, end_time, items.OF_PODS)
        if pod_id in ("", one.resource) and gpu_type_id in ("", one.gpu_type_id)
    ]
    return _records(spent, bucket_size, grouping, _POD_KEYS[grouping])


@get("/billing/endpoints", operation_id="EndpointBilling", responses=errors())
async def endpoint_billing(
    call: NamedDependency[Call],
    bucket_size: Bucket = "day",
    start_time: Start = None,
    end_time: End = None,
    grouping: Annotated[EndpointGrouping, QueryParameter()] = "endpointId",
    endpoint_id: Annotated[str, QueryParameter(name="endpointId")] = "",
    gpu_type_id: Annotated[list[str] | None, QueryParameter(name="gpuTypeId")] = None,
) -> list[wire.BillingRecord]:
    """What serverless workers cost, by time bucket."""
    spent = [
        one
        for one in await _spent(call, bucket_size, start_time, end_time, items.OF_WORKERS)
        if endpoint_id in ("", one.group) and (not gpu_type_id or one.gpu_type_id in gpu_type_id)
    ]
    return _records(spent, bucket_size, grouping, _ENDPOINT_KEYS[grouping])


@get("/billing/networkvolumes", operation_id="NetworkVolumeBilling", responses=errors())
async def volume_billing(
    call: NamedDependency[Call],
    bucket_size: Bucket = "day",
    start_time: Start = None,
    end_time: End = None,
    network_volume_id: Annotated[str, QueryParameter(name="networkVolumeId")] = "",
) -> list[wire.NetworkVolumeBillingRecord]:
    """What network volumes cost, by time bucket."""
    spent = [
        one
        for one in await _spent(call, bucket_size, start_time, end_time, (items.NETWORK_VOLUME,))
        if network_volume_id in ("", one.resource)
    ]
    sizes = spending.grouped(spent, bucket_size, lambda one: one.resource)
    return [
        wire.NetworkVolumeBillingRecord(
            time=_time(begin),
            amount=dollars(sum_.amount),
            diskSpaceBilledGb=sum(one.size for (at, _), one in sizes.items() if at == begin),
            highPerformanceStorageAmount=0,
            highPerformanceStorageDiskSpaceBilledGb=0,
        )
        for (begin, _), sum_ in spending.grouped(spent, bucket_size, lambda _: "").items()
    ]


HANDLERS = [pod_billing, endpoint_billing, volume_billing]


# Private

Key = Callable[[Spent], str]

_POD_KEYS: dict[PodGrouping, Key] = {
    "podId": lambda one: one.resource,
    "gpuTypeId": lambda one: one.gpu_type_id,
}
_ENDPOINT_KEYS: dict[EndpointGrouping, Key] = {
    "endpointId": lambda one: one.group,
    "podId": lambda one: one.resource,
    "gpuTypeId": lambda one: one.gpu_type_id,
}


async def _spent(
    call: Call, bucket: spending.Bucket, start: datetime | None, end: datetime | None, of: tuple[str, ...]
) -> list[Spent]:
    """Charges in the whole buckets that the span touches. Raises Invalid."""
    now = datetime.fromtimestamp(call.now / 1000, UTC)
    until = _utc(end) or now
    begin = _utc(start) or until - DEFAULT_SPAN
    if begin >= until:
        raise Invalid("startTime must be before endTime.")
    try:
        span = spending.floor(bucket, begin), spending.ceiling(bucket, until)
    except (ValueError, OverflowError):
        raise Invalid("startTime and endTime must be between the years 2 and 9998.") from None
    return await call.read(credit.spent, call.caller, *span, of)


def _utc(at: datetime | None) -> datetime | None:
    return at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at and at.astimezone(UTC)


def _records(
    spent: list[Spent], bucket: spending.Bucket, grouping: str, key: Key
) -> list[wire.BillingRecord]:
    return [
        wire.BillingRecord(**_record(begin, sum_), **{grouping: name})
        for (begin, name), sum_ in spending.grouped(spent, bucket, key).items()
    ]


def _record(begin: datetime, sum_: Sum) -> dict[str, Any]:
    return {
        "time": _time(begin),
        "amount": dollars(sum_.amount),
        "timeBilledMs": sum_.lasted,
        "diskSpaceBilledGb": sum_.size,
    }


def _time(begin: datetime) -> str:
    return instant(round(begin.timestamp() * 1000)) or ""
