"""Asks the workers of load-balancing endpoints how they are, again and again."""

import asyncio

import aiohttp
import structlog
from yarl import URL

from podd.domain.balancing import Health
from podd.services import balancing
from podd.services.balancing import Member, Pool
from podd.services.platform import Platform
from podd.store import workloads

log = structlog.get_logger()


class Checks:
    """What the last check of each container said. One that was ready before and was not asked yet counts as
    good: it was when podd last looked."""

    def __init__(self, podd: Platform) -> None:
        self._podd = podd
        self._said: dict[tuple[str, int], Health] = {}
        self._asking: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._session: aiohttp.ClientSession | None = None

    def good(self, member: Member) -> bool:
        said = self._said.get(_key(member))
        return said is Health.HEALTHY or (said is None and member.ready)

    async def tick(self, _now: int) -> None:
        """Begin a check of every container; one that still thinks about the last is not asked again."""
        pools = await self._podd.store.read(balancing.pools)
        members = {_key(member): (pool, member) for pool in pools for member in pool.members.values()}
        self._said = {key: said for key, said in self._said.items() if key in members}
        self._podd.traffic.forget(worker_id for pool in pools for worker_id in pool.crew)
        for key, (pool, member) in members.items():
            if key not in self._asking:
                self._asking[key] = asyncio.create_task(self._check(pool, member))

    async def settle(self) -> None:
        """Wait for the checks under way."""
        await asyncio.gather(*self._asking.values())

    async def close(self) -> None:
        for task in self._asking.values():
            task.cancel()
        await asyncio.gather(*self._asking.values(), return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    # Private

    async def _check(self, pool: Pool, member: Member) -> None:
        key = _key(member)
        try:
            before, said = self._said.get(key), Health.told_by(await self._status(member))
            self._said[key] = said
            if said is Health.HEALTHY and not member.ready:
                await self._podd.store.write(balancing.note_healthy, *key, self._podd.clock.now())
            if said is not before:
                log.info("worker health", worker=member.worker_id, health=said.value)
                self._podd.bells.ring([workloads.crew_bell(pool.endpoint.id)])
        except Exception:
            log.exception("health check broke", worker=member.worker_id)
        finally:
            del self._asking[key]

    async def _status(self, member: Member) -> int | None:
        if self._session is None:
            seconds = self._podd.settings.load_balancer.health_answer_seconds
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, force_close=True),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=seconds),
                trust_env=False,
            )
        host = f"[{member.address}]" if ":" in member.address else member.address
        url = URL(f"http://{host}:{member.service.health_port}{member.service.health_path}", encoded=True)
        try:
            async with self._session.get(url, allow_redirects=False) as response:
                return response.status
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError):
            return None


def _key(member: Member) -> tuple[str, int]:
    return member.worker_id, member.generation
