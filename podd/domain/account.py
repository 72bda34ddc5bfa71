"""Who may do what: one table for every surface."""

from collections.abc import Callable, Iterable, Iterator
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
    WORKER = "worker"  # the key with which a worker takes jobs; the worker API itself looks at it
    OPERATOR = "operator"  # the local socket, or the operator's key


class AccountKind(StrEnum):
    PERSONAL = "personal"
    TEAM = "team"


class Role(StrEnum):
    """What somebody is in an account. Whose account it is is an admin."""

    BASIC = "basic"
    BILLING = "billing"
    DEV = "dev"
    ADMIN = "admin"


class ScopeKind(StrEnum):
    ALL = "all"
    READ_ONLY = "read_only"
    ENDPOINTS = "endpoints"
    POD = "pod"


@dataclass(frozen=True, slots=True)
class Scope:
    """What part of an account a key is for. `ids` are those of the endpoints, or that of the pod."""

    kind: ScopeKind = ScopeKind.ALL
    ids: frozenset[str] = frozenset()

    def covers(self, thing_id: str) -> bool:
        return self.kind in (ScopeKind.ALL, ScopeKind.READ_ONLY) or thing_id in self.ids


EVERYTHING = Scope()


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
    """Whoever sent the request: an account, and the person in it (`user_id`, the id of that person's own
    account) with their role and what the key they show is for. `workload_id` only for a container's own
    key, `session_id` only for who has signed in. `in_place`: it is the operator, who acts in the account's
    place. From where is no part of who it is."""

    kind: CallerKind
    account_id: str = ""
    key_id: str = ""
    workload_id: str = ""
    user_id: str = ""
    role: Role = Role.ADMIN
    scope: Scope = EVERYTHING
    session_id: str = ""
    in_place: bool = False
    origin: Origin | None = field(default=None, compare=False, repr=False)

    @property
    def member(self) -> str:
        """Who of the account it is: quotas of members count what each has made."""
        return self.user_id or self.account_id

    @property
    def actor(self) -> CallerKind:
        """Who it really is."""
        return CallerKind.OPERATOR if self.in_place else self.kind


ANONYMOUS = Caller(CallerKind.ANONYMOUS)
OPERATOR = Caller(CallerKind.OPERATOR)


@dataclass(frozen=True, slots=True)
class Account:
    """An account, and the person who made it. `extras` holds the settings clients store and read back
    without an effect on podd yet."""

    id: str
    email: str
    name: str
    pub_key: str
    created_at: int
    extras: dict[str, Any] = field(default_factory=dict)
    kind: AccountKind = AccountKind.PERSONAL


@dataclass(frozen=True, slots=True)
class ApiKey:
    """`user_id` is the person it was made for: what it may do follows that person's role. It is nobody's
    from `expires_at` on (None: never). `last_used_at` may be a minute behind."""

    id: str
    account_id: str
    user_id: str
    name: str
    created_at: int
    scope: Scope = EVERYTHING
    expires_at: int | None = None
    last_used_at: int | None = None


@dataclass(frozen=True, slots=True)
class Permission:
    """Who may do an operation: these kinds of callers, and of accounts these roles with keys of these
    scopes; or, if `signed_in`, these roles with a session instead of a key."""

    kinds: frozenset[CallerKind]
    roles: frozenset[Role] = frozenset()
    scopes: frozenset[ScopeKind] = frozenset()
    signed_in: bool = False

    def allows(self, caller: Caller) -> bool:
        if caller.kind is not CallerKind.ACCOUNT:
            return caller.kind in self.kinds
        return (
            CallerKind.ACCOUNT in self.kinds
            and caller.role in self.roles
            and caller.scope.kind in self.scopes
            and (not self.signed_in or bool(caller.session_id))
        )


_EVERY_ROLE = frozenset(Role)
_USERS = frozenset({Role.BASIC, Role.DEV, Role.ADMIN})
_DEVS = frozenset({Role.DEV, Role.ADMIN})
_MONEY = frozenset({Role.BILLING, Role.ADMIN})
_ADMINS = frozenset({Role.ADMIN})

