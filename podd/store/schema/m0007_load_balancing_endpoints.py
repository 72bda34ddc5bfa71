from sqlite_utils import Database

from podd.store.schema.script import script


def migrate(db: Database) -> None:
    script(
        db,
        "ALTER TABLE endpoints ADD COLUMN type TEXT NOT NULL DEFAULT 'QB' CHECK (type IN ('QB', 'LB'))",
    )
