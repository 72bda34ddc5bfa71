"""Who belongs to teams, and who is invited to."""

from podd.domain.account import Role
from podd.domain.team import Invitation, Member
from podd.store.db import Reader, Row, Tx


def members_of(db: Reader, account_id: str) -> list[Member]:
    """All but the owner, in the order in which they came."""
    rows = db.rows(
        """
        SELECT m.user_id, a.email, a.name, m.role, m.joined_at
        FROM members m JOIN accounts a ON a.id = m.user_id
        WHERE m.account_id = ? ORDER BY m.joined_at, m.user_id
        """,
        (account_id,),
    )
    return [Member(**{**row, "role": Role(row["role"])}) for row in rows]


def role_of(db: Reader, account_id: str, user_id: str) -> Role | None:
    """What a person is in an account; None for a stranger."""
    if user_id == account_id:
        return Role.ADMIN
    role = db.value("SELECT role FROM members WHERE account_id = ? AND user_id = ?", (account_id, user_id))
    return role and Role(role)


def teams_of(db: Reader, user_id: str) -> list[tuple[str, Role]]:
    """Ids of the accounts of others that a person belongs to, oldest first, each with the role."""
    rows = db.rows(
        "SELECT account_id, role FROM members WHERE user_id = ? ORDER BY joined_at, account_id", (user_id,)
    )
    return [(row["account_id"], Role(row["role"])) for row in rows]


def put_member(tx: Tx, account_id: str, user_id: str, role: Role, now: int) -> None:
    """Let somebody in, or change what they are."""
    tx.run(
        "INSERT INTO members (account_id, user_id, role, joined_at) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (account_id, user_id) DO UPDATE SET role = excluded.role",
        (account_id, user_id, role.value, now),
    )


def remove_member(tx: Tx, account_id: str, user_id: str) -> None:
    tx.run("DELETE FROM members WHERE account_id = ? AND user_id = ?", (account_id, user_id))


def insert_invitation(tx: Tx, invitation: Invitation, token_hash: str) -> None:
    tx.insert(
        "invitations",
        {
            "id": invitation.id,
            "account_id": invitation.account_id,
            "hash": token_hash,
            "email": invitation.email,
            "role": invitation.role.value,
            "created_at": invitation.created_at,
            "expires_at": invitation.expires_at,
        },
    )


def open_invitations(db: Reader, account_id: str, now: int) -> list[Invitation]:
    rows = db.rows(
        "SELECT * FROM invitations WHERE account_id = ? AND used_at IS NULL AND expires_at > ? "
        "ORDER BY created_at, id",
        (account_id, now),
    )
    return [_invitation(row) for row in rows]


def open_invitation(db: Reader, token_hash: str, now: int) -> Invitation | None:
    """The one with this token, unless it was used or has expired."""
    row = db.row(
        "SELECT * FROM invitations WHERE hash = ? AND used_at IS NULL AND expires_at > ?", (token_hash, now)
    )
    return _invitation(row) if row else None


def use_invitation(tx: Tx, invitation_id: str, user_id: str, now: int) -> None:
    tx.update("invitations", invitation_id, {"used_at": now, "used_by": user_id})


def delete_invitation(tx: Tx, account_id: str, invitation_id: str) -> bool:
    """Whether there was one to delete."""
    return (
        tx.run(
            "DELETE FROM invitations WHERE account_id = ? AND id = ? AND used_at IS NULL",
            (account_id, invitation_id),
        )
        == 1
    )


def delete_invitations(tx: Tx, account_id: str) -> None:
    tx.run("DELETE FROM invitations WHERE account_id = ? AND used_at IS NULL", (account_id,))


# Private


def _invitation(row: Row) -> Invitation:
    return Invitation(
        id=row["id"],
        account_id=row["account_id"],
        email=row["email"],
        role=Role(row["role"]),
        created_at=row["created_at"],
        expires_at=row["expires_at"],
    )
