"""The job API of queue endpoints, as RunPod's SDKs call it: /v2/{endpoint}/run, runsync, status, ...

A success is exactly 200, times are whole milliseconds, errors are objects. POSTs without a body are
normal, whatever their content type. Everything but the synchronous calls answers at once.
"""

import asyncio
import json
from typing import Any

from litestar import HttpMethod, Response, get, post, route
from litestar.params import FromPath

from podd.api.context import AnyRequest, Api, api_of, known_caller_of, mebibytes, read_body
from podd.api.waiting import waiting
from podd.domain.account import Caller
from podd.domain.errors import NotAvailable
from podd.domain.job import Job, JobRequest, JobStatus, parse_request, parse_wait
from podd.domain.worker import Worker, WorkerState
from podd.services import jobs
from podd.services.platform import Platform, job_bell
from podd.store import jobs as job_rows
from podd.store import workloads
from podd.store.db import Reader

LARGE = 64 * 1024
"""Bodies from this size on are parsed in a thread: JSON is quick, but not that quick."""

JSON = "application/json"


@post("/{endpoint_id:str}/run", status_code=200)
async def run(request: AnyRequest, endpoint_id: FromPath[str]) -> Response[bytes]:
    """Queue a job and answer with its id."""
    caller, api = await known_caller_of(request), api_of(request)
    wish = await _read_wish(request, api, api.podd.settings.limits.run_body_bytes, sync=False)
    job = await api.podd.store.write(jobs.submit, api.podd, caller, endpoint_id, wish, api.now)
    return _json(_brief(job))


@post("/{endpoint_id:str}/runsync", status_code=200)
async def runsync(request: AnyRequest, endpoint_id: FromPath[str]) -> Response[bytes]:
    """Queue a job and answer with its result, or with its state when the wait is over."""
    caller, api = await known_caller_of(request), api_of(request)
    wait_ms = parse_wait(request.query_params.get("wait"), api.podd.job_limits)
    wish = await _read_wish(request, api, api.podd.settings.limits.runsync_body_bytes, sync=True)
    job = await api.podd.store.write(jobs.submit, api.podd, caller, endpoint_id, wish, api.now)
    job = await _await_end(request, api, caller, job, wait_ms)
    return _json(_full(job) if job.final else _brief(job))


@route(
    "/{endpoint_id:str}/status/{job_id:str}", http_method=[HttpMethod.GET, HttpMethod.POST], status_code=200
)
async def status(request: AnyRequest, endpoint_id: FromPath[str], job_id: FromPath[str]) -> Response[bytes]:
    """The job as it is now."""
    caller, api = await known_caller_of(request), api_of(request)
    return _json(_full(await api.podd.store.read(jobs.status, caller, endpoint_id, job_id)))


@route(
    "/{endpoint_id:str}/status-sync/{job_id:str}",
    http_method=[HttpMethod.GET, HttpMethod.POST],
    status_code=200,
)
async def status_sync(
    request: AnyRequest, endpoint_id: FromPath[str], job_id: FromPath[str]
) -> Response[bytes]:
    """The job once it is finished, or as it is when the wait is over."""
    caller, api = await known_caller_of(request), api_of(request)
    wait_ms = parse_wait(request.query_params.get("wait"), api.podd.job_limits)
    await read_body(request, LARGE, "64KiB")  # whatever it is: waiting listens for the client's leaving
    job = await api.podd.store.read(jobs.status, caller, endpoint_id, job_id)
    return _json(_full(await _await_end(request, api, caller, job, wait_ms)))


@post("/{endpoint_id:str}/cancel/{job_id:str}", status_code=200)
async def cancel(request: AnyRequest, endpoint_id: FromPath[str], job_id: FromPath[str]) -> Response[bytes]:
    """End a job that is not finished; the answer never waits for its worker."""
    caller, api = await known_caller_of(request), api_of(request)
    job = await api.podd.store.write(jobs.cancel, api.podd, caller, endpoint_id, job_id, api.now)
    return _json(_full(job))


@get("/{endpoint_id:str}/health")
async def health(request: AnyRequest, endpoint_id: FromPath[str]) -> dict[str, Any]:
    """Jobs and workers of the endpoint in numbers."""
    caller, api = await known_caller_of(request), api_of(request)
    return await api.podd.store.read(_health, api.podd, caller, endpoint_id)


