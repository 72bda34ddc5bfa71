"""Whether a pod's GPUs stand idle, and what is done about it. Pure.

Idle is what has been seen in every minute of the whole window and was little on average, on each of the GPUs.
What could not be seen is not idle: after a start of podd, while a GPU tells nothing, and right after the pod
has started, nobody is judged. Memory that is held says nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from podd.domain.errors import Invalid

MINUTE = 60_000
LONGEST_WINDOW = 23 * 60
"""Minutes; use is remembered for a day."""

NAMES = ("idle_percent", "idle_window_minutes", "idle_grace_minutes")
"""What the operator may set otherwise for an account."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Idle is less than `percent` (0: nobody is) on average over `window` minutes. Whoever was warned is
    stopped after `grace` minutes."""

    percent: int
    window: int
    grace: int


class Verdict(StrEnum):
    LEAVE = "leave"
    WARN = "warn"
    WITHDRAW = "withdraw"
    STOP = "stop"


def averages(
    minutes: Sequence[Mapping[int, float]], window: int, started_at: int | None, now: int
) -> list[float] | None:
    """How busy each GPU was on average over the last `window` whole minutes, in percent. `minutes` are the
    means of each GPU by when the minute began. None when that is not known of every minute of every GPU."""
    last = now - now % MINUTE
    wanted = range(last - window * MINUTE, last, MINUTE)
    if not minutes or started_at is None or started_at > wanted.start:
        return None
    if any(at not in seen for seen in minutes for at in wanted):
        return None
    return [sum(seen[at] for at in wanted) / window for seen in minutes]


def judge(
    policy: Policy,
    busy: Sequence[float] | None,
    *,
    warned_at: int | None,
    started_at: int | None,
    exempt: bool,
    now: int,
) -> Verdict:
    """What is done about a pod whose GPUs were `busy` (percent each; None: nobody knows), which was warned at
    `warned_at`. A warning is of the container it was given to, and is withdrawn from who is exempt."""
    warned = warned_at is not None
    stale = warned_at is not None and (started_at is None or started_at > warned_at or warned_at > now)
    if exempt or not policy.percent or stale:
        return Verdict.WITHDRAW if warned else Verdict.LEAVE
    if busy is None:
        return Verdict.LEAVE
    if any(percent >= policy.percent for percent in busy):
        return Verdict.WITHDRAW if warned else Verdict.LEAVE
    if warned_at is None:
        return Verdict.WARN
    return Verdict.STOP if now >= warned_at + policy.grace * MINUTE else Verdict.LEAVE


def stops_at(policy: Policy, warned_at: int | None) -> int | None:
    """When a pod that was warned is stopped, unless it gets busy; None: it was not warned."""
    return None if warned_at is None else warned_at + policy.grace * MINUTE


def checked(name: str, amount: int) -> int:
    """A value for one of NAMES. Raises Invalid."""
    least, most = {
        "idle_percent": (0, 100),
        "idle_window_minutes": (1, LONGEST_WINDOW),
        "idle_grace_minutes": (0, 7 * 24 * 60),
    }[name]
    if not least <= amount <= most:
        raise Invalid(f"{name} must be between {least} and {most}, not {amount}.")
    return amount


def within(hours: Sequence[tuple[int, int]], minute: int) -> bool:
    """Whether this minute of the day lies in one of the spans (from, to), of which one may go over
    midnight."""
    return any(
        begin <= minute < end if begin <= end else minute >= begin or minute < end for begin, end in hours
    )
