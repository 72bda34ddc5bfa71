"""A database as a first start makes it."""

import tempfile
from functools import cache
from pathlib import Path

from podd.store.db import Store


@cache
def empty_database() -> bytes:
    """A file with all tables and nothing in them, so that not every test has to make them."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory, "empty.sqlite3")
        Store(file).close()
        return file.read_bytes()
