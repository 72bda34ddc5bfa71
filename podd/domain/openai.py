"""The OpenAI pass-through: a request as a job's input, and a job's output as OpenAI's clients expect it.

Outputs and chunks are JSON text, as jobs have them.
"""

import json
from typing import Any

from podd.domain.errors import Invalid
from podd.domain.job import Job, JobRequest, JobStatus, to_json

DONE = "data: [DONE]\n\n"

_STATUS_OF_END = {JobStatus.TIMED_OUT: 504, JobStatus.CANCELLED: 400}


def job_of(route: str, raw: bytes) -> tuple[JobRequest, bool]:
    """The job for a request to `/v1/...`, and whether its answer is to be streamed. Raises Invalid."""
    try:
        asked = json.loads(raw) if raw.strip() else None
        body = to_json({"input": {"openai_route": route, "openai_input": asked}})
    except (ValueError, RecursionError):
        raise Invalid("The body is not JSON; nothing else can be handed to a worker.") from None
    streamed = isinstance(asked, dict) and asked.get("stream") is True
    return JobRequest(body=body, sync=True), streamed


def error(message: str, status: int) -> dict[str, Any]:
    """OpenAI's error object."""
    kind = "server_error" if status >= 500 else "invalid_request_error"
    return {"error": {"message": message, "type": kind, "param": None, "code": status}}


def error_text(message: str, status: int) -> str:
    return to_json(error(message, status))


def failure(job: Job) -> tuple[int, str]:
    """HTTP status and body for a job that ended without success."""
    status = _STATUS_OF_END.get(job.status, 500)
    return status, error_text(job.error or f"The job ended as {job.status.value}.", status)


def answer(job: Job, chunks: list[str]) -> tuple[int, str]:
    """HTTP status and body for a job that ended, when the answer is not streamed. A generator's result is
    in its output if it was aggregated, else in its chunks; one that is alone in a list is the answer."""
    if job.status is not JobStatus.COMPLETED:
        return failure(job)
    output = job.output or "null"
    value = [json.loads(chunk) for chunk in chunks] if output == "[]" and chunks else json.loads(output)
    text = to_json(value[0] if isinstance(value, list) and len(value) == 1 else value)
    return status_of(text), text


def late_chunks(job: Job) -> list[str]:
    """The result of a job that ended without having streamed anything, as chunks."""
    if job.status is not JobStatus.COMPLETED or job.output is None:
        return []
    value = json.loads(job.output)
    return [to_json(item) for item in (value if isinstance(value, list) else [value])]


def status_of(text: str) -> int:
    """200, or what an error object says that the worker did not fail with, as vLLM does."""
    value = json.loads(text) if text.startswith("{") else None
    match value:
        case {"error": {"code": int(code)}} | {"object": "error", "code": int(code)} if 400 <= code <= 599:
            return code
        case {"error": {}} | {"object": "error"}:
            return 500
    return 200


def event(chunk: str) -> tuple[str, bool]:
    """A chunk as a piece of an event stream, and whether it had to be framed. A text is a piece of one
    already, at whatever place it was cut."""
    value = json.loads(chunk) if chunk.startswith('"') else None
    return (framed(chunk), True) if value is None else (value, False)


def framed(text: str) -> str:
    return f"data: {text}\n\n"
