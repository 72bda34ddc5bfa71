"""The table of conformance scenarios says where each one is tested."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
TABLE = TESTS.parent / "docs" / "conformance.md"
ROWS = dict(re.findall(r"^\| (\d+) \| (.+) \|$", TABLE.read_text(), re.MULTILINE))


def test_every_scenario_has_its_row() -> None:
    assert list(ROWS) == [str(number) for number in range(1, 114)]


@pytest.mark.parametrize("number", ROWS)
def test_a_scenario_names_tests_that_are_there_or_says_why_there_is_none(number: str) -> None:
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", ROWS[number])
    assert named or ROWS[number].startswith("Not yet: ")
    for file, name in named:
        assert f"def {name}(" in (TESTS / file).read_text()
        assert number in name.split("_")
