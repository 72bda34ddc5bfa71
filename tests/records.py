"""JSON records in a log. Usually one to a line, but two threads that print at once, or a process that is
killed between a record and its line end, leave two on one."""

import json
from typing import Any


def records(text: str) -> list[dict[str, Any]]:
    """Those of the lines that begin with a record, in their order; other lines are left out."""
    return [record for line in text.splitlines() if line.startswith("{") for record in _joined(line)]


def _joined(line: str) -> list[dict[str, Any]]:
    decoder, found = json.JSONDecoder(), []
    while line.startswith("{"):
        record, end = decoder.raw_decode(line)
        found.append(record)
        line = line[end:].lstrip()
    return found
