"""Where accounts have to pay: nothing starts that cannot be paid, and nothing runs for long that is not."""

from typing import Any
from uuid import uuid4

import pytest

from podd.domain.account import OPERATOR, Caller
from podd.domain.errors import NoFunds
from podd.domain.workload import Desired
from podd.services import arrears, billing, credit, pods
from podd.store import halts
from tests.services.conftest import NewLab
from tests.services.lab import DOLLAR, Lab

SECURE = 490_000_000
"""An A6000, per hour."""


@pytest.fixture
def lab(new_lab: NewLab) -> Lab:
    return new_lab(billing_settings={"mode": "enforce"})


def pay(lab: Lab, amount: int, caller: Caller | None = None) -> None:
    account_id = (caller or lab.caller).account_id
    lab.do(credit.deposit, lab.podd, OPERATOR, account_id, amount, "", uuid4().hex, lab.now)


def take(lab: Lab, amount: int) -> None:
    lab.do(credit.correct, OPERATOR, lab.caller.account_id, -amount, "for the test", uuid4().hex, lab.now)


def tick(lab: Lab) -> None:
    lab.run(billing.tick(lab.podd))
    lab.run(arrears.tick(lab.podd, lab.now))
    lab.settle()


def left(lab: Lab) -> int:
    return lab.ask(credit.balance, lab.caller.account_id)


def halted(lab: Lab) -> bool:
    return lab.ask(halts.get, lab.caller.account_id) is not None


def test_a_pod_starts_only_with_an_hour_of_it_in_the_balance(lab: Lab) -> None:
    with pytest.raises(NoFunds, match="does not cover 60 minutes"):
        lab.pod()
    assert (lab.workloads(), lab.claims()) == ([], {}), "a refusal leaves nothing behind"
    pay(lab, 10 * DOLLAR)
    take(lab, 10 * DOLLAR - SECURE)
    with pytest.raises(NoFunds):
        lab.pod()  # its disk costs something too
    pay(lab, 10 * DOLLAR)
    assert lab.pod().workload.desired is Desired.RUNNING


def test_a_stopped_pod_is_resumed_only_with_an_hour_of_it_in_the_balance(lab: Lab) -> None:
    pay(lab, 10 * DOLLAR)
    pod = lab.pod()
    lab.settle()
    lab.stop(pod)
    take(lab, 10 * DOLLAR)
    with pytest.raises(NoFunds):
        lab.resume(pod)
    assert lab.look(pod).workload.desired is Desired.STOPPED
    assert lab.claims() == {}


def test_everything_together_stays_within_the_spending_limit(new_lab: NewLab) -> None:
    lab = new_lab(billing_settings={"mode": "enforce", "spending_limit_hour": "0.60"})
    pay(lab, 100 * DOLLAR)
    lab.pod()
    with pytest.raises(NoFunds, match=r"over your current spending limit \(\$0.60/hr\)"):
        lab.pod()


def test_pods_stop_when_less_than_ten_minutes_are_left_and_keep_their_volumes(lab: Lab) -> None:
    pay(lab, 10 * DOLLAR)
    pod = lab.pod(volume=10)
    lab.settle()
    rate = lab.ask(billing.hourly, lab.caller.account_id)
    take(lab, left(lab) - rate)  # an hour is left
    lab.pass_time(seconds=49 * 60)
    tick(lab)
    assert lab.look(pod).workload.desired is Desired.RUNNING
    lab.pass_time(seconds=2 * 60)
    tick(lab)
    stopped = lab.look(pod).workload
    assert (stopped.desired, lab.claims(), halted(lab)) == (Desired.STOPPED, {}, True)
    assert "credit does not cover 10 more minutes" in stopped.reason
    assert left(lab) > 0


def test_a_halted_account_goes_on_with_new_credit_and_its_pods_when_their_owner_says_so(lab: Lab) -> None:
    pay(lab, 10 * DOLLAR)
    pod = lab.pod(volume=10)
    lab.settle()
    take(lab, 10 * DOLLAR)
    tick(lab)
    lab.pass_time(hours=1)
    tick(lab)
    assert halted(lab)
    pay(lab, 10 * DOLLAR)
    tick(lab)
    assert not halted(lab)
    assert lab.look(pod).workload.desired is Desired.STOPPED
    assert lab.resume(pod).workload.desired is Desired.RUNNING


def test_a_halted_accounts_endpoints_have_no_workers_and_keep_their_jobs(lab: Lab) -> None:
    pay(lab, 10 * DOLLAR)
    endpoint = lab.endpoint(workers_min=1)
    lab.settle()
    assert len(lab.workers(endpoint)) == 1
    take(lab, 10 * DOLLAR)
    tick(lab)
    job = lab.submit(endpoint)
    tick(lab)
    assert lab.workers(endpoint) == []
    pay(lab, 10 * DOLLAR)
    tick(lab)
    (worker,) = lab.workers(endpoint)
    assert lab.taken(worker) == [job.id]


def test_one_accounts_debts_are_nobody_elses(lab: Lab) -> None:
    other = lab.account("eve@example.org")
    pay(lab, 10 * DOLLAR)
    pay(lab, 10 * DOLLAR, other)
    mine, theirs = lab.pod(), lab.pod(other)
    lab.settle()
    take(lab, 10 * DOLLAR)
    tick(lab)
    assert lab.look(mine).workload.desired is Desired.STOPPED
    assert lab.ask(pods.own, other, theirs.id).workload.desired is Desired.RUNNING


@pytest.mark.parametrize("settings", [{"mode": "track"}, {"mode": "off"}])
def test_where_nobody_has_to_pay_nobody_is_stopped(new_lab: NewLab, settings: dict[str, Any]) -> None:
    lab = new_lab(billing_settings=settings)
    pod = lab.pod()
    lab.settle()
    lab.pass_time(days=30)
    tick(lab)
    assert lab.look(pod).workload.desired is Desired.RUNNING
    assert not halted(lab)
