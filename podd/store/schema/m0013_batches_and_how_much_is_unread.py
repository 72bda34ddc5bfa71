from sqlite_utils import Database

from podd.store.schema.script import script


def migrate(db: Database) -> None:
    """`batch_requests` are what a batch holds and the queue does not have yet. `upto` is the size of a chunk
    and of those before it that were unread when it came."""
    script(
        db,
        """
        CREATE TABLE batches (
            number INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            endpoint_id TEXT NOT NULL REFERENCES endpoints (id) ON DELETE CASCADE,
            name TEXT NOT NULL,
            status TEXT NOT NULL CHECK (status IN ('DRAFT', 'FINALIZED', 'CANCELLED')),
            created_at INTEGER NOT NULL,
            finalized_at INTEGER,
            ended_at INTEGER
        );
        CREATE INDEX batches_by_endpoint ON batches (endpoint_id, number);
        CREATE INDEX batches_under_way ON batches (status) WHERE ended_at IS NULL;
        CREATE INDEX batches_ended ON batches (ended_at) WHERE ended_at IS NOT NULL;

        CREATE TABLE batch_requests (
            seq INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            batch_id TEXT NOT NULL REFERENCES batches (id) ON DELETE CASCADE,
            execution_timeout INTEGER,
            ttl INTEGER,
            webhook TEXT NOT NULL,
            body_json TEXT NOT NULL
        );
        CREATE INDEX batch_requests_by_batch ON batch_requests (batch_id, seq);

        ALTER TABLE jobs ADD COLUMN batch_id TEXT;
        CREATE INDEX jobs_of_batch ON jobs (batch_id, status) WHERE batch_id IS NOT NULL;

        ALTER TABLE chunks ADD COLUMN upto INTEGER NOT NULL DEFAULT 0;
        """,
    )
