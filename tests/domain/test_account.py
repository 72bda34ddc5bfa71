"""Who may do what: the whole table, cell by cell."""

from dataclasses import replace

import pytest

from podd.domain.account import (
    ANONYMOUS,
    OPERATOR,
    PERMISSIONS,
    Caller,
    CallerKind,
    Origin,
    Role,
    Scope,
    ScopeKind,
    checked_email,
    checked_role,
    checked_scope,
    hearing,
    may,
    require,
    require_own,
)
from podd.domain.errors import Forbidden, Invalid, NotFound, Unauthenticated

ACCOUNT = Caller(CallerKind.ACCOUNT, account_id="a", key_id="k", user_id="a")
IN_SESSION = replace(ACCOUNT, key_id="", session_id="s")
INSIDE = Caller(CallerKind.WORKLOAD, account_id="a", workload_id="w")
FOR_ENDPOINT = replace(ACCOUNT, scope=Scope(ScopeKind.ENDPOINTS, frozenset({"e"})))
FOR_POD = replace(ACCOUNT, scope=Scope(ScopeKind.POD, frozenset({"w"})))
READ_ONLY = replace(ACCOUNT, scope=Scope(ScopeKind.READ_ONLY))

SEEN_BY_ALL = {
    "account.sign_up",
    "catalogue.read",
    "documentation.read",
    "health.read",
    "metrics.ask",
    "session.open",
}
OPERATORS_ONLY = {
    "account.create",
    "account.link",
    "account.list",
    "credit.post",
    "credit.read",
    "gpu.change",
    "gpu.read",
    "machine.read",
    "notice.read",
    "notice.test",
    "pod.exempt",
    "quota.change",
    "secret.rotate",
    "team.add",
}
OF_MEMBERS = {"account.read", "key.read", "key.save", "team.read", "team.join", "team.leave"}
READING = {
    "endpoint.explain",
    "endpoint.list",
    "endpoint.read",
    "job.read",
    "pod.explain",
    "pod.list",
    "pod.read",
    "registry.read",
    "secret.read",
    "template.read",
    "volume.read",
}
USING = READING | {"job.submit", "job.cancel", "pod.connect"}
MAKING = {
    "endpoint.delete",
    "endpoint.save",
    "pod.change",
    "pod.guard",
    "pod.create",
    "pod.start",
    "pod.stop",
    "pod.terminate",
    "registry.save",
    "secret.save",
    "template.delete",
    "template.save",
    "volume.save",
}
RULING = {"account.change", "team.change"}
LOOKING_AFTER = {"audit.read"}
SIGNED_IN = {"session.read", "session.end", "password.change"}
MONEY = {"billing.read"}
PAYING = {"plan.buy", "voucher.redeem"}
KNOWN = {"catalogue.ask", "unavailable.ask"}
AT_WORK, NOBODYS = {"job.work"}, {"account.none"}


@pytest.mark.parametrize(
    ("caller", "allowed"),
    [
        (ANONYMOUS, NOBODYS),
        (
            OPERATOR,
            OPERATORS_ONLY
            | {"key.read", "key.save", "pod.explain", "endpoint.explain"}
            | {"plan.buy", "pod.connect", "pod.guard"}
            | {"team.read", "team.change"}
            | LOOKING_AFTER,
        ),
        (INSIDE, {"pod.read", "pod.stop", "pod.terminate"}),
        (replace(ACCOUNT, role=Role.BASIC), OF_MEMBERS | USING),
        (replace(ACCOUNT, role=Role.BILLING), OF_MEMBERS | MONEY | PAYING),
        (replace(ACCOUNT, role=Role.DEV), OF_MEMBERS | USING | MAKING),
        (ACCOUNT, OF_MEMBERS | USING | MAKING | MONEY | PAYING | RULING | LOOKING_AFTER),
        (IN_SESSION, OF_MEMBERS | USING | MAKING | MONEY | PAYING | RULING | LOOKING_AFTER | SIGNED_IN),
        (replace(IN_SESSION, role=Role.BILLING), OF_MEMBERS | MONEY | PAYING | SIGNED_IN),
        (READ_ONLY, READING | MONEY | LOOKING_AFTER | {"account.read", "key.read", "team.read"}),
        (FOR_ENDPOINT, {"endpoint.explain", "endpoint.read", "job.submit", "job.read", "job.cancel"}),
        (FOR_POD, {"pod.connect", "pod.explain", "pod.read", "pod.start", "pod.stop", "pod.terminate"}),
        (replace(FOR_POD, role=Role.BASIC), {"pod.connect", "pod.explain", "pod.read"}),
        (replace(FOR_POD, role=Role.BILLING), set()),
        (
            replace(READ_ONLY, role=Role.BILLING),
            MONEY | {"account.read", "key.read", "team.read"},
        ),
    ],
)
def test_the_table_lets_each_do_this_and_no_more(caller: Caller, allowed: set[str]) -> None:
    assert {operation for operation in PERMISSIONS if may(caller, operation)} == (
        allowed | SEEN_BY_ALL | (set() if caller is ANONYMOUS else KNOWN)
    )


