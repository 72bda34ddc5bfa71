"""What the demo shows where nobody watches, and to whoever has stopped watching."""

import os
import re
import sys
from pathlib import Path

import pytest

from podd.demo.screen import Screen


def test_a_step_is_one_line_with_its_seconds_followed_by_what_it_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    screen = Screen()

    with screen.step("Do it") as say:
        say("first\nsecond")
        say("")

    shown = capsys.readouterr().out
    assert re.fullmatch(r"✓ Do it  \d+\.\d s\n    first\n    second\n    \n", shown)
    assert [title for title, _ in screen.times] == ["Do it"]


def test_a_step_that_fails_is_marked_and_still_fails(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Screen()

    def fail() -> None:
        with screen.step("Do it") as say:
            say("so far")
            raise ValueError("why")

    with pytest.raises(ValueError, match="why"):
        fail()

    assert re.fullmatch(r"✗ Do it  \d+\.\d s\n    so far\n", capsys.readouterr().out)
    assert screen.times == []


def test_a_reader_that_has_left_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as output:
        monkeypatch.setattr(sys, "stdout", output)
        screen = Screen()

        with screen.step("Do it") as say:
            say("to nobody")
        screen.print("and again")

        assert Path(f"/proc/self/fd/{writer}").resolve() == Path(os.devnull)
