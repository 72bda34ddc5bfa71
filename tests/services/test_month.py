"""A month of a lab: many accounts share eight GPUs, and in the end the books agree with what happened."""

import random
from dataclasses import dataclass
from fractions import Fraction

from podd.domain.account import Caller
from podd.domain.errors import NoCapacity
from podd.domain.ledger import credit
from podd.services import billing, pods
from podd.store import ledger
from tests.services.conftest import NewLab
from tests.services.lab import A6000, DOLLAR, Lab

SEED = 20231114
HOUR = 3_600_000
MONTH = 720 * HOUR
DISK, VOLUME = 50, 20


@dataclass
class Use:
    """A pod as the test remembers it: since when it is as it is."""

    owner: Caller
    bid: int | None
    since: int
    runs: bool = True


class Diary:
    """What each account owes, worked out from what happened to its pods and nothing else."""

    def __init__(self, hourly: int) -> None:
        self._hourly = hourly
        self.pods: dict[str, Use] = {}
        self.owed: dict[str, int] = {}

    def change(self, pod_id: str, now: int, *, runs: bool) -> None:
        use = self.pods[pod_id]
        lasted = now - use.since
        rates = [((DOLLAR // 10 if use.runs else DOLLAR // 5) * VOLUME, MONTH)]
        if use.runs:
            rates += [(use.bid or self._hourly, HOUR), (DOLLAR // 10 * DISK, MONTH)]
        account = use.owner.account_id
        for amount, period in rates:
            exact = Fraction(amount * lasted, period)
            self.owed[account] = self.owed.get(account, 0) + int(exact + Fraction(1, 2))
        use.since, use.runs = now, runs


def test_a_month_of_a_lab_reconciles_to_nothing(new_lab: NewLab) -> None:
    lab = new_lab("a" * 8)
    dice = random.Random(SEED)
    people = [lab.account(f"person{number}@example.org") for number in range(40)]
    diary = Diary(hourly=490_000_000)
    begun = lab.now
    while lab.now < begun + MONTH:
        for _ in range(dice.randrange(4)):
            act(lab, dice, people, diary)
        settle(lab, diary)
        lab.pass_time(seconds=dice.randrange(1, 8 * 3600))
        if dice.random() < 0.6:
            lab.run(billing.tick(lab.podd))
        if dice.random() < 0.05:
            lab.restart()
    lab.run(billing.tick(lab.podd))
    for pod_id in list(diary.pods):
        diary.change(pod_id, lab.now, runs=False)

    balances = lab.ask(ledger.balances)
    assert diary.owed, "something must have happened"
    assert {name: -balances.get(credit(name), 0) for name in diary.owed} == diary.owed
    assert balances == lab.ask(ledger.sums)
    assert sum(balances.values()) == 0


def act(lab: Lab, dice: random.Random, people: list[Caller], diary: Diary) -> None:
    """Somebody does something that may or may not be possible."""
    owned = list(diary.pods)
    deed = dice.choice(["create", "create", "stop", "resume", "terminate"])
    if deed == "create":
        owner, bid = dice.choice(people), dice.choice([None, 300_000_000, 350_000_000])
        try:
            pod = lab.pod(owner, gpu_type_ids=(A6000,), bid=bid, disk=DISK, volume=VOLUME)
        except NoCapacity:
            return
        diary.pods[pod.id] = Use(owner, bid, lab.now)
    elif owned:
        pod_id = dice.choice(owned)
        use = diary.pods[pod_id]
        pod = lab.ask(pods.own, use.owner, pod_id)
        if deed == "stop":
            lab.stop(pod, use.owner)
        elif deed == "resume" and not use.runs:
            try:
                lab.resume(pod, caller=use.owner)
            except NoCapacity:
                return
            diary.change(pod_id, lab.now, runs=True)
        elif deed == "terminate":
            lab.terminate(pod, use.owner)
            diary.change(pod_id, lab.now, runs=False)
            del diary.pods[pod_id]


def settle(lab: Lab, diary: Diary) -> None:
    """Let it happen, and note which pods were stopped or displaced by it."""
    lab.settle()
    for pod_id, use in diary.pods.items():
        workload = lab.workload(pod_id)
        assert workload is not None
        if use.runs and workload.desired != "RUNNING":
            diary.change(pod_id, lab.now, runs=False)
