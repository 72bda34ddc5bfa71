"""What was spent, by bucket of time: hours, days, weeks (from Monday), months and years, in UTC. Pure."""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeVar

Bucket = Literal["hour", "day", "week", "month", "year"]
K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Spent:
    """What one resource was charged for one item in the hour that begins at `hour` (epoch milliseconds):
    `amount` nano-dollars for `lasted` milliseconds; `size` in GB, of what has one."""

    hour: int
    resource: str
    group: str
    item: str
    gpu_type_id: str
    size: int
    amount: int
    lasted: int


@dataclass(frozen=True, slots=True)
class Sum:
    """Several of those together. `amounts` by item; `lasted` is the longest of the items', which run side by
    side; `size` the largest."""

    amounts: dict[str, int]
    lasted: int
    size: int

    @property
    def amount(self) -> int:
        return sum(self.amounts.values())


def floor(bucket: Bucket, at: datetime) -> datetime:
    """The beginning of the bucket `at` lies in."""
    return _BUCKETS[bucket][0](at)


def following(bucket: Bucket, begin: datetime) -> datetime:
    """The beginning of the bucket after the one that begins at `begin`."""
    return _BUCKETS[bucket][1](begin)


def ceiling(bucket: Bucket, at: datetime) -> datetime:
    """`at` itself where a bucket begins, else the end of its bucket."""
    begin = floor(bucket, at)
    return at if begin == at else following(bucket, begin)


def grouped(
    spent: Iterable[Spent], bucket: Bucket, key: Callable[[Spent], K]
) -> dict[tuple[datetime, K], Sum]:
    """Sums by bucket and `key`, in the order of time."""
    rows: dict[tuple[datetime, K], list[Spent]] = {}
    for one in spent:
        begin = floor(bucket, datetime.fromtimestamp(one.hour / 1000, UTC))
        rows.setdefault((begin, key(one)), []).append(one)
    return {place: total(rows[place]) for place in sorted(rows, key=lambda place: place[0])}


def total(spent: Iterable[Spent]) -> Sum:
    """All of these together."""
    amounts: dict[str, int] = {}
    times: dict[str, int] = {}
    size = 0
    for one in spent:
        amounts[one.item] = amounts.get(one.item, 0) + one.amount
        times[one.item] = times.get(one.item, 0) + one.lasted
        size = max(size, one.size)
    return Sum(amounts, max(times.values(), default=0), size)


# Private


def _hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


def _day(at: datetime) -> datetime:
    return _hour(at).replace(hour=0)


def _week(at: datetime) -> datetime:
    return _day(at) - timedelta(days=at.weekday())


def _month(at: datetime) -> datetime:
    return _day(at).replace(day=1)


def _year(at: datetime) -> datetime:
    return _month(at).replace(month=1)


Step = Callable[[datetime], datetime]
_BUCKETS: dict[Bucket, tuple[Step, Step]] = {
    "hour": (_hour, lambda at: at + timedelta(hours=1)),
    "day": (_day, lambda at: at + timedelta(days=1)),
    "week": (_week, lambda at: at + timedelta(weeks=1)),
    "month": (_month, lambda at: _month(at + timedelta(days=31))),
    "year": (_year, lambda at: _year(at + timedelta(days=366))),
}
