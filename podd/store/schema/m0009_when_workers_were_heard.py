from sqlite_utils import Database

from podd.store.schema.script import script


def migrate(db: Database) -> None:
    script(
        db,
        """
        ALTER TABLE workers ADD COLUMN loop_seen_at INTEGER;
        ALTER TABLE workers ADD COLUMN pinged_at INTEGER;
        ALTER TABLE jobs ADD COLUMN adopted INTEGER NOT NULL DEFAULT 0;
        """,
    )
