"""The operator's API: teams. A team or a person is named by id or e-mail address."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

RoleName = Literal["basic", "billing", "dev", "admin"]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class TeamWish(_Body):
    name: str | None = None


class Team(BaseModel):
    """`kind` is personal or team."""

    account_id: str
    email: str
    name: str
    kind: str


class MemberWish(_Body):
    user: str
    role: RoleName


class RoleWish(_Body):
    role: RoleName


class Member(BaseModel):
    """The owner, whose own account the team is, is always an admin."""

    user_id: str
    email: str
    name: str
    role: RoleName
    owner: bool
    joined_at: str


class MemberList(BaseModel):
    members: list[Member]


class InvitationWish(_Body):
    """`email` is who may accept it, empty: whoever has the token."""

    role: RoleName
    email: str = ""


class Invitation(BaseModel):
    invitation_id: str
    role: RoleName
    email: str
    created_at: str
    expires_at: str


class NewInvitation(Invitation):
    """`token` accepts it, once, and is shown here and never again."""

    token: str


class InvitationList(BaseModel):
    invitations: list[Invitation]


class Acceptance(_Body):
    token: str


class Membership(BaseModel):
    account_id: str
    name: str
    role: RoleName
