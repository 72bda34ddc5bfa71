"""The worker API: what the unmodified worker SDK asks and posts, with its quirks and nowhere else.

A poll is held, also to be refused: the SDK asks again at once after 204, 400, 401 or 404, so a quick no
would be a busy loop. Posts carry JSON under a form's content type; a 4xx makes the SDK forget the
result, a 5xx makes it try again, so whatever is merely late or repeated is answered 200.
"""

import asyncio
import json
import re
from collections.abc import Coroutine
from typing import Any, TypeVar

from litestar import Response, get, post
from litestar.params import FromPath

from podd.api.context import LARGE, AnyRequest, Api, api_of, large, mebibytes, presented_keys, read_body
from podd.api.jobs import JSON
from podd.api.waiting import Wait, waiting
from podd.domain.errors import Invalid, TooLarge, Unauthenticated
from podd.domain.job import Job, parse_chunk, parse_post
from podd.services import dispatch
from podd.services.dispatch import Badge, Refused
from podd.services.platform import queue_bell, worker_bell

T = TypeVar("T")

REFUSAL_HOLD = 1.0
"""Seconds. A worker that is told to stop leaves only when its polls have ended, so no longer than this."""

MAX_BATCH = 1000


@get("/{endpoint_id:str}/job-take/{worker_id:str}", include_in_schema=False)
async def take(request: AnyRequest, endpoint_id: FromPath[str], worker_id: FromPath[str]) -> Response[bytes]:
    """The next job, as soon as there is one; 204 when the hold is over."""
    taken = await _hold_for_jobs(request, _badge(request, endpoint_id, worker_id), 1)
    return _json(request, _job_text(taken[0])) if taken else _nothing(request)


@get("/{endpoint_id:str}/job-take-batch/{worker_id:str}", include_in_schema=False)
async def take_batch(
    request: AnyRequest, endpoint_id: FromPath[str], worker_id: FromPath[str]
) -> Response[bytes]:
    """Up to `batch_size` jobs, as soon as there is one."""
    wish = request.query_params.get("batch_size", "1")
    limit = min(max(int(wish), 1), MAX_BATCH) if wish.isascii() and wish.isdigit() else 1
    taken = await _hold_for_jobs(request, _badge(request, endpoint_id, worker_id), limit)
    return (
        _json(request, "[" + ",".join(_job_text(job) for job in taken) + "]") if taken else _nothing(request)
    )


@get("/{endpoint_id:str}/job-stop/{worker_id:str}", include_in_schema=False)
async def stops(request: AnyRequest, endpoint_id: FromPath[str], worker_id: FromPath[str]) -> Response[bytes]:
    """Jobs the worker should stop, as soon as there are any."""
    api, badge = api_of(request), _badge(request, endpoint_id, worker_id)
    hold = api.podd.settings.limits.take_hold_seconds
    again = False
    async with waiting(api.podd.bells, [worker_bell(worker_id)], hold, request.receive) as wait:
        while True:
            question = api.podd.store.write(dispatch.to_stop, api.podd, badge, api.now, again=again)
            found = await _ask(api, question)
            if isinstance(found, Refused):
                await _refuse(api)
                return _nothing(request)
            if found:
                return _json(request, json.dumps({"jobsToStop": found}))
            again = True
            if not await wait.rung():
                return _nothing(request)


@post("/{endpoint_id:str}/job-done/{worker_id:str}/{job_id:str}", status_code=200, include_in_schema=False)
async def done(
    request: AnyRequest, endpoint_id: FromPath[str], worker_id: FromPath[str], job_id: FromPath[str]
) -> Response[bytes]:
    """A result, or with `status` IN_PROGRESS a sign of progress."""
    api, badge = api_of(request), _badge(request, endpoint_id, worker_id)
    await _check(request, api, badge)
    limit = api.podd.settings.limits.result_bytes
    try:
        raw = await read_body(request, limit, mebibytes(limit))
        posted = parse_post(raw) if len(raw) < LARGE else await asyncio.to_thread(parse_post, raw)
    except (TooLarge, Invalid) as error:
        reason = f"The worker's result cannot be kept: {error.message}"
        await api.podd.store.write(dispatch.refuse_result, api.podd, badge, job_id, reason, api.now)
        raise Invalid(reason) from error
    await api.podd.store.write(dispatch.post, api.podd, badge, job_id, posted, api.now)
    return _json(request, "{}")


@post("/{endpoint_id:str}/job-stream/{worker_id:str}/{job_id:str}", status_code=200, include_in_schema=False)
async def stream(
    request: AnyRequest, endpoint_id: FromPath[str], worker_id: FromPath[str], job_id: FromPath[str]
) -> Response[bytes]:
    """A part of a result, for whoever reads /stream."""
    api, badge = api_of(request), _badge(request, endpoint_id, worker_id)
    await _check(request, api, badge)
    limits = api.podd.settings.limits
    raw = await read_body(request, limits.result_bytes, mebibytes(limits.result_bytes))
    most = limits.stream_chunk_bytes
    parts = parse_chunk(raw, most) if len(raw) < LARGE else await asyncio.to_thread(parse_chunk, raw, most)
    await api.podd.store.write(dispatch.chunk, api.podd, badge, job_id, parts, api.now)
    return _json(request, "{}")


