from sqlite_utils import Database

from podd.store.schema.script import script


def migrate(db: Database) -> None:
    script(
        db,
        """
        ALTER TABLE jobs ADD COLUMN webhook TEXT NOT NULL DEFAULT '';

        CREATE TABLE webhooks (
            number INTEGER PRIMARY KEY,
            url TEXT NOT NULL,
            tries INTEGER NOT NULL DEFAULT 0,
            due_at INTEGER NOT NULL,
            id TEXT NOT NULL,
            endpoint_id TEXT NOT NULL,
            status TEXT NOT NULL,
            sync INTEGER NOT NULL,
            attempt INTEGER NOT NULL,
            retries INTEGER NOT NULL,
            submitted_at INTEGER NOT NULL,
            enqueued_at INTEGER NOT NULL,
            taken_at INTEGER,
            ended_at INTEGER,
            worker_id TEXT NOT NULL,
            body_json TEXT NOT NULL,
            progress_json TEXT,
            output_json TEXT,
            error TEXT
        );
        CREATE INDEX webhooks_due ON webhooks (due_at);
        """,
    )
