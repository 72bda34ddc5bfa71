from sqlite_utils import Database

from podd.store.schema.script import script


def migrate(db: Database) -> None:
    """`made` is the size in GB that a volume's files have by now, 0 before they are made; `problem`,
    `failures` and `retry_at` are about the last try to grow or remove them."""
    script(
        db,
        """
        ALTER TABLE network_volumes ADD COLUMN made INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE network_volumes ADD COLUMN problem TEXT NOT NULL DEFAULT '';
        ALTER TABLE network_volumes ADD COLUMN failures INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE network_volumes ADD COLUMN retry_at INTEGER NOT NULL DEFAULT 0
        """,
    )
