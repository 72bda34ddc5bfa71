"""How often operations that are limited are called, per endpoint and key, and how often they may be."""

import math
import time
from collections import Counter

import limits
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from podd.config import Rates
from podd.domain.errors import TooMany

OPERATIONS = {
    "run": "run",
    "runsync": "runsync",
    "status": "status",
    "status-sync": "status",
    "stream": "stream",
    "cancel": "cancel",
    "purge-queue": "purge_queue",
    "purge": "purge_queue",
    "openai": "openai",
    "requests": "requests",
}
"""The part of the path that names an operation, and the setting it obeys. Workers are never held up."""

VOUCHER = "voucher"
"""Trying to redeem one; counted by account, on whatever surface."""

Key = tuple[str, str, str]


class Gauge:
    """What each key does and did lately."""

    def __init__(self, rates: Rates) -> None:
        self._windows = MovingWindowRateLimiter(MemoryStorage())
        names = {*OPERATIONS.values(), VOUCHER}
        texts = {name: getattr(rates, name) for name in names}
        self._rates = {name: limits.parse(text) for name, text in texts.items() if text}
        self._most = {name: getattr(rates, f"{name}_at_once") for name in names}
        self._going_on: Counter[Key] = Counter()

    def begin(self, key: Key) -> None:
        """Count one more; `end` it. Raises TooMany, without counting it."""
        operation = key[0]
        most, rate = self._most[operation], self._rates.get(operation)
        if most and self._going_on[key] >= most:
            raise TooMany(f"More than {most} requests of this kind at the same time; try again in a second.")
        if rate is not None and not self._windows.hit(rate, *key):
            reset = self._windows.get_window_stats(rate, *key).reset_time
            wait = max(math.ceil(reset - time.time()), 1)
            raise TooMany(f"More than {rate}; try again in {wait} s.", retry_after=wait)
        self._going_on[key] += 1

    def end(self, key: Key) -> None:
        self._going_on[key] -= 1
        if self._going_on[key] <= 0:
            del self._going_on[key]
