"""Whatever changes something leaves an entry that says who did what, and nothing else does."""

import json
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest

from podd.domain.account import OPERATOR, PERMISSIONS, Caller, CallerKind, Origin, Role
from podd.domain.audit import Entry, Outcome, Wish, is_recorded
from podd.domain.errors import NotFound
from podd.domain.pod import PodChange
from podd.services import (
    accounts,
    audit,
    credit,
    endpoints,
    funding,
    gpus,
    idle,
    keys,
    plans,
    pods,
    port_logins,
    quotas,
    registries,
    retention,
    rotation,
    secrets,
    sign_in,
    teams,
    templates,
    volumes,
)
from podd.services.passwords import Passwords
from podd.services.port_logins import Door
from podd.store.db import Tx
from tests.services.conftest import NewLab
from tests.services.lab import A6000, DOLLAR, Lab

Change = Callable[[Lab], str]
"""Does it, and says what it was done to."""


def entries(lab: Lab, **wish: Any) -> list[Entry]:
    """Oldest first."""
    return lab.ask(audit.after, OPERATOR, Wish(**wish), 1000, 0)


def template_saved(lab: Lab) -> str:
    return lab.template().id


def template_deleted(lab: Lab) -> str:
    template = lab.template()
    lab.do(templates.delete, lab.caller, template.id)
    return template.id


def endpoint_deleted(lab: Lab) -> str:
    endpoint = lab.endpoint()
    lab.do(endpoints.delete, lab.podd, lab.caller, endpoint.id, lab.now)
    return endpoint.id


def pod_stopped(lab: Lab) -> str:
    pod = lab.pod()
    lab.stop(pod)
    return pod.id


def pod_started(lab: Lab) -> str:
    pod = lab.pod()
    lab.settle()
    lab.stop(pod)
    lab.settle()
    lab.resume(pod)
    return pod.id


def port_guarded(lab: Lab) -> str:
    pod = lab.pod(ports="8888/http")
    lab.do(port_logins.guard, lab.podd, lab.caller, Door(pod.id, 8888), True)
    return pod.id


def pod_terminated(lab: Lab) -> str:
    pod = lab.pod()
    lab.terminate(pod)
    return pod.id


def pod_changed(lab: Lab) -> str:
    pod = lab.pod()
    lab.do(pods.edit, lab.podd, lab.caller, pod.id, PodChange(name="another"), lab.now)
    return pod.id


def registry_saved(lab: Lab) -> str:
    return lab.do(registries.create, lab.podd, lab.caller, "r", "u", "p", lab.now).id


def secret_saved(lab: Lab) -> str:
    return lab.do(secrets.create, lab.podd, lab.caller, "s", "v", "", lab.now).id


def secrets_rotated(lab: Lab) -> str:
    secret_saved(lab)
    lab.run(rotation.rotate(lab.podd, OPERATOR))
    return ""


def volume_saved(lab: Lab) -> str:
    return lab.do(volumes.create, lab.podd, lab.caller, "v", 10, None, lab.now).id


def account_changed(lab: Lab) -> str:
    lab.do(accounts.set_ssh_keys, lab.caller, "ssh-ed25519 AAAA ada")
    return lab.caller.account_id


def account_created(lab: Lab) -> str:
    return lab.account("grace@example.org").account_id


def account_signed_up(lab: Lab) -> str:
    return lab.do(accounts.sign_up, Caller(CallerKind.ANONYMOUS), "grace@example.org", None, lab.now).id


def link_made(lab: Lab) -> str:
    return lab.do(sign_in.make_link, lab.podd, OPERATOR, lab.caller.account_id)[0].id


def plan_bought(lab: Lab) -> str:
    return lab.do(plans.buy, lab.podd, lab.caller, None, A6000, 1, 1, "k", lab.now).id


def voucher_redeemed(lab: Lab) -> str:
    made = lab.do(funding.create_vouchers, lab.podd, OPERATOR, DOLLAR, 1, None, "class of 23", lab.now)
    lab.do(funding.redeem, lab.caller, made[0][1], lab.now)
    return lab.caller.account_id


def quota_changed(lab: Lab) -> str:
    lab.do(quotas.change, lab.podd, OPERATOR, lab.caller.account_id, {"gpus": 1})
    return lab.caller.account_id


def pod_exempted(lab: Lab) -> str:
    pod = lab.pod()
    lab.do(idle.exempt, OPERATOR, pod.id, True, lab.now)
    return pod.id


def key_created(lab: Lab) -> str:
    return lab.do(keys.create, OPERATOR, "laptop", lab.now, account=lab.caller.account_id)[0].id


def team_made(lab: Lab) -> str:
    return lab.do(teams.convert, lab.caller, "", "The lab").id


