"""Waiting for what happens in other threads and processes: for a condition, never for a time. How long that
may take is patience: enough for a machine that is busy with much else. Only a failing test waits so long."""

import time
from collections.abc import Callable

PATIENCE = 60


def eventually(holds: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Return as soon as it holds; fail when it does not in good time."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise AssertionError(f"It did not come to hold within {seconds} seconds.")
        time.sleep(0.01)
