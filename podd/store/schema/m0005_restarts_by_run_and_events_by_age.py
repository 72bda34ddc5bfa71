from sqlite_utils import Database

from podd.store.schema.script import script


def migrate(db: Database) -> None:
    script(
        db,
        """
        ALTER TABLE workloads RENAME COLUMN restart_at TO restart_of;
        CREATE INDEX workloads_by_state ON workloads (desired, phase);
        CREATE INDEX events_by_age ON events (at);
        """,
    )
