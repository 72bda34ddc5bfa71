"""Teams: an account becomes one and back; who is invited, joins and leaves."""

from graphql import GraphQLResolveInfo

from podd.api.context import Call
from podd.api.graphql import account, inputs
from podd.api.graphql.roots import Input, mutation
from podd.api.graphql.views import View
from podd.api.graphql.views import account as views
from podd.domain.account import checked_role
from podd.services import teams


@mutation.field("convertToTeam")
async def convert_to_team(_root: object, info: GraphQLResolveInfo, input: Input | None = None) -> View:
    context: Call = info.context
    name = inputs.required(input).get("name")
    return account.show(context, await context.write(teams.convert, context.caller, "", name))


@mutation.field("convertToPersonal")
async def convert_to_personal(_root: object, info: GraphQLResolveInfo) -> View:
    context: Call = info.context
    return account.show(context, await context.write(teams.convert_back, context.caller, ""))


@mutation.field("inviteTeamMember")
async def invite_team_member(_root: object, info: GraphQLResolveInfo, input: Input | None = None) -> View:
    context: Call = info.context
    data = inputs.required(input)
    role, email = checked_role(data["role"]), data.get("email") or ""
    invitation, token = await context.write(
        teams.invite, context.podd, context.caller, "", role, email, context.now
    )
    return {"token": token, "invitation": views.invitation_view(invitation)}


@mutation.field("deleteTeamInvitation")
async def delete_team_invitation(_root: object, info: GraphQLResolveInfo, id: str | None = None) -> None:
    context: Call = info.context
    await context.write(teams.withdraw, context.caller, "", id or "")


@mutation.field("updateTeamMember")
async def update_team_member(_root: object, info: GraphQLResolveInfo, input: Input | None = None) -> View:
    context: Call = info.context
    data = inputs.required(input)
    role = checked_role(data["role"])
    return views.member_view(
        await context.write(teams.change_role, context.caller, "", data["userId"], role, context.now)
    )


@mutation.field("removeTeamMember")
async def remove_team_member(
    _root: object,
    info: GraphQLResolveInfo,
    userId: str | None = None,  # noqa: N803 - the schema's name
) -> None:
    context: Call = info.context
    await context.write(teams.remove, context.caller, "", userId or "", context.now)


@mutation.field("joinTeam")
async def join_team(_root: object, info: GraphQLResolveInfo, token: str | None = None) -> View:
    context: Call = info.context
    return views.membership_view(await context.write(teams.join, context.caller, token or "", context.now))


@mutation.field("leaveTeam")
async def leave_team(
    _root: object,
    info: GraphQLResolveInfo,
    teamId: str | None = None,  # noqa: N803 - the schema's name
) -> None:
    context: Call = info.context
    await context.write(teams.leave, context.caller, teamId or "", context.now)
