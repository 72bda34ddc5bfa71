"""Answers of the database that are read once and kept until their bell rings.

A ring that comes while the question is being asked spoils the answer for later askers, so what is kept is
never older than the last ring.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Generic, TypeVar

from podd.wakeups import Bells, Listener

T = TypeVar("T")


@dataclass
class _Answer(Generic[T]):
    value: T
    bell: Listener
    hold: ExitStack


class Kept(Generic[T]):
    """`ask` is the question for one key, `bell` what rings when its answer may have changed. At most `most`
    answers are kept, those used last; None is not kept."""

    def __init__(
        self, bells: Bells, bell: Callable[[str], str], ask: Callable[[str], Awaitable[T | None]], most: int
    ) -> None:
        self._bells = bells
        self._bell = bell
        self._ask = ask
        self._most = most
        self._answers: OrderedDict[str, _Answer[T]] = OrderedDict()

    async def get(self, key: str) -> T | None:
        kept = self.at_hand(key)
        if kept is not None:
            return kept
        hold = ExitStack()
        bell = hold.enter_context(self._bells.listen(self._bell(key)))
        value = None
        try:
            value = await self._ask(key)
        finally:
            if value is None or bell.rung:
                hold.close()
        if value is not None and not bell.rung:
            self._drop(key)
            self._answers[key] = _Answer(value, bell, hold)
            while len(self._answers) > self._most:
                self._drop(next(iter(self._answers)))
        return value

    def at_hand(self, key: str) -> T | None:
        """The answer if it is kept and no bell has rung since."""
        kept = self._answers.get(key)
        if kept is None:
            return None
        if kept.bell.rung:
            self._drop(key)
            return None
        self._answers.move_to_end(key)
        return kept.value

    def _drop(self, key: str) -> None:
        kept = self._answers.pop(key, None)
        if kept is not None:
            kept.hold.close()
