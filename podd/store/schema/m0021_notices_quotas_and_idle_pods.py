from sqlite_utils import Database

from podd.store.schema.script import script


def migrate(db: Database) -> None:
    script(
        db,
        """
        CREATE TABLE notices (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            at INTEGER NOT NULL,
            account_id TEXT NOT NULL,
            what TEXT NOT NULL,
            subject TEXT NOT NULL,
            name TEXT NOT NULL,
            kind TEXT NOT NULL,
            text TEXT NOT NULL,
            digest INTEGER
        );
        CREATE INDEX notices_waiting ON notices (account_id) WHERE digest IS NULL;
        CREATE INDEX notices_by_digest ON notices (digest);

        CREATE TABLE letters (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            digest INTEGER NOT NULL,
            account_id TEXT NOT NULL,
            route TEXT NOT NULL CHECK (route IN ('mail', 'channel')),
            address TEXT NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('waiting', 'sent', 'given up')),
            made_at INTEGER NOT NULL,
            due_at INTEGER NOT NULL,
            tries INTEGER NOT NULL DEFAULT 0,
            ended_at INTEGER,
            reason TEXT NOT NULL DEFAULT '',
            UNIQUE (digest, route, address)
        );
        CREATE INDEX letters_due ON letters (due_at) WHERE state = 'waiting';
        CREATE INDEX letters_by_account ON letters (account_id, made_at);

        CREATE TABLE quotas (
            account_id TEXT NOT NULL REFERENCES accounts (id),
            name TEXT NOT NULL,
            amount INTEGER NOT NULL,
            PRIMARY KEY (account_id, name)
        ) WITHOUT ROWID;

        ALTER TABLE workloads ADD COLUMN created_by TEXT NOT NULL DEFAULT '';
        UPDATE workloads SET created_by = account_id;
        ALTER TABLE endpoints ADD COLUMN created_by TEXT NOT NULL DEFAULT '';
        UPDATE endpoints SET created_by = account_id;
        ALTER TABLE network_volumes ADD COLUMN created_by TEXT NOT NULL DEFAULT '';
        UPDATE network_volumes SET created_by = account_id;

        ALTER TABLE pods ADD COLUMN runs_since INTEGER;
        UPDATE pods SET runs_since = (SELECT created_at FROM workloads WHERE workloads.id = pods.id);
        ALTER TABLE pods ADD COLUMN lifetime_warned INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE pods ADD COLUMN idle_warned_at INTEGER;
        ALTER TABLE pods ADD COLUMN idle_exempt INTEGER NOT NULL DEFAULT 0;
        """,
    )
