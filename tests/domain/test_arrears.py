"""What becomes of an account that runs out of credit."""

from dataclasses import replace

import pytest

from podd.domain.arrears import Deed, Removal, Standing, Step, Stored, Terms, next_step

DOLLAR = 1_000_000_000
HOUR = 3_600_000
NOW = 1_700_000_000_000
PODS, VOLUMES = Stored.PODS, Stored.NETWORK_VOLUMES
TERMS = Terms(
    enforced=True,
    low_minutes=360,
    halt_minutes=10,
    graces={PODS: 48 * HOUR, VOLUMES: 168 * HOUR},
    notice=24 * HOUR,
)
FINE = Standing(balance=6 * DOLLAR, hourly=DOLLAR, removals={}, holds=frozenset())
HALTED = replace(FINE, balance=-DOLLAR, halted_with=0, holds=frozenset({PODS}))


def due(hours: float, warned: float | None = None) -> dict[Stored, Removal]:
    """Pods that are to be removed in so many hours."""
    warned_at = None if warned is None else NOW - round(warned * HOUR)
    return {PODS: Removal(PODS, NOW + round(hours * HOUR), warned_at)}


@pytest.mark.parametrize(
    ("standing", "step"),
    [
        (FINE, None),
        (replace(FINE, balance=6 * DOLLAR - 1), Step(Deed.TELL)),
        (replace(FINE, balance=5 * DOLLAR, low_with=5 * DOLLAR), None),
        (replace(FINE, balance=5 * DOLLAR, hourly=1, low_with=5 * DOLLAR), None),
        (replace(FINE, balance=9 * DOLLAR, low_with=5 * DOLLAR), Step(Deed.FORGET)),
        (replace(FINE, balance=DOLLAR // 7), Step(Deed.HALT)),
        (replace(FINE, balance=-1, hourly=0), None),
        (HALTED, Step(Deed.SCHEDULE, PODS, NOW + 48 * HOUR)),
        (replace(HALTED, holds=frozenset()), None),
        (replace(HALTED, holds=frozenset({VOLUMES})), Step(Deed.SCHEDULE, VOLUMES, NOW + 168 * HOUR)),
        (replace(HALTED, balance=1, halted_with=5), None),
        (replace(HALTED, balance=DOLLAR), Step(Deed.RESUME)),
        (replace(HALTED, balance=-DOLLAR, halted_with=-2 * DOLLAR, removals=due(40)), None),
        (replace(HALTED, removals=due(24)), Step(Deed.WARN, PODS, NOW + 24 * HOUR)),
        (replace(HALTED, removals=due(-100)), Step(Deed.WARN, PODS, NOW + 24 * HOUR)),
        (replace(HALTED, removals=due(1, warned=23)), None),
        (replace(HALTED, removals=due(0, warned=24)), Step(Deed.REMOVE, PODS)),
        (replace(HALTED, removals=due(0, warned=24), holds=frozenset()), Step(Deed.CALL_OFF, PODS)),
    ],
)
def test_what_is_done_next(standing: Standing, step: Step | None) -> None:
    assert next_step(standing, TERMS, NOW) == step


@pytest.mark.parametrize("standing", [HALTED, replace(HALTED, removals=due(0, warned=24))])
def test_where_nobody_has_to_pay_everything_is_called_off(standing: Standing) -> None:
    assert next_step(standing, replace(TERMS, enforced=False), NOW) == Step(Deed.RESUME)
    assert next_step(replace(FINE, balance=-DOLLAR), replace(TERMS, enforced=False), NOW) is None


def test_a_short_grace_is_a_short_notice() -> None:
    short = replace(TERMS, graces={PODS: HOUR, VOLUMES: HOUR})
    scheduled = replace(HALTED, removals=due(1))
    assert next_step(scheduled, short, NOW) == Step(Deed.WARN, PODS, NOW + HOUR)
