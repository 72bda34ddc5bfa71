"""Serverless workers: one container that takes jobs. Its state, and what its end means."""

from dataclasses import dataclass
from enum import StrEnum

from podd.domain.workload import Desired, Phase, Workload


class WorkerState(StrEnum):
    INITIALIZING = "INITIALIZING"
    IDLE = "IDLE"
    RUNNING = "RUNNING"
    UNHEALTHY = "UNHEALTHY"
    STOPPING = "STOPPING"


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """`ready_at`: its first job-take. `idle_since`: since when it holds no job. `held`: jobs it has now.
    `doors_closed`: it gets no more jobs. `crashes` in a row; `unhealthy_until` when it is tried again.
    `loop_seen_at`: its main loop last asked or told something; `pinged_at`: it last pinged, from another
    process, which goes on when the main loop is blocked."""

    workload: Workload
    endpoint_id: str
    version: int
    ready_at: int | None = None
    idle_since: int | None = None
    doors_closed: bool = False
    held: int = 0
    crashes: int = 0
    unhealthy_until: int | None = None
    gave_up: bool = False
    loop_seen_at: int | None = None
    pinged_at: int | None = None

    @property
    def id(self) -> str:
        return self.workload.id

    @property
    def state(self) -> WorkerState:
        if self.unhealthy_until is not None or self.gave_up:
            return WorkerState.UNHEALTHY
        if self.workload.desired is not Desired.RUNNING:
            return WorkerState.STOPPING
        if self.workload.phase is not Phase.RUNNING or self.ready_at is None:
            return WorkerState.INITIALIZING
        return WorkerState.RUNNING if self.held else WorkerState.IDLE


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
