"""Whether an account can afford what it runs."""

import pytest

from podd.domain.errors import NoFunds
from podd.domain.funds import check_start, covers

DOLLAR = 1_000_000_000


@pytest.mark.parametrize(
    ("balance", "hourly", "minutes", "enough"),
    [
        (DOLLAR, DOLLAR, 60, True),
        (DOLLAR - 1, DOLLAR, 60, False),
        (DOLLAR, 6 * DOLLAR, 10, True),
        (0, 0, 60, True),
        (-5, 0, 60, True),
        (0, 1, 0, True),
        (-1, 1, 0, False),
    ],
)
def test_a_balance_covers_so_many_minutes(balance: int, hourly: int, minutes: int, enough: bool) -> None:
    assert covers(balance, hourly, minutes) is enough


def start(**facts: int) -> None:
    usual = {"balance": DOLLAR, "price": DOLLAR, "hourly": DOLLAR, "cover_minutes": 60, "limit": 80 * DOLLAR}
    check_start(**{**usual, **facts})


def test_an_hour_must_be_covered() -> None:
    start()
    with pytest.raises(NoFunds, match=r"\$0.50 does not cover 60 minutes of this pod, which costs \$1.00"):
        start(balance=DOLLAR // 2)


def test_the_spending_limit_is_for_everything_together_in_runpods_words() -> None:
    start(balance=100 * DOLLAR, hourly=80 * DOLLAR)
    with pytest.raises(NoFunds) as refusal:
        start(balance=100 * DOLLAR, hourly=80 * DOLLAR + 1)
    words = "Renting this pod would put you over your current spending limit ($80.00/hr)"
    assert refusal.value.message == words
