"""The job API of queue endpoints, as RunPod's SDKs call it: /v2/{endpoint}/run, runsync, status, ...

A success is exactly 200, times are whole milliseconds, errors are objects. POSTs without a body are
normal, whatever their content type. Everything but the synchronous calls answers at once.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from litestar import HttpMethod, Response, get, post, route
from litestar.params import FromPath

from podd import ids
from podd.api import access
from podd.api.context import (
    LARGE,
    AnyRequest,
    Api,
    api_of,
    known_caller_of,
    large,
    mebibytes,
    read_body,
)
from podd.api.crew import worker_counts
from podd.api.waiting import Wait, waiting
from podd.domain.account import Caller
from podd.domain.errors import Invalid, NotFound, PoddError
from podd.domain.job import Job, JobRequest, JobStatus, parse_request, parse_wait
from podd.domain.measure import HOUR, Measure, percentile
from podd.domain.words import whole_number
from podd.domain.worker import WorkerState
from podd.services import explain_endpoint, jobs
from podd.services.platform import Platform, end_bell, endpoint_bell
from podd.store import jobs as job_rows
from podd.store import workloads
from podd.store.db import Reader
from podd.wire.job import job_object

JSON = "application/json"


@post("/{endpoint_id:str}/run", status_code=200)
async def run(request: AnyRequest, endpoint_id: FromPath[str]) -> Response[bytes]:
    """Queue a job and answer with its id."""
    api = api_of(request)
    wish = await _read_wish(request, api, api.podd.settings.limits.run_body_bytes, sync=False)
    job = await access.write_as_caller(request, jobs.submit, endpoint_id, wish, api.now)
    return _json(_brief(job))


@post("/{endpoint_id:str}/runsync", status_code=200)
async def runsync(request: AnyRequest, endpoint_id: FromPath[str]) -> Response[bytes]:
    """Queue a job and answer with its result, or with its state when the wait is over."""
    api, job_id = api_of(request), ids.job_id(sync=True)
    wish = await _read_wish(request, api, api.podd.settings.limits.runsync_body_bytes, sync=True)
    async with _waiting_for(request, endpoint_id, job_id) as wait:
        job = await access.write_as_caller(request, jobs.submit, endpoint_id, wish, api.now, job_id=job_id)
        job = await _await_end(api, job, wait)
    return _full(job) if job.final else _json(_brief(job))


@route(
    "/{endpoint_id:str}/status/{job_id:str}", http_method=[HttpMethod.GET, HttpMethod.POST], status_code=200
)
async def status(request: AnyRequest, endpoint_id: FromPath[str], job_id: FromPath[str]) -> Response[bytes]:
    """The job as it is now."""
    return _full(await access.read_as_caller(request, jobs.status, endpoint_id, job_id))


@route(
    "/{endpoint_id:str}/status-sync/{job_id:str}",
    http_method=[HttpMethod.GET, HttpMethod.POST],
    status_code=200,
)
async def status_sync(
    request: AnyRequest, endpoint_id: FromPath[str], job_id: FromPath[str]
) -> Response[bytes]:
    """The job once it is finished, or as it is when the wait is over."""
    async with _complaining(request):
        await read_body(request, LARGE, "64KiB")  # whatever it is: waiting listens for the client's leaving
    async with _waiting_for(request, endpoint_id, job_id) as wait:
        job = await access.read_as_caller(request, jobs.status, endpoint_id, job_id)
        return _full(await _await_end(api_of(request), job, wait))


@post("/{endpoint_id:str}/cancel/{job_id:str}", status_code=200)
async def cancel(request: AnyRequest, endpoint_id: FromPath[str], job_id: FromPath[str]) -> Response[bytes]:
    """End a job that is not finished; the answer never waits for its worker."""
    caller, api = await known_caller_of(request), api_of(request)
    job = await api.podd.store.write(jobs.cancel, api.podd, caller, endpoint_id, job_id, api.now)
    return _full(job)


@post("/{endpoint_id:str}/retry/{job_id:str}", status_code=200)
async def retry(request: AnyRequest, endpoint_id: FromPath[str], job_id: FromPath[str]) -> Response[bytes]:
    """Queue a job that failed or timed out again, under the same id."""
    caller, api = await known_caller_of(request), api_of(request)
    job = await api.podd.store.write(jobs.retry, caller, endpoint_id, job_id, api.now)
    return _json(_brief(job))


@post(["/{endpoint_id:str}/purge-queue", "/{endpoint_id:str}/purge"], status_code=200)
async def purge_queue(request: AnyRequest, endpoint_id: FromPath[str]) -> dict[str, Any]:
    """Cancel all jobs that wait; those that run go on."""
    caller, api = await known_caller_of(request), api_of(request)
    write = api.podd.store.write
    removed, until = await write(jobs.purge, api.podd, caller, endpoint_id, None, api.now)
    while until is not None:
        number, until = await write(jobs.purge, api.podd, caller, endpoint_id, until, api.now)
        removed += number
    return {"removed": removed, "status": "completed"}


@get("/{endpoint_id:str}/health")
async def health(request: AnyRequest, endpoint_id: FromPath[str]) -> dict[str, Any]:
    """Jobs and workers of the endpoint in numbers."""
    caller, api = await known_caller_of(request), api_of(request)
    return await api.podd.store.read(_health, api.podd, caller, endpoint_id, api.now)


@get("/{endpoint_id:str}/metrics")
async def metrics(request: AnyRequest, endpoint_id: FromPath[str]) -> dict[str, Any]:
    """What happened in the last `hours`: counts, and times in milliseconds."""
    caller, api = await known_caller_of(request), api_of(request)
    hours = _number(request, "hours", 24, api.podd.settings.limits.metrics_hours)
    since = api.now - hours * HOUR
    found = await api.podd.store.read(jobs.metrics, caller, endpoint_id, since)
    executions = Counter(found.measured[Measure.COMPLETED])
    executions.update(found.measured[Measure.FAILED])
    number = {kind: sum(numbers.values()) for kind, numbers in found.measured.items()}
    return {
        "hours": hours,
        "readyWorkers": [w.workload.id for w in found.crew if w.state is WorkerState.IDLE],
        "workers": worker_counts(found.endpoint, found.crew),
        "requests": {
            "total": number[Measure.COMPLETED] + number[Measure.FAILED],
            "completed": number[Measure.COMPLETED],
            "failed": number[Measure.FAILED],
            "retried": number[Measure.RETRIED],
        },
        "delayTime": _percentiles(found.measured[Measure.DELAY]),
        "executionTime": _percentiles(executions),
        "coldStartTime": _percentiles(found.measured[Measure.COLD_START]),
        "coldStarts": number[Measure.COLD_START],
        "webhooks": {
            "sent": number[Measure.WEBHOOK_SENT] + number[Measure.WEBHOOK_FAILED],
            "success": number[Measure.WEBHOOK_SENT],
            "failure": number[Measure.WEBHOOK_FAILED],
        },
    }


@get("/{endpoint_id:str}/requests")
async def requests(request: AnyRequest, endpoint_id: FromPath[str]) -> Response[bytes]:
    """The jobs there are, youngest first, without inputs and outputs; only those with `status` if given."""
    caller, api = await known_caller_of(request), api_of(request)
    limit = _number(request, "limit", 100, 1000)
    wanted = request.query_params.get("status")
    if wanted and wanted not in JobStatus.__members__:
        raise Invalid(f"status must be one of {', '.join(JobStatus.__members__)}.")
    status = JobStatus(wanted) if wanted else None
    found = await api.podd.store.read(jobs.recent, caller, endpoint_id, status, limit)
    return _json(b'{"requests": [' + b", ".join(job_object(job).encode() for job in found) + b"]}")


HANDLERS = [run, runsync, status, status_sync, cancel, retry, purge_queue, health, metrics, requests]


# Private


async def _read_wish(request: AnyRequest, api: Api, limit: int, *, sync: bool) -> JobRequest:
    if large(request):
        await access.check(request)
    async with _complaining(request):
        raw = await read_body(request, limit, mebibytes(limit))
        if len(raw) < LARGE:
            wish = parse_request(raw, sync=sync, limits=api.podd.job_limits)
        else:
            wish = await asyncio.to_thread(parse_request, raw, sync=sync, limits=api.podd.job_limits)
    return wish


@asynccontextmanager
async def _complaining(request: AnyRequest) -> AsyncIterator[None]:
    """What is wrong with a request is told only to those who may send one."""
    try:
        yield
    except PoddError:
        await access.check(request)
        raise


def _number(request: AnyRequest, name: str, default: int, most: int) -> int:
    text = request.query_params.get(name)
    number = min(default, most) if not text else whole_number(text)
    if number is None or not 1 <= number <= most:
        raise Invalid(f"{name} is invalid; must be between 1 and {most}")
    return number


@asynccontextmanager
async def _waiting_for(request: AnyRequest, endpoint_id: str, job_id: str) -> AsyncIterator[Wait]:
    """Hear of the job's end from here on, for as long as the request says."""
    podd = api_of(request).podd
    async with _complaining(request):
        wait_ms = parse_wait(request.query_params.get("wait"), podd.job_limits)
    bells = [end_bell(job_id), endpoint_bell(endpoint_id)]
    async with waiting(podd.bells, bells, wait_ms / 1000, request.receive) as wait:
        yield wait


