"""The operator's API: teams, under /operator/v1/teams. Accounts use it for their own."""

from litestar import get, post
from litestar.params import FromPath, JSONBody

from podd.api.context import AnyRequest, api_of, known_caller_of
from podd.api.shown import instant
from podd.domain import team as domain
from podd.domain.account import Account, Role
from podd.services import teams
from podd.wire.operator import Nothing
from podd.wire.teams import (
    Acceptance,
    Invitation,
    InvitationList,
    InvitationWish,
    Member,
    MemberList,
    Membership,
    MemberWish,
    NewInvitation,
    RoleWish,
    Team,
    TeamWish,
)

_TEAM = "/operator/v1/teams/{team:str}"


@post(f"{_TEAM}/convert", status_code=200)
async def convert(request: AnyRequest, team: FromPath[str], data: JSONBody[TeamWish]) -> Team:
    """Make a team of a personal account; its id and keys stay."""
    caller, api = await known_caller_of(request), api_of(request)
    return _team(await api.podd.store.write(teams.convert, caller, team, data.name))


@post(f"{_TEAM}/convert-back", status_code=200)
async def convert_back(request: AnyRequest, team: FromPath[str], data: JSONBody[Nothing]) -> Team:  # noqa: ARG001
    """Make a personal account of a team that nobody else belongs to."""
    caller, api = await known_caller_of(request), api_of(request)
    return _team(await api.podd.store.write(teams.convert_back, caller, team))


@get(f"{_TEAM}/members")
async def list_members(request: AnyRequest, team: FromPath[str]) -> MemberList:
    """Everybody in the team, its owner first."""
    caller, api = await known_caller_of(request), api_of(request)
    return _member_list(await api.podd.store.read(teams.members, caller, team))


@post(f"{_TEAM}/members", status_code=201)
async def add_member(request: AnyRequest, team: FromPath[str], data: JSONBody[MemberWish]) -> Member:
    """Let somebody in without an invitation."""
    caller, api = await known_caller_of(request), api_of(request)
    return _member(await api.podd.store.write(teams.add, caller, team, data.user, Role(data.role), api.now))


@post(f"{_TEAM}/members/{{user:str}}/change", status_code=200)
async def change_member(
    request: AnyRequest, team: FromPath[str], user: FromPath[str], data: JSONBody[RoleWish]
) -> Member:
    """Give somebody another role; what their keys may do changes at once."""
    caller, api = await known_caller_of(request), api_of(request)
    return _member(
        await api.podd.store.write(teams.change_role, caller, team, user, Role(data.role), api.now)
    )


@post(f"{_TEAM}/members/{{user:str}}/remove", status_code=200)
async def remove_member(
    request: AnyRequest,
    team: FromPath[str],
    user: FromPath[str],
    data: JSONBody[Nothing],  # noqa: ARG001
) -> MemberList:
    """Put somebody out; their keys in the team are nobody's at once. Who is left."""
    caller, api = await known_caller_of(request), api_of(request)
    await api.podd.store.write(teams.remove, caller, team, user, api.now)
    return _member_list(await api.podd.store.read(teams.members, caller, team))


@get(f"{_TEAM}/invitations")
async def list_invitations(request: AnyRequest, team: FromPath[str]) -> InvitationList:
    """Those that can still be accepted."""
    caller, api = await known_caller_of(request), api_of(request)
    found = await api.podd.store.read(teams.invitations, caller, team, api.now)
    return InvitationList(invitations=[_invitation(invitation) for invitation in found])


@post(f"{_TEAM}/invitations", status_code=201)
async def invite(request: AnyRequest, team: FromPath[str], data: JSONBody[InvitationWish]) -> NewInvitation:
    """Invite somebody; the token is shown once."""
    caller, api = await known_caller_of(request), api_of(request)
    invitation, token = await api.podd.store.write(
        teams.invite, api.podd, caller, team, Role(data.role), data.email, api.now
    )
    return NewInvitation(**_invitation(invitation).model_dump(), token=token)


@post(f"{_TEAM}/invitations/{{invitation_id:str}}/withdraw", status_code=200)
async def withdraw(
    request: AnyRequest,
    team: FromPath[str],
    invitation_id: FromPath[str],
    data: JSONBody[Nothing],  # noqa: ARG001
) -> InvitationList:
    """Take an invitation back. Those that are left."""
    caller, api = await known_caller_of(request), api_of(request)
    await api.podd.store.write(teams.withdraw, caller, team, invitation_id)
    found = await api.podd.store.read(teams.invitations, caller, team, api.now)
    return InvitationList(invitations=[_invitation(invitation) for invitation in found])


@post("/operator/v1/invitations/accept", status_code=200)
async def accept(request: AnyRequest, data: JSONBody[Acceptance]) -> Membership:
    """Join the team that sent the invitation, with a key of one's own account."""
    caller, api = await known_caller_of(request), api_of(request)
    joined = await api.podd.store.write(teams.join, caller, data.token, api.now)
    return Membership(account_id=joined.team.id, name=joined.team.name, role=joined.role.value)


HANDLERS = [
    convert,
    convert_back,
    list_members,
    add_member,
    change_member,
    remove_member,
    list_invitations,
    invite,
    withdraw,
    accept,
]


# Private


def _team(account: Account) -> Team:
    return Team(account_id=account.id, email=account.email, name=account.name, kind=account.kind.value)


def _member(member: domain.Member) -> Member:
    return Member(
        user_id=member.user_id,
        email=member.email,
        name=member.name,
        role=member.role.value,
        owner=member.owner,
        joined_at=instant(member.joined_at) or "",
    )


def _member_list(found: list[domain.Member]) -> MemberList:
    return MemberList(members=[_member(member) for member in found])


def _invitation(invitation: domain.Invitation) -> Invitation:
    return Invitation(
        invitation_id=invitation.id,
        role=invitation.role.value,
        email=invitation.email,
        created_at=instant(invitation.created_at) or "",
        expires_at=instant(invitation.expires_at) or "",
    )
