"""Several statements in one text."""

from sqlite_utils import Database


def script(db: Database, sql: str) -> None:
    # executescript would commit the migration's own transaction.
    for statement in filter(str.strip, sql.split(";")):
        db.execute(statement)
