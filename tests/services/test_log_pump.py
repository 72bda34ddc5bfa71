"""The thread that reads a container's log: where past and present meet, nothing is lost or repeated."""

import threading
from collections.abc import Iterator

import pytest

from podd.domain.container import ContainerSpec
from podd.ports import EngineAway, LogLine
from podd.services import log_pump
from podd.services.log_pump import Line, Place, Pump, end_of
from tests.fakes import FakeEngine, ManualClock
from tests.waiting import eventually

NAME = "podd-a-1"
START = Place(0, 0)


def running(engine: FakeEngine) -> None:
    engine.start(ContainerSpec(workload_id="a", generation=1, kind="pod", image="i"))


class Bench:
    """A running container, and a pump that reads it."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.engine = FakeEngine(images=["i"], clock=self.clock)
        running(self.engine)
        self.heard = threading.Semaphore(0)

    def say(self, *lines: str, every: float = 1) -> None:
        for line in lines:
            self.clock.advance(seconds=every)
            self.engine.say(NAME, line)

    def pump(self, tail: int | None = None, after: Place = START) -> Pump:
        pump = Pump(self.engine, NAME, tail, after, self.heard.release)
        pump.start()
        return pump


def taken(pump: Pump, count: int) -> list[Line]:
    lines: list[Line] = []

    def enough() -> bool:
        lines.extend([*pump.take_past(), *pump.take()])
        return len(lines) >= count

    eventually(enough)
    assert len(lines) == count
    return lines


def texts(lines: list[Line]) -> list[str]:
    return [line.text for line in lines]


def test_places_are_the_same_whenever_a_log_is_read_again() -> None:
    bench = Bench()
    bench.say("a")
    bench.say("b", "c", every=0)
    first, again = bench.pump(), bench.pump(after=START)
    lines = taken(first, 3)
    assert taken(again, 3) == lines
    assert len({line.place for line in lines}) == 3
    rest = bench.pump(after=lines[1].place)
    assert texts(taken(rest, 1)) == ["c"]
    later = bench.pump(after=end_of(lines[0].place.at))
    eventually(lambda: later.settled)
    assert later.take_past() == []


def test_places_only_grow_though_an_engines_times_do_not() -> None:
    times = [5, 6, 5, 5, 7]

    def lines() -> Iterator[LogLine]:
        return (LogLine(at, "stdout", str(number)) for number, at in enumerate(times))

    places = [line.place for line in log_pump._placed(lines())]
    assert places == sorted(set(places))


def test_what_comes_between_the_past_and_the_present_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_pump, "SPARE", 2)
    bench = Bench()
    bench.say("a", "b")
    pump = Pump(bench.engine, NAME, 1, START, lambda: None)
    past = pump._past()
    # More than is read again at the seam.
    bench.say(*"cdefg")
    follower = threading.Thread(target=pump._follow, args=(1 + log_pump.SPARE,))
    follower.start()
    assert texts([*past, *taken(pump, 5)]) == list("abcdefg")
    pump.close()
    follower.join(10)
    assert not follower.is_alive()


def test_a_line_that_comes_early_is_no_part_of_the_past() -> None:
    bench = Bench()
    bench.say("old")
    pump = bench.pump(tail=1)
    eventually(lambda: pump.settled)
    bench.say("new")
    eventually(lambda: pump._lines)
    assert texts(pump.take_past()) == ["old"]
    assert texts(pump.take()) == ["new"]
    pump.close()


def test_a_pump_that_nobody_empties_waits_and_can_be_closed() -> None:
    bench = Bench()
    pump = bench.pump(tail=0)
    eventually(lambda: pump.settled)
    for number in range(log_pump.MOST_WAITING + 10):
        bench.engine.say(NAME, str(number))
    eventually(lambda: len(pump._lines) >= log_pump.MOST_WAITING)
    assert len(pump._lines) <= log_pump.MOST_WAITING
    pump.close()
    eventually(lambda: not pump._thread.is_alive())


def test_it_ends_with_its_container() -> None:
    bench = Bench()
    pump = bench.pump()
    bench.say("last words")
    assert texts(taken(pump, 1)) == ["last words"]
    bench.engine.crash(NAME)
    eventually(lambda: pump.drained)


def test_an_engine_that_fails_ends_it_quietly() -> None:
    bench = Bench()
    bench.engine.fail_next("logs", EngineAway("gone"))
    pump = bench.pump()
    eventually(lambda: pump.drained)
    assert pump.settled
