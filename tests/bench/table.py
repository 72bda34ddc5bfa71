"""What a point of the benchmark found, as lines of the table."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Line:
    """What was measured and what came out; `target` in words and whether it is met, None when there is
    none. `note` says what it was compared with, or what forbids more."""

    what: str
    value: str
    target: str = ""
    met: bool | None = None
    note: str = ""


@dataclass(frozen=True)
class Point:
    number: int
    title: str
    lines: list[Line] = field(default_factory=list)


def show(point: Point) -> str:
    rows = [f"{point.number}. {point.title}"]
    for line in point.lines:
        verdict = "" if line.met is None else "met" if line.met else "NOT MET"
        rows.append(f"   {line.what:<46}{line.value:>22}  {line.target:<12}{verdict:<8}{line.note}".rstrip())
    return "\n".join(rows)


def alternating(rounds: int, sides: dict[str, Callable[[], T]]) -> dict[str, list[T]]:
    """Each side once, then each again, so that what else the machine does befalls all of them; every other
    round backwards."""
    found: dict[str, list[T]] = {name: [] for name in sides}
    for number in range(rounds):
        names = list(sides) if number % 2 == 0 else list(reversed(sides))
        for name in names:
            found[name].append(sides[name]())
    return found


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that so many percent do not exceed."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * percent / 100), len(ordered) - 1)]
