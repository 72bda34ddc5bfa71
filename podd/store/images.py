"""Images that were pulled with a credential, and which accounts have shown that they may use them."""

from podd.store.db import Reader, Tx


def note_private(tx: Tx, image: str) -> None:
    tx.run("INSERT OR IGNORE INTO private_images (image) VALUES (?)", (image,))


def forget_private(tx: Tx, image: str) -> None:
    tx.run("DELETE FROM private_images WHERE image = ?", (image,))


def is_private(db: Reader, reference: str, image_id: str) -> bool:
    found = db.row("SELECT 1 AS x FROM private_images WHERE image IN (?, ?)", (reference, image_id))
    return found is not None


def grant(tx: Tx, image: str, account_id: str, credential_id: str, at: int) -> None:
    tx.run(
        "INSERT OR REPLACE INTO image_grants (image, account_id, credential_id, granted_at) "
        "VALUES (?, ?, ?, ?)",
        (image, account_id, credential_id, at),
    )


def is_granted(db: Reader, image: str, account_id: str, credential_id: str) -> bool:
    found = db.row(
        "SELECT 1 AS x FROM image_grants WHERE image = ? AND account_id = ? AND credential_id = ?",
        (image, account_id, credential_id),
    )
    return found is not None
