"""How long to wait before the next start, and which ends count as a start that failed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podd.domain.workload import LONGEST_RETRY, ran_steadily, retry_delay


def test_the_wait_doubles_from_a_second_to_five_minutes() -> None:
    assert [retry_delay(n) for n in range(1, 11)] == [
        *(1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000),
        LONGEST_RETRY,
    ]


@given(st.integers(0, 10_000))
def test_a_wait_is_never_shorter_than_the_one_before(failures: int) -> None:
    assert 1_000 <= retry_delay(failures) <= retry_delay(failures + 1) <= LONGEST_RETRY


@pytest.mark.parametrize(
    ("started_at", "ended_at", "steady"),
    [(0, 10_000, True), (0, 9_999, False), (None, 10_000, False), (5, 0, False)],
)
def test_a_container_that_was_up_for_ten_seconds_did_start(
    started_at: int | None, ended_at: int, steady: bool
) -> None:
    assert ran_steadily(started_at, ended_at) is steady