async def _await_end(api: Api, job: Job, wait: Wait) -> Job:
    """The job, which its owner asks for, when it is finished, or as it is when the wait is over. It goes on
    in any case."""
    try:
        rung = True
        while rung and not job.final:
            rung = await wait.rung()
            job = await api.podd.store.read(jobs.find, job.endpoint_id, job.id)
    except NotFound:  # it was there: its endpoint has been deleted, and the job with it
        return replace(job, status=JobStatus.CANCELLED)
    return job


def _health(db: Reader, podd: Platform, caller: Caller, endpoint_id: str, now: int) -> dict[str, Any]:
    endpoint = jobs.any_endpoint(db, caller, endpoint_id, "job.read")
    counts, traffic = job_rows.counts(db, endpoint.id), podd.traffic
    reasons = explain_endpoint.while_waiting(db, podd, endpoint, now)
    return {
        **({"explanation": reasons} if reasons else {}),
        "jobs": {
            "completed": endpoint.completed,
            "failed": endpoint.failed,
            "inProgress": counts.in_progress + traffic.in_flight(endpoint.id),
            "inQueue": counts.queued + traffic.waiting(endpoint.id),
            "retried": endpoint.retried,
        },
        "workers": worker_counts(endpoint, traffic.seen(workloads.workers_of(db, endpoint.id))),
    }


def _percentiles(numbers: Mapping[int, int]) -> dict[str, int]:
    return {f"p{percent}": percentile(numbers, percent) for percent in (70, 90, 98)}


def _brief(job: Job) -> bytes:
    return json.dumps({"id": job.id, "status": job.status.value}).encode()


def _full(job: Job) -> Response[bytes]:
    return _json(job_object(job).encode())


def _json(body: bytes) -> Response[bytes]:
    return Response(body, media_type=JSON)
