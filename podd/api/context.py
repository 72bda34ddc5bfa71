"""What handlers work with: the platform, and who is calling."""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qs

from litestar import Request
from litestar.datastructures import State
from litestar.types import Scope

from podd.domain.account import ANONYMOUS, OPERATOR, Caller
from podd.domain.errors import TooLarge, Unauthenticated
from podd.services import accounts
from podd.services.platform import Platform
from podd.services.telemetry import Telemetry

AnyRequest = Request[object, object, State]

LOCAL = "podd.local"
"""Set in the scope of requests that came through the operator's socket."""


@dataclass(frozen=True)
class Api:
    """Shared by all handlers, as `request.app.state.api`."""

    podd: Platform
    telemetry: Telemetry
    engine_name: str
    engine_answers: Callable[[], bool]

    @property
    def now(self) -> int:
        return self.podd.clock.now()


def api_of(request: AnyRequest) -> Api:
    api: Api = request.app.state.api
    return api


def presented_key(scope: Scope) -> str | None:
    """The key a request shows: `Authorization` with or without `Bearer`, or GraphQL's `?api_key=`."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            text = value.decode("latin-1").strip()
            scheme, _, rest = text.partition(" ")
            key = rest.strip() if scheme.lower() == "bearer" else text
            if key:
                return key
    if b"api_key=" in scope["query_string"]:
        found = parse_qs(scope["query_string"].decode("latin-1")).get("api_key")
        return found[0].strip() if found and found[0].strip() else None
    return None


async def caller_of(request: AnyRequest) -> Caller:
    """Who is calling. ANONYMOUS without a key; Unauthenticated is raised for a key nobody has."""
    key = presented_key(request.scope)
    if key is None:
        return OPERATOR if request.scope.get(LOCAL) else ANONYMOUS
    podd = api_of(request).podd
    caller = await podd.store.read(accounts.caller_of, key, podd.keys, podd.operator_key_hash)
    if caller is None:
        raise Unauthenticated("invalid api key")
    return caller


async def known_caller_of(request: AnyRequest) -> Caller:
    """As `caller_of`, but somebody it must be."""
    caller = await caller_of(request)
    if caller is ANONYMOUS:
        raise Unauthenticated("no token provided")
    return caller


async def read_body(request: AnyRequest, limit: int, shown_limit: str) -> bytes:
    """The whole body, if it is not longer than `limit` bytes. Raises TooLarge before reading more."""
    message = f"exceeded max body size of {shown_limit}"
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > limit:
        raise TooLarge(message)
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise TooLarge(message)
        parts.append(part)
    return b"".join(parts)


def mebibytes(size: int) -> str:
    return f"{size // (1024 * 1024)}MiB"
