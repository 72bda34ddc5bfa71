"""Ticks: at their intervals and when a bell rings, one at a time, whatever they do."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from podd.loops import Loop, Loops
from podd.wakeups import Bells
from tests.fakes import ManualClock

NEVER = 3600.0
SOON = 10
"""Seconds after which a tick that should have come has not."""


class Ticks:
    """A tick that counts, and does what the test wants meanwhile."""

    def __init__(self) -> None:
        self.times: list[int] = []
        self.at_once = 0
        self.most_at_once = 0
        self.meanwhile: Callable[[], Awaitable[None]] = no_more
        self._came = asyncio.Condition()

    async def tick(self, now: int) -> None:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        async with self._came:
            self.times.append(now)
            self._came.notify_all()
        try:
            await self.meanwhile()
        finally:
            self.at_once -= 1

    async def reach(self, number: int) -> None:
        async with asyncio.timeout(SOON), self._came:
            await self._came.wait_for(lambda: len(self.times) >= number)


async def no_more() -> None:
    return


@pytest.fixture
async def bells() -> Bells:
    return Bells()


@asynccontextmanager
async def turning(bells: Bells, *loops: Loop, clock: ManualClock | None = None) -> AsyncIterator[Loops]:
    made = Loops(list(loops), bells, clock or ManualClock())
    made.start()
    try:
        yield made
    finally:
        await made.stop()


async def settled() -> None:
    """Everybody who could go on has."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_the_first_tick_comes_at_once(bells: Bells) -> None:
    ticks = Ticks()
    async with turning(bells, Loop("a", NEVER, ticks.tick)):
        await ticks.reach(1)


async def test_ticks_come_again_and_again(bells: Bells) -> None:
    ticks = Ticks()
    async with turning(bells, Loop("a", 0.01, ticks.tick)):
        await ticks.reach(3)


async def test_a_bell_brings_a_tick_before_its_time(bells: Bells) -> None:
    ticks = Ticks()
    async with turning(bells, Loop("a", NEVER, ticks.tick, ("bell",))):
        await ticks.reach(1)
        for number in (2, 3):
            bells.ring(["bell"])
            await ticks.reach(number)


async def test_another_bell_brings_none(bells: Bells) -> None:
    ticks = Ticks()
    async with turning(bells, Loop("a", NEVER, ticks.tick, ("bell",))):
        await ticks.reach(1)
        bells.ring(["other"])
        await settled()
        assert len(ticks.times) == 1


async def test_a_tick_is_told_the_time(bells: Bells) -> None:
    ticks, clock = Ticks(), ManualClock(1000)
    async with turning(bells, Loop("a", NEVER, ticks.tick, ("bell",)), clock=clock):
        await ticks.reach(1)
        clock.advance(seconds=5)
        bells.ring(["bell"])
        await ticks.reach(2)
    assert ticks.times == [1000, 6000]


async def test_bells_that_ring_during_a_tick_bring_one_more(bells: Bells) -> None:
    ticks, go_on = Ticks(), asyncio.Event()

    async def wait() -> None:
        await go_on.wait()

    async with turning(bells, Loop("a", NEVER, ticks.tick, ("bell",))):
        await ticks.reach(1)
        await settled()
        ticks.meanwhile = wait
        bells.ring(["bell"])
        await ticks.reach(2)
        for _ in range(5):
            bells.ring(["bell"])
            await settled()
        assert len(ticks.times) == 2
        go_on.set()
        await ticks.reach(3)
        await settled()
        assert len(ticks.times) == 3


async def test_a_bell_that_rings_during_a_tick_of_the_interval_brings_one_more(bells: Bells) -> None:
    ticks, go_on = Ticks(), asyncio.Event()

    async def wait() -> None:
        await go_on.wait()

    async with turning(bells, Loop("a", 0.01, ticks.tick, ("bell",))) as loops:
        await ticks.reach(1)
        await settled()
        ticks.meanwhile = wait
        await ticks.reach(len(ticks.times) + 1)
        loops._scheduler.pause()
        bells.ring(["bell"])
        await settled()
        number = len(ticks.times)
        go_on.set()
        await ticks.reach(number + 1)


async def test_a_tick_never_runs_beside_itself(bells: Bells) -> None:
    """The interval and the bell both want it while it takes its time."""
    ticks = Ticks()

    async def a_while() -> None:
        await asyncio.sleep(0.02)

    ticks.meanwhile = a_while
    async with turning(bells, Loop("a", 0.005, ticks.tick, ("bell",))):
        for number in range(1, 6):
            bells.ring(["bell"])
            await ticks.reach(number)
    assert ticks.most_at_once == 1


async def test_a_tick_that_fails_is_logged_and_tried_again(bells: Bells) -> None:
    ticks = Ticks()

    async def fail() -> None:
        raise OSError("no luck")

    ticks.meanwhile = fail
    with capture_logs() as said:
        async with turning(bells, Loop("mine", NEVER, ticks.tick, ("bell",))):
            await ticks.reach(1)
            bells.ring(["bell"])
            await ticks.reach(2)
            await settled()
    assert [(line["event"], line["loop"]) for line in said] == [("tick failed", "mine")] * 2


async def test_one_loop_that_hangs_does_not_hold_up_another(bells: Bells) -> None:
    hanging, well = Ticks(), Ticks()

    async def hang() -> None:
        await asyncio.Event().wait()

    hanging.meanwhile = hang
    async with turning(bells, Loop("a", NEVER, hanging.tick), Loop("b", NEVER, well.tick, ("bell",))):
        await hanging.reach(1)
        await well.reach(1)
        bells.ring(["bell"])
        await well.reach(2)


async def test_after_stopping_no_tick_begins(bells: Bells) -> None:
    ticks = Ticks()
    async with turning(bells, Loop("a", 0.01, ticks.tick, ("bell",))):
        await ticks.reach(1)
    number = len(ticks.times)
    bells.ring(["bell"])
    await asyncio.sleep(0.05)
    assert len(ticks.times) == number


async def test_leaving_brings_no_tick(bells: Bells) -> None:
    """A tick begins work; a daemon that leaves is not to begin any."""
    ticks = Ticks()
    async with turning(bells, Loop("a", NEVER, ticks.tick, ("bell",))):
        await ticks.reach(1)
        await settled()
        bells.close()
        await settled()
        assert len(ticks.times) == 1
