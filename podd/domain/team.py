"""Teams: accounts that several people work in."""

from dataclasses import dataclass

from podd.domain.account import Account, Role


@dataclass(frozen=True, slots=True)
class Member:
    """A person in an account; `user_id` is that person's own account. The owner is the person whose own
    account became the team, and always an admin."""

    user_id: str
    email: str
    name: str
    role: Role
    joined_at: int
    owner: bool = False


@dataclass(frozen=True, slots=True)
class Membership:
    """A team that a person belongs to, and what they are in it."""

    team: Account
    role: Role


@dataclass(frozen=True, slots=True)
class Invitation:
    """Lets one person join, until it expires. `email` is the only person who may, if it is not empty."""

    id: str
    account_id: str
    email: str
    role: Role
    created_at: int
    expires_at: int