def test_every_operation_is_somebodys() -> None:
    known = (
        OF_MEMBERS
        | USING
        | MAKING
        | MONEY
        | PAYING
        | RULING
        | LOOKING_AFTER
        | SIGNED_IN
        | OPERATORS_ONLY
        | SEEN_BY_ALL
        | KNOWN
        | AT_WORK
        | NOBODYS
    )
    assert set(PERMISSIONS) == known


def test_who_shows_no_key_is_told_another_thing_than_who_may_not() -> None:
    with pytest.raises(Unauthenticated):
        require(ANONYMOUS, "pod.read")
    with pytest.raises(Forbidden):
        require(INSIDE, "pod.start", "pod.change")
    require(INSIDE, "pod.start", "pod.stop")


def test_of_several_operations_the_one_that_was_allowed_is_heard_and_all_that_were_refused_are_kept() -> None:
    heard: list[str] = []
    origin = Origin()
    with hearing(lambda _caller, operation: heard.append(operation)):
        require(INSIDE, "pod.start", "pod.stop", "pod.terminate")
        with pytest.raises(Forbidden):
            require(replace(INSIDE, origin=origin), "pod.start", "pod.change")
    assert heard == ["pod.stop"]
    assert origin.refused == ["pod.start", "pod.change"]


@pytest.mark.parametrize(
    ("kind", "ids", "words"),
    [
        (ScopeKind.ENDPOINTS, [], "at least one"),
        (ScopeKind.POD, [], "that pod's id"),
        (ScopeKind.POD, ["a", "b"], "that pod's id"),
        (ScopeKind.ALL, ["a"], "Only keys"),
        (ScopeKind.READ_ONLY, ["a"], "Only keys"),
    ],
)
def test_a_scope_names_what_it_is_for_and_nothing_else(kind: ScopeKind, ids: list[str], words: str) -> None:
    with pytest.raises(Invalid, match=words):
        checked_scope(kind, ids)


def test_a_role_is_one_of_four() -> None:
    assert checked_role(" Dev ") is Role.DEV
    with pytest.raises(Invalid, match="basic, billing, dev, admin"):
        checked_role("owner")


@pytest.mark.parametrize(
    ("caller", "account_id", "workload_id", "theirs"),
    [
        (ACCOUNT, "a", "w", True),
        (ACCOUNT, "b", "w", False),
        (INSIDE, "a", "w", True),
        (INSIDE, "a", "other", False),
        (INSIDE, "b", "w", False),
        (ANONYMOUS, "a", "w", False),
        (FOR_POD, "a", "w", True),
        (FOR_POD, "a", "other", False),
        (FOR_ENDPOINT, "a", "e", True),
        (FOR_ENDPOINT, "b", "e", False),
        (FOR_ENDPOINT, "a", "other", False),
        (READ_ONLY, "a", "w", True),
        (OPERATOR, "b", "w", True),
    ],
)
def test_what_is_somebody_elses_looks_like_missing(
    caller: Caller, account_id: str, workload_id: str, theirs: bool
) -> None:
    if theirs:
        require_own(caller, account_id, workload_id, "pod not found")
    else:
        with pytest.raises(NotFound, match=r"^pod not found$"):
            require_own(caller, account_id, workload_id, "pod not found")


def test_an_address_is_kept_in_lower_case() -> None:
    assert checked_email(" Ada@Example.ORG ") == "ada@example.org"


@pytest.mark.parametrize("email", ["", "ada", "@example.org", "ada@", "a b@example.org", "a@" + "x" * 253])
def test_what_is_no_address_is_refused(email: str) -> None:
    with pytest.raises(Invalid, match=r"is not an e-mail address"):
        checked_email(email)
