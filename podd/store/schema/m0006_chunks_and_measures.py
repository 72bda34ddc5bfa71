from sqlite_utils import Database

from podd.store.schema.script import script


def migrate(db: Database) -> None:
    script(
        db,
        """
        CREATE TABLE chunks (
            seq INTEGER PRIMARY KEY,
            job_id TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
            size INTEGER NOT NULL,
            body_json TEXT NOT NULL
        );
        CREATE INDEX chunks_by_job ON chunks (job_id, seq);

        CREATE TABLE measures (
            hour INTEGER NOT NULL,
            endpoint_id TEXT NOT NULL REFERENCES endpoints (id) ON DELETE CASCADE,
            kind TEXT NOT NULL,
            bin INTEGER NOT NULL,
            number INTEGER NOT NULL,
            PRIMARY KEY (hour, endpoint_id, kind, bin)
        ) WITHOUT ROWID;
        CREATE INDEX measures_by_endpoint ON measures (endpoint_id);
        """,
    )
