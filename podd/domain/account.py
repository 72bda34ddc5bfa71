"""Who may do what: one table for every surface."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from podd.domain.errors import Forbidden, Invalid, NotFound, Unauthenticated


class CallerKind(StrEnum):
    ANONYMOUS = "anonymous"
    ACCOUNT = "account"  # an API key of an account
    WORKLOAD = "workload"  # the key a container finds in RUNPOD_API_KEY
    OPERATOR = "operator"  # the local socket, or the operator's key


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request came from: the client's address (`uid N` through the operator's socket), the surface it
    was sent to, and what the client calls itself. `refused` collects the operations it may not do."""

    address: str = ""
    surface: str = ""
    agent: str = ""
    refused: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever sent the request. `user_id` is the person, where that is known; `workload_id` only for a
    container's own key, `session_id` only for who has signed in. From where is no part of who it is."""

    kind: CallerKind
    account_id: str = ""
    key_id: str = ""
    workload_id: str = ""
    user_id: str = ""
    session_id: str = ""
    origin: Origin | None = field(default=None, compare=False, repr=False)


ANONYMOUS = Caller(CallerKind.ANONYMOUS)
OPERATOR = Caller(CallerKind.OPERATOR)


@dataclass(frozen=True, slots=True)
class Account:
    """`extras` holds the settings clients store and read back without an effect on podd yet."""

    id: str
    email: str
    name: str
    pub_key: str
    created_at: int
    extras: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """`last_used_at` may be a minute behind."""

    id: str
    account_id: str
    name: str
    created_at: int
    last_used_at: int | None = None


_ANYONE = frozenset(CallerKind)
_ACCOUNT = frozenset({CallerKind.ACCOUNT})
_POD_TOO = frozenset({CallerKind.ACCOUNT, CallerKind.WORKLOAD})
_OPERATOR = frozenset({CallerKind.OPERATOR})

PERMISSIONS: dict[str, frozenset[CallerKind]] = {
    "account.read": _ACCOUNT,
    "account.create": _OPERATOR,
    "account.sign_up": _ANYONE,
    "account.link": _OPERATOR,
    "audit.read": _ACCOUNT | _OPERATOR,
    "password.change": _ACCOUNT,
    "session.read": _ACCOUNT,
    "session.open": _ACCOUNT,
    "session.end": _ACCOUNT,
    "key.create": _OPERATOR,
    "credit.post": _OPERATOR,
    "credit.read": _OPERATOR,
    "billing.read": _ACCOUNT,
    "catalogue.read": _ANYONE,
    "pod.create": _ACCOUNT,
    "pod.list": _ACCOUNT,
    "pod.read": _POD_TOO,
    "pod.explain": _ACCOUNT | _OPERATOR,
    "endpoint.explain": _ACCOUNT | _OPERATOR,
    "pod.start": _ACCOUNT,
    "pod.stop": _POD_TOO,
    "pod.terminate": _POD_TOO,
    "pod.change": _ACCOUNT,
    "account.change": _ACCOUNT,
    "registry.read": _ACCOUNT,
    "registry.save": _ACCOUNT,
    "secret.read": _ACCOUNT,
    "secret.save": _ACCOUNT,
    "secret.rotate": _OPERATOR,
    "volume.read": _ACCOUNT,
    "volume.save": _ACCOUNT,
    "template.delete": _ACCOUNT,
    "template.read": _ACCOUNT,
    "template.save": _ACCOUNT,
    "endpoint.read": _ACCOUNT,
    "endpoint.save": _ACCOUNT,
    "endpoint.delete": _ACCOUNT,
    "job.submit": _ACCOUNT,
    "job.read": _ACCOUNT,
    "job.cancel": _ACCOUNT,
    "machine.read": _OPERATOR,
    "gpu.read": _OPERATOR,
    "gpu.change": _OPERATOR,
}


def may(caller: Caller, operation: str) -> bool:
    """Whether the table lets this kind of caller do `operation`."""
    return caller.kind in PERMISSIONS[operation]


def require(caller: Caller, operation: str) -> None:
    """Raise Unauthenticated or Forbidden unless the caller may do `operation`. Whoever hears what is allowed
    here is told."""
    if may(caller, operation):
        if hear := _hearer.get():
            hear(caller, operation)
        return
    if caller.kind is CallerKind.ANONYMOUS:
        raise Unauthenticated("Unauthorized")
    if caller.origin is not None:
        caller.origin.refused.append(operation)
    raise Forbidden("Unauthorized")


_hearer: ContextVar[Callable[[Caller, str], None] | None] = ContextVar("hearer", default=None)


@contextmanager
def hearing(hear: Callable[[Caller, str], None]) -> Iterator[None]:
    """Within the block, `hear` is told who was allowed what: each change passes `require`, so nobody else has
    to say it."""
    token = _hearer.set(hear)
    try:
        yield
    finally:
        _hearer.reset(token)


def require_own(caller: Caller, account_id: str, workload_id: str, missing: str) -> None:
    """Raise NotFound(`missing`) unless the thing is the caller's: foreign looks like missing."""
    if caller.account_id != account_id:
        raise NotFound(missing)
    if caller.kind is CallerKind.WORKLOAD and caller.workload_id != workload_id:
        raise NotFound(missing)


def checked_email(email: str) -> str:
    """The address in lower case. Raises Invalid."""
    email = email.strip().lower()
    local, _, domain = email.partition("@")
    if not local or not domain or any(c.isspace() for c in email) or len(email) > 254:
        raise Invalid(f"{email!r} is not an e-mail address.")
    return email


SSH_KEY_KINDS = ("ssh-", "ecdsa-", "sk-")


def checked_ssh_keys(text: str) -> list[str]:
    """The keys of an authorized_keys text, comments and empty lines left out. Raises Invalid."""
    lines = [line.strip() for line in text.splitlines()]
    keys = [line for line in lines if line and not line.startswith("#")]
    for key in keys:
        if not key.startswith(SSH_KEY_KINDS) or len(key.split()) < 2:
            raise Invalid(f"{key[:40]!r} is not an SSH public key such as 'ssh-ed25519 AAAA... name'.")
    return list(dict.fromkeys(keys))
