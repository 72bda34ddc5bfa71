"""How often somebody may try to sign in: from one address, and for one account."""

import math
import time

import limits
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from podd.config import Accounts
from podd.domain.errors import TooMany


class Attempts:
    """The attempts of late, kept in memory."""

    def __init__(self, settings: Accounts) -> None:
        self._windows = MovingWindowRateLimiter(MemoryStorage())
        self._rates = {
            kind: limits.parse(text)
            for kind, text in (
                ("address", settings.attempts_per_address),
                ("account", settings.attempts_per_account),
            )
            if text
        }

    def count(self, **whose: str) -> None:
        """One more `address=` and `account=`. Raises TooMany."""
        for kind, name in whose.items():
            rate = self._rates.get(kind)
            if rate is not None and not self._windows.hit(rate, kind, name.strip().lower()):
                reset = self._windows.get_window_stats(rate, kind, name.strip().lower()).reset_time
                wait = max(math.ceil(reset - time.time()), 1)
                raise TooMany(f"Too many attempts to sign in; try again in {wait} s.", retry_after=wait)
