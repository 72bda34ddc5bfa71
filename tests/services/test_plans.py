"""Savings plans: GPUs that are paid for cost nothing more, whatever runs on how many of them, and when."""

from fractions import Fraction
from itertools import count, pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podd.domain.account import OPERATOR
from podd.domain.billing import POD_DISK, POD_GPU, POD_VOLUME
from podd.domain.errors import Forbidden, Invalid, NoFunds
from podd.domain.plan import Plan, price, shared_out
from podd.domain.pod import Pod
from podd.services import billing, credit, funds, plans
from podd.services import pods as pod_verbs
from podd.store import ledger
from tests.services.conftest import NewLab
from tests.services.lab import A6000, DOLLAR, RTX4090, Lab
from tests.services.test_billing import after_ticks, share, spent, tick

HOUR = 3_600_000
MONTH = 720 * HOUR
SECURE = 490_000_000
"""An A6000, per hour."""


def buy(lab: Lab, gpus: int = 1, months: int = 1, key: str | None = None, gpu_type: str = A6000) -> Plan:
    return lab.do(plans.buy, lab.podd, lab.caller, None, gpu_type, gpus, months, key or uuid4().hex, lab.now)


def gpu_charge(lab: Lab) -> int:
    tick(lab)
    return spent(lab).get(POD_GPU, 0)


def test_a_plan_is_paid_once_at_its_discount(lab: Lab) -> None:
    plan = buy(lab, 2, 3, "k")
    assert buy(lab, 2, 3, "k") == plan
    assert plan.price == 2 * 3 * 720 * SECURE * 85 // 100
    assert lab.ask(credit.balance, lab.caller.account_id) == -plan.price
    assert lab.ask(ledger.balance, "savings-plans") == plan.price
    assert plan.ends_at - plan.begins_at == 3 * MONTH
    assert lab.ask(credit.check_books) == []


def test_a_pod_pays_its_storage_and_no_gpu(lab: Lab) -> None:
    buy(lab)
    lab.pod(disk=50, volume=20)
    lab.settle()
    lab.pass_time(hours=10)
    tick(lab)
    storage = {POD_DISK: share(5 * DOLLAR, 10 * HOUR, MONTH), POD_VOLUME: share(2 * DOLLAR, 10 * HOUR, MONTH)}
    assert spent(lab) == storage


def test_gpus_beyond_the_plan_are_charged(lab: Lab) -> None:
    buy(lab)
    lab.pod(gpu_count=2)
    lab.settle()
    lab.pass_time(hours=10)
    assert gpu_charge(lab) == 10 * SECURE


def test_a_plan_is_for_its_type_and_not_for_spot_pods(lab: Lab) -> None:
    buy(lab)
    lab.pod(gpu_type_ids=(RTX4090,))
    lab.pod(bid=300_000_000)
    lab.settle()
    lab.pass_time(hours=1)
    (card,) = [gpu for gpu in lab.podd.catalogue.types if gpu.id == RTX4090]
    assert gpu_charge(lab) == card.secure + 300_000_000


def test_a_plan_that_is_bought_counts_from_then_on(lab: Lab) -> None:
    lab.pod()
    lab.settle()
    lab.pass_time(hours=3)
    buy(lab)
    lab.pass_time(hours=5)
    assert gpu_charge(lab) == 3 * SECURE


def test_a_plan_moves_to_the_next_pod_when_the_first_one_ends(lab: Lab) -> None:
    buy(lab)
    first, _second = lab.pod(), lab.pod()
    lab.settle()
    lab.pass_time(hours=2)
    assert gpu_charge(lab) == 2 * SECURE
    lab.stop(first)
    lab.pass_time(hours=7)
    assert gpu_charge(lab) == 2 * SECURE


def test_a_plan_moves_from_the_very_end_of_a_pod_that_ended_by_itself(lab: Lab) -> None:
    buy(lab)
    first, _second = lab.pod(), lab.pod()
    lab.settle()
    tick(lab)
    lab.pass_time(hours=2)
    lab.engine.crash(lab.look(first).workload.container_name)
    lab.pass_time(hours=5)
    lab.restart()
    lab.reconcile()
    assert gpu_charge(lab) == 2 * SECURE


@pytest.mark.parametrize("late", [0.5, 30])
@pytest.mark.parametrize("what", ["tick", "stop", "terminate"])
def test_a_plan_ends_to_the_millisecond_whoever_notices(lab: Lab, late: float, what: str) -> None:
    plan = buy(lab)
    pod = lab.pod()
    lab.settle()
    lab.pass_time(seconds=(plan.ends_at - lab.now) / 1000, hours=late)
    match what:
        case "stop":
            lab.stop(pod)
        case "terminate":
            lab.terminate(pod)
    assert gpu_charge(lab) == round(late * SECURE)
    assert "plan ended" in lab.events(lab.caller.account_id)


def test_a_plan_whose_end_the_machine_slept_through_charges_nothing_of_it(lab: Lab) -> None:
    plan = buy(lab)
    lab.pod()
    lab.settle()
    tick(lab)
    lab.clock.set(plan.ends_at + 9 * HOUR)
    lab.boot_id = "the next boot"
    lab.restart()
    tick(lab)
    lab.pass_time(hours=1)
    assert gpu_charge(lab) == SECURE


def test_of_two_plans_one_may_end(lab: Lab) -> None:
    first = buy(lab)
    lab.pass_time(hours=1)
    buy(lab)
    lab.pod(gpu_count=2)
    lab.settle()
    lab.pass_time(seconds=(first.ends_at - lab.now) / 1000)
    lab.pass_time(hours=0.5)
    assert gpu_charge(lab) == SECURE // 2
    lab.pass_time(hours=1)
    assert gpu_charge(lab) == SECURE // 2 + SECURE + SECURE // 2


