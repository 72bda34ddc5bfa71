"""Long polls: wait on a bell and look again, until there is something, the time is over, the client has
gone or podd is leaving."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

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

    async def rung(self) -> bool:
        """True when it is worth looking again, False when the wait is over."""
        left = self._deadline - asyncio.get_running_loop().time()
        return left > 0 and not self.over and await self._listener.wait(left) and not self.over

    def note_gone(self) -> None:
        self.client_gone = True
        self._listener.hear()


@asynccontextmanager
async def waiting(bells: Bells, names: list[str], hold: float, receive: Receive) -> AsyncIterator[Wait]:
    """Listen to the bells for up to `hold` seconds, and for the client's leaving. The request's body must
    have been read."""
    with bells.listen(*names) as listener:
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