# Beside keys for everything, which are in every set.
_WRITE: tuple[ScopeKind, ...] = ()
_READ = (ScopeKind.READ_ONLY,)
_POD = (ScopeKind.POD,)
_ENDPOINT = (ScopeKind.ENDPOINTS,)

_IN_PODS = (CallerKind.WORKLOAD,)
_OPERATORS = (CallerKind.OPERATOR,)


def _account(
    roles: frozenset[Role], scopes: tuple[ScopeKind, ...], kinds: Iterable[CallerKind] = ()
) -> Permission:
    return Permission(frozenset({CallerKind.ACCOUNT, *kinds}), roles, frozenset({ScopeKind.ALL, *scopes}))


_ANYBODY = Permission(frozenset(CallerKind) - {CallerKind.WORKER}, _EVERY_ROLE, frozenset(ScopeKind))
_KNOWN = Permission(_ANYBODY.kinds - {CallerKind.ANONYMOUS}, _EVERY_ROLE, frozenset(ScopeKind))
_OPERATOR = Permission(frozenset(_OPERATORS))
_SIGNED_IN = Permission(
    frozenset({CallerKind.ACCOUNT}), _EVERY_ROLE, frozenset({ScopeKind.ALL}), signed_in=True
)

PERMISSIONS: dict[str, Permission] = {
    # What everybody sees
    "health.read": _ANYBODY,
    "metrics.ask": _ANYBODY,  # whoever shows what the settings ask for; see api/metrics.py
    "documentation.read": _ANYBODY,
    "catalogue.read": _ANYBODY,
    "account.none": Permission(frozenset({CallerKind.ANONYMOUS})),  # `myself` of nobody is nobody
    "catalogue.ask": _KNOWN,
    "unavailable.ask": _KNOWN,
    # The account
    "account.read": _account(_EVERY_ROLE, _READ),
    "account.change": _account(_ADMINS, _WRITE),
    "account.list": _OPERATOR,
    "account.create": _OPERATOR,
    "account.sign_up": _ANYBODY,
    "account.link": _OPERATOR,
    "key.read": _account(_EVERY_ROLE, _READ, _OPERATORS),
    "key.save": _account(_EVERY_ROLE, _WRITE, _OPERATORS),
    "team.read": _account(_EVERY_ROLE, _READ, _OPERATORS),
    "team.change": _account(_ADMINS, _WRITE, _OPERATORS),
    "team.add": _OPERATOR,
    "team.join": _account(_EVERY_ROLE, _WRITE),
    "team.leave": _account(_EVERY_ROLE, _WRITE),
    "secret.read": _account(_USERS, _READ),
    "secret.save": _account(_DEVS, _WRITE),
    "secret.rotate": _OPERATOR,
    "registry.read": _account(_USERS, _READ),
    "registry.save": _account(_DEVS, _WRITE),
    "audit.read": _account(_ADMINS, _READ, _OPERATORS),
    # Sessions: opened by whoever shows a password or a link, and then for who has signed in
    "session.open": _ANYBODY,
    "session.read": _SIGNED_IN,
    "session.end": _SIGNED_IN,
    "password.change": _SIGNED_IN,
    # Money
    "billing.read": _account(_MONEY, _READ),
    "credit.post": _OPERATOR,
    "credit.read": _OPERATOR,
    "voucher.redeem": _account(_MONEY, _WRITE),
    "plan.buy": _account(_MONEY, _WRITE, _OPERATORS),
    # Pods and what they are made of
    "pod.list": _account(_USERS, _READ),
    "pod.read": _account(_USERS, _READ + _POD, _IN_PODS),
    "pod.explain": _account(_USERS, _READ + _POD, _OPERATORS),
    "pod.connect": _account(_USERS, _POD, _OPERATORS),
    "pod.create": _account(_DEVS, _WRITE),
    "pod.start": _account(_DEVS, _POD),
    "pod.stop": _account(_DEVS, _POD, _IN_PODS),
    "pod.terminate": _account(_DEVS, _POD, _IN_PODS),
    # Not for the key of one pod: its environment can name any secret of the account.
    "pod.change": _account(_DEVS, _WRITE),
    "pod.guard": _account(_DEVS, _WRITE, _OPERATORS),
    "volume.read": _account(_USERS, _READ),
    "volume.save": _account(_DEVS, _WRITE),
    "template.read": _account(_USERS, _READ),
    "template.save": _account(_DEVS, _WRITE),
    "template.delete": _account(_DEVS, _WRITE),
    # Serverless
    "endpoint.list": _account(_USERS, _READ),
    "endpoint.read": _account(_USERS, _READ + _ENDPOINT),
    "endpoint.explain": _account(_USERS, _READ + _ENDPOINT, _OPERATORS),
    "endpoint.save": _account(_DEVS, _WRITE),
    "endpoint.delete": _account(_DEVS, _WRITE),
    "job.submit": _account(_USERS, _ENDPOINT),
    "job.read": _account(_USERS, _READ + _ENDPOINT),
    "job.cancel": _account(_USERS, _ENDPOINT),
    "job.work": Permission(frozenset({CallerKind.WORKER})),
    # The machine
    "machine.read": _OPERATOR,
    "notice.read": _OPERATOR,
    "notice.test": _OPERATOR,
    "quota.change": _OPERATOR,
    "pod.exempt": _OPERATOR,
    "gpu.read": _OPERATOR,
    "gpu.change": _OPERATOR,
}


