"""Thousands of short histories of one machine's market: pods come, bid, stop, fail and come back while the
operator takes GPUs out of service. After each step the books are held against a slow, plain reading of the
rule.

`PODD_TEST_HISTORIES` is how many; some hundred unless it says more.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from podd.domain.account import OPERATOR
from podd.domain.errors import Conflict, NoCapacity
from podd.domain.gpu import GpuFault
from podd.domain.pod import Pod
from podd.domain.workload import Desired
from podd.services import gpus, pods
from podd.services.gpus import Held
from podd.store import workloads
from podd.store.db import Reader, Tx
from tests.services.lab import A6000, DOLLAR, RTX4090, Lab

CENT = DOLLAR // 100
MACHINE = "aaabb"
MEMORY = Path("/dev/shm")
PICK = st.integers(0, 4)
BIDS = st.integers(50, 56) | st.integers(50, 56) | st.none()
TYPES = st.sampled_from([(A6000,), (RTX4090,), (A6000, RTX4090), (RTX4090, A6000)])
CREATE = st.tuples(st.just("create"), BIDS, st.integers(1, 2), TYPES)
ONE_A6000 = st.tuples(st.just("create"), st.integers(50, 56), st.just(1), st.just((A6000,)))
CROWD = st.lists(ONE_A6000, min_size=3, max_size=3)
"""So that somebody has to yield, and there is a choice of who."""
STEP = (
    CREATE
    | CREATE
    | st.tuples(st.just("resume"), PICK, st.sampled_from([None, 0, 1]))
    | st.tuples(st.sampled_from(["stop", "terminate", "fail"]), PICK)
    | st.tuples(st.sampled_from(["cordon", "drain", "force", "return", "fault", "warn"]), PICK)
)


Rank = tuple[int, int]
"""A spot pod's bid, and when it got its GPUs, later first."""


