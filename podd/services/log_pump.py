"""A thread that reads one container's log, as engines block, and hands it over to the event loop.

It waits while too much lies unread: a slow reader holds up its own thread and nobody else.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from podd.ports import Engine, EngineError, LogLine, LogStream

MOST_WAITING = 1000
MOST_PAST = 50_000

# Lines read besides the wanted ones, in which the past and what is followed are sure to meet.
SPARE = 500

_FIRST_LINE = 500_000_000_000
_AFTER_ALL = 999_999_999_999


class Place(NamedTuple):
    """Milliseconds, and a number within them: what happened to a workload comes before what it wrote."""

    at: int
    number: int


def end_of(at: int) -> Place:
    """The place behind everything of this millisecond."""
    return Place(at, _AFTER_ALL)


@dataclass(frozen=True, slots=True)
class Line:
    place: Place
    text: str


class Pump:
    """Lines after a place, first the past (its last `tail`, or all), then what comes until the container
    ends. `hear` is called, in the thread, when there is something new to see."""

    def __init__(
        self, engine: Engine, name: str, tail: int | None, after: Place, hear: Callable[[], None]
    ) -> None:
        self._engine = engine
        self._name = name
        self._tail = tail
        self._hear = hear
        self._past_lines: list[Line] = []
        self._lines: deque[Line] = deque()
        self._change = threading.Condition()
        self._stream: LogStream | None = None
        self._closed = False
        self._ended = False
        self.last = after
        self.settled = False
        self._thread = threading.Thread(target=self._run, name=f"podd-logs-{name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def drained(self) -> bool:
        """The container has ended, or its log cannot be read, and all that there was is taken."""
        with self._change:
            return self._ended and not (self._past_lines or self._lines)

    def take_past(self) -> list[Line]:
        """What there was when reading began; complete once `settled`."""
        with self._change:
            lines, self._past_lines = self._past_lines, []
        return lines

    def take(self) -> list[Line]:
        """The lines that have come since and wait."""
        with self._change:
            lines = list(self._lines)
            self._lines.clear()
            self._change.notify_all()
        return lines

    def close(self) -> None:
        """Read no further. Returns at once, also while the engine is busy."""
        with self._change:
            self._closed = True
            self._change.notify_all()
            stream = self._stream
        if stream is not None:
            stream.close()

    # In the thread

    def _run(self) -> None:
        try:
            past = self._past()
            with self._change:
                self._past_lines = past
                self.settled = True
            self._hear()
            # With nothing to recognise the seam by, nothing may be left out.
            self._follow((self._tail or 0) + SPARE if self.last.at else None)
        except EngineError:
            pass
        finally:
            with self._change:
                self.settled = self._ended = True
            self._hear()

    def _past(self) -> list[Line]:
        tail = None if self._tail is None else self._tail + SPARE
        lines = (line for line in _placed(self._open(tail, follow=False)) if line.place > self.last)
        past = deque(lines, MOST_PAST)
        if past:
            self.last = past[-1].place
        return list(past)

    def _follow(self, tail: int | None) -> None:
        lines = _placed(self._open(tail, follow=True))
        first = next(lines, None)
        if first is None:
            return
        if tail is not None and first.place > self.last:
            # More came in between than was read again.
            self._close_stream()
            self._follow(None)
            return
        for line in chain([first], lines):
            if line.place > self.last and not self._put(line):
                return

    def _open(self, tail: int | None, *, follow: bool) -> Iterable[LogLine]:
        stream = self._engine.logs(self._name, tail=tail, follow=follow)
        with self._change:
            self._stream = stream
            closed = self._closed
        if closed:
            stream.close()
        return stream

    def _close_stream(self) -> None:
        if self._stream is not None:
            self._stream.close()

    def _put(self, line: Line) -> bool:
        """False when nobody reads any more."""
        with self._change:
            self._change.wait_for(lambda: self._closed or len(self._lines) < MOST_WAITING)
            if self._closed:
                return False
            first = not self._lines
            self._lines.append(line)
            self.last = line.place
        if first:
            self._hear()
        return True


def _placed(lines: Iterable[LogLine]) -> Iterator[Line]:
    """Places that only grow, also where an engine's times do not."""
    at, number = -1, 0
    for line in lines:
        at, number = (line.time, 0) if line.time > at else (at, number + 1)
        yield Line(Place(at, _FIRST_LINE + number), line.line)
