"""What stands before everything: where a request comes from, what of it belongs into the audit log although
it was refused, and its end when the key it showed is taken away.

Whatever a key has open, an event stream, a long poll, a WebSocket or an upload to a program, ends here and in
no route: the request's task is cancelled as if its client had gone.
"""

import asyncio
import json
import time
from contextlib import ExitStack, suppress
from typing import cast

import structlog
from litestar.enums import ScopeType
from litestar.types import (
    ASGIApp,
    HTTPResponseBodyEvent,
    HTTPResponseStartEvent,
    Message,
    Receive,
    Scope,
    Send,
)

from podd.api.errors import TITLES, shape_for, surface_of
from podd.domain.account import ANONYMOUS, Caller, Origin
from podd.domain.audit import shortened
from podd.domain.errors import StorageFailed
from podd.ids import key_hash
from podd.services import audit, revocation
from podd.services.platform import Platform

log = structlog.get_logger()

_VISIT = "podd.visit"
GONE = "invalid api key"
"""What anybody is told who shows a key that is none."""
POLICY_VIOLATION = 1008


class Visit:
    """One request, or one WebSocket, and who came with it."""

    def __init__(self, podd: Platform, scope: Scope) -> None:
        self.origin = Origin(_address(scope), surface_of(scope["path"]), shortened(_agent(scope)))
        self.caller: Caller = ANONYMOUS
        self.cut_off = False
        self._podd = podd
        self._task = asyncio.current_task()
        self._hold = ExitStack()

    def ends_with(self, shown: str) -> None:
        """End the visit once what was shown, a key or a session's token, is taken away. To be said before
        the database is asked whose it is: so nothing is missed in between."""
        self.ends_with_hash(key_hash(shown))

    def ends_with_hash(self, shown_hash: str) -> None:
        bell = revocation.bell(shown_hash)
        self._hold.enter_context(self._podd.bells.telling(bell, self._cut_off))

    def note(self, caller: Caller) -> None:
        """This is who came."""
        self.caller = caller
        self._podd.uses.note(caller, self._podd.clock.now())

    def stay(self) -> None:
        """See this request through, whatever becomes of what it showed: it is what takes it away."""
        self._hold.close()

    def close(self) -> None:
        self._hold.close()

    def _cut_off(self) -> None:
        if not self.cut_off and self._task is not None:
            self.cut_off = True
            self._task.cancel()


def visit_of(scope: Scope) -> Visit:
    visit: Visit = scope[_VISIT]  # type: ignore[literal-required]
    return visit


class Reception:
    """Before all of `app`."""

    def __init__(self, app: ASGIApp, podd: Platform) -> None:
        self._app = app
        self._podd = podd
        self._instruments = podd.instruments

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        visit = Visit(self._podd, scope)
        scope[_VISIT] = visit  # type: ignore[literal-required]
        begun, status, since = False, 0, time.perf_counter()

        async def sending(message: Message) -> None:
            nonlocal begun, status
            if not begun:
                await self._note_refused(visit)
                begun = True
                if message["type"] == "http.response.start":
                    status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not visit.cut_off or task is None or task.uncancel():
                raise
        finally:
            visit.close()
            if status:  # neither WebSockets nor who left before the answer
                self._instruments.note_request(visit.origin.surface, status, time.perf_counter() - since)
        if visit.cut_off:
            with suppress(OSError):
                await _say_so(scope, send, begun)
        await self._note_refused(visit)

    async def _note_refused(self, visit: Visit) -> None:
        """Before it is answered, so that whoever is refused finds it written down."""
        if not visit.origin.refused:
            return
        refused = tuple(visit.origin.refused)
        visit.origin.refused.clear()
        try:
            await self._podd.store.write(audit.note_refused, self._podd, visit.caller, refused)
        except StorageFailed as error:
            log.error("refusal is not in the audit log", operations=refused, reason=error.message)


# Private


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else ""


def _agent(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"user-agent":
            return value.decode("latin-1")
    return ""


async def _say_so(scope: Scope, send: Send, begun: bool) -> None:
    """Of an answer that has begun nothing more is said; without a proper end it is not taken for all."""
    if scope["type"] == ScopeType.WEBSOCKET:
        await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": GONE})
    elif not begun:
        shape, media_type = shape_for(scope["path"])
        body = json.dumps(shape(401, TITLES[401], GONE)).encode()
        headers = [
            (b"content-type", media_type.encode()),
            (b"content-length", str(len(body)).encode()),
        ]
        start = {"type": "http.response.start", "status": 401, "headers": headers}
        await send(cast(HTTPResponseStartEvent, start))
        await send(
            cast(HTTPResponseBodyEvent, {"type": "http.response.body", "body": body, "more_body": False})
        )
