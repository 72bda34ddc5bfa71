"""podd teams: accounts that several people work in."""

from typing import Annotated, get_args
from urllib.parse import quote

import typer
from pydantic import ValidationError
from rich.markup import escape

from podd.cli.terminal import AsJson, Config, ask, columns, fail, print_table, tell
from podd.wire.operator import Nothing
from podd.wire.teams import (
    Acceptance,
    InvitationList,
    InvitationWish,
    Member,
    MemberList,
    Membership,
    MemberWish,
    NewInvitation,
    RoleName,
    RoleWish,
    Team,
    TeamWish,
)

teams = typer.Typer(help="Teams: accounts that several people work in.", no_args_is_help=True)

TeamName = Annotated[str, typer.Argument(metavar="ID|EMAIL", help="The team's account.")]
Person = Annotated[str, typer.Argument(metavar="MEMBER", help="A person, by id or e-mail address.")]
Role = Annotated[str, typer.Option(help="basic, billing, dev or admin.")]


@teams.command("convert", epilog="Example: podd teams convert ada@example.org --name lab")
def convert(
    account: TeamName,
    name: Annotated[str | None, typer.Option(help="What to call the team.")] = None,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Make a team of a personal account; its id, keys and everything in it stay."""
    _show_team(tell(config, _path(account, "convert"), TeamWish(name=name), Team), as_json)


@teams.command("convert-back", epilog="Example: podd teams convert-back lab@example.org")
def convert_back(account: TeamName, as_json: AsJson = False, config: Config = None) -> None:
    """Make a personal account of a team that nobody else belongs to."""
    _show_team(tell(config, _path(account, "convert-back"), Nothing(), Team), as_json)


@teams.command("members", epilog="Example: podd teams members lab@example.org")
def members(account: TeamName, as_json: AsJson = False, config: Config = None) -> None:
    """List who belongs to a team, and what they are in it."""
    _show_members(ask(config, _path(account, "members"), MemberList), as_json)


@teams.command("add", epilog="Example: podd teams add lab@example.org ada@example.org --role dev")
def add(
    account: TeamName, member: Person, role: Role = "dev", as_json: AsJson = False, config: Config = None
) -> None:
    """Let a person in without an invitation."""
    wish = MemberWish(user=member, role=_role(role))
    made = tell(config, _path(account, "members"), wish, Member)
    print(made.model_dump_json() if as_json else f"{made.email} is {made.role}")


@teams.command("change", epilog="Example: podd teams change lab@example.org ada@example.org --role admin")
def change(
    account: TeamName, member: Person, role: Role, as_json: AsJson = False, config: Config = None
) -> None:
    """Give a member another role; what the member's keys may do changes at once."""
    path = _path(account, "members", member, "change")
    made = tell(config, path, RoleWish(role=_role(role)), Member)
    print(made.model_dump_json() if as_json else f"{made.email} is {made.role}")


@teams.command("remove", epilog="Example: podd teams remove lab@example.org ada@example.org")
def remove(account: TeamName, member: Person, as_json: AsJson = False, config: Config = None) -> None:
    """Put a member out; the member's keys in the team are worthless at once."""
    _show_members(tell(config, _path(account, "members", member, "remove"), Nothing(), MemberList), as_json)


@teams.command("invite", epilog="Example: podd teams invite lab@example.org --role dev")
def invite(
    account: TeamName,
    role: Role = "dev",
    email: Annotated[str, typer.Option(help="Who may accept it; whoever has the token if left out.")] = "",
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Make an invitation and print its token, which is not shown again; it lets one person join."""
    wish = InvitationWish(role=_role(role), email=email)
    made = tell(config, _path(account, "invitations"), wish, NewInvitation)
    if as_json:
        print(made.model_dump_json())
    else:
        print(f"invitation {made.invitation_id}, until {made.expires_at}\npodd teams join {made.token}")


@teams.command("invitations", epilog="Example: podd teams invitations lab@example.org")
def invitations(account: TeamName, as_json: AsJson = False, config: Config = None) -> None:
    """List the invitations that can still be accepted."""
    _show_invitations(ask(config, _path(account, "invitations"), InvitationList), as_json)


@teams.command("withdraw", epilog="Example: podd teams withdraw lab@example.org INVITATION")
def withdraw(
    account: TeamName,
    invitation: Annotated[str, typer.Argument(metavar="ID", help="The invitation's id.")],
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Take an invitation back."""
    path = _path(account, "invitations", invitation, "withdraw")
    _show_invitations(tell(config, path, Nothing(), InvitationList), as_json)


@teams.command("join", epilog="Example: podd teams join TOKEN")
def join(
    token: Annotated[str, typer.Argument(help="The token of the invitation.")],
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Accept an invitation. Set PODD_URL to where podd is and PODD_API_KEY to a key of your own account."""
    joined = tell(config, "/operator/v1/invitations/accept", Acceptance(token=token), Membership)
    print(joined.model_dump_json() if as_json else f"{joined.role} of {joined.name} ({joined.account_id})")


# Private


def _path(team: str, *parts: str) -> str:
    return "/".join(["/operator/v1/teams", *(quote(part, safe="") for part in (team, *parts))])


def _role(text: str) -> RoleName:
    try:
        return RoleWish.model_validate({"role": text}).role
    except ValidationError:
        fail(f"{text!r} is no role; there are {', '.join(get_args(RoleName))}.", 2)


def _show_team(team: Team, as_json: bool) -> None:
    print(team.model_dump_json() if as_json else f"{team.name} ({team.account_id}) is a {team.kind} account")


def _show_members(found: MemberList, as_json: bool) -> None:
    if as_json:
        print(found.model_dump_json())
        return
    table = columns("id", "e-mail", "name", "role")
    for member in found.members:
        role = f"{member.role}, owner" if member.owner else member.role
        table.add_row(member.user_id, escape(member.email), escape(member.name), role)
    print_table(table)


def _show_invitations(found: InvitationList, as_json: bool) -> None:
    if as_json:
        print(found.model_dump_json())
        return
    table = columns("id", "role", "for", "expires")
    for one in found.invitations:
        table.add_row(one.invitation_id, one.role, escape(one.email or "anybody"), one.expires_at)
    print_table(table)
