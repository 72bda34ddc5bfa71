from sqlite_utils import Database

from podd.store.schema.script import script


def migrate(db: Database) -> None:
    script(
        db,
        """
        CREATE TABLE postings (
            number INTEGER PRIMARY KEY,
            key TEXT NOT NULL UNIQUE,
            at INTEGER NOT NULL,
            source TEXT NOT NULL,
            target TEXT NOT NULL CHECK (target <> source),
            amount INTEGER NOT NULL CHECK (typeof(amount) = 'integer' AND amount > 0),
            text TEXT NOT NULL,
            account_id TEXT NOT NULL,
            resource TEXT NOT NULL,
            group_id TEXT NOT NULL,
            item TEXT NOT NULL,
            gpu_type_id TEXT NOT NULL,
            size INTEGER NOT NULL,
            lasted INTEGER NOT NULL
        );
        CREATE INDEX postings_by_account ON postings (account_id, at);

        CREATE TABLE balances (
            name TEXT PRIMARY KEY,
            amount INTEGER NOT NULL CHECK (typeof(amount) = 'integer')
        ) WITHOUT ROWID;

        CREATE TABLE meters (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            account_id TEXT NOT NULL REFERENCES accounts (id),
            resource TEXT NOT NULL,
            group_id TEXT NOT NULL,
            gpu_type_id TEXT NOT NULL,
            item TEXT NOT NULL,
            amount INTEGER NOT NULL,
            period INTEGER NOT NULL,
            step INTEGER NOT NULL,
            size INTEGER NOT NULL,
            opened_at INTEGER NOT NULL,
            wall INTEGER NOT NULL,
            steady INTEGER NOT NULL,
            boot TEXT NOT NULL,
            used INTEGER NOT NULL,
            charged INTEGER NOT NULL,
            UNIQUE (resource, item)
        );
        CREATE INDEX meters_by_account ON meters (account_id);
        """,
    )
    for trigger in _LEDGER_TRIGGERS:
        db.execute(trigger)


# Append-only, and balances that follow by themselves: whatever writes to the ledger, also by hand.
_LEDGER_TRIGGERS = (
    """
    CREATE TRIGGER postings_are_not_changed BEFORE UPDATE ON postings
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END
    """,
    """
    CREATE TRIGGER postings_are_not_deleted BEFORE DELETE ON postings
    BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END
    """,
    """
    CREATE TRIGGER postings_move_balances AFTER INSERT ON postings
    BEGIN
        INSERT INTO balances VALUES (NEW.source, -NEW.amount)
            ON CONFLICT (name) DO UPDATE SET amount = amount - NEW.amount;
        INSERT INTO balances VALUES (NEW.target, NEW.amount)
            ON CONFLICT (name) DO UPDATE SET amount = amount + NEW.amount;
    END
    """,
)
