"""Batch jobs of queue endpoints: /v2/{endpoint}/batch. Times are epoch milliseconds."""

import asyncio
import json
from typing import Any

from litestar import Response, delete, get, post, put
from litestar.params import FromPath

from podd import ids
from podd.api.context import AnyRequest, Api, api_of, known_caller_of, mebibytes, read_body
from podd.api.jobs import JSON
from podd.domain.batch import BatchWish, parse_batch, parse_name
from podd.domain.errors import Invalid
from podd.domain.words import whole_number
from podd.services import batches
from podd.services.batches import Shown
from podd.store.batches import Request

MOST = 1000
SMALL = 64 * 1024


@post("/{endpoint_id:str}/batch", status_code=200)
async def create(request: AnyRequest, endpoint_id: FromPath[str]) -> dict[str, Any]:
    """A draft, with the requests in the body, if there are any."""
    caller, api, batch_id = await known_caller_of(request), api_of(request), ids.batch_id()
    wish = await _wish(request, api, batch_id)
    write = api.podd.store.write
    return _batch(await write(batches.create, api.podd, caller, endpoint_id, batch_id, wish, api.now))


@get("/{endpoint_id:str}/batch")
async def list_all(request: AnyRequest, endpoint_id: FromPath[str]) -> dict[str, Any]:
    """The endpoint's batches, newest first."""
    caller, api = await known_caller_of(request), api_of(request)
    offset, limit = _page(request)
    found, total = await api.podd.store.read(batches.every, caller, endpoint_id, offset, limit)
    return {"batches": [_batch(shown) for shown in found], **_place(offset, limit, len(found), total)}


@get("/{endpoint_id:str}/batch/{batch_id:str}")
async def show(request: AnyRequest, endpoint_id: FromPath[str], batch_id: FromPath[str]) -> dict[str, Any]:
    """The batch, and how its requests are."""
    caller, api = await known_caller_of(request), api_of(request)
    return _batch(await api.podd.store.read(batches.show, caller, endpoint_id, batch_id))


@put("/{endpoint_id:str}/batch/{batch_id:str}")
async def change(request: AnyRequest, endpoint_id: FromPath[str], batch_id: FromPath[str]) -> dict[str, Any]:
    """Give it another name."""
    caller, api = await known_caller_of(request), api_of(request)
    name = parse_name(await read_body(request, SMALL, "64KiB"))
    return _batch(await api.podd.store.write(batches.rename, caller, endpoint_id, batch_id, name))


@post("/{endpoint_id:str}/batch/{batch_id:str}/requests", status_code=200)
async def add(request: AnyRequest, endpoint_id: FromPath[str], batch_id: FromPath[str]) -> dict[str, Any]:
    """More requests for a draft."""
    caller, api = await known_caller_of(request), api_of(request)
    wish = await _wish(request, api, batch_id)
    return _batch(await api.podd.store.write(batches.add, api.podd, caller, endpoint_id, batch_id, wish))


@delete("/{endpoint_id:str}/batch/{batch_id:str}/requests/{request_id:str}", status_code=200)
async def remove(
    request: AnyRequest, endpoint_id: FromPath[str], batch_id: FromPath[str], request_id: FromPath[str]
) -> dict[str, Any]:
    """Take a request out of a draft."""
    caller, api = await known_caller_of(request), api_of(request)
    return _batch(await api.podd.store.write(batches.remove, caller, endpoint_id, batch_id, request_id))


@post("/{endpoint_id:str}/batch/{batch_id:str}/finalize", status_code=200)
async def finalize(
    request: AnyRequest, endpoint_id: FromPath[str], batch_id: FromPath[str]
) -> dict[str, Any]:
    """Let it run. Answers when all of its requests are in the queue."""
    caller, api = await known_caller_of(request), api_of(request)
    await api.podd.store.write(batches.finalize, caller, endpoint_id, batch_id, api.now)
    await _advance(api, endpoint_id, batch_id)
    return _batch(await api.podd.store.read(batches.show, caller, endpoint_id, batch_id))


@post("/{endpoint_id:str}/batch/{batch_id:str}/cancel", status_code=200)
async def cancel(request: AnyRequest, endpoint_id: FromPath[str], batch_id: FromPath[str]) -> dict[str, Any]:
    """Cancel what has not begun; what runs goes on."""
    caller, api = await known_caller_of(request), api_of(request)
    await api.podd.store.write(batches.cancel, caller, endpoint_id, batch_id)
    await _advance(api, endpoint_id, batch_id)
    return _batch(await api.podd.store.read(batches.show, caller, endpoint_id, batch_id))


@get("/{endpoint_id:str}/batch/{batch_id:str}/requests")
async def requests(
    request: AnyRequest, endpoint_id: FromPath[str], batch_id: FromPath[str]
) -> Response[bytes]:
    """The batch's requests and what came of them, in the order they were added. Fewer than `limit` when their
    outputs are large."""
    caller, api = await known_caller_of(request), api_of(request)
    offset, limit = _page(request)
    read = api.podd.store.read
    found, total = await read(batches.requests, api.podd, caller, endpoint_id, batch_id, offset, limit)
    place = json.dumps(_place(offset, limit, len(found), total))
    text = f'{{"requests": [{", ".join(_request(item) for item in found)}], {place[1:]}'
    return Response(text.encode(), media_type=JSON)


HANDLERS = [create, list_all, show, change, add, remove, finalize, cancel, requests]


# Private


async def _wish(request: AnyRequest, api: Api, batch_id: str) -> BatchWish:
    limit = api.podd.settings.limits.batch_append_bytes
    raw = await read_body(request, limit, mebibytes(limit))
    return await asyncio.to_thread(parse_batch, raw, batch_id, api.podd.job_limits)


async def _advance(api: Api, endpoint_id: str, batch_id: str) -> None:
    while not await api.podd.store.write(batches.advance, api.podd, endpoint_id, batch_id, api.now):
        pass


def _page(request: AnyRequest) -> tuple[int, int]:
    """Raises Invalid for what is no place in a list."""
    offset = whole_number(request.query_params.get("offset") or "0")
    limit = whole_number(request.query_params.get("limit") or "100")
    if offset is None:
        raise Invalid("offset is invalid; must be a whole number")
    if limit is None or not 1 <= limit <= MOST:
        raise Invalid(f"limit is invalid; must be between 1 and {MOST}")
    return offset, limit


def _place(offset: int, limit: int, shown: int, total: int) -> dict[str, Any]:
    return {"total": total, "offset": offset, "limit": limit, "hasMore": offset + shown < total}


def _batch(shown: Shown) -> dict[str, Any]:
    batch, counts = shown
    return {
        "id": batch.id,
        "endpointId": batch.endpoint_id,
        "name": batch.name,
        "status": batch.status.value,
        "requestTotal": counts.total,
        "requestInProgress": counts.in_progress,
        "requestCompleted": counts.completed,
        "requestFailed": counts.failed,
        "createdAt": batch.created_at,
        **({} if batch.finalized_at is None else {"finalizedAt": batch.finalized_at}),
    }


def _request(request: Request) -> str:
    fields: dict[str, Any] = {"id": request.id, "status": request.status.value}
    if request.error is not None:
        fields["error"] = request.error
    if request.taken_at is not None:
        fields["startedAt"] = request.taken_at
    if request.ended_at is not None:
        fields["completedAt"] = request.ended_at
    text = json.dumps(fields)
    return text if request.output is None else f'{text[:-1]}, "output": {request.output}}}'
