"""Billing."""

from typing import Annotated, Any, Literal

from pydantic import Field

from podd.wire.rest_v2.words import MOST, Query, View

BillingBucketSize = Literal["hour", "day", "week", "month", "year"]


class BillingQuery(Query):
    start_time: str | None = None
    end_time: str | None = None
    bucket_size: BillingBucketSize = "day"
    last_n: Annotated[int, Field(ge=1, le=MOST)] | None = None
    pod_id: str | None = None
    serverless_id: str | None = None
    network_volume_id: str | None = None
    cluster_id: str | None = None


class BillingReport(View):
    """`records` and `metadata` (query, recordCount, unique*Count, totals), different for each resource."""

    records: list[dict[str, Any]]
    metadata: dict[str, Any]
