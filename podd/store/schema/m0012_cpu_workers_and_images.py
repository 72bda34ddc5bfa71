from sqlite_utils import Database

from podd.store.schema.script import script


def migrate(db: Database) -> None:
    script(
        db,
        """
        ALTER TABLE workers ADD COLUMN instance_id TEXT NOT NULL DEFAULT '';
        ALTER TABLE endpoints ADD COLUMN image_trouble TEXT NOT NULL DEFAULT '';
        ALTER TABLE endpoints ADD COLUMN image_failures INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE endpoints ADD COLUMN image_retry_at INTEGER NOT NULL DEFAULT 0;
        """,
    )