@get("/{endpoint_id:str}/ping/{worker_id:str}", include_in_schema=False)
async def ping(request: AnyRequest, endpoint_id: FromPath[str], worker_id: FromPath[str]) -> Response[bytes]:
    """The worker lives, and has these jobs."""
    api, badge, query = api_of(request), _badge(request, endpoint_id, worker_id), request.query_params
    if query.get("status") == "unhealthy":
        check, reason = query.get("check", "")[:100], query.get("reason", "")[:300]
        await api.podd.store.write(dispatch.unfit, api.podd, badge, check, reason, api.now)
        return _json(request, "{}")
    job_ids = [job_id for job_id in query.get("job_id", "").split(",") if job_id][:MAX_BATCH]
    await api.podd.store.write(dispatch.ping, api.podd, badge, job_ids, api.now)
    return _json(request, "{}")


HANDLERS = [take, take_batch, stops, done, stream, ping]


# Private


def _badge(request: AnyRequest, endpoint_id: str, worker_id: str) -> Badge:
    shown = presented_keys(request.scope["headers"], request.scope["query_string"])
    old_sdk = _is_old(request.headers.get("user-agent", ""))
    return Badge(endpoint_id, worker_id, next(iter(shown), ""), old_sdk=old_sdk)


def _is_old(agent: str) -> bool:
    """Whether it is a worker SDK before 1.7."""
    version = re.match(r"RunPod-Python-SDK/(\d+)\.(\d+)", agent)
    return version is not None and (int(version[1]), int(version[2])) < (1, 7)


async def _hold_for_jobs(request: AnyRequest, badge: Badge, limit: int) -> list[Job]:
    """Jobs for this worker; an empty list when the hold is over, it is refused, or it has hung up."""
    api = api_of(request)
    found = await _ask(api, _ask_for_jobs(request, api, badge, limit))
    if isinstance(found, Refused):
        await _refuse(api)
        return []
    return found


async def _ask_for_jobs(request: AnyRequest, api: Api, badge: Badge, limit: int) -> list[Job] | Refused:
    """In a line with the endpoint's other polls: a job that comes does not make all of them look."""
    holds_nothing = request.query_params.get("job_in_progress") == "0"
    bells, line = [worker_bell(badge.worker_id)], queue_bell(badge.endpoint_id)
    hold = api.podd.settings.limits.take_hold_seconds
    again = False
    async with waiting(api.podd.bells, bells, hold, request.receive, line=line) as wait:
        while True:
            found = await api.podd.store.write(
                dispatch.take, api.podd, badge, limit, holds_nothing and not again, api.now, again=again
            )
            if isinstance(found, Refused):
                return found
            if found:
                return await _unless_gone(api, wait, found)
            again = True
            if not await wait.rung():
                return []


async def _unless_gone(api: Api, wait: Wait, taken: list[Job]) -> list[Job]:
    """The jobs, unless the worker hung up while they were taken: then they go back as if untouched."""
    # One turn of the loop lets a disconnect that has already arrived be noticed.
    await asyncio.sleep(0)
    if wait.client_gone:
        await api.podd.store.write(dispatch.put_back, taken, api.now)
        return []
    return taken


async def _check(request: AnyRequest, api: Api, badge: Badge) -> None:
    """Before a large body is read: nobody else's is. The verbs see to the others. Raises Unauthenticated."""
    if large(request):
        await api.podd.store.read(dispatch.admit, api.podd, badge)


async def _ask(api: Api, question: Coroutine[Any, Any, T]) -> T:
    """The answer; a bad key is told so only after a while."""
    try:
        return await question
    except Unauthenticated:
        await _refuse(api)
        raise


async def _refuse(api: Api) -> None:
    """Hold a refusal for a while, unless podd is leaving."""
    with api.podd.bells.listen() as listener:
        await listener.wait(REFUSAL_HOLD)


def _job_text(job: Job) -> str:
    """What the handler gets: the request as it was sent, with the job's id."""
    body = job.body.strip()
    separator = "," if body != "{}" else ""
    return f'{{"id":{json.dumps(job.id)}{separator}{body[1:]}'


# A worker that is busy in a blocking handler does not notice that a kept connection has died, posts its
# result into it when it is done, and does not try again. So none is kept, unless a client asks for it in so
# many words, as the SDK's job loop does not: the post makes a new one.
_CLOSE = {"connection": "close"}


def _headers(request: AnyRequest) -> dict[str, str]:
    asked = (b"connection", b"keep-alive") in request.scope["headers"]
    return {} if asked else _CLOSE


def _json(request: AnyRequest, text: str) -> Response[bytes]:
    return Response(text.encode(), media_type=JSON, headers=_headers(request))


def _nothing(request: AnyRequest) -> Response[bytes]:
    return Response(b"", status_code=204, headers=_headers(request))
