"""Who is alive."""

from podd.config import Settings
from podd.vitals import LOOP, RECONCILER, WRITER, Vitals, patience

PATIENCE = patience(Settings().vitals)


def test_everything_is_alive_at_first() -> None:
    assert Vitals(5, PATIENCE).dead(5) == []


def test_a_part_that_is_silent_for_longer_than_its_patience_is_dead() -> None:
    vitals = Vitals(0, PATIENCE)
    for part in (LOOP, RECONCILER):
        vitals.beat(part, PATIENCE[WRITER])
    assert vitals.dead(PATIENCE[WRITER]) == []
    assert vitals.dead(PATIENCE[WRITER] + 1) == [WRITER]


def test_a_part_that_works_again_is_alive_again() -> None:
    vitals = Vitals(0, PATIENCE)
    late = max(PATIENCE.values()) + 1
    assert set(vitals.dead(late)) == {LOOP, WRITER, RECONCILER}
    for part in (LOOP, WRITER, RECONCILER):
        vitals.beat(part, late)
    assert vitals.dead(late) == []


def test_how_long_a_part_may_be_silent_is_a_setting() -> None:
    patient = patience(Settings(vitals={"writer_seconds": 1.5}).vitals)
    assert Vitals(0, patient).dead(1_501) == [WRITER]
