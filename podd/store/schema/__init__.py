"""The tables, as migrations that only go forward.

A state is a word in a column, held to its set by CHECK; what must be unique is a unique index: one
claim per GPU, one use per host port, one name per account. Times are epoch milliseconds, money is
nano-dollars, booleans are 0 and 1, columns that end in `_json` hold JSON.

One file for each migration, whose name is what the database remembers it by. What has been released is
never changed.
"""

import importlib
import pkgutil

from sqlite_utils.migrations import Migrations

migrations = Migrations("podd")

for _found in sorted(pkgutil.iter_modules(__path__), key=lambda found: found.name):
    if _found.name.startswith("m0"):
        _module = importlib.import_module(f"{__name__}.{_found.name}")
        migrations(name=_found.name)(_module.migrate)
