"""What the log may hold: it is read by more people than the database is."""

import subprocess
import sys

import pytest

CRASH = """
import structlog
from podd import log

log.configure("info", "{style}")

def deploy(password):
    raise RuntimeError("disk on fire")

try:
    deploy("very " + "secret")
except RuntimeError as error:
    structlog.get_logger().error("request failed", exc_info=error)
    structlog.get_logger().exception("again")
"""


@pytest.mark.parametrize("style", ["json", "console", "auto"])
def test_a_crash_is_told_with_its_place_and_without_peoples_data(style: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CRASH.format(style=style)], capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    assert done.stderr.count("disk on fire") >= 2
    assert "in deploy" in done.stderr
    assert "very secret" not in done.stderr


RECORD = """
import io, sys
import structlog
from podd import log

class Told(io.StringIO):
    writes = []
    def write(self, text):
        self.writes.append(text)
        return len(text)

sys.stderr = Told()
log.configure("info", "json")
structlog.get_logger().info("one")
structlog.get_logger().info("two")
print(sum(text.endswith("}\\n") for text in Told.writes), len(Told.writes))
"""


def test_a_record_and_its_line_end_are_written_at_once() -> None:
    """Or a kill between the two joins it with the next daemon's first record."""
    done = subprocess.run([sys.executable, "-c", RECORD], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2", "2"]
