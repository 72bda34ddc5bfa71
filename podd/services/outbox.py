"""What is delivered from rows that outlive a restart: begun when it is due, several at once, but not many of
one group, so that a receiver that hangs holds up nobody else. At least once: podd may die between the
receiver's answer and the note of it."""

import asyncio
from abc import ABC, abstractmethod
from collections import Counter

import structlog

from podd.services.platform import Platform

log = structlog.get_logger()


class Outbox(ABC):
    """Of one kind of delivery, named by number. Whoever has one says what is due, and delivers it."""

    def __init__(self, podd: Platform, what: str, bell: str, *, at_once: int, at_once_per_group: int) -> None:
        self._podd = podd
        self._what = what
        self._bell = bell
        self._at_once = at_once
        self._at_once_per_group = at_once_per_group
        self._busy: dict[int, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def tick(self, now: int) -> None:
        """Begin to deliver what is due; the end of a delivery rings for the next."""
        room = self._at_once - len(self._busy)
        if room <= 0:
            return
        # Those under way are still due, and a group may have many more than its share.
        found = await self.due(now, len(self._busy) + 16 * room)
        of_group = Counter(self._busy.values())
        for number, group in found:
            if number in self._busy or of_group[group] >= self._at_once_per_group:
                continue
            of_group[group] += 1
            self._begin(number, group)
            room -= 1
            if not room:
                return

    async def close(self) -> None:
        """Deliveries under way are broken off; they are made again after the next start."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @abstractmethod
    async def due(self, now: int, limit: int) -> list[tuple[int, str]]:
        """Number and group of up to `limit` deliveries that are due, oldest first."""

    @abstractmethod
    async def deliver(self, number: int) -> None:
        """Deliver it, and note how that went."""

    # Private

    def _begin(self, number: int, group: str) -> None:
        self._busy[number] = group
        task = asyncio.create_task(self.deliver(number), name=f"{self._what} {number}")
        self._tasks.add(task)
        task.add_done_callback(lambda task: self._ended(task, number))

    def _ended(self, task: asyncio.Task[None], number: int) -> None:
        self._tasks.discard(task)
        del self._busy[number]
        self._podd.bells.ring([self._bell])
        if not task.cancelled() and task.exception():
            log.error(f"{self._what} not delivered", number=number, exc_info=task.exception())
