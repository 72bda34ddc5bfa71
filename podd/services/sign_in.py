"""Signing in with a password or a link, and the sessions that follow."""

from podd import ids
from podd.domain.account import ANONYMOUS, Account, Caller, CallerKind, Origin, require
from podd.domain.errors import Forbidden, Invalid, NotFound, Unauthenticated
from podd.domain.session import Lasts, Session, checked_password
from podd.services import accounts as people
from podd.services.passwords import Passwords
from podd.services.platform import Platform
from podd.store import accounts, sessions, teams
from podd.store.db import Reader, Tx

Opened = tuple[Session, str]
"""A session, and the token that is only ever given here."""

WRONG = "The e-mail address or the password is wrong."
USED_UP = "This link was used before, or is too old; ask the operator for another one."


def session_lasts(podd: Platform) -> Lasts:
    settings = podd.settings.accounts
    return Lasts(settings.session_seconds * 1000, settings.session_most_seconds * 1000)


# Ways in


async def with_password(
    podd: Platform, passwords: Passwords, email: str, password: str, origin: Origin
) -> Opened:
    """Raises Unauthenticated, with the same words and after as long, whatever is wrong."""
    account_id, known = await podd.store.read(_password_of, email)
    if not await passwords.fits(known, password) or known is None:
        raise Unauthenticated(WRONG)
    newer = await passwords.hash(password) if passwords.is_outdated(known) else known
    return await podd.store.write(_open_by_password, podd, account_id, known, newer, origin)


def with_link(tx: Tx, podd: Platform, token: str, origin: Origin) -> Opened:
    """Use up a link. Raises Unauthenticated."""
    account_id = sessions.use_link(tx, ids.key_hash(token), podd.clock.now())
    if account_id is None:
        raise Unauthenticated(USED_UP)
    return _open(tx, podd, account_id, origin, by_link=True)


async def sign_up(
    podd: Platform, passwords: Passwords, email: str, name: str | None, password: str, origin: Origin
) -> Opened:
    """A new personal account, signed in. Raises Forbidden where sign-up is closed, Invalid, Conflict."""
    settings = podd.settings.accounts
    if not settings.open_sign_up:
        raise Forbidden("Nobody can sign up here; ask the operator for an account.")
    checked_password(password, settings.min_password_length)
    return await podd.store.write(_sign_up, podd, email, name, await passwords.hash(password), origin)


def make_link(tx: Tx, podd: Platform, caller: Caller, account: str) -> tuple[Account, str, int]:
    """A link to sign in with, once, for an account named by id or e-mail address: the account, the link's
    token and until when it is good. It takes the place of an earlier one. Raises NotFound."""
    require(caller, "account.link")
    found = accounts.get(tx, account) or accounts.by_email(tx, account.strip().lower())
    if found is None:
        raise NotFound(f"There is no account {account!r}; `podd accounts create` makes one.")
    token, expires_at = ids.session_token(), podd.clock.now() + podd.settings.accounts.link_seconds * 1000
    sessions.put_link(tx, ids.key_hash(token), found.id, expires_at)
    tx.note_change("accounts", found.id)
    return found, token, expires_at


# Those who are in


def caller_of(db: Reader, podd: Platform, token: str) -> Caller | None:
    """Whose session this is; None for one that is over."""
    return caller_by_hash(db, podd, ids.key_hash(token))


def caller_by_hash(db: Reader, podd: Platform, token_hash: str) -> Caller | None:
    """As `caller_of`, by the hash of its token."""
    session = sessions.by_hash(db, token_hash)
    if session is None or session_lasts(podd).ends_at(session) <= podd.clock.now():
        return None
    return _caller(db, session.account_id, session.id)


def own(db: Reader, caller: Caller) -> Session:
    """The session the caller came with. Raises Forbidden for who came with a key."""
    require(caller, "session.read")
    session = sessions.get(db, caller.session_id)
    if session is None:
        raise Forbidden("This is for who has signed in, not for keys.")
    return session


