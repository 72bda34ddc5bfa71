from sqlite_utils import Database

from podd.store.schema.script import script


def migrate(db: Database) -> None:
    script(
        db,
        """
        CREATE TABLE audit (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            at INTEGER NOT NULL,
            account_id TEXT NOT NULL,
            actor TEXT NOT NULL,
            user_id TEXT NOT NULL,
            key_id TEXT NOT NULL,
            session_id TEXT NOT NULL,
            workload_id TEXT NOT NULL,
            address TEXT NOT NULL,
            surface TEXT NOT NULL,
            agent TEXT NOT NULL,
            operation TEXT NOT NULL,
            thing TEXT NOT NULL,
            outcome TEXT NOT NULL CHECK (outcome IN ('done', 'refused'))
        );
        CREATE INDEX audit_by_account ON audit (account_id, number);
        CREATE INDEX audit_by_time ON audit (at);
        CREATE INDEX audit_by_thing ON audit (thing) WHERE thing <> '';

        -- Up to when entries may be deleted. It only goes forward, and so tells what was.
        CREATE TABLE audit_horizon (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            before INTEGER NOT NULL
        );
        INSERT INTO audit_horizon VALUES (1, 0);

        ALTER TABLE api_keys ADD COLUMN last_used_at INTEGER;

        CREATE TABLE passwords (
            account_id TEXT PRIMARY KEY REFERENCES accounts (id),
            hash TEXT NOT NULL,
            changed_at INTEGER NOT NULL
        ) WITHOUT ROWID;

        CREATE TABLE sign_in_links (
            hash TEXT PRIMARY KEY,
            account_id TEXT NOT NULL REFERENCES accounts (id),
            expires_at INTEGER NOT NULL
        ) WITHOUT ROWID;

        CREATE TABLE sessions (
            id TEXT PRIMARY KEY,
            account_id TEXT NOT NULL REFERENCES accounts (id),
            hash TEXT NOT NULL UNIQUE,
            by_link INTEGER NOT NULL,
            created_at INTEGER NOT NULL,
            last_used_at INTEGER NOT NULL,
            ended_at INTEGER,
            address TEXT NOT NULL,
            agent TEXT NOT NULL
        );
        CREATE INDEX sessions_by_account ON sessions (account_id);
        """,
    )
    for trigger in _AUDIT_TRIGGERS:
        db.execute(trigger)


# Append-only, whoever writes to it: what goes is what is too old to be kept, and when that was is seen.
_AUDIT_TRIGGERS = (
    """
    CREATE TRIGGER audit_is_not_changed BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END
    """,
    """
    CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit
    WHEN OLD.at >= (SELECT before FROM audit_horizon)
    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END
    """,
    """
    CREATE TRIGGER audit_horizon_goes_forward BEFORE UPDATE ON audit_horizon WHEN NEW.before < OLD.before
    BEGIN SELECT RAISE(ABORT, 'the horizon of the audit log only goes forward'); END
    """,
    """
    CREATE TRIGGER audit_horizon_stays BEFORE DELETE ON audit_horizon
    BEGIN SELECT RAISE(ABORT, 'the horizon of the audit log stays'); END
    """,
)
