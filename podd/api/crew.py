"""How many of an endpoint's workers are in which state, as `/health`, `/metrics` and GraphQL count them."""

from podd.domain.endpoint import Endpoint
from podd.domain.worker import Worker, WorkerState


def worker_counts(endpoint: Endpoint, workers: list[Worker]) -> dict[str, int]:
    crew = [worker for worker in workers if worker.state is not WorkerState.STOPPING]
    live = [worker for worker in crew if worker.state is not WorkerState.UNHEALTHY]
    # Workers that would start from an image which is there already count as idle: cached, not running.
    cached = max(endpoint.workers_max - len(crew), 0) if endpoint.image_ready else 0
    return {
        "idle": _in_state(live, WorkerState.IDLE) + cached,
        "initializing": _in_state(live, WorkerState.INITIALIZING),
        "ready": _in_state(live, WorkerState.IDLE) + cached,
        "running": _in_state(live, WorkerState.RUNNING),
        "throttled": endpoint.throttled,
        "unhealthy": _in_state(crew, WorkerState.UNHEALTHY),
    }


# Private


def _in_state(crew: list[Worker], state: WorkerState) -> int:
    return sum(worker.shown_state is state for worker in crew)
