"""Keeps containers away from this host's own services, and says when that cannot be."""

import asyncio

import structlog

from podd.ports import Engine, EngineError

log = structlog.get_logger()


class Fence:
    """`port` is podd's own, which containers need."""

    def __init__(self, engine: Engine, port: int) -> None:
        self._engine = engine
        self._port = port
        self._problem: str | None = None

    async def tick(self, _now: int) -> None:
        try:
            problem = await asyncio.to_thread(self._engine.guard_host, self._port)
        except EngineError:
            return  # an engine that is away runs nothing new, and the reconciler says so
        if problem and problem != self._problem:
            log.warning(
                "containers can reach this host's services",
                reason=problem,
                advice="podd doctor says what to do",
            )
        if self._problem and not problem:
            log.info("containers are kept from this host's services")
        self._problem = problem
