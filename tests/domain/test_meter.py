"""Meters: the charge to date is the rate times the time, rounded once, however often it is read."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podd.domain.meter import HOUR_MS, Meter, Moment, Rate, elapsed, price, read

START = 1_700_000_000_000
BOOT = "boot"
DAY_MS = 24 * HOUR_MS


def meter(rate: Rate, **state: int) -> Meter:
    return Meter(id=1, rate=rate, read_at=Moment(START, 0, BOOT), **state)


def later(ms: int, *, jump: int = 0, boot: str = BOOT) -> Moment:
    return Moment(START + ms + jump, ms, boot)


PER_HOUR = Rate("gpu", 490_000_000, HOUR_MS)
PER_SECOND = Rate("serverless", 340_000, 1000, 1000)


@pytest.mark.parametrize(
    ("rate", "used", "amount"),
    [
        (PER_HOUR, 0, 0),
        (PER_HOUR, HOUR_MS, 490_000_000),
        (PER_HOUR, 1, 136),  # 136.11
        (Rate("x", 1, 2), 1, 1),  # a half goes up
        (PER_SECOND, 1, 340_000),  # each second begun
        (PER_SECOND, 1000, 340_000),
        (PER_SECOND, 1001, 680_000),
    ],
)
def test_prices(rate: Rate, used: int, amount: int) -> None:
    assert price(rate, used) == amount


RATES = st.builds(
    Rate, st.just("x"), st.integers(1, 10**12), st.sampled_from([1000, HOUR_MS, 30 * DAY_MS]), st.just(1)
)
STEPS = st.lists(st.integers(0, 3 * DAY_MS), max_size=30)


@given(rate=RATES, steps=STEPS)
def test_the_sum_is_exact_to_the_nano_dollar_whatever_the_readings(rate: Rate, steps: list[int]) -> None:
    state, total, time = meter(rate), 0, 0
    for step in steps:
        time += step
        state, charges = read(state, later(time))
        total += sum(charge.amount for charge in charges)
        assert all(charge.amount > 0 for charge in charges)
    exact = Fraction(rate.amount * time, rate.period)
    assert abs(total - exact) <= Fraction(1, 2)
    assert total == price(rate, time) == state.charged


@given(steps=STEPS)
def test_steps_of_a_second_are_never_more_than_the_time_and_a_second(steps: list[int]) -> None:
    state, total, time = meter(PER_SECOND), 0, 0
    for step in steps:
        time += step
        state, charges = read(state, later(time))
        total += sum(charge.amount for charge in charges)
    assert total == -(-time // 1000) * PER_SECOND.amount


def test_a_reading_is_cut_where_the_hours_change() -> None:
    state, charges = read(meter(PER_HOUR), later(30 * HOUR_MS))
    assert len({(charge.wall - 1) // HOUR_MS for charge in charges}) == len(charges) == 31
    assert sum(charge.lasted for charge in charges) == 30 * HOUR_MS
    assert [charge.used for charge in charges] == sorted(charge.used for charge in charges)
    assert state.used == 30 * HOUR_MS


@pytest.mark.parametrize("jump", [-DAY_MS, -1, 1, DAY_MS])
def test_a_clock_that_is_set_changes_no_charge(jump: int) -> None:
    state, charges = read(meter(PER_HOUR), later(HOUR_MS, jump=jump))
    assert sum(charge.amount for charge in charges) == PER_HOUR.amount
    assert state.used == HOUR_MS


def test_a_repeated_or_older_reading_charges_nothing() -> None:
    once, _ = read(meter(PER_HOUR), later(HOUR_MS))
    assert read(once, later(HOUR_MS)) == (once, [])
    assert read(once, later(HOUR_MS // 2)) == (once, [])


def test_the_time_around_a_reboot_is_not_charged() -> None:
    rebooted = Moment(START + DAY_MS, 7, "another boot")
    assert elapsed(meter(PER_HOUR), rebooted) == 0
    state, charges = read(meter(PER_HOUR, used=5), rebooted)
    assert (charges, state.used, state.read_at) == ([], 5, rebooted)
    state, charges = read(state, Moment(START + DAY_MS + HOUR_MS, 7 + HOUR_MS, "another boot"))
    assert sum(charge.lasted for charge in charges) == HOUR_MS


def test_an_earlier_moment_is_as_much_earlier_by_both_clocks() -> None:
    now = Moment(START, 10_000, BOOT)
    assert now.at(START - 3000) == Moment(START - 3000, 7000, BOOT)
    assert now.at(START + 3000).steady == 10_000, "what lies ahead can only be a clock that was set back"
