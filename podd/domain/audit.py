"""The audit log: who changed what, from where, when, and who tried to without being allowed."""

from dataclasses import dataclass
from enum import StrEnum

QUESTIONS = frozenset({"read", "list", "explain", "ask", "none", "connect", "test"})
"""Operations that end so change nothing of an account."""

AGENT = 120
"""Characters kept of what a client calls itself."""


class Outcome(StrEnum):
    DONE = "done"
    REFUSED = "refused"  # it was not allowed to


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Who (`actor` is the kind of caller; `user_id`, `key_id`, `session_id` or `workload_id` as it showed
    itself, else empty) did what (`operation` to `thing`, of `account_id`), from where, and when (milliseconds
    since 1970)."""

    number: int = 0
    at: int
    account_id: str
    actor: str
    user_id: str
    key_id: str
    session_id: str
    workload_id: str
    address: str
    surface: str
    agent: str
    operation: str
    thing: str
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Wish:
    """Which entries: of this account, from `since` up to `until`, by this user, key or session, of this
    operation (or of all that begin with `pod.`), about this thing. Empty: any."""

    account_id: str = ""
    since: int | None = None
    until: int | None = None
    who: str = ""
    operation: str = ""
    thing: str = ""


def is_recorded(operation: str, *, jobs: bool) -> bool:
    """Whether it belongs into the log. Those of jobs come by the thousand; `jobs`: keep them too."""
    subject, _, verb = operation.partition(".")
    return verb not in QUESTIONS and (jobs or subject != "job")


def shortened(agent: str) -> str:
    """What a client calls itself, as far as it can be shown."""
    return "".join(c for c in agent if c.isprintable())[:AGENT]
