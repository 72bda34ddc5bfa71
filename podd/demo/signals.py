"""Ctrl-C and its kin, heard only where the demo can be left."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

HEARD = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """Somebody wants the demo to end. Not an Exception: nobody on the way may take it for a failure."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


class Signals:
    """A context in which INT, TERM and HUP end nothing by themselves. Inside `heeded` they raise Interrupted,
    also when they came before; elsewhere they do nothing, so that the clean-up is done in full."""

    def __init__(self) -> None:
        self._came: int | None = None
        self._heed = False
        self._before: dict[int, Any] = {}
        self._complain = sys.unraisablehook

    def __enter__(self) -> Self:
        for number in HEARD:
            if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
                self._before[number] = signal.signal(number, self._hear)
        self._complain, sys.unraisablehook = sys.unraisablehook, self._pass_over
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)  # see `guard`
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        sys.unraisablehook = self._complain

    @contextmanager
    def heeded(self) -> Iterator[None]:
        self._heed = True
        try:
            if self._came is not None:
                raise Interrupted(self._came)
            yield
        finally:
            self._heed = False

    def _pass_over(self, what: Any) -> None:
        """One that comes while Python tidies up can end nothing there, and does so at the next `heeded`."""
        if not isinstance(what.exc_value, Interrupted):
            self._complain(what)

    def _hear(self, number: int, _frame: FrameType | None) -> None:
        self._came = number
        if self._heed:
            raise Interrupted(number)
