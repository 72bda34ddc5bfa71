"""An endpoint's workers and releases, as REST v2 shows them."""

from collections import Counter

from podd.api.context import Api
from podd.api.shown import instant, uptime
from podd.domain.endpoint import Endpoint
from podd.domain.worker import Worker, WorkerState
from podd.domain.workload import Phase
from podd.services import explain_endpoint
from podd.store import gpus, releases, templates, workloads
from podd.store.db import Reader
from podd.store.releases import Release
from podd.wire import rest_v2 as wire


def workers_view(db: Reader, api: Api, endpoint: Endpoint) -> wire.ListEndpointWorkersResponse:
    crew = live(db, endpoint)
    types = {gpu.uuid: gpu.type_id for gpu in gpus.all_present(db)}
    count = Counter(worker.shown_state for worker in crew)
    throttled = endpoint.throttled
    return wire.ListEndpointWorkersResponse(
        workers=[_worker(api, endpoint, worker, types) for worker in crew] + _wanted(db, api, endpoint),
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
        releases=[_release(endpoint, one, crew) for one in releases.of(db, endpoint.id)],
    )


def live(db: Reader, endpoint: Endpoint) -> list[Worker]:
    crew = workloads.workers_of(db, endpoint.id)
    return [worker for worker in crew if worker.state is not WorkerState.STOPPING]


# Private


def _worker(api: Api, endpoint: Endpoint, worker: Worker, types: dict[str, str]) -> wire.Worker:
    workload = worker.workload
    runs = workload.phase is Phase.RUNNING and worker.state is not WorkerState.FROZEN
    return wire.Worker.model_validate(
        {
            "id": worker.id,
            "status": worker.shown_state.value,
            "version": worker.version,
            "is_stale": worker.version != endpoint.version,
            "image": workload.needs.image,
            "gpu_type_id": next((types[gpu.uuid] for gpu in workload.gpus if gpu.uuid in types), None),
            "gpu_count": len(workload.gpus),
            "data_center_id": api.podd.settings.machine.data_center_id,
            "started_at": instant(workload.started_at) if runs else None,
            "uptime_seconds": uptime(workload, api.now) if runs else None,
            "reason": worker.leaving or workload.reason or workload.trouble or None,
        }
    )


def _wanted(db: Reader, api: Api, endpoint: Endpoint) -> list[wire.Worker]:
    """The workers that there is no room for. They are none yet, so their ids only tell them apart."""
    if not endpoint.throttled:
        return []
    template = templates.get(db, endpoint.template_id)
    assert template is not None, "endpoints keep their template from being deleted"
    reason = explain_endpoint.shortage(db, api.podd, endpoint)
    return [
        wire.Worker(
            id=f"{endpoint.id}-throttled-{number}",
            status="THROTTLED",
            version=endpoint.version,
            is_stale=False,
            image=template.image,
            gpu_type_id=None,
            gpu_count=endpoint.gpu_count,
            data_center_id=api.podd.settings.machine.data_center_id,
            started_at=None,
            uptime_seconds=None,
            reason=reason,
        )
        for number in range(1, endpoint.throttled + 1)
    ]


def _release(endpoint: Endpoint, release: Release, crew: Counter[int]) -> wire.Release:
    return wire.Release(
        id=f"{endpoint.id}-v{release.version}",
        version=release.version,
        source="MANUAL",
        build_id=None,
        created_by_user_id=endpoint.account_id,
        worker_count=crew[release.version],
        created_at=instant(release.at) or "",
        diff=[wire.ReleaseDiffEntry(field=d.field, old=d.old, new=d.new) for d in release.diff],
    )
