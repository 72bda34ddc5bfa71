"""Teams: made of an account and back, and who belongs to them.

`team` names the account for the operator; everybody else acts on the account whose key they show.
"""

from podd import ids
from podd.domain import account as rules
from podd.domain.account import Account, AccountKind, Caller, Role
from podd.domain.errors import Conflict, Forbidden, NotFound
from podd.domain.team import Invitation, Member, Membership
from podd.domain.template import checked_name
from podd.services import accounts
from podd.services.platform import Platform
from podd.store import accounts as account_rows
from podd.store import keys, teams
from podd.store.db import Reader, Tx

NO_INVITATION = "There is no such invitation, or it has expired or was used. Ask for a new one."


def convert(tx: Tx, caller: Caller, team: str, name: str | None) -> Account:
    """Make a team of a personal account: same id, same keys, its person is its owner. Raises Conflict."""
    account = _subject(tx, caller, team)
    if account.kind is AccountKind.TEAM:
        raise Conflict("This account is a team already.")
    account_rows.change(tx, account.id, kind=AccountKind.TEAM.value)
    if name:
        account_rows.change(tx, account.id, name=checked_name(name))
    tx.tell("account became a team", account=account.id)
    return _again(tx, account.id)


def convert_back(tx: Tx, caller: Caller, team: str) -> Account:
    """Make a personal account of a team that nobody else belongs to. Raises Conflict."""
    account = _subject(tx, caller, team)
    if account.kind is AccountKind.PERSONAL:
        raise Conflict("This account is a personal one already.")
    if teams.members_of(tx, account.id):
        raise Conflict("A team becomes personal when nobody else belongs to it; remove its members first.")
    teams.delete_invitations(tx, account.id)
    account_rows.change(tx, account.id, kind=AccountKind.PERSONAL.value)
    tx.tell("account became personal", account=account.id)
    return _again(tx, account.id)


def members(db: Reader, caller: Caller, team: str = "") -> list[Member]:
    """Everybody in the account, its owner first."""
    rules.require(caller, "team.read")
    account = accounts.for_caller(db, caller, team)
    return [_owner(account), *teams.members_of(db, account.id)]


def memberships(db: Reader, caller: Caller) -> list[Membership]:
    """The teams of others that the caller's person belongs to. Only a key of their own account tells."""
    rules.require(caller, "account.read")
    if caller.user_id != caller.account_id:
        return []
    return [
        Membership(_again(db, account_id), role) for account_id, role in teams.teams_of(db, caller.user_id)
    ]


def invite(
    tx: Tx, podd: Platform, caller: Caller, team: str, role: Role, email: str, now: int
) -> tuple[Invitation, str]:
    """An invitation and its token, which is only ever given here; for whoever shows it first, or only for
    the account with this e-mail address. Raises Conflict, Invalid."""
    account = _team(tx, caller, team)
    invitation = Invitation(
        id=ids.new_id(),
        account_id=account.id,
        email=rules.checked_email(email) if email else "",
        role=role,
        created_at=now,
        expires_at=now + int(podd.settings.limits.invitation_seconds * 1000),
    )
    token = ids.invitation_token()
    teams.insert_invitation(tx, invitation, ids.key_hash(token))
    tx.tell("somebody was invited", account=account.id, invitation=invitation.id, role=role.value)
    return invitation, token


def invitations(db: Reader, caller: Caller, team: str, now: int) -> list[Invitation]:
    """Those that can still be accepted."""
    rules.require(caller, "team.change")
    return teams.open_invitations(db, accounts.for_caller(db, caller, team).id, now)


def withdraw(tx: Tx, caller: Caller, team: str, invitation_id: str) -> None:
    """Take an invitation back. Raises NotFound."""
    account = _subject(tx, caller, team)
    if not teams.delete_invitation(tx, account.id, invitation_id):
        raise NotFound("invitation not found")


