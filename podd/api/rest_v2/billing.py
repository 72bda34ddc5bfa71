"""/v2/billing: what was charged, from the ledger. What podd does not sell has no records and zero totals."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from litestar import HttpMethod
from litestar.handlers import HTTPRouteHandler

from podd.api.rest_v2.log_stream import millis
from podd.api.rest_v2.operation import Call, operation
from podd.api.shown import dollars, instant
from podd.domain import billing as items
from podd.domain import spending
from podd.domain.errors import Invalid
from podd.domain.spending import Spent, Sum
from podd.services import credit
from podd.wire import rest_v2 as wire

Amounts = Mapping[str, tuple[str, ...]]
"""Fields of a report, each with the items of the ledger it sums."""

_PODS: Amounts = {
    "gpuAmount": (items.POD_GPU,),
    "cpuAmount": (items.POD_CPU,),
    "diskAmount": (items.POD_DISK, items.POD_VOLUME),
}
_SERVERLESS: Amounts = {
    "gpuAmount": (items.SERVERLESS_GPU,),
    "cpuAmount": (items.SERVERLESS_CPU,),
    "diskAmount": (),
    "feeAmount": (),
}
_VOLUMES: Amounts = {"standardAmount": (items.NETWORK_VOLUME,), "highPerformanceAmount": ()}
_CLUSTERS: Amounts = {"gpuAmount": (), "diskAmount": (), "networkingAmount": ()}
_EVERYTHING: Amounts = {
    "podGpuAmount": _PODS["gpuAmount"],
    "podCpuAmount": _PODS["cpuAmount"],
    "podDiskAmount": _PODS["diskAmount"],
    "serverlessGpuAmount": _SERVERLESS["gpuAmount"],
    "serverlessCpuAmount": _SERVERLESS["cpuAmount"],
    "serverlessDiskAmount": (),
    "serverlessFeeAmount": (),
    "storageStandardAmount": _VOLUMES["standardAmount"],
    "storageHighPerformanceAmount": (),
    "endpointAmount": (),
    "clusterGpuAmount": (),
    "clusterDiskAmount": (),
    "clusterNetworkingAmount": (),
}

_DEFAULT_DAYS = 30
_MOST_BUCKETS = 10_000
_FIRST_YEAR = 1970
_LAST = int(datetime(3000, 1, 1, tzinfo=UTC).timestamp() * 1000) - 1


def _report(
    *paths: str,
    id: str,
    summary: str,
    amounts: Amounts,
    name: str = "",
    unique: str = "",
    key: Callable[[Spent], str] = lambda _: "",
) -> HTTPRouteHandler:
    """A report with `totalAmount` and `amounts`, by time bucket and, where there is a `name` for it in query
    and records, by `key`."""

    async def report(call: Call, query: wire.BillingQuery) -> wire.BillingReport:
        start, end = window(query, call.api.now)
        of = tuple(item for parts in amounts.values() for item in parts)
        resolved: dict[str, Any] = {
            "startTime": _shown(start),
            "endTime": _shown(end),
            "bucketSize": query.bucket_size,
        }
        found = await call.read(credit.spent, call.caller, start, end, of)
        if name:
            resolved[name] = wanted = query.model_dump(by_alias=True)[name]
            found = [one for one in found if wanted in (None, key(one))]
        sums = spending.grouped(found, query.bucket_size, key)
        records = [
            {
                "startTime": _shown(begin),
                "endTime": _shown(spending.following(query.bucket_size, begin)),
                **_amounts(sum_, amounts),
                **({name: group} if name else {}),
            }
            for (begin, group), sum_ in sums.items()
        ]
        metadata = {
            "query": resolved,
            "recordCount": len(records),
            **({unique: len({group for _, group in sums})} if unique else {}),
            "totals": _amounts(spending.total(found), amounts),
        }
        return wire.BillingReport(records=records, metadata=metadata)

    report.__doc__ = summary
    made = operation(HttpMethod.GET, *paths, id=id, query=wire.BillingQuery, answer=wire.BillingReport)
    return made(report)


HANDLERS = [
    _report("/billing", id="listBilling", summary="What everything cost.", amounts=_EVERYTHING),
    _report(
        "/billing/pods",
        id="listPodBilling",
        summary="What pods cost.",
        amounts=_PODS,
        name="podId",
        unique="uniquePodCount",
        key=lambda one: one.resource,
    ),
    _report(
        "/billing/serverless",
        id="listServerlessBilling",
        summary="What serverless endpoints cost.",
        amounts=_SERVERLESS,
        name="serverlessId",
        unique="uniqueServerlessCount",
        key=lambda one: one.group,
    ),
    _report(
        "/billing/endpoints",
        id="listEndpointBilling",
        summary="What RunPod's public endpoints cost.",
        amounts={},
    ),
    _report(
        "/billing/network-volumes",
        "/billing/networkvolumes",
        id="listNetworkVolumeBilling",
        summary="What network volumes cost.",
        amounts=_VOLUMES,
        name="networkVolumeId",
        unique="uniqueNetworkVolumeCount",
        key=lambda one: one.resource,
    ),
    _report(
        "/billing/clusters",
        id="listClusterBilling",
        summary="What clusters cost.",
        amounts=_CLUSTERS,
        name="clusterId",
        unique="uniqueClusterCount",
    ),
]


def window(query: wire.BillingQuery, now: int) -> tuple[datetime, datetime]:
    """The whole buckets a report covers: the last n, or from start to end. Raises Invalid, Malformed."""
    bucket = query.bucket_size
    if query.last_n is not None:
        if query.start_time or query.end_time:
            raise Invalid("lastN excludes startTime and endTime.")
        return _last(query.last_n, bucket, _date(now))
    end = _date(millis(query.end_time, "query.endTime")) if query.end_time else _date(now)
    default = _date(now) - timedelta(days=_DEFAULT_DAYS)
    start = _date(millis(query.start_time, "query.startTime")) if query.start_time else default
    if start >= end:
        raise Invalid("startTime must be before endTime.")
    return spending.floor(bucket, start), spending.ceiling(bucket, end)


# Private


def _amounts(sum_: Sum, amounts: Amounts) -> dict[str, float]:
    parts = {name: sum(sum_.amounts.get(item, 0) for item in of) for name, of in amounts.items()}
    return {"totalAmount": dollars(sum_.amount), **{name: dollars(nano) for name, nano in parts.items()}}


def _last(count: int, bucket: spending.Bucket, now: datetime) -> tuple[datetime, datetime]:
    start = end = spending.following(bucket, spending.floor(bucket, now))
    for _ in range(min(count, _MOST_BUCKETS)):
        if start.year <= _FIRST_YEAR:
            break
        start = spending.floor(bucket, start - timedelta(microseconds=1))
    return start, end


def _date(at: int) -> datetime:
    if not 0 <= at <= _LAST:
        raise Invalid("startTime and endTime must be between the years 1970 and 2999.")
    return datetime.fromtimestamp(at / 1000, UTC)


def _shown(at: datetime) -> str | None:
    return instant(round(at.timestamp() * 1000))
