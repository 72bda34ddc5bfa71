"""Which parts of the daemon are alive: each says so as it works, and whoever asks compares with the clock.

`/livez`, the service manager's watchdog and `/metrics` ask the same question here. It says nothing about what
podd depends on: an engine that is away or a full disk is no reason to start the daemon anew.
"""

from collections.abc import Mapping

from podd import config

LOOP = "event loop"
WRITER = "writer"
RECONCILER = "reconciler"


def patience(settings: config.Vitals) -> dict[str, int]:
    """How long a part may be silent, in milliseconds."""
    seconds = {
        LOOP: settings.loop_seconds,
        WRITER: settings.writer_seconds,
        RECONCILER: settings.reconciler_seconds,
    }
    return {part: int(span * 1000) for part, span in seconds.items()}


class Vitals:
    """Times are milliseconds of a clock that only goes forward (`Clock.monotonic`)."""

    def __init__(self, now: int, patience: Mapping[str, int]) -> None:
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
