"""How many workers an endpoint should have: pure."""

import math
from dataclasses import dataclass

from podd.domain.endpoint import Scaler


@dataclass(frozen=True, slots=True)
class Demand:
    """One whole look at an endpoint. Jobs of low priority are left out of `queued` and `waits`.

    `waits`: milliseconds each queued job has waited, oldest first. `starting`: workers on their way that
    hold no job yet. `ready`: workers that can take jobs.
    """

    queued: int
    in_progress: int
    waits: tuple[int, ...]
    starting: int
    ready: int


def wanted(demand: Demand, *, scaler: Scaler, value: int, workers_min: int, workers_max: int) -> int:
    """The number of workers to have, between the endpoint's limits.

    QUEUE_DELAY: the first job brings the first worker at once; after that each job that has waited longer
    than `value` seconds brings one more, unless a worker that is still starting is meant for it.
    REQUEST_COUNT: one worker for every `value` jobs, waiting or running.
    """
    have = demand.starting + demand.ready
    if scaler is Scaler.REQUEST_COUNT:
        want = math.ceil((demand.queued + demand.in_progress) / value)
    elif have == 0:
        want = 1 if demand.queued else 0
    else:
        overdue = sum(wait > value * 1000 for wait in demand.waits)
        want = have + max(overdue - demand.starting, 0)
    return max(min(want, workers_max), workers_min)
