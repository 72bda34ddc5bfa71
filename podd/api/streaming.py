"""Results in parts: /stream, and the hand-over of chunks it shares with the OpenAI routes.

A read takes the chunks away from all others, so they are struck off only when they have been written to
a client that is still there. One reader of a job hands over at a time; the others wait for their turn.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from litestar import HttpMethod, route
from litestar.params import FromPath
from litestar.types import ASGIApp, Receive, Scope, Send

from podd.api.context import AnyRequest, Api, api_of, known_caller_of, read_body
from podd.api.waiting import Wait, waiting
from podd.domain.account import Caller
from podd.domain.errors import NotFound
from podd.domain.job import Job, JobStatus, parse_wait
from podd.services import jobs, streams
from podd.services.platform import endpoint_bell, job_bell
from podd.services.streams import Reading
from podd.store.chunks import NOTHING

SMALL = 64 * 1024
"""Bytes that the body of a request without a body may have."""


@route(
    "/{endpoint_id:str}/stream/{job_id:str}",
    http_method=[HttpMethod.GET, HttpMethod.POST],
    status_code=200,
)
async def stream(request: AnyRequest, endpoint_id: FromPath[str], job_id: FromPath[str]) -> ASGIApp:
    """What the job has streamed since the last read, as soon as there is something."""
    caller, api = await known_caller_of(request), api_of(request)
    hold = int(api.podd.settings.limits.stream_hold_seconds * 1000)
    wait_ms = parse_wait(request.query_params.get("wait"), api.podd.job_limits, default=hold)
    await read_body(request, SMALL, "64KiB")  # whatever it is: waiting listens for the client's leaving
    job = await api.podd.store.read(jobs.status, caller, endpoint_id, job_id)

    bells = [job_bell(job_id), endpoint_bell(endpoint_id)]

    async def answer(_scope: Scope, receive: Receive, send: Send) -> None:
        async with waiting(api.podd.bells, bells, wait_ms / 1000, receive) as wait:
            async with handing_over(api, caller, job, wait) as reading:
                await _send_all_but_the_end(send, _text(reading))
            # After its end an answer has no client any more, so what was handed over is settled before.
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    return answer


@asynccontextmanager
async def handing_over(api: Api, caller: Caller, job: Job, wait: Wait) -> AsyncIterator[Reading]:
    """The job's unread chunks as soon as there are any or it has ended, else it as it is when the wait is
    over. They have been read when the block ends and the client is still there."""
    while True:
        async with api.turns.at(job.id, wait.left) as mine:
            reading = await _look(api, caller, job, streams.read if mine else streams.glance)
            if not mine:
                yield reading
                return
            if reading.unread.chunks or reading.over:
                yield reading
                # One turn of the loop lets a disconnect that has already arrived be noticed.
                await asyncio.sleep(0)
                if reading.unread.chunks and not wait.client_gone:
                    await api.podd.store.write(streams.strike, reading)
                return
        if not await wait.rung():
            yield reading
            return


# Private


async def _look(api: Api, caller: Caller, job: Job, question: Callable[..., Reading]) -> Reading:
    size = api.podd.settings.limits.stream_read_bytes
    try:
        return await api.podd.store.read(question, caller, job.endpoint_id, job.id, size)
    except NotFound:  # it was there: its endpoint has been deleted, and the job with it
        return Reading(replace(job, status=JobStatus.CANCELLED), NOTHING)


def _text(reading: Reading) -> bytes:
    parts = ", ".join(f'{{"output": {chunk}}}' for chunk in reading.unread.chunks)
    return f'{{"status": {json.dumps(reading.status)}, "stream": [{parts}]}}'.encode()


async def _send_all_but_the_end(send: Send, body: bytes) -> None:
    """Return when the connection has taken it, or is gone: each message waits until the last one is out."""
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": True})
