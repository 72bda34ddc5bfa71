"""Times counted in bins."""

import math

from hypothesis import given
from hypothesis import strategies as st

from podd.domain.measure import bin_of, percentile, time_of

times = st.integers(min_value=0, max_value=7 * 86_400_000)


@given(times)
def test_a_time_is_known_to_five_percent(time: int) -> None:
    assert abs(time_of(bin_of(time)) - time) <= max(0.05 * time, 1)


@given(times, times)
def test_bins_are_in_the_order_of_times(one: int, other: int) -> None:
    assert (bin_of(one) <= bin_of(other)) or one > other


@given(st.lists(times, min_size=1), st.sampled_from([70, 90, 98]))
def test_a_percentile_is_the_nearest_rank(counted: list[int], percent: int) -> None:
    numbers: dict[int, int] = {}
    for time in counted:
        numbers[bin_of(time)] = numbers.get(bin_of(time), 0) + 1
    exact = sorted(counted)[math.ceil(len(counted) * percent / 100) - 1]
    assert percentile(numbers, percent) == time_of(bin_of(exact))


def test_of_nothing_the_percentile_is_nothing() -> None:
    assert percentile({}, 98) == 0
