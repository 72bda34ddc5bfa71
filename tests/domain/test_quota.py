"""Quotas: the sentence says which one, how much is used and how much there is."""

import pytest

from podd.domain.errors import Invalid, OverQuota
from podd.domain.quota import HOUR, Use, check, checked, ends_at


def test_up_to_the_quota_everything_is_admitted_and_nothing_above() -> None:
    check(Use(gpus=3), Use(gpus=1), {"gpus": 4})
    with pytest.raises(OverQuota, match="may have 4 GPUs; 3 are in use and 2 more are wanted"):
        check(Use(gpus=3), Use(gpus=2), {"gpus": 4})


def test_quotas_of_members_are_their_own() -> None:
    allowed = {"gpus": 8, "member_gpus": 1}
    check(Use(gpus=1), Use(gpus=1), allowed)
    with pytest.raises(OverQuota, match="Each member of this account may have 1 GPUs"):
        check(Use(gpus=1), Use(gpus=1), allowed, member=True)


def test_zero_is_no_limit() -> None:
    check(Use(gpus=100), Use(gpus=100), {"gpus": 0})


def test_who_is_above_a_quota_by_now_may_still_do_what_it_does_not_limit() -> None:
    check(Use(gpus=9), Use(pods=1, gpus=0), {"gpus": 4, "pods": 5})


def test_a_lifetime_counts_from_the_start_and_zero_is_for_ever() -> None:
    assert ends_at(5, 2) == 5 + 2 * HOUR
    assert ends_at(5, 0) is None
    assert ends_at(None, 2) is None


def test_an_amount_is_not_negative() -> None:
    with pytest.raises(Invalid):
        checked("gpus", -1)
