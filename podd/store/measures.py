"""What is measured of endpoints, counted by hour and bin."""

from collections.abc import Mapping

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


def forget(tx: Tx, before: int) -> None:
    tx.run("DELETE FROM measures WHERE hour < ?", (before // HOUR,))
