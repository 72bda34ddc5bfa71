"""Times that are counted instead of kept: in bins, each 5 % wider than the one before, so that a year of
jobs takes no more room than a day, and a percentile is right to 5 %."""

import math
from collections.abc import Mapping
from enum import StrEnum

GROWTH = math.log(1.05)

HOUR = 3_600_000


class Measure(StrEnum):
    """What is measured of an endpoint. How a job ended comes with how long it ran; the last ones are only
    counted."""

    COMPLETED = "completed"
    FAILED = "failed"
    DELAY = "delay"
    COLD_START = "cold_start"
    RETRIED = "retried"
    WEBHOOK_SENT = "webhook_sent"
    WEBHOOK_FAILED = "webhook_failed"


UNTIMED = -1
"""The bin of what is only counted."""


def bin_of(milliseconds: int | None) -> int:
    """The bin of a time; 0 is for none at all."""
    if milliseconds is None:
        return UNTIMED
    return 0 if milliseconds <= 0 else 1 + math.floor(math.log(milliseconds) / GROWTH + 1e-9)


def time_of(bin: int) -> int:
    """A time in the middle of the bin, in milliseconds."""
    return 0 if bin <= 0 else round(math.exp((bin - 0.5) * GROWTH))


def percentile(numbers: Mapping[int, int], percent: int) -> int:
    """The time that `percent` of those counted do not exceed (nearest rank); 0 when there are none.
    `numbers` is how many are in each bin."""
    timed = {bin: number for bin, number in numbers.items() if bin != UNTIMED}
    rank = math.ceil(sum(timed.values()) * percent / 100)
    for bin in sorted(timed):
        rank -= numbers[bin]
        if rank <= 0:
            return time_of(bin)
    return 0
