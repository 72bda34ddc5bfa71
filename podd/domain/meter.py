"""Meters: how long something ran at one rate, and what that comes to. Pure, in whole numbers.

A meter's charge to date is its rate times its time, rounded once; a reading charges the difference to what
was charged before. So the sum is the same however often, late or seldom it is read.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time by two clocks: `wall` in epoch milliseconds, which can be set and can jump, and
    `steady` in milliseconds since this boot, which stands still while the machine sleeps or is off.
    Steady times can be compared within one `boot`."""

    wall: int
    steady: int
    boot: str

    def at(self, wall: int) -> "Moment":
        """The moment of an earlier time on the wall, as far as the wall clock can be trusted since."""
        return replace(self, wall=wall, steady=self.steady - max(self.wall - wall, 0))


@dataclass(frozen=True, slots=True)
class Rate:
    """What an item costs: `amount` nano-dollars for each `period` milliseconds, counted in steps of `step`
    milliseconds of which each one begun counts whole. `size` in GB, of what has one. Of
    `gpus` that it is for, `covered` are paid for already; both 0 where none is."""

    item: str
    amount: int
    period: int
    step: int = 1
    size: int = 0
    gpus: int = 0
    covered: int = 0

    def covering(self, covered: int, gpus: int) -> "Rate":
        """The same with so many of its GPUs paid for."""
        return replace(self, gpus=gpus if covered else 0, covered=covered)

    @property
    def to_pay(self) -> tuple[int, int]:
        """The part of the amount that is charged, as numerator and denominator."""
        return (self.gpus - self.covered, self.gpus) if self.gpus else (1, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """One stretch of time at one rate. `read_at` is the moment up to which `used` milliseconds and `charged`
    nano-dollars count."""

    id: int
    rate: Rate
    read_at: Moment
    used: int = 0
    charged: int = 0


@dataclass(frozen=True, slots=True)
class Charge:
    """A piece of a reading that lies within one hour of the wall clock: `amount` nano-dollars for the time up
    to `used` milliseconds of the meter, which was at `wall`."""

    wall: int
    used: int
    lasted: int
    amount: int


def price(rate: Rate, used: int) -> int:
    """What `used` milliseconds come to, in nano-dollars, rounded once: halves up."""
    counted = -(-used // rate.step) * rate.step
    part, whole = rate.to_pay
    period = rate.period * whole
    return (2 * rate.amount * part * counted + period) // (2 * period)


def elapsed(meter: Meter, now: Moment) -> int:
    """Milliseconds since the last reading. None for another boot: the machine was off, nobody knows since
    when; and none backwards."""
    return max(now.steady - meter.read_at.steady, 0) if now.boot == meter.read_at.boot else 0


def read(meter: Meter, now: Moment) -> tuple[Meter, list[Charge]]:
    """The meter as of `now`, and what is to be charged for the time since its last reading."""
    charges = []
    used, charged = meter.used, meter.charged
    for wall, lasted in _hours(now.wall, elapsed(meter, now)):
        used += lasted
        amount = price(meter.rate, used) - charged
        charged += amount
        if amount:
            charges.append(Charge(wall, used, lasted, amount))
    at = now if now.boot != meter.read_at.boot or now.steady > meter.read_at.steady else meter.read_at
    return replace(meter, read_at=at, used=used, charged=charged), charges


def _hours(wall: int, lasted: int) -> Iterator[tuple[int, int]]:
    """A stretch that ends at `wall`, cut where the hours change: the end of each piece and its length."""
    begin = wall - lasted
    while begin < wall:
        end = min(wall, (begin // HOUR_MS + 1) * HOUR_MS)
        yield end, end - begin
        begin = end
