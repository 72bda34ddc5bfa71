"""Teams: converted, joined by invitation, and left; a member's keys follow the member."""

import pytest

from podd.domain.account import OPERATOR, AccountKind, Caller, Role
from podd.domain.errors import Conflict, Forbidden, Invalid, NotFound
from podd.services import accounts, keys, pods, teams
from tests.services.lab import Lab


@pytest.fixture
def grace(lab: Lab) -> Caller:
    return lab.account("grace@example.org")


@pytest.fixture
def team(lab: Lab) -> Caller:
    """Ada's account, as a team."""
    lab.do(teams.convert, lab.caller, "", "The lab")
    return lab.caller


def invited(lab: Lab, team: Caller, role: Role = Role.DEV, email: str = "") -> str:
    return lab.do(teams.invite, lab.podd, team, "", role, email, lab.now)[1]


def joined(lab: Lab, team: Caller, person: Caller, role: Role = Role.DEV) -> str:
    """The person is in; a key of theirs in the team."""
    lab.do(teams.join, person, invited(lab, team, role), lab.now)
    return lab.do(keys.create, person, "in the team", lab.now, team=team.account_id)[1]


def caller_of(lab: Lab, secret: str) -> Caller | None:
    return lab.ask(accounts.caller_of, secret, lab.podd.keys, lab.podd.operator_key_hash, lab.now)


def acting(lab: Lab, secret: str) -> Caller:
    found = caller_of(lab, secret)
    assert found is not None
    return found


def test_a_converted_account_keeps_its_id_and_its_keys(lab: Lab) -> None:
    _, secret = lab.do(keys.create, lab.caller, "old", lab.now)
    before = acting(lab, secret)
    account = lab.do(teams.convert, lab.caller, "", "The lab")
    assert (account.id, account.kind, account.name) == (lab.caller.account_id, AccountKind.TEAM, "The lab")
    assert acting(lab, secret) == before
    with pytest.raises(Conflict, match="a team already"):
        lab.do(teams.convert, lab.caller, "", None)


def test_a_team_becomes_personal_again_when_nobody_else_is_in_it(
    lab: Lab, team: Caller, grace: Caller
) -> None:
    joined(lab, team, grace)
    left_over = invited(lab, team)
    with pytest.raises(Conflict, match="remove its members first"):
        lab.do(teams.convert_back, team, "")
    lab.do(teams.remove, team, "", "grace@example.org", lab.now)
    assert lab.do(teams.convert_back, team, "").kind is AccountKind.PERSONAL
    with pytest.raises(NotFound, match="Ask for a new one"):
        lab.do(teams.join, grace, left_over, lab.now)


def test_a_personal_account_invites_nobody(lab: Lab) -> None:
    with pytest.raises(Conflict, match="make it a team first"):
        invited(lab, lab.caller)


def test_an_invitation_is_good_for_one_person(lab: Lab, team: Caller, grace: Caller) -> None:
    token = invited(lab, team)
    membership = lab.do(teams.join, grace, token, lab.now)
    assert (membership.team.id, membership.role) == (team.account_id, Role.DEV)
    assert [one.team.id for one in lab.ask(teams.memberships, grace)] == [team.account_id]
    with pytest.raises(NotFound, match="Ask for a new one"):
        lab.do(teams.join, lab.account("joan@example.org"), token, lab.now)


def test_an_invitation_that_expired_was_withdrawn_or_is_for_another_is_none(
    lab: Lab, team: Caller, grace: Caller
) -> None:
    withdrawn, token = lab.do(teams.invite, lab.podd, team, "", Role.DEV, "", lab.now)
    lab.do(teams.withdraw, team, "", withdrawn.id)
    for_joan = invited(lab, team, email="joan@example.org")
    expired = invited(lab, team)
    assert len(lab.ask(teams.invitations, team, "", lab.now)) == 2
    for text in (token, for_joan, "inv_nonsense"):
        with pytest.raises(NotFound, match="Ask for a new one"):
            lab.do(teams.join, grace, text, lab.now)
    lab.clock.advance(days=7)
    with pytest.raises(NotFound, match="Ask for a new one"):
        lab.do(teams.join, grace, expired, lab.now)
    assert lab.ask(teams.invitations, team, "", lab.now) == []


def test_a_token_is_nowhere_in_the_database(lab: Lab, team: Caller) -> None:
    token = invited(lab, team)
    lab.podd.store.close()
    content = b"".join(file.read_bytes() for file in lab.settings.data_dir.glob("podd.sqlite3*"))
    assert token.encode() not in content


def test_what_a_members_key_may_do_follows_the_members_role_at_once(
    lab: Lab, team: Caller, grace: Caller
) -> None:
    pod = lab.pod()
    secret = joined(lab, team, grace)
    assert lab.do(pods.stop, lab.podd, acting(lab, secret), pod.id, lab.now).id == pod.id
    lab.do(teams.change_role, team, "", grace.user_id, Role.BASIC, lab.now)
    assert lab.ask(pods.own, acting(lab, secret), pod.id).id == pod.id
    with pytest.raises(Forbidden):
        lab.do(pods.resume, lab.podd, acting(lab, secret), pod.id, None, lab.now)
    lab.do(teams.change_role, team, "", grace.user_id, Role.BILLING, lab.now)
    with pytest.raises(Forbidden):
        lab.ask(pods.own, acting(lab, secret), pod.id)


