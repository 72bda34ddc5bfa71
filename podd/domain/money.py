"""Amounts as people and programs read them. They are whole nano-dollars everywhere else."""

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

NANO = 1_000_000_000


def prose(nano: int) -> str:
    """As people write it, to a hundredth of a cent: $12.50, -$0.0031."""
    text = f"{abs(nano) / NANO:.4f}".rstrip("0")
    return ("-$" if nano < 0 else "$") + text + "0" * max(2 - len(text.partition(".")[2]), 0)


def exact(nano: int) -> str:
    """Dollars to the last nano-dollar: -3.200000000."""
    whole, rest = divmod(abs(nano), NANO)
    return f"{'-' if nano < 0 else ''}{whole}.{rest:09d}"


def nano_dollars(amount: str | Decimal) -> int:
    """'0.34' -> 340000000, exactly. Raises ValueError for anything that is not a plain amount >= 0."""
    try:
        nanos = Decimal(amount) * NANO
    except InvalidOperation:
        raise ValueError(f"{amount!r} is not an amount of dollars such as '0.34'") from None
    if not nanos.is_finite() or nanos < 0:
        raise ValueError(f"{amount} is not an amount of dollars such as '0.34'")
    if nanos != int(nanos):
        raise ValueError(f"{amount} has more than nine decimals")
    return int(nanos)


def from_text(dollars: str) -> int:
    """As `nano_dollars`, of an amount that may be below zero."""
    amount = nano_dollars(dollars.removeprefix("-"))
    return -amount if dollars.startswith("-") else amount


def prose_time(at: int) -> str:
    """Epoch milliseconds as people read them."""
    return f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d %H:%M} UTC"
