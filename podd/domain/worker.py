"""Serverless workers: one container that takes jobs. Its state, and what its end means."""

from dataclasses import dataclass
from enum import StrEnum

from podd.domain.workload import Desired, Phase, Workload


class WorkerState(StrEnum):
    INITIALIZING = "INITIALIZING"
    IDLE = "IDLE"
    RUNNING = "RUNNING"
    FROZEN = "FROZEN"  # its container is paused with what it has loaded, until there is a job for it
    UNHEALTHY = "UNHEALTHY"
    STOPPING = "STOPPING"


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """`ready_at`: its first job-take. `idle_since`: since when it holds no job. `held`: jobs it has now.
    `doors_closed`: it gets no more jobs. `leaving`: why it goes once it holds none. `crashes` in a row;
    `unhealthy_until` when it is tried again. `thawed_at`: when it was last woken from its freeze.
    `awaited_since`: since when its container is up, by podd's clock, and its first job-take due.
    `loop_seen_at`: its main loop last asked or told something; `pinged_at`: it last pinged, from another
    process, which goes on when the main loop is blocked. `instance_id`: which CPU instance it is; "" with
    GPUs."""

    workload: Workload
    endpoint_id: str
    version: int
    ready_at: int | None = None
    idle_since: int | None = None
    doors_closed: bool = False
    leaving: str = ""
    thawed_at: int | None = None
    awaited_since: int | None = None
    held: int = 0
    crashes: int = 0
    unhealthy_until: int | None = None
    gave_up: bool = False
    loop_seen_at: int | None = None
    pinged_at: int | None = None
    instance_id: str = ""

    @property
    def id(self) -> str:
        return self.workload.id

    @property
    def cpu_flavor_id(self) -> str:
        return self.instance_id.partition("-")[0]

    @property
    def shown_state(self) -> WorkerState:
        """For clients, which know no FROZEN: such a worker is cached and ready, and not running."""
        return WorkerState.IDLE if self.state is WorkerState.FROZEN else self.state

    @property
    def serves(self) -> bool:
        """Whether it is up and takes jobs, or will again when it is through with those it has."""
        return self.state in (WorkerState.IDLE, WorkerState.RUNNING)

    @property
    def state(self) -> WorkerState:
        if self.unhealthy_until is not None or self.gave_up:
            return WorkerState.UNHEALTHY
        if self.workload.desired is not Desired.RUNNING:
            return WorkerState.STOPPING
        if self.workload.frozen_at is not None:
            return WorkerState.FROZEN
        if self.workload.phase is not Phase.RUNNING or self.ready_at is None:
            return WorkerState.INITIALIZING
        return WorkerState.RUNNING if self.held else WorkerState.IDLE


def making_room(frozen: list[Worker], newcomer: Worker, budget: int | None) -> list[Worker] | None:
    """Which of the `frozen`, those for the longest time first, have to go so that the newcomer fits into the
    budget (MiB of memory; None: no limit) as well; None when it does not fit at all."""
    if budget is None:
        return []
    over = sum(w.workload.needs.memory for w in [*frozen, newcomer]) - budget
    going = []
    for worker in frozen:
        if over <= 0:
            break
        going.append(worker)
        over -= worker.workload.needs.memory
    return going if over <= 0 else None


HOUR_MS = 3_600_000
WEEK_MS = 7 * 24 * HOUR_MS


def unhealthy_delay(first_ms: int, crashes: int) -> int:
    """How long an unhealthy worker rests before the n-th new try: doubling, a week at most."""
    return int(min(first_ms * 2 ** max(crashes - 1, 0), WEEK_MS))


def gives_up(first_ms: int, crashes: int, limit_ms: int) -> bool:
    """Whether its rests, the one after this crash included, come to more than `limit_ms`."""
    return sum(unhealthy_delay(first_ms, n) for n in range(1, crashes + 1)) > limit_ms


def forgiven(ready_at: int | None, started_at: int | None, now: int) -> bool:
    """A worker that had been taking jobs gets one more start at once, unless it came up only just now."""
    return ready_at is not None and started_at is not None and now - started_at >= 60_000
