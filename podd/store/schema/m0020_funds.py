from sqlite_utils import Database

from podd.store.schema.script import script


def migrate(db: Database) -> None:
    script(
        db,
        """
        CREATE TABLE low_credit (
            account_id TEXT PRIMARY KEY REFERENCES accounts (id),
            balance INTEGER NOT NULL,
            at INTEGER NOT NULL
        ) WITHOUT ROWID;

        CREATE TABLE removals (
            account_id TEXT NOT NULL REFERENCES accounts (id),
            what TEXT NOT NULL CHECK (what IN ('pods', 'network volumes')),
            due_at INTEGER NOT NULL,
            warned_at INTEGER,
            PRIMARY KEY (account_id, what)
        ) WITHOUT ROWID;

        CREATE TABLE vouchers (
            id TEXT PRIMARY KEY,
            code_hash TEXT NOT NULL UNIQUE,
            amount INTEGER NOT NULL CHECK (amount > 0),
            text TEXT NOT NULL,
            created_at INTEGER NOT NULL,
            expires_at INTEGER,
            account_id TEXT REFERENCES accounts (id),
            redeemed_at INTEGER
        );

        CREATE TABLE allowances (
            id TEXT PRIMARY KEY,
            account_id TEXT NOT NULL REFERENCES accounts (id),
            amount INTEGER NOT NULL CHECK (amount > 0),
            every TEXT NOT NULL CHECK (every IN ('week', 'month')),
            text TEXT NOT NULL,
            last_day TEXT NOT NULL,
            created_at INTEGER NOT NULL
        );
        CREATE INDEX allowances_by_account ON allowances (account_id);

        CREATE TABLE refills (
            account_id TEXT PRIMARY KEY REFERENCES accounts (id),
            threshold INTEGER NOT NULL,
            amount INTEGER NOT NULL CHECK (amount > 0),
            monthly_cap INTEGER NOT NULL,
            last_at INTEGER,
            month TEXT NOT NULL,
            month_sum INTEGER NOT NULL
        ) WITHOUT ROWID;

        CREATE TABLE savings_plans (
            id TEXT PRIMARY KEY,
            account_id TEXT NOT NULL REFERENCES accounts (id),
            key TEXT NOT NULL,
            gpu_type_id TEXT NOT NULL,
            gpu_count INTEGER NOT NULL CHECK (gpu_count > 0),
            months INTEGER NOT NULL,
            price INTEGER NOT NULL,
            begins_at INTEGER NOT NULL,
            ends_at INTEGER NOT NULL,
            over INTEGER NOT NULL DEFAULT 0,
            UNIQUE (account_id, key)
        );
        CREATE INDEX savings_plans_under_way ON savings_plans (ends_at) WHERE over = 0;

        ALTER TABLE meters ADD COLUMN gpus INTEGER NOT NULL DEFAULT 0;
        ALTER TABLE meters ADD COLUMN covered INTEGER NOT NULL DEFAULT 0;

        CREATE INDEX postings_of_credit ON postings (account_id, source, target, amount) WHERE item = '';
        """,
    )