@route(
    [
        f"/{{endpoint_id:str}}/{path}"
        for path in (
            "stream/{job_id:str}",
            "retry/{job_id:str}",
            "purge-queue",
            "purge",
            "metrics",
            "requests",
            "openai/{rest:path}",
            "batch",
            "batch/{rest:path}",
        )
    ],
    http_method=[HttpMethod.GET, HttpMethod.POST, HttpMethod.PUT, HttpMethod.DELETE],
)
async def not_yet(request: AnyRequest, endpoint_id: FromPath[str]) -> None:
    """Operations that come with a later version."""
    caller, api = await known_caller_of(request), api_of(request)
    await api.podd.store.read(jobs.own_endpoint, caller, endpoint_id, "job.read")
    operation = request.url.path.split("/")[3]
    raise NotAvailable(f"/{operation} is not available in this version of podd yet.")


HANDLERS = [run, runsync, status, status_sync, cancel, health, not_yet]


# Private


async def _read_wish(request: AnyRequest, api: Api, limit: int, *, sync: bool) -> JobRequest:
    raw = await read_body(request, limit, mebibytes(limit))
    if len(raw) < LARGE:
        return parse_request(raw, sync=sync, limits=api.podd.job_limits)
    return await asyncio.to_thread(parse_request, raw, sync=sync, limits=api.podd.job_limits)


async def _await_end(request: AnyRequest, api: Api, caller: Caller, job: Job, wait_ms: int) -> Job:
    """The job when it is finished, or as it is when the wait is over. It goes on in any case."""
    bells = api.podd.bells
    async with waiting(bells, [job_bell(job.id)], wait_ms / 1000, request.receive) as wait:
        job = await api.podd.store.read(jobs.status, caller, job.endpoint_id, job.id)
        while not job.final and await wait.rung():
            job = await api.podd.store.read(jobs.status, caller, job.endpoint_id, job.id)
    return job


def _health(db: Reader, podd: Platform, caller: Caller, endpoint_id: str) -> dict[str, Any]:
    endpoint = jobs.any_endpoint(db, caller, endpoint_id, "job.read")
    counts, traffic = job_rows.counts(db, endpoint.id), podd.traffic
    crew = traffic.seen(workloads.workers_of(db, endpoint.id))
    crew = [worker for worker in crew if worker.state is not WorkerState.STOPPING]
    live = [w for w in crew if w.state is not WorkerState.UNHEALTHY]
    # Workers that would start from an image which is there already count as idle: cached, not running.
    cached = max(endpoint.workers_max - len(crew), 0) if endpoint.image_ready else 0
    return {
        "jobs": {
            "completed": endpoint.completed,
            "failed": endpoint.failed,
            "inProgress": counts.in_progress + traffic.in_flight(endpoint.id),
            "inQueue": counts.queued + traffic.waiting(endpoint.id),
            "retried": endpoint.retried,
        },
        "workers": {
            "idle": _in_state(live, WorkerState.IDLE) + cached,
            "initializing": _in_state(live, WorkerState.INITIALIZING),
            "ready": _in_state(live, WorkerState.IDLE) + cached,
            "running": _in_state(live, WorkerState.RUNNING),
            "throttled": endpoint.throttled,
            "unhealthy": _in_state(crew, WorkerState.UNHEALTHY),
        },
    }


def _in_state(crew: list[Worker], state: WorkerState) -> int:
    return sum(worker.state is state for worker in crew)


def _brief(job: Job) -> bytes:
    return json.dumps({"id": job.id, "status": job.status.value}).encode()


def _full(job: Job) -> bytes:
    """The job object. Outputs are JSON text already and are put in as they are."""
    fields: dict[str, Any] = {"id": job.id, "status": job.status.value}
    if job.taken_at is not None:
        fields["delayTime"] = max(job.taken_at - job.enqueued_at, 0)
        fields["workerId"] = job.worker_id
        if job.ended_at is not None:
            fields["executionTime"] = max(job.ended_at - job.taken_at, 0)
    elif job.final and job.status is not JobStatus.CANCELLED:
        fields.update(delayTime=0, executionTime=0, workerId="")
    if job.error is not None:
        fields["error"] = job.error
    if job.retries:
        fields["retries"] = job.retries
    output = job.output if job.final else job.progress
    text = json.dumps(fields)
    if output is not None:
        text = f'{text[:-1]}, "output": {output}}}'
    return text.encode()


def _json(body: bytes) -> Response[bytes]:
    return Response(body, media_type=JSON)
