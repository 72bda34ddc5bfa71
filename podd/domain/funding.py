"""Credit that comes without the operator's doing each time: allowances, refills, vouchers. Pure."""

from dataclasses import dataclass
from datetime import date

from podd.domain.calendar import Every


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """`amount` nano-dollars for each week or month; `last_day` is the first day of the last one it was given
    for."""

    id: str
    account_id: str
    amount: int
    every: Every
    text: str
    last_day: date
    created_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refill:
    """`amount` is added when the balance is below `threshold`; in one month of the calendar no more than
    `monthly_cap`, of which `month_sum` was added in `month`. Amounts in nano-dollars."""

    account_id: str
    threshold: int
    amount: int
    monthly_cap: int
    last_at: int | None = None
    month: str = ""
    month_sum: int = 0

    def added_in(self, month: str) -> int:
        return self.month_sum if self.month == month else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Voucher:
    """Worth `amount` nano-dollars, once, to whoever knows its code, before `expires_at`."""

    id: str
    amount: int
    text: str
    created_at: int
    expires_at: int | None
    account_id: str | None = None
    redeemed_at: int | None = None


def is_due(refill: Refill, balance: int, now: int, month: str, pause: int) -> bool:
    """Whether to add the amount now: at most once in `pause` milliseconds."""
    if balance >= refill.threshold or refill.added_in(month) + refill.amount > refill.monthly_cap:
        return False
    return refill.last_at is None or now - refill.last_at >= pause