def invited(lab: Lab) -> tuple[Caller, str]:
    """Somebody, and the token of an invitation to the team that the first account is made."""
    team_made(lab)
    grace = lab.account("grace@example.org")
    return grace, lab.do(teams.invite, lab.podd, lab.caller, "", Role.DEV, "", lab.now)[1]


def member_added(lab: Lab) -> str:
    team_made(lab)
    grace = lab.account("grace@example.org")
    lab.do(teams.add, OPERATOR, lab.caller.account_id, grace.account_id, Role.DEV, lab.now)
    return lab.caller.account_id


def team_joined(lab: Lab) -> str:
    grace, token = invited(lab)
    return lab.do(teams.join, grace, token, lab.now).team.id


def team_left(lab: Lab) -> str:
    grace, token = invited(lab)
    lab.do(teams.join, grace, token, lab.now)
    lab.do(teams.leave, grace, lab.caller.account_id, lab.now)
    return lab.caller.account_id


def credit_posted(lab: Lab) -> str:
    lab.do(credit.deposit, lab.podd, OPERATOR, lab.caller.account_id, 20 * DOLLAR, "cash", "key", lab.now)
    return lab.caller.account_id


def signed_in(lab: Lab) -> tuple[str, Caller]:
    _, token, _ = lab.do(sign_in.make_link, lab.podd, OPERATOR, lab.caller.account_id)
    session, cookie = lab.do(sign_in.with_link, lab.podd, token, Origin())
    caller = lab.ask(sign_in.caller_of, lab.podd, cookie)
    assert caller is not None
    return session.id, caller


def session_opened(lab: Lab) -> str:
    return signed_in(lab)[0]


def session_ended(lab: Lab) -> str:
    session_id, caller = signed_in(lab)
    lab.do(sign_in.end, lab.podd, caller, session_id)
    return session_id


def password_changed(lab: Lab) -> str:
    _, caller = signed_in(lab)

    async def change() -> None:
        passwords = Passwords(1)
        await sign_in.change_password(lab.podd, passwords, caller, None, "correct horse")

    lab.run(change())
    return lab.caller.account_id


def gpu_cordoned(lab: Lab) -> str:
    lab.do(gpus.cordon, OPERATOR, "g0", lab.now)
    return "g0"


CHANGES: dict[str, Change] = {
    "account.change": account_changed,
    "account.create": account_created,
    "account.link": link_made,
    "account.sign_up": account_signed_up,
    "credit.post": credit_posted,
    "endpoint.delete": endpoint_deleted,
    "endpoint.save": lambda lab: lab.endpoint().id,
    "gpu.change": gpu_cordoned,
    "key.save": key_created,
    "password.change": password_changed,
    "pod.change": pod_changed,
    "pod.create": lambda lab: lab.pod().id,
    "plan.buy": plan_bought,
    "pod.exempt": pod_exempted,
    "pod.guard": port_guarded,
    "pod.start": pod_started,
    "pod.stop": pod_stopped,
    "pod.terminate": pod_terminated,
    "quota.change": quota_changed,
    "registry.save": registry_saved,
    "secret.rotate": secrets_rotated,
    "secret.save": secret_saved,
    "session.end": session_ended,
    "session.open": session_opened,
    "team.add": member_added,
    "team.change": team_made,
    "team.join": team_joined,
    "team.leave": team_left,
    "template.delete": template_deleted,
    "template.save": template_saved,
    "volume.save": volume_saved,
    "voucher.redeem": voucher_redeemed,
}


def test_every_operation_that_changes_something_is_done_by_a_test_of_the_log() -> None:
    """A new operation belongs into CHANGES or, if it changes nothing, ends in read, list or explain."""
    assert sorted(CHANGES) == sorted(name for name in PERMISSIONS if is_recorded(name, jobs=False))


@pytest.mark.parametrize("operation", sorted(CHANGES))
def test_a_change_leaves_an_entry_that_names_what_was_changed(lab: Lab, operation: str) -> None:
    before = len(entries(lab, operation=operation))
    thing = CHANGES[operation](lab)
    found = entries(lab, operation=operation)[before:]
    assert [(entry.thing, entry.outcome) for entry in found] == [(thing, Outcome.DONE)]
    if thing and operation != "gpu.change":
        assert found[0].account_id == (thing if thing.startswith("user_") else lab.caller.account_id)


def test_credit_that_is_nobodys_yet_is_named_by_what_was_made(lab: Lab) -> None:
    ((made, _),) = lab.do(funding.create_vouchers, lab.podd, OPERATOR, DOLLAR, 1, None, "prize", lab.now)
    (entry,) = entries(lab, operation="credit.post")
    assert (entry.thing, entry.account_id) == (made.id, "")