def test_where_accounts_pay_a_plan_has_to_be_covered_and_lets_pods_start(new_lab: NewLab) -> None:
    lab = new_lab(billing_settings={"mode": "enforce"})
    with pytest.raises(NoFunds, match="in advance"):
        buy(lab)
    cost = 720 * SECURE * 9 // 10
    lab.do(credit.deposit, lab.podd, OPERATOR, lab.caller.account_id, cost + DOLLAR // 10, "", "1", lab.now)
    buy(lab)
    lab.pod()  # ten cents are an hour of its disk, and not of its GPU
    lab.settle()
    with pytest.raises(NoFunds):
        lab.pod()
    assert lab.ask(billing.hourly, lab.caller.account_id) < DOLLAR // 100
    assert lab.ask(funds.may_serve, lab.podd, lab.caller.account_id)


@pytest.mark.parametrize("wrong", [{"gpus": 0}, {"gpus": 3}, {"months": 2}, {"gpu_type": "NVIDIA H200"}])
def test_what_is_no_plan_is_refused(lab: Lab, wrong: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        buy(lab, **wrong)


def test_only_the_operator_buys_for_others(lab: Lab) -> None:
    other = lab.account("eve@example.org")
    with pytest.raises(Forbidden):
        lab.do(plans.buy, lab.podd, other, lab.caller.account_id, A6000, 1, 1, "k", lab.now)
    made = lab.do(plans.buy, lab.podd, OPERATOR, "eve@example.org", A6000, 1, 1, "k", lab.now)
    assert made.account_id == other.account_id


def test_a_tick_killed_at_any_statement_ends_a_plan_once(lab: Lab, tmp_path: Path) -> None:
    plan = buy(lab)
    lab.pod(volume=10)
    lab.settle()
    lab.pass_time(seconds=(plan.ends_at - lab.now) / 1000, hours=-0.5)
    tick(lab)
    lab.pass_time(hours=1)
    whole = after_ticks(lab, tmp_path / "whole.sqlite3")
    assert whole is not None
    for statement in count(1):
        found = after_ticks(lab, tmp_path / f"{statement}.sqlite3", killed_at=statement)
        if found is None:
            break
        assert found == whole
    assert statement > 10
    assert sum(row["amount"] for row in whole if row["item"] == POD_GPU) == SECURE // 2


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["start", "stop", "terminate", "buy", "tick", "restart", "wait"]),
        st.integers(0, 60 * HOUR),
        st.integers(1, 2),
    ),
    min_size=3,
    max_size=8,
)


@given(steps=STEPS)
@settings(max_examples=12, deadline=None)
def test_whatever_happens_the_gpus_that_are_not_paid_for_are_charged_exactly(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, int]]
) -> None:
    lab = Lab(tmp_path_factory.mktemp("plans"), "a" * 6)
    short = lab.settings.prices.model_copy(update={"month_days": 2})  # so that plans come to their end
    lab.settings = lab.settings.model_copy(update={"prices": short})
    lab.restart()
    try:
        owed, meters = Fraction(0), 1
        running: dict[str, int] = {}
        bought: list[Plan] = []
        for deed, lasts, number in steps:
            meters += act(lab, deed, number, running, bought)
            owed += charge(lab.now, lab.now + lasts, sum(running.values()), bought)
            lab.pass_time(seconds=lasts / 1000)
        charged = gpu_charge(lab)
        # Each stretch of a pod at one rate is rounded once.
        assert abs(charged - owed) <= Fraction(1, 2) * meters * (len(bought) + 2)
        assert lab.ask(credit.check_books) == []
    finally:
        lab.close()


def act(lab: Lab, deed: str, number: int, running: dict[str, int], bought: list[Plan]) -> int:
    """One deed; how many pods it touched at most."""
    pods: list[Pod] = [lab.ask(pod_verbs.own, lab.caller, pod_id) for pod_id in running]
    match deed:
        case "start" if sum(running.values()) + number <= 6:
            pod = lab.pod(gpu_count=number, disk=5)
            running[pod.id] = number
        case "stop" if pods:
            lab.stop(pods[0])
            del running[pods[0].id]
        case "terminate" if pods:
            lab.terminate(pods[-1])
            del running[pods[-1].id]
        case "buy":
            bought.append(buy(lab, number))
        case "tick":
            tick(lab)
        case "restart":
            lab.restart()
    lab.settle()
    return len(pods) + 1


def charge(begin: int, end: int, gpus: int, bought: list[Plan]) -> Fraction:
    """What so many GPUs cost from `begin` to `end` beyond those that are paid for."""
    cuts = sorted({begin, end, *(plan.ends_at for plan in bought if begin < plan.ends_at < end)})
    total = Fraction(0)
    for first, last in pairwise(cuts):
        paid = sum(plan.gpu_count for plan in bought if plan.begins_at <= first < plan.ends_at)
        total += Fraction(SECURE * max(gpus - paid, 0) * (last - first), HOUR)
    return total


def test_gpus_are_shared_out_in_order() -> None:
    pods = [("a", "T", 2), ("b", "T", 2), ("c", "U", 1), ("d", "T", 1)]
    assert shared_out({"T": 3}, pods) == {"a": 2, "b": 1}
    assert shared_out({}, pods) == {}


def test_a_price_is_rounded_once() -> None:
    assert price(3, gpus=1, lasts=HOUR // 2, discount=0) == 2
    assert price(SECURE, gpus=2, lasts=MONTH, discount=10) == 2 * 720 * SECURE * 9 // 10