def join(tx: Tx, caller: Caller, token: str, now: int) -> Membership:
    """Accept an invitation, with a key of one's own account. Raises NotFound, Conflict, Forbidden."""
    rules.require(caller, "team.join")
    invitation = teams.open_invitation(tx, ids.key_hash(token), now)
    person = accounts.own(tx, caller)
    if invitation is None or invitation.email not in ("", person.email):
        raise NotFound(NO_INVITATION)
    if caller.user_id != caller.account_id:
        raise Forbidden("Invitations are accepted with a key of your own account, not with one of a team.")
    if teams.role_of(tx, invitation.account_id, person.id) is not None:
        raise Conflict("You belong to this team already.")
    teams.use_invitation(tx, invitation.id, person.id, now)
    return _let_in(tx, invitation.account_id, person.id, invitation.role, now)


def add(tx: Tx, caller: Caller, team: str, user: str, role: Role, now: int) -> Member:
    """Let somebody in without an invitation. Raises Conflict, NotFound."""
    rules.require(caller, "team.add")
    account, person = _team(tx, caller, team), accounts.for_caller(tx, caller, user)
    if teams.role_of(tx, account.id, person.id) is not None:
        raise Conflict(f"{person.email} belongs to this team already.")
    _let_in(tx, account.id, person.id, role, now)
    return _member(tx, account, person.id)


def change_role(tx: Tx, caller: Caller, team: str, user: str, role: Role, now: int) -> Member:
    """Make somebody something else; what their keys may do changes at once. Raises Conflict, NotFound."""
    account = _subject(tx, caller, team)
    member = _member(tx, account, user)
    if member.owner:
        raise Conflict("The owner of a team is always an admin.")
    teams.put_member(tx, account.id, member.user_id, role, now)
    tx.tell("member changed", account=account.id, user=member.user_id, role=role.value)
    return _member(tx, account, member.user_id)


def remove(tx: Tx, caller: Caller, team: str, user: str, now: int) -> None:
    """Put somebody out; their keys are nobody's at once. Raises Conflict for the owner, NotFound."""
    account = _subject(tx, caller, team)
    _let_go(tx, account, _member(tx, account, user), now)


def leave(tx: Tx, caller: Caller, team: str, now: int) -> None:
    """Leave a team: the one whose key is shown, or `team` with a key of one's own account. Raises Conflict
    for its owner, NotFound."""
    rules.require(caller, "team.leave")
    account_id = team or caller.account_id
    reached = account_id == caller.account_id or caller.user_id == caller.account_id
    account = account_rows.get(tx, account_id) if reached else None
    if account is None or teams.role_of(tx, account.id, caller.user_id) is None:
        raise NotFound("team not found")
    _let_go(tx, account, _member(tx, account, caller.user_id), now)


# Private


def _subject(db: Reader, caller: Caller, team: str) -> Account:
    rules.require(caller, "team.change")
    return accounts.for_caller(db, caller, team)


def _team(db: Reader, caller: Caller, team: str) -> Account:
    account = _subject(db, caller, team)
    if account.kind is not AccountKind.TEAM:
        raise Conflict("This is a personal account; make it a team first.")
    return account


def _member(db: Reader, account: Account, user: str) -> Member:
    """Somebody in the account, named by id or e-mail address. Raises NotFound."""
    if user in (account.id, account.email):
        return _owner(account)
    for member in teams.members_of(db, account.id):
        if user in (member.user_id, member.email):
            return member
    raise NotFound("member not found")


def _owner(account: Account) -> Member:
    return Member(account.id, account.email, account.name, Role.ADMIN, account.created_at, owner=True)


def _let_in(tx: Tx, account_id: str, user_id: str, role: Role, now: int) -> Membership:
    teams.put_member(tx, account_id, user_id, role, now)
    tx.tell("member joined", account=account_id, user=user_id, role=role.value)
    return Membership(_again(tx, account_id), role)


def _let_go(tx: Tx, account: Account, member: Member, now: int) -> None:
    if member.owner:
        raise Conflict("The owner is the last admin of a team and cannot leave it.")
    teams.remove_member(tx, account.id, member.user_id)
    keys.revoke_all_of(tx, account.id, member.user_id, now)
    tx.tell("member left", account=account.id, user=member.user_id)


def _again(db: Reader, account_id: str) -> Account:
    account = account_rows.get(db, account_id)
    assert account is not None, "members and invitations go with their account"
    return account
