"""What follows from passwords and sessions without anybody asking."""

from argon2 import PasswordHasher

from podd.domain.account import OPERATOR, Caller, CallerKind, Origin
from podd.domain.session import without_session
from podd.services import retention, sign_in
from podd.services.passwords import Passwords
from podd.store import sessions
from tests.services.lab import Lab

EMAIL, PASSWORD = "ada@example.org", "correct horse battery"


def sign_in_by_link(lab: Lab) -> str:
    """The session's token."""
    _, token, _ = lab.do(sign_in.make_link, lab.podd, OPERATOR, EMAIL)
    return lab.do(sign_in.with_link, lab.podd, token, Origin())[1]


def test_a_password_that_was_hashed_more_weakly_is_hashed_anew(lab: Lab) -> None:
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    lab.do(sessions.put_password, lab.caller.account_id, weak, lab.now)

    async def enter() -> None:
        for _ in range(2):
            await sign_in.with_password(lab.podd, Passwords(1), EMAIL, PASSWORD, Origin())

    lab.run(enter())
    assert lab.ask(sessions.password_hash, lab.caller.account_id) != weak


def test_what_can_open_nothing_any_more_is_forgotten(lab: Lab) -> None:
    ended, unused = sign_in_by_link(lab), sign_in_by_link(lab)
    caller = lab.ask(sign_in.caller_of, lab.podd, ended)
    assert caller == Caller(
        CallerKind.ACCOUNT,
        account_id=lab.caller.account_id,
        user_id=lab.caller.account_id,
        session_id=caller.session_id if caller else "",
    )
    lab.do(sign_in.end, lab.podd, caller, caller.session_id)
    lab.run(retention.tick(lab.podd, lab.now))
    assert lab.ask(lambda db: db.value("SELECT COUNT(*) FROM sessions")) == 1
    assert lab.ask(sign_in.caller_of, lab.podd, unused) is not None
    lab.pass_time(days=15)
    assert lab.ask(sign_in.caller_of, lab.podd, unused) is None
    lab.run(retention.tick(lab.podd, lab.now))
    assert lab.ask(lambda db: db.value("SELECT COUNT(*) FROM sessions")) == 0


def test_uses_are_written_together_and_never_go_back(lab: Lab) -> None:
    uses, store = lab.podd.uses, lab.podd.store

    def last_used() -> int:
        found: int = lab.ask(lambda db: db.value("SELECT last_used_at FROM api_keys"))
        return found

    uses.note(lab.caller, lab.now)
    lab.run(uses.flush(store))
    assert last_used() == lab.now
    uses.note(lab.caller, lab.now - 5000)
    lab.run(uses.flush(store))
    assert last_used() == lab.now
    changes = store.changes
    lab.run(uses.flush(store))
    assert store.changes == changes


def test_programs_get_all_cookies_but_the_session() -> None:
    assert without_session(b"a=1; podd_session=secret; b=2") == b"a=1; b=2"
    assert without_session(b"__Host-podd_session=secret") == b""
    assert without_session(b"a=podd_session=1;podd_session2=x") == b"a=podd_session=1; podd_session2=x"
