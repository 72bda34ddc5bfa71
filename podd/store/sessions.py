"""Passwords, links to sign in with, and sessions. Of all three only hashes are kept."""

from podd.domain.session import Session
from podd.store.db import Reader, Row, Tx

_COLUMNS = "id, account_id, by_link, created_at, last_used_at, address, agent"


def insert(tx: Tx, session: Session, token_hash: str) -> None:
    tx.insert(
        "sessions",
        {
            "id": session.id,
            "account_id": session.account_id,
            "hash": token_hash,
            "by_link": session.by_link,
            "created_at": session.created_at,
            "last_used_at": session.last_used_at,
            "address": session.address,
            "agent": session.agent,
        },
    )


def get(db: Reader, session_id: str) -> Session | None:
    return _one(db.row(f"SELECT {_COLUMNS} FROM sessions WHERE id = ? AND ended_at IS NULL", (session_id,)))


def by_hash(db: Reader, token_hash: str) -> Session | None:
    return _one(db.row(f"SELECT {_COLUMNS} FROM sessions WHERE hash = ? AND ended_at IS NULL", (token_hash,)))


def of_account(db: Reader, account_id: str) -> list[Session]:
    """Those that were not ended, the one used last first."""
    rows = db.rows(
        f"SELECT {_COLUMNS} FROM sessions WHERE account_id = ? AND ended_at IS NULL "
        "ORDER BY last_used_at DESC, id",
        (account_id,),
    )
    return [_session(row) for row in rows]


def end(tx: Tx, session_id: str, now: int) -> None:
    tx.update("sessions", session_id, {"ended_at": now})


def hash_of(db: Reader, session_id: str) -> str | None:
    found: str | None = db.value("SELECT hash FROM sessions WHERE id = ?", (session_id,))
    return found


def note_use(tx: Tx, session_id: str, at: int) -> None:
    tx.run("UPDATE sessions SET last_used_at = MAX(last_used_at, ?) WHERE id = ?", (at, session_id))


def forget(tx: Tx, unused_since: int, created_before: int) -> None:
    """Delete what can open nothing any more."""
    tx.run(
        "DELETE FROM sessions WHERE ended_at IS NOT NULL OR last_used_at < ? OR created_at < ?",
        (unused_since, created_before),
    )


# Passwords


def password_hash(db: Reader, account_id: str) -> str | None:
    found: str | None = db.value("SELECT hash FROM passwords WHERE account_id = ?", (account_id,))
    return found


def put_password(tx: Tx, account_id: str, password_hash: str, now: int) -> None:
    tx.run(
        "INSERT INTO passwords VALUES (?, ?, ?) "
        "ON CONFLICT (account_id) DO UPDATE SET hash = excluded.hash, changed_at = excluded.changed_at",
        (account_id, password_hash, now),
    )


# Links


def put_link(tx: Tx, token_hash: str, account_id: str, expires_at: int) -> None:
    """The account's only link from now on."""
    tx.run("DELETE FROM sign_in_links WHERE account_id = ?", (account_id,))
    tx.run("INSERT INTO sign_in_links VALUES (?, ?, ?)", (token_hash, account_id, expires_at))


def use_link(tx: Tx, token_hash: str, now: int) -> str | None:
    """The account a link is for, once."""
    row = tx.row("DELETE FROM sign_in_links WHERE hash = ? RETURNING account_id, expires_at", (token_hash,))
    return row["account_id"] if row and row["expires_at"] > now else None


# Private


def _one(row: Row | None) -> Session | None:
    return _session(row) if row else None


def _session(row: Row) -> Session:
    return Session(**{**row, "by_link": bool(row["by_link"])})