def listed(db: Reader, podd: Platform, caller: Caller) -> list[Session]:
    """The sessions of the caller's person, the one used last first."""
    session, now = own(db, caller), podd.clock.now()
    lasts = session_lasts(podd)
    return [one for one in sessions.of_account(db, session.account_id) if lasts.ends_at(one) > now]


def end(tx: Tx, podd: Platform, caller: Caller, session_id: str) -> None:
    """End one of the sessions of the caller's person, and all it has open. Raises NotFound."""
    require(caller, "session.end")
    ending, mine = sessions.get(tx, session_id), own(tx, caller)
    if ending is None or ending.account_id != mine.account_id:
        raise NotFound("session not found")
    sessions.end(tx, ending.id, podd.clock.now())


async def change_password(
    podd: Platform, passwords: Passwords, caller: Caller, current: str | None, password: str
) -> None:
    """Set the password and end all other sessions. The present one must be shown unless there is none, or the
    caller has just come by a link. Raises Forbidden, Invalid."""
    require(caller, "password.change")
    settings = podd.settings.accounts
    session = await podd.store.read(own, caller)
    checked_password(password, settings.min_password_length)
    known = await podd.store.read(sessions.password_hash, session.account_id)
    fresh = session.by_link and podd.clock.now() < session.created_at + settings.link_seconds * 1000
    if known is not None and not fresh and not await passwords.fits(known, current or ""):
        raise Invalid("current: this is not the present password.")
    await podd.store.write(_change_password, podd, caller, known, await passwords.hash(password))


# Private


def _password_of(db: Reader, email: str) -> tuple[str, str | None]:
    found = accounts.by_email(db, email.strip().lower())
    return (found.id, sessions.password_hash(db, found.id)) if found else ("", None)


def _open_by_password(
    tx: Tx, podd: Platform, account_id: str, known: str, newer: str, origin: Origin
) -> Opened:
    if sessions.password_hash(tx, account_id) != known:  # it was changed while it was being checked
        raise Unauthenticated(WRONG)
    if newer != known:
        sessions.put_password(tx, account_id, newer, podd.clock.now())
    return _open(tx, podd, account_id, origin, by_link=False)


def _sign_up(
    tx: Tx, podd: Platform, email: str, name: str | None, password_hash: str, origin: Origin
) -> Opened:
    account = people.sign_up(tx, Caller(ANONYMOUS.kind, origin=origin), email, name, podd.clock.now())
    sessions.put_password(tx, account.id, password_hash, podd.clock.now())
    return _open(tx, podd, account.id, origin, by_link=False)


def _open(tx: Tx, podd: Platform, account_id: str, origin: Origin, *, by_link: bool) -> Opened:
    token, now = ids.session_token(), podd.clock.now()
    session = Session(
        id=ids.new_id(20),
        account_id=account_id,
        by_link=by_link,
        created_at=now,
        last_used_at=now,
        address=origin.address,
        agent=origin.agent,
    )
    require(_caller(tx, account_id, session.id, origin), "session.open")
    sessions.insert(tx, session, ids.key_hash(token))
    tx.tell("signed in", account=account_id, session=session.id)
    return session, token


def _change_password(tx: Tx, podd: Platform, caller: Caller, known: str | None, newer: str) -> None:
    require(caller, "password.change")
    mine, now = own(tx, caller), podd.clock.now()
    if sessions.password_hash(tx, mine.account_id) != known:
        raise Invalid("The password was just changed by somebody else; try again.")
    sessions.put_password(tx, mine.account_id, newer, now)
    tx.note_change("accounts", mine.account_id)
    for other in sessions.of_account(tx, mine.account_id):
        if other.id != mine.id:
            sessions.end(tx, other.id, now)


def _caller(db: Reader, account_id: str, session_id: str, origin: Origin | None = None) -> Caller:
    role = teams.role_of(db, account_id, account_id)
    assert role is not None, "whose account it is has a role in it"
    return Caller(
        CallerKind.ACCOUNT,
        account_id=account_id,
        user_id=account_id,
        role=role,
        session_id=session_id,
        origin=origin,
    )
