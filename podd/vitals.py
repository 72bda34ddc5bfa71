"""Which parts of the daemon are alive: each says so as it works, and whoever asks compares with the clock.

`/livez`, the service manager's watchdog and `/metrics` ask the same question here. It says nothing about what
podd depends on: an engine that is away or a full disk is no reason to start the daemon anew.
"""

from collections.abc import Mapping

LOOP = "event loop"
WRITER = "writer"
RECONCILER = "reconciler"

PATIENCE: Mapping[str, int] = {LOOP: 30_000, WRITER: 60_000, RECONCILER: 180_000}
"""How long a part may be silent, in milliseconds. A reconciler's turn may wait for several answers of an
engine that hangs, each `limits.engine_timeout_seconds`."""


class Vitals:
    """Times are milliseconds of a clock that only goes forward (`Clock.monotonic`)."""

    def __init__(self, now: int, patience: Mapping[str, int] = PATIENCE) -> None:
        self._patience = patience
        self._seen = dict.fromkeys(patience, now)

    def beat(self, part: str, now: int) -> None:
        """This part has just worked."""
        self._seen[part] = now

    def silent(self, now: int) -> dict[str, int]:
        """For how long each part was not heard of."""
        return {part: now - seen for part, seen in self._seen.items()}

    def dead(self, now: int) -> list[str]:
        """The parts that were silent for too long; empty while all is well."""
        return [part for part, silence in self.silent(now).items() if silence > self._patience[part]]
