"""Whether an account can afford what it runs. Amounts in nano-dollars, rates in these per hour. Pure."""

from podd.domain.errors import NoFunds
from podd.domain.money import prose


def covers(balance: int, hourly: int, minutes: int) -> bool:
    """Whether the balance lasts for `minutes` at this rate. Nothing lasts for ever on nothing."""
    return hourly == 0 or balance * 60 >= hourly * minutes


def check_start(*, balance: int, price: int, hourly: int, cover_minutes: int, limit: int) -> None:
    """Raise NoFunds unless something of `price` may start, with which the account's things come to `hourly`
    in all: within its spending limit, and with a balance that covers the new one for a while."""
    if hourly > limit:
        raise NoFunds(f"Renting this pod would put you over your current spending limit ({prose(limit)}/hr)")
    if not covers(balance, price, cover_minutes):
        raise NoFunds(
            f"The balance of {prose(balance)} does not cover {cover_minutes} minutes of this pod, "
            f"which costs {prose(price)} an hour. Add credit, or take something smaller or a spot pod."
        )
