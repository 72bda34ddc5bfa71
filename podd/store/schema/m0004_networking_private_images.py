from sqlite_utils import Database

from podd.store.schema.script import script


def migrate(db: Database) -> None:
    """`private_images` names what was pulled with a credential, by reference and by the engine's id;
    `image_grants` who has shown that they may use it."""
    script(
        db,
        """
        ALTER TABLE pods ADD COLUMN global_networking INTEGER NOT NULL DEFAULT 0;

        ALTER TABLE workloads ADD COLUMN failing_since INTEGER;

        CREATE TABLE private_images (image TEXT PRIMARY KEY) WITHOUT ROWID;

        CREATE TABLE image_grants (
            image TEXT NOT NULL,
            account_id TEXT NOT NULL REFERENCES accounts (id),
            credential_id TEXT NOT NULL,
            granted_at INTEGER NOT NULL,
            PRIMARY KEY (image, account_id, credential_id)
        ) WITHOUT ROWID;

        INSERT INTO private_images SELECT DISTINCT image FROM workloads WHERE registry_auth_id != '';
        """,
    )
