"""Where accounts have to pay: nothing starts that cannot be paid, and nothing runs for long that is not."""

from typing import Any
from uuid import uuid4

import pytest

from podd.domain.account import OPERATOR, Caller
from podd.domain.errors import NoFunds
from podd.domain.workload import Desired
from podd.services import arrears, billing, credit, pods, volumes
from podd.services.timekeeping import Timekeeper
from podd.store import events, halts
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


# What happens when nobody pays


def told(lab: Lab) -> list[str]:
    """Kinds of the account's events, without those of credit that came."""
    return [kind for kind in lab.events(lab.caller.account_id) if kind != "credit added"]


def in_debt(lab: Lab) -> None:
    """A stopped pod and a network volume, and a balance that is used up."""
    pay(lab, 10 * DOLLAR)
    lab.do(volumes.create, lab.podd, lab.caller, "data", 100, None, lab.now)
    lab.pod(volume=10)
    lab.settle()
    take(lab, left(lab) + 1)
    tick(lab)


def test_low_credit_is_told_once_until_there_is_more(lab: Lab) -> None:
    pay(lab, 10 * DOLLAR)
    lab.pod()
    lab.settle()
    take(lab, left(lab) - 6 * DOLLAR)
    tick(lab)
    assert told(lab) == []
    take(lab, 4 * DOLLAR)
    for _ in range(3):
        tick(lab)
        lab.pass_time(seconds=60)
    assert told(lab) == ["credit low"]
    pay(lab, 10 * DOLLAR)
    tick(lab)
    take(lab, 10 * DOLLAR)
    tick(lab)
    assert told(lab) == ["credit low", "credit low"]


def test_what_is_not_paid_for_goes_at_last_and_each_step_is_told_before(lab: Lab) -> None:
    in_debt(lab)
    assert told(lab) == ["halted", "removal scheduled", "removal scheduled"]
    lab.pass_time(hours=23)
    tick(lab)
    assert told(lab)[3:] == []
    lab.pass_time(hours=1)
    tick(lab)
    assert told(lab)[3:] == ["removal near"]
    lab.pass_time(hours=23.9)
    tick(lab)
    assert len(lab.workloads()) == 1
    lab.pass_time(hours=0.1)
    tick(lab)
    assert told(lab)[4:] == ["removed"]
    assert (lab.workloads(), len(lab.ask(volumes.listed, lab.caller))) == ([], 1)
    lab.pass_time(days=4)
    tick(lab)
    lab.pass_time(days=1)
    tick(lab)
    assert told(lab)[5:] == ["removal near", "removed"]
    assert lab.ask(volumes.listed, lab.caller) == []
    last = lab.ask(events.of, lab.caller.account_id)[-1]
    assert last.text.startswith("removed for want of credit: 1 network volume: data (")


def test_a_deposit_calls_the_removal_off(lab: Lab) -> None:
    in_debt(lab)
    lab.pass_time(hours=47)
    tick(lab)
    pay(lab, 10 * DOLLAR)
    tick(lab)
    assert told(lab)[-1] == "credit resumed"
    lab.pass_time(days=8)
    tick(lab)
    assert len(lab.workloads()) == 1
    assert told(lab)[-1] == "credit resumed"


def test_credit_that_leaves_a_debt_changes_nothing(lab: Lab) -> None:
    in_debt(lab)
    take(lab, 50 * DOLLAR)
    pay(lab, 20 * DOLLAR)
    tick(lab)
    assert halted(lab)
    lab.pass_time(days=2)
    tick(lab)
    assert told(lab)[3:] == ["removal near"]


def test_credit_counts_that_is_less_than_there_was_when_the_account_was_halted(lab: Lab) -> None:
    pay(lab, 10 * DOLLAR)
    lab.pod(volume=10)
    lab.settle()
    take(lab, left(lab) - DOLLAR // 20)
    tick(lab)
    assert halted(lab)
    take(lab, DOLLAR)
    lab.do(credit.correct, OPERATOR, lab.caller.account_id, DOLLAR - DOLLAR // 100, "gift", "g", lab.now)
    tick(lab)
    assert not halted(lab)


def test_whoever_could_not_be_warned_is_warned_first(lab: Lab) -> None:
    """podd was down for longer than the grace."""
    in_debt(lab)
    lab.pass_time(days=30)
    lab.restart()
    tick(lab)
    assert told(lab)[3:] == ["removal near", "removal near"]
    lab.pass_time(hours=23)
    tick(lab)
    assert len(lab.workloads()) == 1
    lab.pass_time(hours=1)
    tick(lab)
    assert lab.workloads() == []


@pytest.mark.parametrize("jump", [-240, 240])
def test_a_clock_that_is_set_removes_nothing_sooner_or_later(lab: Lab, jump: int) -> None:
    in_debt(lab)
    keeper = Timekeeper(lab.podd)
    lab.pass_time(hours=24)
    tick(lab)
    lab.clock.jump(hours=jump)
    lab.run(keeper.tick())
    lab.pass_time(hours=23)
    tick(lab)
    assert len(lab.workloads()) == 1
    lab.pass_time(hours=1)
    tick(lab)
    assert lab.workloads() == []


def test_a_volume_that_goes_leaves_the_endpoint_it_was_for(lab: Lab) -> None:
    pay(lab, 10 * DOLLAR)
    volume = lab.do(volumes.create, lab.podd, lab.caller, "data", 100, None, lab.now)
    endpoint = lab.endpoint(network_volume_id=volume.id, workers_min=1)
    lab.settle()
    take(lab, 11 * DOLLAR)
    tick(lab)
    for _ in range(3):
        lab.pass_time(days=3)
        tick(lab)
    after = lab.see(endpoint)
    assert (after.network_volume_id, after.version) == ("", endpoint.version + 1)
    assert lab.ask(volumes.listed, lab.caller) == []


def test_where_nobody_has_to_pay_any_more_nothing_is_removed(lab: Lab) -> None:
    in_debt(lab)
    lab.settings = lab.settings.model_copy(
        update={"billing": lab.settings.billing.model_copy(update={"mode": "track"})}
    )
    lab.restart()
    lab.pass_time(days=30)
    tick(lab)
    assert told(lab)[-1] == "credit resumed"
    assert len(lab.workloads()) == 1


def test_without_credit_nothing_begins_that_costs(lab: Lab) -> None:
    with pytest.raises(NoFunds, match=r"The balance is \$0.00"):
        lab.do(volumes.create, lab.podd, lab.caller, "data", 10, None, lab.now)
    endpoint = lab.endpoint(workers_min=1)
    lab.settle()
    assert lab.workers(endpoint) == []
    assert told(lab) == []