@pytest.mark.parametrize("how", ["removed", "leaves", "leaves by id"])
def test_a_key_of_who_is_no_member_any_more_is_nobodys(
    lab: Lab, team: Caller, grace: Caller, how: str
) -> None:
    secret = joined(lab, team, grace)
    if how == "removed":
        lab.do(teams.remove, team, "", grace.user_id, lab.now)
    elif how == "leaves":
        lab.do(teams.leave, acting(lab, secret), "", lab.now)
    else:
        lab.do(teams.leave, grace, team.account_id, lab.now)
    assert caller_of(lab, secret) is None
    lab.do(teams.join, grace, invited(lab, team), lab.now)
    assert caller_of(lab, secret) is None, "coming back does not bring old keys back"


def test_the_owner_is_the_last_admin_and_stays(lab: Lab, team: Caller, grace: Caller) -> None:
    admin = acting(lab, joined(lab, team, grace, Role.ADMIN))
    with pytest.raises(Conflict, match="cannot leave"):
        lab.do(teams.leave, team, "", lab.now)
    with pytest.raises(Conflict, match="cannot leave"):
        lab.do(teams.remove, admin, "", team.user_id, lab.now)
    with pytest.raises(Conflict, match="always an admin"):
        lab.do(teams.change_role, admin, "", "ada@example.org", Role.BASIC, lab.now)
    assert [member.owner for member in lab.ask(teams.members, admin)] == [True, False]


def test_only_admins_change_who_is_in(lab: Lab, team: Caller, grace: Caller) -> None:
    dev = acting(lab, joined(lab, team, grace))
    for verb in (
        lambda: invited(lab, dev),
        lambda: lab.do(teams.remove, dev, "", team.user_id, lab.now),
        lambda: lab.do(teams.change_role, dev, "", grace.user_id, Role.ADMIN, lab.now),
        lambda: lab.do(teams.convert_back, dev, ""),
        lambda: lab.ask(teams.invitations, dev, "", lab.now),
    ):
        with pytest.raises(Forbidden):
            verb()


def test_members_see_and_revoke_only_their_own_keys(lab: Lab, team: Caller, grace: Caller) -> None:
    dev = acting(lab, joined(lab, team, grace))
    assert [key.user_id for key in lab.ask(keys.listed, dev)] == [grace.user_id]
    with pytest.raises(NotFound):
        lab.do(keys.revoke, dev, team.key_id, lab.now)
    lab.do(keys.revoke, team, dev.key_id, lab.now)
    assert lab.ask(keys.listed, dev) == []


def test_a_team_is_not_reached_by_who_is_not_in_it(lab: Lab, team: Caller, grace: Caller) -> None:
    for named in (team.account_id, "missing"):
        with pytest.raises(NotFound, match=r"^team not found$"):
            lab.do(keys.create, grace, "nosy", lab.now, team=named)
        with pytest.raises(NotFound, match=r"^team not found$"):
            lab.do(teams.leave, grace, named, lab.now)
        with pytest.raises(NotFound, match=r"^member not found$"):
            lab.do(teams.remove, team, "", grace.user_id, lab.now)


def test_a_teams_key_joins_no_other_team(lab: Lab, team: Caller, grace: Caller) -> None:
    """Else an admin of one team could sign its members up for another."""
    member = acting(lab, joined(lab, team, grace))
    joan = lab.account("joan@example.org")
    lab.do(teams.convert, joan, "", None)
    with pytest.raises(Forbidden, match="your own account"):
        lab.do(teams.join, member, invited(lab, joan), lab.now)


def test_the_operator_makes_teams_and_members(lab: Lab, grace: Caller) -> None:
    account, _, _ = lab.do(accounts.create, OPERATOR, "lab@example.org", None, lab.now, AccountKind.TEAM)
    member = lab.do(teams.add, OPERATOR, account.email, "grace@example.org", Role.DEV, lab.now)
    assert (member.user_id, member.role) == (grace.user_id, Role.DEV)
    with pytest.raises(Conflict, match="belongs to this team already"):
        lab.do(teams.add, OPERATOR, account.id, grace.user_id, Role.DEV, lab.now)
    _, secret = lab.do(keys.create, OPERATOR, None, lab.now, account=account.id, user="grace@example.org")
    assert acting(lab, secret).role is Role.DEV
    with pytest.raises(NotFound, match="no member"):
        lab.do(keys.create, OPERATOR, None, lab.now, account=account.id, user="ada@example.org")
    with pytest.raises(Invalid, match="e-mail"):
        lab.do(teams.invite, lab.podd, OPERATOR, account.id, Role.DEV, "nobody", lab.now)
