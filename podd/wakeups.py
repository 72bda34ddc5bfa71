"""Bells: how one part of the daemon tells another that a row may have changed.

A ring carries no news. Whoever waits re-reads the database, so a lost ring costs one poll interval and
nothing else. Listen first, then read, then wait: that order cannot miss a ring.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

CLOSING = ""
"""The bell everybody hears: podd is leaving."""


class Listener:
    """Somebody waiting for one or more bells."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def hear(self) -> None:
        self._rung.set()

    @property
    def rung(self) -> bool:
        """Whether a bell rang since the last wait."""
        return self._rung.is_set()

    async def wait(self, seconds: float) -> bool:
        """True when a bell rang since the last wait (also before this call); False after `seconds`."""
        try:
            async with asyncio.timeout(max(seconds, 0)):
                await self._rung.wait()
        except TimeoutError:
            return False
        self._rung.clear()
        return True


class _Teller:
    """Somebody who is told at once."""

    def __init__(self, tell: Callable[[], object]) -> None:
        self.hear = tell


class Bells:
    """All bells of the daemon, by name. Ring from any thread; listen on the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._loop = loop or asyncio.get_running_loop()
        self._listeners: defaultdict[str, set[Listener | _Teller]] = defaultdict(set)
        self._lines: defaultdict[str, dict[Listener, None]] = defaultdict(dict)
        self.closed = False

    def ring(self, names: Iterable[str]) -> None:
        with suppress(RuntimeError):  # the loop is gone, and all who listened with it
            self._loop.call_soon_threadsafe(self._ring, tuple(names))

    @contextmanager
    def stand_in_line(self, name: str, listener: Listener) -> Iterator[None]:
        """Among many who want what only one of them can have, the first hears the bell; the next when that
        one leaves with a ring it has not waited for."""
        line = self._lines[name]
        line[listener] = None
        try:
            yield
        finally:
            was_first = next(iter(line)) is listener
            del line[listener]
            if not line:
                del self._lines[name]
            elif was_first and listener.rung:
                next(iter(line)).hear()

    @contextmanager
    def listen(self, *names: str) -> Iterator[Listener]:
        listener = Listener()
        names = (*names, CLOSING)
        for name in names:
            self._listeners[name].add(listener)
        if self.closed:
            listener.hear()
        try:
            yield listener
        finally:
            for name in names:
                self._listeners[name].discard(listener)
                if not self._listeners[name]:
                    del self._listeners[name]

    @contextmanager
    def telling(self, name: str, tell: Callable[[], object]) -> Iterator[None]:
        """Call `tell`, on the event loop, each time the bell rings; not when podd is leaving."""
        teller = _Teller(tell)
        self._listeners[name].add(teller)
        try:
            yield
        finally:
            self._listeners[name].discard(teller)
            if not self._listeners[name]:
                del self._listeners[name]

    def close(self) -> None:
        """The daemon is leaving: whoever waits is woken, and finds `closed` set."""
        self.closed = True
        self._ring((CLOSING,))

    def _ring(self, names: tuple[str, ...]) -> None:
        for name in names:
            for listener in tuple(self._listeners.get(name, ())):
                listener.hear()
            for first in self._lines.get(name, ()):
                first.hear()
                break
