from sqlite_utils import Database

from podd.store.schema.script import script


def migrate(db: Database) -> None:
    script(
        db,
        """
        ALTER TABLE workloads ADD COLUMN guarded_ports TEXT NOT NULL DEFAULT '';
        """,
    )
