"""Names of templates and keys."""

import pytest

from podd.domain.errors import Invalid
from podd.domain.template import checked_name


def test_a_name_is_kept_without_the_blanks_around_it() -> None:
    assert checked_name("  my template ") == "my template"


@pytest.mark.parametrize("name", [None, "", "   ", "x" * 192])
def test_a_name_must_be_there_and_fit_a_line(name: str | None) -> None:
    with pytest.raises(Invalid, match=r"^label "):
        checked_name(name, "label")
