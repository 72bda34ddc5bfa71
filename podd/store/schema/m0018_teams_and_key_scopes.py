from sqlite_utils import Database

from podd.store.schema.script import script


def migrate(db: Database) -> None:
    """An account is also the person who made it: `user_id` names a person by their account. Whose account it
    is has no row in `members`. `scope_ids` are separated by spaces."""
    script(
        db,
        """
        ALTER TABLE accounts ADD COLUMN kind TEXT NOT NULL DEFAULT 'personal'
            CHECK (kind IN ('personal', 'team'));

        CREATE TABLE members (
            account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
            user_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
            role TEXT NOT NULL CHECK (role IN ('basic', 'billing', 'dev', 'admin')),
            joined_at INTEGER NOT NULL,
            PRIMARY KEY (account_id, user_id)
        ) WITHOUT ROWID;
        CREATE INDEX members_by_user ON members (user_id);

        CREATE TABLE invitations (
            id TEXT PRIMARY KEY,
            account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
            hash TEXT NOT NULL UNIQUE,
            email TEXT NOT NULL,
            role TEXT NOT NULL CHECK (role IN ('basic', 'billing', 'dev', 'admin')),
            created_at INTEGER NOT NULL,
            expires_at INTEGER NOT NULL,
            used_at INTEGER,
            used_by TEXT
        );
        CREATE INDEX invitations_of_account ON invitations (account_id, created_at);

        ALTER TABLE api_keys ADD COLUMN user_id TEXT NOT NULL DEFAULT '';
        ALTER TABLE api_keys ADD COLUMN scope TEXT NOT NULL DEFAULT 'all'
            CHECK (scope IN ('all', 'read_only', 'endpoints', 'pod'));
        ALTER TABLE api_keys ADD COLUMN scope_ids TEXT NOT NULL DEFAULT '';
        ALTER TABLE api_keys ADD COLUMN expires_at INTEGER;
        UPDATE api_keys SET user_id = account_id;
        CREATE INDEX api_keys_of_account ON api_keys (account_id);
        """,
    )
