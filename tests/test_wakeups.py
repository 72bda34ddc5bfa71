"""Bells: a ring reaches whoever listens, from any thread, and none is missed between looking and waiting."""

import asyncio
import threading

import pytest

from podd.wakeups import Bells

SOON = 10
"""Seconds after which a wait that should have ended has failed."""


@pytest.fixture
async def bells() -> Bells:
    return Bells()


async def test_a_ring_wakes_who_listens_to_that_bell(bells: Bells) -> None:
    with bells.listen("a") as one, bells.listen("b") as other:
        bells.ring(["a"])
        assert await one.wait(SOON)
        assert not await other.wait(0)


async def test_a_ring_wakes_everybody_who_listens(bells: Bells) -> None:
    with bells.listen("a") as one, bells.listen("a") as other:
        bells.ring(["a"])
        assert await one.wait(SOON)
        assert await other.wait(SOON)


async def test_any_of_several_bells_wakes(bells: Bells) -> None:
    for name in ("a", "b"):
        with bells.listen("a", "b") as listener:
            bells.ring([name])
            assert await listener.wait(SOON)


async def test_a_ring_between_listening_and_waiting_is_not_missed(bells: Bells) -> None:
    with bells.listen("a") as listener:
        bells.ring(["a"])
        await asyncio.sleep(0)
        assert await listener.wait(SOON)


async def test_a_ring_before_anybody_listened_is_nobodys(bells: Bells) -> None:
    bells.ring(["a"])
    await asyncio.sleep(0)
    with bells.listen("a") as listener:
        assert not await listener.wait(0)


async def test_many_rings_are_one_wish(bells: Bells) -> None:
    with bells.listen("a") as listener:
        bells.ring(["a", "a"])
        bells.ring(["a"])
        await asyncio.sleep(0)
        assert await listener.wait(SOON)
        assert not await listener.wait(0)


async def test_a_ring_while_one_works_is_heard_at_the_next_wait(bells: Bells) -> None:
    with bells.listen("a") as listener:
        bells.ring(["a"])
        assert await listener.wait(SOON)
        bells.ring(["a"])
        assert await listener.wait(SOON)


async def test_a_wait_ends_with_its_time(bells: Bells) -> None:
    with bells.listen("a") as listener:
        assert not await listener.wait(0.001)
        assert not await listener.wait(-1)


async def test_a_bell_can_be_rung_from_another_thread(bells: Bells) -> None:
    with bells.listen("a") as listener:
        thread = threading.Timer(0.02, bells.ring, args=(["a"],))  # by then the loop sleeps
        thread.start()
        assert await listener.wait(SOON)
        thread.join()


async def test_nobody_misses_a_ring_of_many_threads(bells: Bells) -> None:
    """Each thread counts, then rings; whoever is woken reads the count, in the end all of it."""
    count, lock = 0, threading.Lock()

    def work() -> None:
        nonlocal count
        for _ in range(200):
            with lock:
                count += 1
            bells.ring(["a"])

    with bells.listen("a") as listener:
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        seen = 0
        while seen < 800:
            assert await listener.wait(SOON)
            seen = count
        for thread in threads:
            thread.join()


async def test_who_has_left_is_forgotten(bells: Bells) -> None:
    with bells.listen("a"):
        pass
    bells.ring(["a"])
    await asyncio.sleep(0)
    assert not bells._listeners


async def test_closing_wakes_everybody_now_and_later(bells: Bells) -> None:
    with bells.listen("a") as one, bells.listen() as other:
        bells.close()
        assert await one.wait(SOON)
        assert await other.wait(SOON)
    assert bells.closed
    with bells.listen("a") as late:
        assert await late.wait(SOON)


def test_a_ring_after_the_loop_is_gone_is_nobodys() -> None:
    """The writer rings from its own thread, also while podd leaves."""
    loop = asyncio.new_event_loop()
    bells = Bells(loop)
    loop.close()
    bells.ring(["a"])


async def test_of_a_line_the_first_hears_and_who_leaves_unheard_passes_it_on(bells: Bells) -> None:
    with bells.listen() as last, bells.listen() as second, bells.listen() as first:
        with bells.stand_in_line("a", first):
            with bells.stand_in_line("a", second), bells.stand_in_line("a", last):
                bells.ring(["a"])
                assert await first.wait(SOON)
                assert not second.rung
                assert not last.rung
                bells.ring(["a"])
                await asyncio.sleep(0)
            assert not last.rung  # those behind may leave as they like
        with bells.stand_in_line("a", first), bells.stand_in_line("a", second):
            assert first.rung
        assert not last.rung
    assert not bells._lines


async def test_the_next_in_line_hears_what_the_first_left(bells: Bells) -> None:
    with bells.listen() as first, bells.listen() as second:
        leaving = bells.stand_in_line("a", first)
        leaving.__enter__()
        with bells.stand_in_line("a", second):
            bells.ring(["a"])
            await asyncio.sleep(0)
            assert not second.rung
            leaving.__exit__(None, None, None)
            assert await second.wait(SOON)
