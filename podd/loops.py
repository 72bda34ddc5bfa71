"""What the daemon does again and again: one table of name, interval, bells and tick.

APScheduler keeps the intervals. A bell runs a tick before its time; one that rings while the tick runs
makes it run once more. A tick that fails is logged and tried again at its next time.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from podd.ports import Clock
from podd.wakeups import Bells

log = structlog.get_logger()


@dataclass(frozen=True)
class Loop:
    """`tick` is called with the time, every `seconds` and when one of `bells` rings."""

    name: str
    seconds: float
    tick: Callable[[int], Awaitable[None]]
    bells: tuple[str, ...] = ()


Heard = Callable[[str, int, bool], None]
"""Told after each tick: the loop's name, how many milliseconds it took, whether it failed."""


def nobody(_name: str, _milliseconds: int, _failed: bool) -> None:
    """Hears of a tick and does nothing."""


class Loops:
    def __init__(self, loops: list[Loop], bells: Bells, clock: Clock, heard: Heard = nobody) -> None:
        self._loops = loops
        self._bells = bells
        self._clock = clock
        self._heard = heard
        self._scheduler = AsyncIOScheduler(timezone="UTC")
        self._listening: list[asyncio.Task[None]] = []

    def start(self) -> None:
        for loop in self._loops:
            turn = _Turn(loop, self._clock, self._heard)
            self._scheduler.add_job(
                turn.run, "interval", seconds=loop.seconds, max_instances=1, coalesce=True, name=loop.name
            )
            self._listening.append(asyncio.create_task(self._obey_bells(loop, turn), name=loop.name))
        self._scheduler.start()

    async def stop(self) -> None:
        self._scheduler.shutdown(wait=False)
        for task in self._listening:
            task.cancel()
        await asyncio.gather(*self._listening, return_exceptions=True)

    async def _obey_bells(self, loop: Loop, turn: "_Turn") -> None:
        with self._bells.listen(*loop.bells) as bell:
            while not self._bells.closed:
                await turn.run()
                await bell.wait(3600)


class _Turn:
    """One tick at a time; wishes that come meanwhile are one wish."""

    def __init__(self, loop: Loop, clock: Clock, heard: Heard) -> None:
        self._loop = loop
        self._clock = clock
        self._heard = heard
        self._running = False
        self._again = False

    async def run(self) -> None:
        self._again = True
        if self._running:
            return
        self._running = True
        try:
            while self._again:
                self._again = False
                await self._tick()
        finally:
            self._running = False

    async def _tick(self) -> None:
        begun, failed = self._clock.monotonic(), False
        try:
            await self._loop.tick(self._clock.now())
        except Exception:
            failed = True
            log.exception("tick failed", loop=self._loop.name)
        self._heard(self._loop.name, self._clock.monotonic() - begun, failed)
