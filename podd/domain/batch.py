"""Batches: many requests put together first, and run when nothing else is to be done.

States: DRAFT, while requests are added and taken out; then FINALIZED, and its requests are jobs; or
CANCELLED. There is no state for a batch that is done: clients compare its counts.
"""

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from podd.domain.errors import Invalid
from podd.domain.job import JobLimits, JobRequest, request_of

MAX_NAME = 191


class BatchStatus(StrEnum):
    DRAFT = "DRAFT"
    FINALIZED = "FINALIZED"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """`ended_at` is when the last of its requests ended."""

    id: str
    endpoint_id: str
    name: str
    status: BatchStatus
    created_at: int
    finalized_at: int | None = None
    ended_at: int | None = None


@dataclass(frozen=True, slots=True)
class BatchCounts:
    """How its requests are. `failed` are all that ended without a result, so that `completed` and `failed`
    together come to `total`."""

    total: int = 0
    in_progress: int = 0
    completed: int = 0
    failed: int = 0


@dataclass(frozen=True, slots=True)
class BatchWish:
    """What a caller says about a batch; `name` None: nothing."""

    name: str | None
    requests: list[JobRequest]


def parse_batch(raw: bytes, batch_id: str, limits: JobLimits) -> BatchWish:
    """A list of requests, or an object with `requests` and a `name`; neither is needed. What workers get
    names the batch. Raises Invalid with the number of the request that is wrong."""
    body = _parse(raw)
    if isinstance(body, list):
        body = {"requests": body}
    if not isinstance(body, dict):
        raise Invalid("json is invalid: the body must be a list of requests, or an object with requests.")
    requests = body.get("requests")
    if not isinstance(requests or [], list):
        raise Invalid("requests must be a list of objects with an input.")
    return BatchWish(_name(body), [_request(*item, batch_id, limits) for item in enumerate(requests or [])])


def parse_name(raw: bytes) -> str | None:
    """The name in a change of a batch; None if it has none. Raises Invalid."""
    body = _parse(raw)
    if not isinstance(body, dict):
        raise Invalid("json is invalid: the body must be an object with a name.")
    return _name(body)


def _parse(raw: bytes) -> Any:
    try:
        return json.loads(raw) if raw.strip() else {}
    except (ValueError, RecursionError):
        raise Invalid("json is invalid: the body is no JSON.") from None


def _name(body: dict[str, Any]) -> str | None:
    name = body.get("name")
    if name is not None and not (isinstance(name, str) and len(name) <= MAX_NAME):
        raise Invalid(f"name must be a text of at most {MAX_NAME} characters.")
    return name


def _request(index: int, body: object, batch_id: str, limits: JobLimits) -> JobRequest:
    try:
        return request_of({**body, "batchId": batch_id} if isinstance(body, dict) else body, limits=limits)
    except Invalid as error:
        raise Invalid(f"requests[{index}]: {error.message}") from None
