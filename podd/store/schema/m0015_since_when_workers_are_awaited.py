from sqlite_utils import Database

from podd.store.schema.script import script


def migrate(db: Database) -> None:
    script(db, "ALTER TABLE workers ADD COLUMN awaited_since INTEGER;")
