"""What handlers work with: the platform, and who is calling."""

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Concatenate, ParamSpec, TypeVar
from urllib.parse import parse_qs

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.datastructures import MutableScopeHeaders, State
from litestar.types import Message, Scope

from podd.api.attempts import Attempts
from podd.api.cookies import caller_by_cookie
from podd.api.gauge import Gauge
from podd.api.kept import Kept
from podd.api.visits import visit_of
from podd.api.waiting import Turns
from podd.domain.account import ANONYMOUS, OPERATOR, Caller, CallerKind
from podd.domain.errors import TooLarge, Unauthenticated
from podd.services import accounts
from podd.services.logs import Logs
from podd.services.passwords import Passwords
from podd.services.platform import Platform
from podd.services.telemetry import Telemetry
from podd.services.terminals import Terminals
from podd.store.db import Reader, Tx
from podd.vitals import Vitals

P = ParamSpec("P")
T = TypeVar("T")
AnyRequest = Request[object, object, State]
AnyConnection = ASGIConnection[Any, Any, Any, Any]

NO_TOKEN = "no token provided"  # noqa: S105 - what is said when there is none

LARGE = 64 * 1024
"""Bodies from this size on are read only from whom podd knows, and parsed in a thread: JSON is quick, but
not that quick."""

LOCAL = "podd.local"
"""Set in the scope of requests that came through the operator's socket."""

IN_PLACE_OF = b"x-podd-account"
"""The header in which the operator names, by id or e-mail address, the account in whose place they act."""

_CALLER = "podd.caller"
"""In the scope of a request: who sent it, once that was found out."""


@dataclass(frozen=True)
class Api:
    """Shared by all handlers, as `request.app.state.api`."""

    podd: Platform
    telemetry: Telemetry
    engine_name: str
    engine_answers: Callable[[], bool]
    logs: Logs
    gauge: Gauge
    terminals: Terminals
    attempts: Attempts
    passwords: Passwords
    turns: Turns = field(default_factory=Turns)
    kept: Kept = field(default_factory=Kept)
    vitals: Vitals = field(default_factory=lambda: Vitals(0, {}))

    @property
    def now(self) -> int:
        return self.podd.clock.now()


@dataclass(frozen=True)
class Call:
    """One request: who sends it, and what it is answered from."""

    api: Api
    caller: Caller

    @property
    def podd(self) -> Platform:
        return self.api.podd

    @property
    def now(self) -> int:
        return self.api.now

    async def read(
        self, question: Callable[Concatenate[Reader, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        return await self.podd.store.read(question, *args, **kwargs)

    async def write(self, verb: Callable[Concatenate[Tx, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.podd.store.write(verb, *args, **kwargs)


def api_of(request: AnyConnection) -> Api:
    api: Api = request.app.state.api
    return api


async def number_request(message: Message, _scope: Scope) -> None:
    """Give each answer an id of its own, for reports of what went wrong."""
    if message["type"] == "http.response.start":
        MutableScopeHeaders(message)["x-request-id"] = uuid.uuid4().hex


def presented_keys(headers: Iterable[tuple[bytes, bytes]], query_string: bytes = b"") -> list[str]:
    """The keys a request shows: `Authorization` with or without `Bearer`, and GraphQL's `?api_key=`."""
    shown = []
    for name, value in headers:
        if name == b"authorization":
            text = value.decode("latin-1").strip()
            scheme, _, rest = text.partition(" ")
            shown.append(rest.strip() if scheme.lower() == "bearer" else text)
    if b"api_key=" in query_string:
        query = parse_qs(query_string.decode("latin-1"))
        shown += [key.strip() for key in query.get("api_key", [])]
    return [key for key in shown if key][:2]


async def caller_of(request: AnyConnection) -> Caller:
    """Who is calling: some clients show two keys, and one that is good will do. ANONYMOUS without a key;
    Unauthenticated is raised when podd knows none of them."""
    known = _known(request)
    if known is not None:
        return known
    if shows_key(request):
        watch_keys(request)
        try:
            return await api_of(request).podd.store.read(caller_within, request)
        finally:
            note_caller(request)
    caller = OPERATOR if request.scope.get(LOCAL) else await _by_cookie(request)
    if _named_account(request):
        caller = await api_of(request).podd.store.read(_in_place, request, caller)
    caller = _keep(request, caller)
    note_caller(request)
    return caller


def caller_within(db: Reader, request: AnyConnection) -> Caller:
    """As `caller_of`, in a look or a transaction that there is already, of who shows a key or is known. What
    is shown is watched by then; who it was is noted afterwards."""
    known = _known(request)
    if known is not None:
        return known
    podd = api_of(request).podd
    for key in _keys_of(request):
        caller = accounts.caller_of(db, key, podd.keys, podd.operator_key_hash, podd.clock.now())
        if caller is not None:
            return _keep(request, _in_place(db, request, caller))
    raise Unauthenticated("invalid api key")


def shows_key(request: AnyConnection) -> bool:
    return bool(_keys_of(request))


def watch_keys(request: AnyConnection) -> None:
    """The visit ends when a key that it shows is taken away."""
    for key in _keys_of(request):
        visit_of(request.scope).ends_with(key)


def note_caller(request: AnyConnection) -> None:
    """Note who came, if that is known by now."""
    caller = _known(request)
    if caller is not None:
        visit_of(request.scope).note(caller)


async def known_caller_of(request: AnyConnection) -> Caller:
    """As `caller_of`, but somebody it must be."""
    caller = await caller_of(request)
    if caller.kind is CallerKind.ANONYMOUS:
        raise Unauthenticated(NO_TOKEN)
    return caller


async def read_body(request: AnyRequest, limit: int, shown_limit: str) -> bytes:
    """The whole body, if it is not longer than `limit` bytes. Raises TooLarge before reading more."""
    message = f"exceeded max body size of {shown_limit}"
    for name, value in request.scope["headers"]:
        if name == b"content-length" and value.isdigit() and int(value) > limit:
            raise TooLarge(message)
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise TooLarge(message)
        parts.append(part)
    return b"".join(parts)


def large(request: AnyRequest) -> bool:
    """Whether the body may be; one whose length is not told may."""
    for name, value in request.scope["headers"]:
        if name == b"content-length":
            return not value.isdigit() or int(value) >= LARGE
        if name == b"transfer-encoding":
            return True
    return False


def mebibytes(size: int) -> str:
    return f"{size // (1024 * 1024)}MiB"


# Private


def _known(request: AnyConnection) -> Caller | None:
    known = request.scope.get(_CALLER)
    return known if isinstance(known, Caller) else None


def _keep(request: AnyConnection, caller: Caller) -> Caller:
    caller = replace(caller, origin=visit_of(request.scope).origin)
    request.scope[_CALLER] = caller  # type: ignore[literal-required]
    return caller


def _in_place(db: Reader, request: AnyConnection, caller: Caller) -> Caller:
    account = _named_account(request)
    return accounts.in_place_of(db, caller, account) if account else caller


def _named_account(request: AnyConnection) -> str:
    return next(
        (v.decode(errors="replace").strip() for k, v in request.scope["headers"] if k == IN_PLACE_OF), ""
    )


async def _by_cookie(request: AnyConnection) -> Caller:
    podd, visit = api_of(request).podd, visit_of(request.scope)
    return await caller_by_cookie(request, podd, visit) or ANONYMOUS


def _keys_of(request: AnyConnection) -> list[str]:
    return presented_keys(request.scope["headers"], request.scope["query_string"])
