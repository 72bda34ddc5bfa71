"""An endpoint's workers and releases, as REST v2 shows them."""

import re
from collections import Counter

from podd.api.context import Api
from podd.api.shown import instant, uptime
from podd.domain.endpoint import Endpoint
from podd.domain.worker import Worker, WorkerState
from podd.domain.workload import Phase
from podd.store import events, gpus, workloads
from podd.store.db import Reader
from podd.store.events import Event
from podd.wire import rest_v2 as wire

_MOST_RELEASES = 100
_VERSION = re.compile(r"version (\d+)")


def workers_view(db: Reader, api: Api, endpoint: Endpoint) -> wire.ListEndpointWorkersResponse:
    crew = live(db, endpoint)
    types = {gpu.uuid: gpu.type_id for gpu in gpus.all_present(db)}
    count = Counter(worker.state for worker in crew)
    throttled = endpoint.throttled
    return wire.ListEndpointWorkersResponse(
        workers=[_worker(api, endpoint, worker, types) for worker in crew],
        summary=wire.WorkerSummary(
            running=count[WorkerState.RUNNING],
            idle=count[WorkerState.IDLE],
            initializing=count[WorkerState.INITIALIZING],
            throttled=throttled,
            unhealthy=count[WorkerState.UNHEALTHY],
            total=len(crew) + throttled,
        ),
        endpoint_version=endpoint.version,
    )


def releases_view(db: Reader, endpoint: Endpoint) -> wire.ListEndpointReleasesResponse:
    crew = Counter(worker.version for worker in live(db, endpoint))
    latest, total = crew[endpoint.version], crew.total()
    return wire.ListEndpointReleasesResponse(
        endpoint_version=endpoint.version,
        rollout=wire.RolloutSummary(
            in_progress=latest < total,
            workers_on_latest=latest,
            workers_total=total,
            percent_on_latest=100 * latest // total if total else 0,
        ),
        releases=_releases(db, endpoint, crew),
    )


def live(db: Reader, endpoint: Endpoint) -> list[Worker]:
    crew = workloads.workers_of(db, endpoint.id)
    return [worker for worker in crew if worker.state is not WorkerState.STOPPING]


# Private


def _worker(api: Api, endpoint: Endpoint, worker: Worker, types: dict[str, str]) -> wire.Worker:
    workload = worker.workload
    runs = workload.phase is Phase.RUNNING
    return wire.Worker.model_validate(
        {
            "id": worker.id,
            "status": worker.state.value,
            "version": worker.version,
            "is_stale": worker.version != endpoint.version,
            "image": workload.needs.image,
            "gpu_type_id": next((types[gpu.uuid] for gpu in workload.gpus if gpu.uuid in types), None),
            "gpu_count": len(workload.gpus),
            "data_center_id": api.podd.settings.machine.data_center_id,
            "started_at": instant(workload.started_at) if runs else None,
            "uptime_seconds": uptime(workload, api.now) if runs else None,
        }
    )


def _releases(db: Reader, endpoint: Endpoint, crew: Counter[int]) -> list[wire.Release]:
    """Newest first. Of an older version podd knows that it was, not what it changed."""
    known = [e for e in events.of(db, endpoint.id, _MOST_RELEASES) if e.kind in ("created", "released")]
    return [_release(endpoint, event, crew) for event in reversed(known)]


def _release(endpoint: Endpoint, event: Event, crew: Counter[int]) -> wire.Release:
    match = _VERSION.match(event.text)
    version = int(match[1]) if match else 0
    return wire.Release(
        id=f"{endpoint.id}-v{version}",
        version=version,
        source="MANUAL",
        build_id=None,
        created_by_user_id=endpoint.account_id,
        worker_count=crew[version],
        created_at=instant(event.at) or "",
        diff=[],
    )
