"""Idle pods: judged by what was seen of their GPUs in every minute of the window, and by nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from podd.domain.errors import Invalid
from podd.domain.idle import MINUTE, Policy, Verdict, averages, checked, judge, within

POLICY = Policy(percent=5, window=10, grace=30)
NOW = 1000 * MINUTE + 17
WARNED = NOW - 10 * MINUTE


@pytest.mark.parametrize(
    ("busy", "warned_at", "verdict"),
    [
        ([0.0], None, Verdict.WARN),
        ([4.9], None, Verdict.WARN),
        ([5.0], None, Verdict.LEAVE),
        ([0.0, 80.0], None, Verdict.LEAVE),  # one of its GPUs works
        (None, None, Verdict.LEAVE),
        ([0.0], WARNED, Verdict.LEAVE),  # within the grace
        ([0.0], NOW - 30 * MINUTE, Verdict.STOP),
        ([50.0], NOW - 30 * MINUTE, Verdict.WITHDRAW),
        (None, NOW - 30 * MINUTE, Verdict.LEAVE),  # nobody knows: neither stopped nor forgiven
        ([0.0], NOW + MINUTE, Verdict.WITHDRAW),  # the clock was set back
    ],
)
def test_what_is_done(busy: list[float] | None, warned_at: int | None, verdict: Verdict) -> None:
    assert judge(POLICY, busy, warned_at=warned_at, started_at=0, exempt=False, now=NOW) is verdict


@pytest.mark.parametrize("warned_at", [None, NOW - 60 * MINUTE])
def test_who_is_exempt_is_not_judged_and_a_warning_is_withdrawn(
    warned_at: int | None,
) -> None:
    verdict = Verdict.WITHDRAW if warned_at else Verdict.LEAVE
    assert judge(POLICY, [0.0], warned_at=warned_at, started_at=0, exempt=True, now=NOW) is verdict
    off = Policy(0, 10, 30)
    assert judge(off, [0.0], warned_at=warned_at, started_at=0, exempt=False, now=NOW) is verdict


def test_a_warning_is_of_the_container_it_was_given_to() -> None:
    found = judge(
        POLICY, [0.0], warned_at=NOW - 60 * MINUTE, started_at=NOW - 50 * MINUTE, exempt=False, now=NOW
    )
    assert found is Verdict.WITHDRAW


def seen(*percents: float, last: int = 999) -> dict[int, float]:
    """One mean a minute, up to minute number `last`."""
    return {(last - age) * MINUTE: percent for age, percent in enumerate(reversed(percents))}


def test_used_a_bit_and_then_idle_counts_as_idle() -> None:
    assert averages([seen(40, *[0] * 9)], 10, 0, NOW) == [4.0]


@given(missing=some.integers(0, 9))
def test_a_minute_that_nobody_saw_is_not_idle(missing: int) -> None:
    minutes = seen(*[0.0] * 10)
    del minutes[(999 - missing) * MINUTE]
    assert averages([seen(*[0.0] * 10), minutes], 10, 0, NOW) is None


def test_a_pod_is_judged_by_nothing_from_before_its_start_nor_by_the_minute_that_is_not_over() -> None:
    assert averages([seen(*[0.0] * 10)], 10, 990 * MINUTE + 1, NOW) is None
    assert averages([seen(*[0.0] * 10)], 10, 990 * MINUTE, NOW) == [0.0]
    assert averages([{**seen(*[0.0] * 10), 1000 * MINUTE: 100.0}], 10, 0, NOW) == [0.0]
    assert averages([], 10, 0, NOW) is None  # it has no GPU
    assert averages([seen(*[0.0] * 10)], 10, None, NOW) is None


@given(
    busy=some.none() | some.lists(some.floats(0, 100), min_size=1, max_size=4),
    warned_at=some.none() | some.integers(0, NOW),
    started_at=some.integers(0, NOW),
    exempt=some.booleans(),
)
def test_nobody_is_stopped_who_was_not_warned_a_grace_ago_and_idle_ever_since(
    busy: list[float] | None, warned_at: int | None, started_at: int, exempt: bool
) -> None:
    verdict = judge(POLICY, busy, warned_at=warned_at, started_at=started_at, exempt=exempt, now=NOW)
    if verdict is Verdict.STOP:
        assert warned_at is not None
        assert warned_at >= started_at
        assert NOW - warned_at >= POLICY.grace * MINUTE
        assert busy is not None
        assert max(busy) < POLICY.percent
        assert not exempt


@pytest.mark.parametrize(
    ("minute", "inside"), [(0, True), (359, True), (360, False), (1319, False), (1320, True)]
)
def test_a_span_of_the_day_may_go_over_midnight(minute: int, inside: bool) -> None:
    assert within([(1320, 360)], minute) is inside
    assert not within([], minute)


def test_values_have_their_bounds() -> None:
    assert checked("idle_percent", 0) == 0
    for name, amount in (("idle_percent", 101), ("idle_window_minutes", 0), ("idle_grace_minutes", -1)):
        with pytest.raises(Invalid):
            checked(name, amount)
