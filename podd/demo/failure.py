"""How the demo fails, and how it waits without waiting for ever."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

LOOK_AGAIN = 0.1


class DemoError(Exception):
    """The demo cannot go on. The message is one sentence that says why."""


def wait_for(what: str, look: Callable[[], T | None], seconds: float = 60) -> T:
    """The first thing `look` finds. Raises DemoError when there is none in time; `look` may raise as well."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found is not None:
            return found
        if time.monotonic() > deadline:
            raise DemoError(f"Waited {seconds:.0f} s in vain for {what}.")
        time.sleep(LOOK_AGAIN)
