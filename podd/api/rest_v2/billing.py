"""/v2/billing: there is no ledger yet and nothing is charged: no records, and all totals are 0."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from litestar import HttpMethod
from litestar.handlers import HTTPRouteHandler

from podd.api.rest_v2.log_stream import millis
from podd.api.rest_v2.operation import Call, operation
from podd.api.shown import instant
from podd.domain.account import require
from podd.domain.errors import Invalid
from podd.wire import rest_v2 as wire

_EVERYTHING = """
    podGpuAmount podCpuAmount podDiskAmount serverlessGpuAmount serverlessCpuAmount serverlessDiskAmount
    serverlessFeeAmount storageStandardAmount storageHighPerformanceAmount endpointAmount clusterGpuAmount
    clusterDiskAmount clusterNetworkingAmount
"""
_DEFAULT_DAYS = 30
_MOST_BUCKETS = 10_000
_FIRST_YEAR = 1970
_LAST = int(datetime(3000, 1, 1, tzinfo=UTC).timestamp() * 1000) - 1


def _report(
    *paths: str, id: str, summary: str, amounts: str = "", filter: str = "", unique: str = ""
) -> HTTPRouteHandler:
    """A report whose totals are `totalAmount` and `amounts`. `filter` names the query's own resource."""

    async def report(call: Call, query: wire.BillingQuery) -> wire.BillingReport:
        require(call.caller, "billing.read")
        start, end = window(query, call.api.now)
        resolved: dict[str, Any] = {
            "startTime": _shown(start),
            "endTime": _shown(end),
            "bucketSize": query.bucket_size,
        }
        if filter:
            resolved[filter] = query.model_dump(by_alias=True)[filter]
        metadata = {
            "query": resolved,
            "recordCount": 0,
            **({unique: 0} if unique else {}),
            "totals": dict.fromkeys(["totalAmount", *amounts.split()], 0),
        }
        return wire.BillingReport(records=[], metadata=metadata)

    report.__doc__ = summary
    made = operation(HttpMethod.GET, *paths, id=id, query=wire.BillingQuery, answer=wire.BillingReport)
    return made(report)


HANDLERS = [
    _report("/billing", id="listBilling", summary="What everything cost.", amounts=_EVERYTHING),
    _report(
        "/billing/pods",
        id="listPodBilling",
        summary="What pods cost.",
        amounts="gpuAmount cpuAmount diskAmount",
        filter="podId",
        unique="uniquePodCount",
    ),
    _report(
        "/billing/serverless",
        id="listServerlessBilling",
        summary="What serverless endpoints cost.",
        amounts="gpuAmount cpuAmount diskAmount feeAmount",
        filter="serverlessId",
        unique="uniqueServerlessCount",
    ),
    _report("/billing/endpoints", id="listEndpointBilling", summary="What RunPod's public endpoints cost."),
    _report(
        "/billing/network-volumes",
        "/billing/networkvolumes",
        id="listNetworkVolumeBilling",
        summary="What network volumes cost.",
        amounts="standardAmount highPerformanceAmount",
        filter="networkVolumeId",
        unique="uniqueNetworkVolumeCount",
    ),
    _report(
        "/billing/clusters",
        id="listClusterBilling",
        summary="What clusters cost.",
        amounts="gpuAmount diskAmount networkingAmount",
        filter="clusterId",
        unique="uniqueClusterCount",
    ),
]


def window(query: wire.BillingQuery, now: int) -> tuple[datetime, datetime]:
    """The whole buckets a report covers: the last n, or from start to end. Raises Invalid, Malformed."""
    floor, following = _BUCKETS[query.bucket_size]
    if query.last_n is not None:
        if query.start_time or query.end_time:
            raise Invalid("lastN excludes startTime and endTime.")
        return _last(query.last_n, floor, following, _date(now))
    end = _date(millis(query.end_time, "query.endTime")) if query.end_time else _date(now)
    default = _date(now) - timedelta(days=_DEFAULT_DAYS)
    start = _date(millis(query.start_time, "query.startTime")) if query.start_time else default
    if start >= end:
        raise Invalid("startTime must be before endTime.")
    return floor(start), _ceiling(end, floor, following)


# Private

Step = Callable[[datetime], datetime]


def _last(count: int, floor: Step, following: Step, now: datetime) -> tuple[datetime, datetime]:
    start = end = following(floor(now))
    for _ in range(min(count, _MOST_BUCKETS)):
        if start.year <= _FIRST_YEAR:
            break
        start = floor(start - timedelta(microseconds=1))
    return start, end


def _ceiling(at: datetime, floor: Step, following: Step) -> datetime:
    return at if floor(at) == at else following(floor(at))


def _date(at: int) -> datetime:
    if not 0 <= at <= _LAST:
        raise Invalid("startTime and endTime must be between the years 1970 and 2999.")
    return datetime.fromtimestamp(at / 1000, UTC)


def _shown(at: datetime) -> str | None:
    return instant(round(at.timestamp() * 1000))


def _hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


def _day(at: datetime) -> datetime:
    return _hour(at).replace(hour=0)


def _week(at: datetime) -> datetime:
    return _day(at) - timedelta(days=at.weekday())


def _month(at: datetime) -> datetime:
    return _day(at).replace(day=1)


def _year(at: datetime) -> datetime:
    return _month(at).replace(month=1)


_BUCKETS: dict[wire.BillingBucketSize, tuple[Step, Step]] = {
    "hour": (_hour, lambda at: at + timedelta(hours=1)),
    "day": (_day, lambda at: at + timedelta(days=1)),
    "week": (_week, lambda at: at + timedelta(weeks=1)),
    "month": (_month, lambda at: _month(at + timedelta(days=31))),
    "year": (_year, lambda at: _year(at + timedelta(days=366))),
}
