"""Weeks and months as the clock on the wall has them."""

from datetime import date
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podd.domain.calendar import Every, begin_of, day_of, firsts_after, floor, following, month
from podd.domain.errors import Invalid

HOUR = 3_600_000
BERLIN, HAVANA = ZoneInfo("Europe/Berlin"), ZoneInfo("America/Havana")
ZONES = st.sampled_from([ZoneInfo("UTC"), BERLIN, HAVANA, ZoneInfo("Asia/Kathmandu")])
DAYS = st.dates(date(2000, 1, 1), date(2037, 12, 31))


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-07-01", 24)])
def test_days_are_as_long_as_they_are(day: str, hours: int) -> None:
    first = date.fromisoformat(day)
    lasted = begin_of(date.fromordinal(first.toordinal() + 1), BERLIN) - begin_of(first, BERLIN)
    assert lasted == hours * HOUR


def test_a_day_without_a_midnight_begins_when_its_clock_does() -> None:
    """In Havana the clock is put forward at midnight."""
    day = date(2026, 3, 8)
    begin = begin_of(day, HAVANA)
    assert day_of(begin, HAVANA) == day
    assert day_of(begin - 1, HAVANA) == date(2026, 3, 7)


@given(day=DAYS, every=st.sampled_from(["week", "month"]), weeks=st.integers(0, 60), zone=ZONES)
def test_each_week_and_month_comes_once_whenever_one_looks(
    day: date, every: Every, weeks: int, zone: ZoneInfo
) -> None:
    first = floor(every, day)
    now = begin_of(day, zone) + weeks * 7 * 24 * HOUR
    at_once = list(firsts_after(every, first, now, zone))
    one_by_one, last = [], first
    for week in range(weeks + 1):
        found = list(firsts_after(every, last, begin_of(day, zone) + week * 7 * 24 * HOUR, zone))
        one_by_one += found
        last = found[-1] if found else last
    assert one_by_one == at_once == sorted(set(at_once))
    assert all(floor(every, one) == one for one in at_once)
    assert begin_of(following(every, at_once[-1] if at_once else first), zone) > now


def test_a_month_is_from_midnight_to_midnight() -> None:
    begin, end = month("2026-10", BERLIN)
    assert end - begin == (31 * 24 + 1) * HOUR


@pytest.mark.parametrize("text", ["", "2026", "2026-13", "2026-1", "0000-01", "9999-12", "2026-10-01"])
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="is not a month"):
        month(text, BERLIN)
