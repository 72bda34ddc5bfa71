from sqlite_utils import Database

from podd.store.schema.script import script


def migrate(db: Database) -> None:
    script(
        db,
        """
        CREATE TABLE halts (
            account_id TEXT PRIMARY KEY REFERENCES accounts (id),
            balance INTEGER NOT NULL,
            at INTEGER NOT NULL
        ) WITHOUT ROWID;
        """,
    )