def test_an_entry_says_who_it_was_and_from_where(lab: Lab) -> None:
    origin = Origin(address="192.0.2.7", surface="graphql", agent="curl/8")
    caller = Caller(CallerKind.ACCOUNT, lab.caller.account_id, key_id=lab.caller.key_id, origin=origin)
    pod = lab.pod(caller)
    (entry,) = entries(lab, thing=pod.id)
    assert entry == Entry(
        at=lab.now,
        account_id=lab.caller.account_id,
        actor="account",
        user_id="",
        key_id=lab.caller.key_id,
        session_id="",
        workload_id="",
        address="192.0.2.7",
        surface="graphql",
        agent="curl/8",
        operation="pod.create",
        thing=pod.id,
        outcome=Outcome.DONE,
        number=entry.number,
    )


def test_a_verb_that_fails_or_changes_nothing_leaves_no_entry(lab: Lab) -> None:
    pod = lab.pod()
    lab.stop(pod)
    lab.stop(pod)
    with pytest.raises(NotFound):
        lab.do(pods.stop, lab.podd, lab.caller, "nothing", lab.now)
    assert [entry.operation for entry in entries(lab, operation="pod.")] == ["pod.create", "pod.stop"]


def test_what_a_verb_was_given_is_not_in_the_log(lab: Lab) -> None:
    lab.do(secrets.create, lab.podd, lab.caller, "name", "the value", "", lab.now)
    lab.do(registries.create, lab.podd, lab.caller, "mine", "me", "the password", lab.now)
    *_, key = lab.do(keys.create, OPERATOR, "laptop", lab.now, account=lab.caller.account_id)
    written = json.dumps([repr(entry) for entry in entries(lab)])
    assert not [word for word in ("the value", "the password", key) if word in written]


@pytest.mark.parametrize(("jobs", "operations"), [(False, []), (True, ["job.submit", "job.cancel"])])
def test_jobs_are_in_the_log_only_where_that_is_wanted(
    new_lab: NewLab, jobs: bool, operations: list[str]
) -> None:
    lab = new_lab(audit_settings={"jobs": jobs})
    job = lab.submit(lab.endpoint())
    lab.cancel(job)
    assert [entry.operation for entry in entries(lab, operation="job.")] == operations


def test_an_account_sees_its_own_entries_and_no_others(lab: Lab) -> None:
    grace = lab.account("grace@example.org")
    lab.pod()
    theirs = lab.pod(grace)
    seen = lab.ask(audit.some, grace, Wish(account_id=lab.caller.account_id), 100)
    assert {entry.account_id for entry in seen} == {grace.account_id}
    assert seen[0].thing == theirs.id
    assert len(lab.ask(audit.some, OPERATOR, Wish(), 100)) > len(seen)
    assert lab.ask(audit.some, OPERATOR, Wish(account_id="grace@example.org"), 100) == seen


def test_entries_are_found_by_time_person_operation_and_thing(lab: Lab) -> None:
    first = lab.pod()
    lab.pass_time(seconds=10)
    later = lab.now
    lab.stop(first)
    second = lab.pod()
    assert [entry.operation for entry in entries(lab, since=later)] == ["pod.stop", "pod.create"]
    assert [entry.thing for entry in entries(lab, operation="pod.create")] == [first.id, second.id]
    assert [entry.operation for entry in entries(lab, thing=first.id)] == ["pod.create", "pod.stop"]
    assert len(entries(lab, who=lab.caller.key_id)) == 3
    assert not entries(lab, who="somebody")
    assert not [entry for entry in entries(lab, until=later) if entry.operation == "pod.stop"]


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM audit",
        "UPDATE audit SET thing = 'another'",
        "INSERT OR REPLACE INTO audit SELECT * FROM audit",
        "DELETE FROM audit_horizon",
        "UPDATE audit_horizon SET before = -1",
    ],
)
def test_nobody_changes_the_log_whatever_is_written_by_hand(lab: Lab, sql: str) -> None:
    def meddle(tx: Tx) -> None:
        tx.run(sql)

    kept = entries(lab)
    with pytest.raises(sqlite3.IntegrityError):
        lab.do(meddle)
    assert entries(lab) == kept != []


def test_entries_are_forgotten_when_they_are_old_and_only_then(new_lab: NewLab) -> None:
    lab = new_lab(audit_settings={"retention_seconds": 86_400})
    lab.pod()
    lab.pass_time(days=0.9)
    kept = lab.pod()
    lab.pass_time(days=0.2)
    lab.run(retention.tick(lab.podd, lab.now))
    assert [entry.thing for entry in entries(lab)] == [kept.id]
