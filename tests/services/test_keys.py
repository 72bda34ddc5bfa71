"""API keys: what each is for, how long it is good, and whose it is."""

import pytest

from podd.domain.account import OPERATOR, Caller, Scope, ScopeKind
from podd.domain.errors import Forbidden, Invalid, NotFound
from podd.services import accounts, endpoints, jobs, keys, pods
from tests.services.lab import Lab


def caller_of(lab: Lab, secret: str) -> Caller | None:
    return lab.ask(accounts.caller_of, secret, lab.podd.keys, lab.podd.operator_key_hash, lab.now)


def key_of(lab: Lab, caller: Caller, scope: Scope) -> Caller:
    """The caller that shows a new key with this scope."""
    _, secret = lab.do(keys.create, caller, "scoped", lab.now, scope=scope)
    found = caller_of(lab, secret)
    assert found is not None
    return found


def test_a_key_is_nobodys_from_the_moment_it_expires(lab: Lab) -> None:
    _, secret = lab.do(keys.create, lab.caller, "for a second", lab.now, expires_at=lab.now + 1000)
    assert caller_of(lab, secret) is not None
    lab.clock.advance(seconds=0.999)
    assert caller_of(lab, secret) is not None
    lab.clock.advance(seconds=0.001)
    assert caller_of(lab, secret) is None


def test_an_end_in_the_past_is_refused(lab: Lab) -> None:
    with pytest.raises(Invalid, match="later than now"):
        lab.do(keys.create, lab.caller, "late", lab.now, expires_at=lab.now)


def test_a_changed_key_is_good_for_what_it_says_now(lab: Lab) -> None:
    key, secret = lab.do(keys.create, lab.caller, "one", lab.now)
    lab.do(keys.change, lab.caller, key.id, lab.now, name="two", scope=Scope(ScopeKind.READ_ONLY))
    found = caller_of(lab, secret)
    assert found is not None
    assert found.scope == Scope(ScopeKind.READ_ONLY)
    assert [one.name for one in lab.ask(keys.listed, lab.caller)] == ["first key", "two"]
    with pytest.raises(Forbidden):
        lab.do(keys.create, found, "wider", lab.now)


def test_a_key_of_one_pod_reaches_no_other(lab: Lab) -> None:
    pod, other = lab.pod(), lab.pod()
    caller = key_of(lab, lab.caller, Scope(ScopeKind.POD, frozenset({pod.id})))
    assert lab.ask(pods.own, caller, pod.id).id == pod.id
    with pytest.raises(NotFound, match=r"^pod not found$"):
        lab.ask(pods.own, caller, other.id)
    with pytest.raises(Forbidden):
        lab.ask(pods.listed, caller)


def test_a_key_of_chosen_endpoints_reaches_no_other(lab: Lab) -> None:
    endpoint, other = lab.endpoint(), lab.endpoint()
    caller = key_of(lab, lab.caller, Scope(ScopeKind.ENDPOINTS, frozenset({endpoint.id})))
    assert lab.ask(jobs.own_endpoint, caller, endpoint.id, "job.submit").id == endpoint.id
    with pytest.raises(NotFound, match=r"^endpoint not found$"):
        lab.ask(jobs.own_endpoint, caller, other.id, "job.submit")
    with pytest.raises(NotFound, match=r"^endpoint not found$"):
        lab.ask(endpoints.own, caller, other.id)
    with pytest.raises(Forbidden):
        lab.do(endpoints.delete, lab.podd, caller, endpoint.id, lab.now)


def test_a_scope_names_only_what_is_the_accounts_own(lab: Lab) -> None:
    stranger = lab.account("grace@example.org")
    pod, endpoint = lab.pod(), lab.endpoint()
    for scope, missing in (
        (Scope(ScopeKind.POD, frozenset({pod.id})), "pod not found"),
        (Scope(ScopeKind.ENDPOINTS, frozenset({endpoint.id})), "endpoint not found"),
    ):
        with pytest.raises(NotFound, match=rf"^{missing}$"):
            lab.do(keys.create, stranger, "nosy", lab.now, scope=scope)


def test_another_accounts_key_looks_missing(lab: Lab) -> None:
    stranger = lab.account("grace@example.org")
    for key_id in (lab.caller.key_id, "missing"):
        with pytest.raises(NotFound, match=r"^API key not found$"):
            lab.do(keys.revoke, stranger, key_id, lab.now)
    assert [key.id for key in lab.ask(keys.listed, OPERATOR, "ada@example.org")] == [lab.caller.key_id]