class Market:
    """A machine; `play` makes one step, and looks at what it did to everybody."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.pods: list[Pod] = []
        self.since: dict[str, int] = {}
        self.books: list[Pod] = []
        self.held: list[Held] = []

    def clear(self) -> None:
        self.lab.do(self._forget_all)
        self.pods = []
        self.look()

    def _forget_all(self, tx: Tx) -> None:
        for pod in self.pods:
            workloads.delete(tx, pod.id)
        for held in self.held:
            if not held.gpu.usable:
                gpus.give_back(tx, OPERATOR, held.gpu.uuid, self.lab.now)
        tx.run("DELETE FROM events")

    def look(self) -> None:
        """What everybody holds now."""
        self.held, self.books = self.lab.ask(self._look)

    def _look(self, db: Reader) -> tuple[list[Held], list[Pod]]:
        return gpus.listed(db, OPERATOR), pods.listed(db, self.lab.caller)

    def play(self, step: tuple[object, ...]) -> None:
        self.lab.pass_time(seconds=1)
        verb, *how = step
        if verb == "create":
            self.create(*how)  # type: ignore[arg-type]
        elif verb in ("resume", "stop", "terminate", "fail"):
            self.own(str(verb), *how)  # type: ignore[arg-type]
        else:
            self.operate(str(verb), f"g{how[0]}")
        self.check_books()

    # Steps

    def own(self, verb: str, pick: int, count: int | None = None) -> None:
        """What somebody does to one of the pods, or (fail) what befalls it."""
        if not self.pods:
            return
        pod = self.now(self.pods[pick % len(self.pods)])
        match verb:
            case "resume":
                self.resume(pod, count)
            case "stop":
                self.lab.stop(pod)
            case "terminate":
                self.lab.terminate(pod)
                self.pods = [other for other in self.pods if other.id != pod.id]
            case _ if pod.workload.desired is Desired.RUNNING:
                reason = "It never started."
                self.lab.do(pods.give_up, self.lab.podd, pod.workload, reason, self.lab.now)
        self.look()

    def now(self, pod: Pod) -> Pod:
        return next(one for one in self.books if one.id == pod.id)

    def create(self, bid: int | None, count: int, types: tuple[str, ...]) -> None:
        nano = bid and bid * CENT

        def make() -> Pod:
            pod = self.lab.pod(bid=nano, gpu_count=count, gpu_type_ids=types)
            self.pods.append(pod)
            return pod

        self.placed(make, nano, count, types)

    def resume(self, pod: Pod, count: int | None) -> None:
        wanted = pod.own_gpu_count if count is None else count
        with suppress(Conflict):
            self.placed(lambda: self.lab.resume(pod, gpu_count=count), pod.bid, wanted, (pod.gpu_type_id,))

    def operate(self, verb: str, uuid: str) -> None:
        before = self.held
        lab, now = self.lab, self.lab.now
        match verb:
            case "cordon":
                lab.do(gpus.cordon, OPERATOR, uuid, now)
            case "return":
                lab.do(gpus.give_back, OPERATOR, uuid, now)
            case "drain" | "force":
                lab.do(gpus.drain, lab.podd, OPERATOR, uuid, verb == "force", now)
            case _:
                lab.do(gpus.note_fault, lab.podd, GpuFault((uuid,), "Xid", verb == "fault"), now)
        self.look()
        gone = holders(before) - holders(self.held)
        for held in before:
            if held.holder and held.holder.id in gone:
                assert verb == "force" or (verb == "drain" and held.bid is not None)

    # What must hold

    def placed(self, act: Callable[[], Pod], bid: int | None, count: int, types: tuple[str, ...]) -> None:
        before = self.held
        try:
            pod = act()
        except NoCapacity as refused:
            self.look()
            assert self.held == before
            if "GB of memory" not in refused.short and "Memory" not in refused.short:
                assert not any(self.fits(before, type_id, bid, count) for type_id in types)
            return
        self.look()
        gone = holders(before) - holders(self.held)
        given = {held.gpu.uuid for held in self.held if held.holder and held.holder.id == pod.id}
        assert len(given) == count
        assert given <= {held.gpu.uuid for held in before if held.gpu.usable}
        if gone:
            assert not any(len(free(before, type_id)) >= count for type_id in types)
            expected = self.fits(before, pod.gpu_type_id, bid, count)
            bids = {held.holder.id: held.bid for held in before if held.holder and held.holder.id in gone}
            assert None not in bids.values(), "an on-demand pod was displaced"
            assert sorted(((bids[id] or 0, -self.since[id]) for id in gone), reverse=True) == expected
        self.since[pod.id] = self.lab.now

    def fits(self, before: list[Held], type_id: str, bid: int | None, count: int) -> list[Rank] | bool:
        """The cheapest of the smallest groups that make room, best bidder first, of equal bids the oldest;
        True when nobody has to go, False when nothing helps."""
        missing = count - len(free(before, type_id))
        if missing <= 0:
            return True
        worth: dict[str, int] = {}
        ranks: dict[str, Rank] = {}
        for held in before:
            of_use = held.gpu.type_id == type_id and held.gpu.usable
            if of_use and held.holder and held.bid is not None and (bid is None or held.bid < bid):
                worth[held.holder.id] = worth.get(held.holder.id, 0) + 1
                ranks[held.holder.id] = (held.bid, -self.since[held.holder.id])
        for size in range(1, len(worth) + 1):
            groups = [g for g in combinations(worth, size) if sum(worth[id] for id in g) >= missing]
            if groups:
                return min(sorted((ranks[id] for id in group), reverse=True) for group in groups)
        return False

    def check_books(self) -> None:
        for pod in self.books:
            running = pod.workload.desired is Desired.RUNNING
            assert len(pod.workload.gpus) == (pod.gpu_count if running else 0)
        claimed = [uuid for pod in self.books for uuid in pod.workload.gpu_uuids]
        assert len(claimed) == len(set(claimed)) <= len(MACHINE)
        should_run = [pod.workload for pod in self.books if pod.workload.desired is Desired.RUNNING]
        promised = sum(workload.needs.memory for workload in should_run)
        assert promised <= self.lab.host.memory


def holders(found: list[Held]) -> set[str]:
    return {held.holder.id for held in found if held.holder}


def free(found: list[Held], type_id: str) -> list[Held]:
    return [h for h in found if h.gpu.type_id == type_id and h.gpu.usable and h.holder is None]


@pytest.fixture(scope="module")
def market() -> Iterator[Market]:
    """In memory, where a commit takes no time, and without meters."""
    in_memory = str(MEMORY) if MEMORY.is_dir() else None
    with TemporaryDirectory(prefix="podd-market-", dir=in_memory) as directory:
        lab = Lab(Path(directory), MACHINE)
        lab.podd.store.last_step = None
        yield Market(lab)
        lab.close()


@settings(
    max_examples=int(os.environ.get("PODD_TEST_HISTORIES", "120")),
    suppress_health_check=[HealthCheck.too_slow],
)
@given(crowd=CROWD, steps=st.lists(STEP, min_size=3, max_size=10))
def test_the_market_is_fair_whatever_happens(
    market: Market, crowd: list[tuple[object, ...]], steps: list[tuple[object, ...]]
) -> None:
    market.clear()
    for step in crowd + steps:
        market.play(step)
