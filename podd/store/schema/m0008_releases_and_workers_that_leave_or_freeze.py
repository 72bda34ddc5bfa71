from sqlite_utils import Database

from podd.store.schema.script import script


def migrate(db: Database) -> None:
    script(
        db,
        """
        CREATE TABLE releases (
            endpoint_id TEXT NOT NULL REFERENCES endpoints (id),
            version INTEGER NOT NULL,
            at INTEGER NOT NULL,
            diff_json TEXT NOT NULL,
            PRIMARY KEY (endpoint_id, version)
        ) WITHOUT ROWID;
        INSERT OR IGNORE INTO releases SELECT id, 0, created_at, '[]' FROM endpoints;
        INSERT OR IGNORE INTO releases
            SELECT subject, CAST(substr(text, 9) AS INTEGER), at, '[]' FROM events
            WHERE kind = 'released' AND subject IN (SELECT id FROM endpoints);

        ALTER TABLE workers ADD COLUMN leaving TEXT NOT NULL DEFAULT '';
        ALTER TABLE workers ADD COLUMN thawed_at INTEGER;
        ALTER TABLE workloads ADD COLUMN frozen_at INTEGER;
        ALTER TABLE endpoints ADD COLUMN instance_ids TEXT NOT NULL DEFAULT '';
        ALTER TABLE endpoints ADD COLUMN network_volume_id TEXT NOT NULL DEFAULT '';
        ALTER TABLE endpoints ADD COLUMN asked_at INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE endpoints ADD COLUMN served_at INTEGER NOT NULL DEFAULT 0;
        UPDATE endpoints SET asked_at = CAST(strftime('%s', 'now') AS INTEGER) * 1000;
        """,
    )
