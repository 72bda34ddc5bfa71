"""Load-balancing endpoints: a request is let in by its key, waits for a worker, and goes to the one with the
fewest requests."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

from litestar.types import Receive, ReceiveMessage, Scope

from podd.api.context import presented_keys
from podd.api.errors import STATUS
from podd.domain.account import Caller
from podd.domain.balancing import Affinity, Bond, choose
from podd.domain.errors import PoddError, Unauthenticated
from podd.proxy.forward import Upstream, header, too_large
from podd.proxy.health import Checks
from podd.proxy.kept import Kept
from podd.proxy.refusal import Refusal
from podd.proxy.routes import EndpointCall
from podd.services import accounts, balancing, jobs
from podd.services.balancing import Member, Pool
from podd.services.platform import AUTOSCALE, Platform
from podd.store import workloads
from podd.store.db import Reader
from podd.wakeups import Listener

KEPT = 10_000
WORKER_ID = b"x-runpod-worker-id"
CONSUMED = frozenset({b"authorization", WORKER_ID})
AHEAD = 1024 * 1024
"""Bytes of a body that are read while its request waits; more would only be held here."""


class ClientLeft(Exception):
    """Nobody is there to answer any more."""


class Balancer:
    def __init__(self, podd: Platform, checks: Checks) -> None:
        self._podd = podd
        self._good = checks.good
        self._settings = podd.settings.load_balancer

        async def ask(endpoint_id: str) -> Pool | None:
            return await podd.store.read(balancing.pool, endpoint_id)

        self._let_in_before: set[tuple[str, ...]] = set()
        self._as_of = -1
        self._pools = Kept(podd.bells, workloads.crew_bell, ask, KEPT)

    @asynccontextmanager
    async def admit(self, scope: Scope, receive: "Ahead", route: EndpointCall) -> AsyncIterator[Upstream]:
        """A worker for the request, which counts as with it until the end. Raises Refusal, ClientLeft."""
        await self._let_in(scope, route.endpoint_id)
        length = header(scope, b"content-length")
        if length.isdigit() and int(length) > self._settings.body_bytes:
            raise too_large(self._settings.body_bytes)
        affinity = Affinity.parse(header(scope, WORKER_ID))
        with ExitStack() as hold:
            member = await self._taken(route.endpoint_id, affinity, receive, hold)
            yield Upstream(
                member.address,
                member.service.port,
                route.path or "/",
                route.prefix,
                without=CONSUMED,
                answer_headers=[(WORKER_ID, member.worker_id.encode())],
                most=self._settings.body_bytes,
                seconds=self._settings.processing_seconds or None,
            )

    # Private

    async def _let_in(self, scope: Scope, endpoint_id: str) -> None:
        """Who was let in before is let in again for as long as nothing at all was written: so a key that is
        revoked opens nothing any more."""
        shown = presented_keys(scope["headers"])
        asked, changes = (endpoint_id, *shown), self._podd.store.changes
        if changes != self._as_of or len(self._let_in_before) >= KEPT:
            self._let_in_before.clear()
            self._as_of = changes
        if asked in self._let_in_before:
            return
        try:
            await self._podd.store.read(_own_endpoint, self._podd, shown, endpoint_id)
        except PoddError as error:
            raise Refusal(STATUS.get(type(error), 400), error.message) from error
        if changes == self._as_of:
            self._let_in_before.add(asked)

    async def _taken(
        self, endpoint_id: str, affinity: Affinity | None, receive: "Ahead", hold: ExitStack
    ) -> Member:
        """An open worker; the request counts as with it for as long as `hold` lasts."""
        member = self._take(await self._pool(endpoint_id), affinity, hold)
        if member is not None:
            return member
        podd = self._podd
        if affinity is not None and affinity.bond is Bond.RESUME:
            wanted = affinity.worker_id
            await podd.store.write(balancing.wake, podd, endpoint_id, wanted, podd.clock.now())
        leaving = asyncio.create_task(receive.until_left())
        try:
            with (
                podd.traffic.one_waits(endpoint_id),
                podd.bells.listen(workloads.crew_bell(endpoint_id)) as bell,
            ):
                podd.bells.ring([AUTOSCALE])
                return await self._awaited(endpoint_id, affinity, bell, leaving, hold)
        finally:
            leaving.cancel()
            await asyncio.gather(leaving, return_exceptions=True)

    async def _awaited(
        self,
        endpoint_id: str,
        affinity: Affinity | None,
        bell: Listener,
        leaving: asyncio.Task[None],
        hold: ExitStack,
    ) -> Member:
        strict = affinity is not None and affinity.bond is not Bond.SOFT
        seconds = self._settings.affinity_wait_seconds if strict else self._settings.wait_seconds
        clock = asyncio.get_running_loop().time
        ends = clock() + seconds
        while True:
            pool = await self._pool(endpoint_id)
            member = self._take(pool, affinity, hold)
            if member is not None:
                return member
            if self._podd.bells.closed:
                raise Refusal(503, "podd is shutting down; send the request again shortly.")
            if clock() >= ends or pool.endpoint.workers_max == 0:
                raise _nobody(pool, strict)
            rung = asyncio.create_task(bell.wait(ends - clock()))
            await asyncio.wait({rung, leaving}, return_when=asyncio.FIRST_COMPLETED)
            rung.cancel()
            if leaving.done():
                raise ClientLeft

    async def _pool(self, endpoint_id: str) -> Pool:
        """The endpoint's workers as they are at this moment: nothing was awaited since they were read."""
        while (pool := self._pools.at_hand(endpoint_id)) is None:
            if await self._pools.get(endpoint_id) is None:
                raise Refusal(404, "endpoint not found")
        return pool

    def _take(self, pool: Pool, affinity: Affinity | None, hold: ExitStack) -> Member | None:
        """Choose a worker and count the request, in one go: a worker is only let go when it has none."""
        if affinity is not None and affinity.bond is not Bond.SOFT and affinity.worker_id not in pool.crew:
            raise Refusal(404, "affinity_worker_gone")
        able = [m.worker_id for m in pool.members.values() if m.ready and not m.closed and self._good(m)]
        chosen = choose(able, self._podd.traffic.busy, affinity)
        if chosen is None:
            return None
        hold.callback(self._podd.bells.ring, [AUTOSCALE])
        hold.enter_context(self._podd.traffic.one_more(pool.endpoint.id, chosen, self._podd.clock.now))
        return pool.members[chosen]


