"""Who is alive."""

from podd.vitals import LOOP, PATIENCE, RECONCILER, WRITER, Vitals


def test_everything_is_alive_at_first() -> None:
    assert Vitals(5).dead(5) == []


def test_a_part_that_is_silent_for_longer_than_its_patience_is_dead() -> None:
    vitals = Vitals(0)
    for part in (LOOP, RECONCILER):
        vitals.beat(part, PATIENCE[WRITER])
    assert vitals.dead(PATIENCE[WRITER]) == []
    assert vitals.dead(PATIENCE[WRITER] + 1) == [WRITER]


def test_a_part_that_works_again_is_alive_again() -> None:
    vitals = Vitals(0)
    late = max(PATIENCE.values()) + 1
    assert set(vitals.dead(late)) == {LOOP, WRITER, RECONCILER}
    for part in (LOOP, WRITER, RECONCILER):
        vitals.beat(part, late)
    assert vitals.dead(late) == []
