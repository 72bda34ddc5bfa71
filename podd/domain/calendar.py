"""Days, weeks and months as the operator's clock on the wall shows them, also where it is put forward and
back. Pure; a time zone is an argument, times are epoch milliseconds."""

import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Literal

from podd.domain.errors import Invalid

Every = Literal["week", "month"]


def begin_of(day: date, zone: tzinfo) -> int:
    """When the day begins: its midnight, or, where that is left out, as long after the one before."""
    return round(datetime.combine(day, time(), zone).timestamp() * 1000)


def day_of(at: int, zone: tzinfo) -> date:
    return datetime.fromtimestamp(at / 1000, zone).date()


def next_day(day: date) -> date:
    return day + timedelta(days=1)


def floor(every: Every, day: date) -> date:
    """The first day of the week (a Monday) or the month."""
    return day - timedelta(days=day.weekday()) if every == "week" else day.replace(day=1)


def following(every: Every, first: date) -> date:
    """The first day of the next one."""
    return first + timedelta(days=7) if every == "week" else (first + timedelta(days=31)).replace(day=1)


def firsts_after(every: Every, last: date, now: int, zone: tzinfo) -> Iterator[date]:
    """First days of the weeks or months after the one that began on `last`, as far as they have begun."""
    first = following(every, last)
    while begin_of(first, zone) <= now:
        yield first
        first = following(every, first)


def month(text: str, zone: tzinfo) -> tuple[int, int]:
    """When a month, as in 2026-10, begins and ends. Raises Invalid."""
    if not re.fullmatch(r"\d{4}-\d{2}", text):
        raise Invalid(f"{text!r} is not a month such as 2026-10.")
    try:
        first = date.fromisoformat(f"{text}-01")
        return begin_of(first, zone), begin_of(following("month", first), zone)
    except (ValueError, OverflowError):
        raise Invalid(f"{text!r} is not a month such as 2026-10.") from None


def month_of(at: int, zone: tzinfo) -> str:
    return f"{day_of(at, zone):%Y-%m}"