def may(caller: Caller, operation: str) -> bool:
    """Whether the table lets this caller do `operation`, whatever it is done to."""
    return PERMISSIONS[operation].allows(caller)


def require(caller: Caller, *operations: str) -> None:
    """Raise Unauthenticated or Forbidden unless the caller may do one of these. Whoever hears what is allowed
    here is told which."""
    allowed = next((operation for operation in operations if may(caller, operation)), None)
    if allowed is not None:
        if hear := _hearer.get():
            hear(caller, allowed)
        return
    if caller.kind is CallerKind.ANONYMOUS:
        raise Unauthenticated("Unauthorized")
    if caller.origin is not None:
        caller.origin.refused.extend(operations)
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


def reaches(caller: Caller, account_id: str, thing_id: str) -> bool:
    """Whether a pod or an endpoint is the caller's and what its key is for."""
    if caller.kind is CallerKind.OPERATOR:
        return True
    if caller.account_id != account_id:
        return False
    if caller.kind is CallerKind.WORKLOAD:
        return caller.workload_id == thing_id
    return caller.scope.covers(thing_id)


def require_own(caller: Caller, account_id: str, thing_id: str, missing: str) -> None:
    """Raise NotFound(`missing`) unless the thing is the caller's: foreign looks like missing."""
    if not reaches(caller, account_id, thing_id):
        raise NotFound(missing)


def checked_scope(kind: ScopeKind, ids: Iterable[str]) -> Scope:
    """Raises Invalid when a scope names too much or too little."""
    named = frozenset(ids)
    if kind is ScopeKind.ENDPOINTS and not named:
        raise Invalid("A key for chosen endpoints needs the id of at least one.")
    if kind is ScopeKind.POD and len(named) != 1:
        raise Invalid("A key for one pod needs that pod's id.")
    if kind in (ScopeKind.ALL, ScopeKind.READ_ONLY) and named:
        raise Invalid("Only keys for endpoints or a pod name what they are for.")
    return Scope(kind, named)


def checked_role(text: str) -> Role:
    """Raises Invalid."""
    try:
        return Role(text.strip().lower())
    except ValueError:
        raise Invalid(f"{text!r} is no role; there are {', '.join(Role)}.") from None


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
