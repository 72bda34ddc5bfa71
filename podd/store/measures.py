"""What is measured of endpoints, counted by hour and bin."""

from collections.abc import Mapping, Sequence

from podd.domain.measure import HOUR, Measure, bin_of
from podd.store.db import Reader, Tx


def note(tx: Tx, endpoint_id: str, times: Mapping[Measure, int | None], now: int) -> None:
    """Count these times (in milliseconds; None for what is only counted) in the present hour."""
    marks = ", ".join("(?, ?, ?, ?, 1)" for _ in times)
    params: list[object] = []
    for kind, time in times.items():
        params += (now // HOUR, endpoint_id, kind.value, bin_of(time))
    tx.run(
        f"INSERT INTO measures (hour, endpoint_id, kind, bin, number) VALUES {marks} "
        "ON CONFLICT DO UPDATE SET number = number + 1",
        params,
    )


def since(db: Reader, endpoint_id: str, at: int) -> dict[Measure, dict[int, int]]:
    """How many were counted in each bin, from the hour of `at` on."""
    rows = db.rows(
        "SELECT kind, bin, SUM(number) AS number FROM measures "
        "WHERE endpoint_id = ? AND hour >= ? GROUP BY kind, bin",
        (endpoint_id, at // HOUR),
    )
    found: dict[Measure, dict[int, int]] = {kind: {} for kind in Measure}
    for row in rows:
        found[Measure(row["kind"])][row["bin"]] = row["number"]
    return found


def by_step(
    db: Reader, endpoint_id: str, kinds: Sequence[Measure], hours: int
) -> dict[int, dict[Measure, int]]:
    """How many of these were counted in each step of so many hours in which there were any, by the step's
    first hour, oldest first."""
    marks = ", ".join("?" for _ in kinds)
    rows = db.rows(
        f"SELECT hour - hour % ? AS step, kind, SUM(number) AS number FROM measures "
        f"WHERE endpoint_id = ? AND kind IN ({marks}) GROUP BY step, kind ORDER BY step",
        (hours, endpoint_id, *(kind.value for kind in kinds)),
    )
    found: dict[int, dict[Measure, int]] = {}
    for row in rows:
        found.setdefault(row["step"], dict.fromkeys(kinds, 0))[Measure(row["kind"])] = row["number"]
    return found


def forget(tx: Tx, before: int) -> None:
    tx.run("DELETE FROM measures WHERE hour < ?", (before // HOUR,))
