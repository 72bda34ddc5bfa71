"""/v2/{endpoint}/openai/v1/...: what OpenAI's clients ask becomes a job like any other, and its result
their answer. A client that hangs up cancels the job, so that no GPU works for nobody."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress

from litestar import HttpMethod, route
from litestar.params import FromPath
from litestar.types import ASGIApp, Receive, Scope, Send

from podd.api.context import AnyRequest, Api, api_of, known_caller_of, mebibytes, read_body
from podd.api.streaming import handing_over
from podd.api.waiting import Wait, waiting
from podd.domain import openai
from podd.domain.account import Caller
from podd.domain.errors import PoddError
from podd.domain.job import Job, JobStatus
from podd.services import jobs
from podd.services.platform import endpoint_bell, job_bell
from podd.services.streams import Reading

TOO_LATE = 504, openai.error_text("No worker finished the request in time; it was cancelled.", 504)


@route(
    "/{endpoint_id:str}/openai/v1/{rest:path}",
    http_method=[HttpMethod.GET, HttpMethod.POST, HttpMethod.DELETE],
    status_code=200,
)
async def pass_through(request: AnyRequest, endpoint_id: FromPath[str], rest: FromPath[str]) -> ASGIApp:
    """Hand the request to a worker, and its result back; as events while they come if it says `stream`."""
    caller, api = await known_caller_of(request), api_of(request)
    limits = api.podd.settings.limits
    raw = await read_body(request, limits.runsync_body_bytes, mebibytes(limits.runsync_body_bytes))
    wish, streamed = openai.job_of(f"/v1/{rest.lstrip('/')}", raw)
    job = await api.podd.store.write(jobs.submit, api.podd, caller, endpoint_id, wish, api.now)

    async def answer(_scope: Scope, receive: Receive, send: Send) -> None:
        bells = [job_bell(job.id), endpoint_bell(job.endpoint_id)]
        last: Reading | None = None
        try:
            async with (
                waiting(api.podd.bells, bells, limits.openai_wait_seconds, receive) as wait,
                aclosing(_readings(api, caller, job, wait)) as readings,
            ):
                last = await (_stream(readings, send) if streamed else _whole(readings, send))
        finally:
            if last is None or not last.job.final:
                with suppress(PoddError):  # gone, or podd is leaving
                    await api.podd.store.write(
                        jobs.cancel, api.podd, caller, job.endpoint_id, job.id, api.now
                    )

    return answer


# Private


async def _readings(api: Api, caller: Caller, job: Job, wait: Wait) -> AsyncGenerator[Reading, None]:
    """What the job streams, up to its end or that of the wait."""
    while True:
        async with handing_over(api, caller, job, wait) as reading:
            yield reading
        if reading.over or wait.left <= 0 or wait.over:
            return


async def _whole(readings: AsyncIterator[Reading], send: Send) -> Reading:
    """The result in one piece."""
    chunks: list[str] = []
    async for reading in readings:
        chunks += reading.unread.chunks
    await _answer(send, *(openai.answer(reading.job, chunks) if reading.over else TOO_LATE))
    return reading


async def _stream(readings: AsyncIterator[Reading], send: Send) -> Reading:
    """The chunks as events. Until the first one comes, a failure is an answer with a status of its own."""
    begun = framed = False
    async for reading in readings:
        chunks = reading.unread.chunks or ([] if begun else openai.late_chunks(reading.job))
        if not begun:
            status, body = _beginning(reading, chunks)
            if status != 200:
                await _answer(send, status, body)
                return reading
            await _begin(send, 200, "text/event-stream")
            begun = True
        for chunk in chunks:
            text, framed_here = openai.event(chunk)
            framed |= framed_here
            await _write(send, text)
    if not reading.over:
        await _write(send, openai.framed(TOO_LATE[1]))
    elif reading.job.status is not JobStatus.COMPLETED:
        await _write(send, openai.framed(openai.failure(reading.job)[1]))
    elif framed:
        await _write(send, openai.DONE)
    await _write(send, "", more=False)
    return reading


def _beginning(reading: Reading, chunks: list[str]) -> tuple[int, str]:
    """The status of the answer, known from what comes first; the body if it is not 200."""
    if chunks:
        return openai.status_of(chunks[0]), chunks[0]
    if reading.job.status is JobStatus.COMPLETED:
        return 200, ""
    return openai.failure(reading.job) if reading.over else TOO_LATE


async def _answer(send: Send, status: int, text: str) -> None:
    await _begin(send, status, "application/json")
    await _write(send, text, more=False)


async def _begin(send: Send, status: int, media_type: str) -> None:
    headers = [(b"content-type", media_type.encode()), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def _write(send: Send, text: str, *, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": text.encode(errors="replace"), "more_body": more})
