"""How busy things were: samples become means of each minute, kept for a day."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

MINUTE = 60_000
MINUTES_KEPT = 24 * 60


@dataclass(frozen=True, slots=True)
class Minute:
    """`at` is when it began."""

    at: int
    means: Mapping[str, float]


@dataclass(slots=True)
class _Series:
    minutes: deque[Minute] = field(default_factory=lambda: deque(maxlen=MINUTES_KEPT))
    at: int = 0
    samples: list[Mapping[str, float]] = field(default_factory=list)


class History:
    """Of anything with an id. It holds at most a day of each, and nothing of what was not seen for a day."""

    def __init__(self) -> None:
        self._series: dict[str, _Series] = {}

    def add(self, id: str, sample: Mapping[str, float | None], now: int) -> None:
        """A measurement; None is what nobody could tell."""
        series = self._series.setdefault(id, _Series())
        minute = now - now % MINUTE
        if series.samples and series.at != minute:
            series.minutes.append(Minute(series.at, _means(series.samples)))
            series.samples = []
        series.at = minute
        series.samples.append({name: value for name, value in sample.items() if value is not None})

    def forget(self, now: int) -> None:
        """What is older than a day."""
        oldest = now - MINUTES_KEPT * MINUTE
        for id, series in list(self._series.items()):
            while series.minutes and series.minutes[0].at < oldest:
                series.minutes.popleft()
            if series.at < oldest:
                del self._series[id]

    def of(self, id: str) -> list[Minute]:
        """Oldest first; the minute that is not over yet is the last."""
        series = self._series.get(id)
        if series is None:
            return []
        return [*series.minutes, Minute(series.at, _means(series.samples))]

    def mean(self, id: str, name: str, since: int) -> float | None:
        values = [m.means[name] for m in self.of(id) if m.at >= since and name in m.means]
        return sum(values) / len(values) if values else None


def _means(samples: Iterable[Mapping[str, float]]) -> dict[str, float]:
    values: dict[str, list[float]] = {}
    for sample in samples:
        for name, value in sample.items():
            values.setdefault(name, []).append(value)
    return {name: round(sum(all) / len(all), 2) for name, all in values.items()}
