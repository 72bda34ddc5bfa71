"""Why an endpoint's jobs wait, or that they do not, in sentences: pure."""

from collections import Counter
from collections.abc import Sequence

from podd.domain.endpoint import Endpoint, Scaler
from podd.domain.worker import Worker, WorkerState
from podd.domain.workload import Phase


def why_jobs_wait(
    endpoint: Endpoint, crew: Sequence[Worker], *, queued: int, oldest: int | None, hardware: str, now: int
) -> list[str]:
    """The most important first. `oldest` is when the first of the `queued` jobs that count for scaling was
    enqueued; `hardware` says in sentences what a worker needs, and what of it is free."""
    waiting = queued > 0
    sentences = [_queue_sentence(queued, oldest, now)]
    if not endpoint.workers_max:
        sentences.append("Its maximum of workers is 0: nothing runs until that is raised.")
    if endpoint.image_trouble:
        sentences.append(f"Its image is not here: {endpoint.image_trouble}")
    if endpoint.throttled:
        sentences.append(f"{endpoint.throttled} more workers are wanted and find no room. {hardware}")
    sentences += _sick_sentences(crew, now)
    sentences += _starting_sentences(crew)
    able = [
        w for w in crew if w.state not in (WorkerState.UNHEALTHY, WorkerState.STOPPING, WorkerState.FROZEN)
    ]
    if waiting and able and not endpoint.throttled:
        sentences += _limit_sentences(endpoint, able, oldest, now)
    if waiting and oldest is None:
        sentences.append("Only jobs of low priority wait: these start no workers.")
    return [*sentences, _crew_sentence(crew)]


def _queue_sentence(queued: int, oldest: int | None, now: int) -> str:
    if not queued:
        return "No job waits."
    since = f", the oldest for {(now - oldest) // 1000} s" if oldest is not None else ""
    return f"{queued} {'job waits' if queued == 1 else 'jobs wait'}{since}."


def _sick_sentences(crew: Sequence[Worker], now: int) -> list[str]:
    sick = [worker for worker in crew if worker.state is WorkerState.UNHEALTHY]
    if not sick:
        return []
    last = max(sick, key=lambda worker: worker.workload.changed_at)
    tries = [worker.unhealthy_until for worker in sick if worker.unhealthy_until is not None]
    again = (
        f"The next try is in {max(min(tries) - now, 0) // 1000} s, or with the next change of the endpoint."
        if tries
        else "They were given up; the next change of the endpoint tries again."
    )
    return [f"Workers crash ({len(sick)}): {last.workload.reason} {again}"]


def _starting_sentences(crew: Sequence[Worker]) -> list[str]:
    starting = [worker for worker in crew if worker.state is WorkerState.INITIALIZING]
    pulling = {w.workload.needs.image for w in starting if w.workload.phase is Phase.PULLING}
    sentences = [f"The image {image} is being pulled." for image in sorted(pulling)]
    loading = sum(w.workload.phase is Phase.RUNNING for w in starting)
    if loading:
        sentences.append(f"{loading} started and did not ask for a job yet: loading, most likely.")
    return sentences


def _limit_sentences(endpoint: Endpoint, able: Sequence[Worker], oldest: int | None, now: int) -> list[str]:
    if len(able) >= endpoint.workers_max:
        return [f"All {len(able)} workers that the maximum of {endpoint.workers_max} allows are there."]
    if endpoint.scaler is Scaler.REQUEST_COUNT:
        return [f"The scaler has one worker for every {endpoint.scaler_value} jobs."]
    if oldest is not None and now - oldest <= endpoint.scaler_value * 1000:
        left = max(oldest + endpoint.scaler_value * 1000 - now, 0) // 1000
        return [f"The scaler adds a worker when a job has waited for {endpoint.scaler_value} s: in {left} s."]
    return []


def _crew_sentence(crew: Sequence[Worker]) -> str:
    count = Counter(worker.state.value.lower() for worker in crew)
    if not count:
        return "It has no workers."
    return "Workers: " + ", ".join(f"{number} {state}" for state, number in sorted(count.items())) + "."
