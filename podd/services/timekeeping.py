"""The machine's clock may jump: it slept, or somebody set it. Jobs that run and containers that start notice
nothing of it."""

import structlog

from podd.services.platform import Platform
from podd.store import jobs, workloads
from podd.store.db import Tx

log = structlog.get_logger()


class Timekeeper:
    """Compares, at each tick, the time that has passed on the clock with the time that has really passed."""

    def __init__(self, podd: Platform) -> None:
        self._podd = podd
        self._wall, self._monotonic = podd.clock.now(), podd.clock.monotonic()

    async def tick(self) -> None:
        """After a jump, move what is measured from stored times. To be done before anything is measured."""
        clock = self._podd.clock
        now, monotonic = clock.now(), clock.monotonic()
        passed = monotonic - self._monotonic
        jump = now - self._wall - passed
        if abs(jump) > self._podd.settings.limits.clock_jump_seconds * 1000:
            log.warning("the clock has jumped", milliseconds=jump)
            await self._podd.store.write(_shift_times, jump, settled_from=now - passed, now=now)
        self._wall, self._monotonic = now, monotonic


def _shift_times(tx: Tx, by: int, *, settled_from: int, now: int) -> None:
    jobs.shift_times(tx, by, settled_from=settled_from, now=now)
    workloads.shift_times(tx, by, settled_from=settled_from, now=now)
