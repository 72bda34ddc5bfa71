"""Long polls: wait on a bell and look again, until there is something, the time is over, the client has
gone or podd is leaving."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from weakref import WeakValueDictionary

from litestar.types import Receive

from podd.wakeups import Bells, Listener


class Wait:
    """One client that waits."""

    def __init__(self, bells: Bells, listener: Listener, hold: float) -> None:
        self._bells = bells
        self._listener = listener
        self._deadline = asyncio.get_running_loop().time() + hold
        self.client_gone = False

    @property
    def over(self) -> bool:
        return self.client_gone or self._bells.closed

    @property
    def left(self) -> float:
        """Seconds; negative when the wait is over."""
        return self._deadline - asyncio.get_running_loop().time()

    async def rung(self) -> bool:
        """True when it is worth looking again, False when the wait is over."""
        left = self.left
        if left <= 0 or self.over or not await self._listener.wait(left):
            return False
        if self.client_gone or self._bells.closed:
            self._listener.hear()  # for the next in the line, if there is one
            return False
        return True

    def note_gone(self) -> None:
        self.client_gone = True
        self._listener.hear()


class Turns:
    """Whoever needs something for themselves waits for their turn at it."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def at(self, name: str, seconds: float) -> AsyncIterator[bool]:
        """The caller's turn for the length of the block; False when it has not come within `seconds`."""
        lock = self._locks.get(name)
        if lock is None:
            lock = self._locks[name] = asyncio.Lock()
        try:
            async with asyncio.timeout(max(seconds, 0)):
                await lock.acquire()
        except TimeoutError:
            yield False
            return
        try:
            yield True
        finally:
            lock.release()


@asynccontextmanager
async def waiting(
    bells: Bells, names: list[str], hold: float, receive: Receive, *, line: str = ""
) -> AsyncIterator[Wait]:
    """Listen to the bells for up to `hold` seconds, and for the client's leaving; to `line` as one of a line
    of others. The request's body must have been read."""
    with (
        bells.listen(*names) as listener,
        bells.stand_in_line(line, listener) if line else nullcontext(),
    ):
        wait = Wait(bells, listener, hold)
        watch = asyncio.create_task(_watch(receive, wait))
        try:
            yield wait
        finally:
            watch.cancel()


async def _watch(receive: Receive, wait: Wait) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    wait.note_gone()
