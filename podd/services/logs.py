"""Following a workload: what its containers write and what happens to it, as one stream of entries.

An entry's place is its time and a number among those of the same millisecond. Both are the same whenever
the log is read again, so a reader that comes back names the last place it saw and misses nothing.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass

from podd.domain.workload import Phase, Workload
from podd.ports import Engine
from podd.services.log_pump import Line, Place, Pump
from podd.services.platform import Platform
from podd.store import events, workloads
from podd.wakeups import Listener

CONTAINER, SYSTEM = "container", "system"
MOST_FOLLOWERS = 256
MOST_EVENTS = 5000

# After the first of several entries, the others have this long to take their place before it.
_GATHER = 0.05
_LOOK_AGAIN = 2.0


@dataclass(frozen=True, slots=True)
class Entry:
    source: str
    place: Place
    text: str


@dataclass(frozen=True, slots=True)
class LogWish:
    """Which entries: of these sources, those after a place, or else the last `tail` of the past; in any
    case all that come."""

    sources: frozenset[str] = frozenset({CONTAINER, SYSTEM})
    tail: int = 100
    after: Place | None = None


class Logs:
    """The logs of all workloads. `full`: no more can be followed now."""

    def __init__(self, podd: Platform, engine: Engine) -> None:
        self._podd = podd
        self._engine = engine
        self.followers = 0

    @property
    def full(self) -> bool:
        return self.followers >= MOST_FOLLOWERS

    async def follow(self, workload: Workload, wish: LogWish) -> AsyncGenerator[list[Entry], None]:
        """Batches of entries, the past as the first, until the workload is gone or podd leaves. Whoever
        stops reading must close the iterator."""
        self.followers += 1
        with self._podd.bells.listen(events.bell(workload.id)) as bell:
            follower = _Follower(self._podd, self._engine, workload, wish, bell)
            try:
                yield await follower.past()
                while not (follower.over or self._podd.bells.closed):
                    if await bell.wait(_LOOK_AGAIN):
                        await asyncio.sleep(_GATHER)
                    yield await follower.news()
            finally:
                follower.close()
                self.followers -= 1


# Private


class _Follower:
    """One reader of one workload."""

    def __init__(
        self, podd: Platform, engine: Engine, workload: Workload, wish: LogWish, bell: Listener
    ) -> None:
        self._podd = podd
        self._engine = engine
        self._workload = workload
        self._wish = wish
        self._bell = bell
        self._last_event = 0
        self._pump: Pump | None = None
        self.over = False

    async def past(self) -> list[Entry]:
        """What there is already. From here on, everything is heard of."""
        wish = self._wish
        if self._workload.phase is not Phase.NONE:
            # Those who come back read from their place, whatever comes between.
            self._open(None if wish.after else wish.tail, wish.after or Place(0, 0))
        entries = await self._happened()
        while self._pump is not None and not self._pump.settled and not self._podd.bells.closed:
            await self._bell.wait(_LOOK_AGAIN)
        # Lines that have come meanwhile are no part of the past: they are next.
        self._bell.hear()
        entries = _ordered(entries, _entries(self._pump.take_past() if self._pump else []))
        if wish.after is not None:
            return [entry for entry in entries if entry.place > wish.after]
        return entries[-wish.tail :] if wish.tail else []

    async def news(self) -> list[Entry]:
        """What came since the last look."""
        fresh = await self._podd.store.read(workloads.get, self._workload.id)
        happened = await self._happened()
        written = self._written()
        self.over = fresh is None
        if fresh is not None:
            self._workload = fresh
            self._go_on()
        return _ordered(happened, written)

    def close(self) -> None:
        if self._pump is not None:
            self._pump.close()

    async def _happened(self) -> list[Entry]:
        if SYSTEM not in self._wish.sources:
            return []
        found = await self._podd.store.read(events.of, self._workload.id, MOST_EVENTS, after=self._last_event)
        if found:
            self._last_event = found[-1].id
        return [Entry(SYSTEM, Place(event.at, event.id), event.text) for event in found]

    def _written(self) -> list[Entry]:
        return _entries([*self._pump.take_past(), *self._pump.take()]) if self._pump else []

    def _go_on(self) -> None:
        """Follow the container that runs now, when the one that was followed has ended."""
        if self._workload.phase is not Phase.RUNNING:
            return
        if self._pump is None:
            self._open(None, Place(0, 0))
        elif self._pump.drained:
            self._pump.close()
            self._open(None, self._pump.last)

    def _open(self, tail: int | None, after: Place) -> None:
        if CONTAINER not in self._wish.sources:
            return
        loop, bell = asyncio.get_running_loop(), self._bell

        def hear() -> None:
            with suppress(RuntimeError):  # the loop is gone
                loop.call_soon_threadsafe(bell.hear)

        self._pump = Pump(self._engine, self._workload.container_name, tail, after, hear)
        self._pump.start()


def _entries(lines: list[Line]) -> list[Entry]:
    return [Entry(CONTAINER, line.place, line.text) for line in lines]


def _ordered(happened: list[Entry], written: list[Entry]) -> list[Entry]:
    return sorted([*happened, *written], key=lambda entry: entry.place)
