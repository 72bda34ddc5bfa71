"""/v1/billing: what was charged. podd keeps no ledger yet, so nothing was."""

from datetime import datetime
from typing import Annotated, Literal

from litestar import get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from podd.api.context import Call
from podd.api.rest_v1.call import errors
from podd.domain.account import require
from podd.wire import rest_v1 as wire

Bucket = Annotated[wire.BucketSize, QueryParameter(name="bucketSize")]
Start = Annotated[datetime | None, QueryParameter(name="startTime")]
End = Annotated[datetime | None, QueryParameter(name="endTime")]
PodGrouping = Literal["podId", "gpuTypeId"]
EndpointGrouping = Literal["endpointId", "podId", "gpuTypeId"]


@get("/billing/pods", operation_id="PodBilling", responses=errors())
async def pod_billing(
    call: NamedDependency[Call],
    bucket_size: Bucket = "day",  # noqa: ARG001
    start_time: Start = None,  # noqa: ARG001
    end_time: End = None,  # noqa: ARG001
    grouping: Annotated[PodGrouping, QueryParameter()] = "gpuTypeId",  # noqa: ARG001
) -> list[wire.BillingRecord]:
    """What pods cost, by time bucket."""
    require(call.caller, "billing.read")
    return []


@get("/billing/endpoints", operation_id="EndpointBilling", responses=errors())
async def endpoint_billing(
    call: NamedDependency[Call],
    bucket_size: Bucket = "day",  # noqa: ARG001
    start_time: Start = None,  # noqa: ARG001
    end_time: End = None,  # noqa: ARG001
    grouping: Annotated[EndpointGrouping, QueryParameter()] = "endpointId",  # noqa: ARG001
) -> list[wire.BillingRecord]:
    """What serverless workers cost, by time bucket."""
    require(call.caller, "billing.read")
    return []


@get("/billing/networkvolumes", operation_id="NetworkVolumeBilling", responses=errors())
async def volume_billing(
    call: NamedDependency[Call],
    bucket_size: Bucket = "day",  # noqa: ARG001
    start_time: Start = None,  # noqa: ARG001
    end_time: End = None,  # noqa: ARG001
) -> list[wire.NetworkVolumeBillingRecord]:
    """What network volumes cost, by time bucket."""
    require(call.caller, "billing.read")
    return []


HANDLERS = [pod_billing, endpoint_billing, volume_billing]
