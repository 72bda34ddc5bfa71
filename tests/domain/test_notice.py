"""Notices: every rule has its words, and letters go out neither too often nor never."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from podd.config import shipped
from podd.domain.notice import RULES, Topic, What, digest_is_due, next_try, title

MINUTE = 60_000


@pytest.mark.parametrize("key", RULES, ids=str)
def test_every_rule_has_a_template_and_a_title_that_needs_only_the_name(key: tuple[What, str]) -> None:
    rule = RULES[key]
    assert (shipped("podd.toml").parent.parent / "podd" / "letters" / f"{rule.template}.txt").exists()
    assert "{" not in rule.title.format(name="x")


def test_what_is_about_losing_data_cannot_be_turned_off() -> None:
    for kind in ("removal scheduled", "removal near", "removed"):
        assert RULES[What.ACCOUNT, kind].topic is Topic.ALWAYS


@pytest.mark.parametrize(
    ("last", "now", "due"),
    [(None, 5, True), (0, 14, False), (0, 15, True), (100, 99, True)],
    ids=["the first", "too soon", "after the pause", "the clock was set back"],
)
def test_the_first_goes_out_at_once_and_others_after_a_pause(last: int | None, now: int, due: bool) -> None:
    assert digest_is_due(last, now, pause=15) is due


@given(tries=some.integers(1, 1000), age=some.integers(0, 10**9))
def test_a_letter_is_tried_again_within_the_longest_pause_until_it_is_given_up(tries: int, age: int) -> None:
    again = next_try(0, tries, age, first=MINUTE, longest=60 * MINUTE, give_up_after=5 * 10**8)
    if age >= 5 * 10**8:
        assert again is None
    else:
        assert again is not None
        assert MINUTE <= again - age <= 60 * MINUTE


def test_a_letter_with_several_notices_is_named_for_the_first() -> None:
    assert title(["a"]) == "a"
    assert title(["a", "b", "c"]) == "a (and 2 more)"
