"""What becomes of an account that runs out of credit: it is told, it is halted, and in the end what it stores
is removed. Pure; amounts in nano-dollars, times in epoch milliseconds."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from podd.domain.funds import covers

# Kinds of the events of an account.
CREDIT_ADDED = "credit added"
CREDIT_LOW = "credit low"
HALTED = "halted"
REMOVAL_SCHEDULED = "removal scheduled"
REMOVAL_NEAR = "removal near"
REMOVED = "removed"
CREDIT_RESUMED = "credit resumed"


class Stored(StrEnum):
    """What is removed, in this order. The words are those people read."""

    PODS = "pods"
    NETWORK_VOLUMES = "network volumes"


@dataclass(frozen=True, slots=True)
class Removal:
    """Things of an account that are to be removed at `due_at`. Nothing is removed before its owner was warned
    (`warned_at`)."""

    what: Stored
    due_at: int
    warned_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How an account stands: what it has, what it is charged per `hourly`, with which balance it was told
    that its credit is low (None: it was not) and with which it was halted; what it `holds`."""

    balance: int
    hourly: int
    low_with: int | None = None
    halted_with: int | None = None
    removals: Mapping[Stored, Removal]
    holds: frozenset[Stored]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """For how many minutes credit has to last, or its owner is told, or halted; how long things are kept, and
    how long before their end their owner is warned (milliseconds)."""

    enforced: bool
    low_minutes: int
    halt_minutes: int
    graces: Mapping[Stored, int]
    notice: int


class Deed(StrEnum):
    TELL = "tell that credit is low"
    FORGET = "forget that this was told"
    HALT = "halt"
    RESUME = "resume"
    SCHEDULE = "schedule the removal"
    WARN = "warn of the removal"
    REMOVE = "remove"
    CALL_OFF = "call the removal off"


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be done next. `what` and `due_at` for removals."""

    deed: Deed
    what: Stored | None = None
    due_at: int = 0


def next_step(now: Standing, terms: Terms, at: int) -> Step | None:
    """What is to be done with an account; None: nothing. After it has been done, ask again."""
    if now.halted_with is not None:
        return _of_halted(now, now.halted_with, terms, at)
    if terms.enforced and not covers(now.balance, now.hourly, terms.halt_minutes):
        return Step(Deed.HALT)
    is_low = terms.enforced and not covers(now.balance, now.hourly, terms.low_minutes)
    if now.low_with is None:
        return Step(Deed.TELL) if is_low else None
    # Starting and stopping things moves what credit lasts for. It is told again only after there was more.
    return Step(Deed.FORGET) if not is_low and now.balance > now.low_with else None


# Private


def _of_halted(now: Standing, halted_with: int, terms: Terms, at: int) -> Step | None:
    # What is stopped costs little, so how long credit lasts says nothing: new credit is the reason to go on.
    more = now.balance > max(halted_with, 0) and covers(now.balance, now.hourly, terms.halt_minutes)
    if more or not terms.enforced:
        return Step(Deed.RESUME)
    if now.balance > 0:
        return None
    steps = (_of_removal(what, now, terms, at) for what in Stored)
    return next((step for step in steps if step is not None), None)


def _of_removal(what: Stored, now: Standing, terms: Terms, at: int) -> Step | None:
    removal = now.removals.get(what)
    if what not in now.holds:
        return Step(Deed.CALL_OFF, what) if removal else None
    grace = terms.graces[what]
    if removal is None:
        return Step(Deed.SCHEDULE, what, at + grace)
    notice = min(terms.notice, grace)
    if removal.warned_at is None:
        # podd may have been down when it was time to warn: the notice is given in full all the same.
        return (
            Step(Deed.WARN, what, max(removal.due_at, at + notice)) if at >= removal.due_at - notice else None
        )
    return Step(Deed.REMOVE, what) if at >= removal.due_at else None
