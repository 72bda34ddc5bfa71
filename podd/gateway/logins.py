"""Who may try to log in: slows down those who guess, and bounds those who say nothing."""

from collections import Counter

import limits
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from podd.config import Gateway


class Logins:
    """Connections that have not logged in, by address."""

    def __init__(self, settings: Gateway) -> None:
        self._settings = settings
        self._rate = limits.parse(settings.failed_logins) if settings.failed_logins else None
        self._windows = MovingWindowRateLimiter(MemoryStorage())
        self._trying: Counter[str] = Counter()

    def begin(self, address: str) -> bool:
        """Whether one more from this address may try; `end` it then."""
        if self._trying.total() >= self._settings.logins_at_once:
            return False
        if self._trying[address] >= self._settings.logins_at_once_per_address:
            return False
        if self._rate is not None and not self._windows.test(self._rate, address):
            return False
        self._trying[address] += 1
        return True

    def end(self, address: str, *, failed: bool) -> None:
        self._trying[address] -= 1
        if self._trying[address] <= 0:
            del self._trying[address]
        if failed and self._rate is not None:
            self._windows.hit(self._rate, address)
