"""Notices: which events somebody is told of by mail or another channel, who that is, and when. Pure."""

from dataclasses import dataclass
from enum import StrEnum


class What(StrEnum):
    """What an event is about."""

    ACCOUNT = "account"
    POD = "pod"
    WORKER = "worker"
    GPU = "gpu"
    MACHINE = "machine"


class Topic(StrEnum):
    """The setting of an account (as users know it) that turns a notice off."""

    STALE = "notifyPodsStale"
    GENERAL = "notifyPodsGeneral"
    BALANCE = "notifyLowBalance"
    OTHER = "notifyOther"
    ALWAYS = ""  # it is about losing data, or asked for: nobody turns it off


MACHINE = "machine"
"""The subject of events that are about podd itself."""
TEST = "notice test"


@dataclass(frozen=True, slots=True)
class Rule:
    """`title` is the subject line, with the `{name}` of what it is about. `template` names the paragraph of
    the letter that says what to do. Told to the owner, or to the operator."""

    title: str
    template: str
    topic: Topic = Topic.GENERAL
    to_operator: bool = False


def _operator(title: str, template: str) -> Rule:
    return Rule(title, template, Topic.ALWAYS, to_operator=True)


RULES: dict[tuple[What, str], Rule] = {
    (What.POD, "outbid"): Rule("Pod {name} was displaced", "displaced"),
    (What.POD, "drained"): Rule("Pod {name} was displaced", "displaced"),
    (What.POD, "halted"): Rule("Pod {name} was stopped", "stopped"),
    (What.POD, "failed"): Rule("Pod {name} cannot run", "failed"),
    (What.POD, "gpus lost"): Rule("Pod {name} has lost its GPUs", "gpus_lost"),
    (What.POD, "gpu unhealthy"): Rule("A GPU of pod {name} is unhealthy", "gpu_unhealthy"),
    (What.POD, "gpu fault"): Rule("A GPU of pod {name} is faulty", "gpu_unhealthy"),
    (What.POD, "idle warning"): Rule("Pod {name} is idle and will be stopped", "idle_warning", Topic.STALE),
    (What.POD, "idle stop"): Rule("Pod {name} was idle and is stopped", "stopped", Topic.STALE),
    (What.POD, "lifetime warning"): Rule("Pod {name} will be stopped", "lifetime_warning", Topic.STALE),
    (What.POD, "lifetime stop"): Rule("Pod {name} has run its time", "stopped", Topic.STALE),
    (What.WORKER, "unhealthy"): Rule("A worker of endpoint {name} is unhealthy", "worker", Topic.OTHER),
    (What.ACCOUNT, "credit low"): Rule("Your credit is low", "credit_low", Topic.BALANCE),
    (What.ACCOUNT, "halted"): Rule("Everything you run was stopped", "halted", Topic.BALANCE),
    (What.ACCOUNT, "removal scheduled"): Rule("Your data will be removed", "removal", Topic.ALWAYS),
    (What.ACCOUNT, "removal near"): Rule("Your data will be removed soon", "removal", Topic.ALWAYS),
    (What.ACCOUNT, "removed"): Rule("Your data was removed", "removed", Topic.ALWAYS),
    (What.ACCOUNT, "credit resumed"): Rule("You have credit again", "credit_resumed", Topic.BALANCE),
    (What.ACCOUNT, TEST): Rule("A test", "test", Topic.ALWAYS),
    (What.GPU, "unhealthy"): _operator("GPU {name} is unhealthy", "gpu"),
    (What.GPU, "unknown"): _operator("GPU {name} cannot be seen", "gpu"),
    (What.GPU, "fault"): _operator("GPU {name} is faulty", "gpu"),
    (What.GPU, "healthy"): _operator("GPU {name} is healthy again", "gpu_healthy"),
    (What.MACHINE, TEST): _operator("A test", "test"),
}

KINDS = frozenset(kind for _, kind in RULES)
"""Events that are none of these tell nobody."""


def digest_is_due(last: int | None, now: int, pause: int) -> bool:
    """Whether what waits for somebody goes out now, in one letter, when the one before was made at `last`:
    the first at once, others at least `pause` ms later, all together. A clock that was set back delays
    nothing."""
    return last is None or not last <= now < last + pause


def next_try(
    made_at: int, tries: int, now: int, *, first: int, longest: int, give_up_after: int
) -> int | None:
    """When a letter that has failed `tries` times is tried again: after `first` ms, doubling, `longest` at
    most. None: it is given up."""
    if now - made_at >= give_up_after:
        return None
    return now + int(min(first * 2 ** min(tries - 1, 40), longest))


def title(titles: list[str]) -> str:
    """The subject line of a letter with notices of these titles."""
    more = len(titles) - 1
    return titles[0] if not more else f"{titles[0]} (and {more} more)"
