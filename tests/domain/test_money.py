"""Amounts as people and programs read them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podd.domain.money import exact, from_text, prose


@pytest.mark.parametrize(
    ("nano", "text"),
    [(0, "$0.00"), (12_500_000_000, "$12.50"), (-3_100_000, "-$0.0031"), (80_000_000_000, "$80.00")],
)
def test_as_people_write_them(nano: int, text: str) -> None:
    assert prose(nano) == text


@given(st.integers(-(10**20), 10**20))
def test_exact_amounts_come_back(nano: int) -> None:
    assert from_text(exact(nano)) == nano


@pytest.mark.parametrize("text", ["", "-", "ten", "1.0000000001", "--1"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"amount|decimals"):
        from_text(text)