class Ahead:
    """A request's messages, some of them read before somebody wants them: only so is it heard that the client
    leaves."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._read: deque[ReceiveMessage] = deque()

    async def __call__(self) -> ReceiveMessage:
        return self._read.popleft() if self._read else await self._receive()

    async def until_left(self) -> None:
        """Returns when the client has left; never, once it has sent more than is to be held."""
        size = 0
        while True:
            message = await self._receive()
            self._read.append(message)
            if message["type"] in ("http.disconnect", "websocket.disconnect"):
                return
            size += len(message.get("body") or b"")  # type: ignore[arg-type]
            if size >= AHEAD:
                await asyncio.Event().wait()


def _nobody(pool: Pool, strict: bool) -> Refusal:
    if strict:
        return Refusal(400, "worker_timeout")
    return Refusal(400, "timed out waiting for worker" if pool.crew else "no workers available")


def _own_endpoint(db: Reader, podd: Platform, shown: list[str], endpoint_id: str) -> None:
    caller = next(filter(None, (_caller(db, podd, key) for key in shown)), None)
    if caller is None:
        raise Unauthenticated("invalid api key" if shown else "no token provided")
    jobs.balanced_endpoint(db, caller, endpoint_id)


def _caller(db: Reader, podd: Platform, key: str) -> Caller | None:
    return accounts.caller_of(db, key, podd.keys, podd.operator_key_hash, podd.clock.now())
