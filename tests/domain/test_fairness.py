"""Who gets the next worker and who gives one up: the tables, and what any crowd of endpoints comes to."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podd.domain.fairness import Holder, Shares, Short, giving_way, served_next

A40, L4 = frozenset({"A40"}), frozenset({"L4"})
TURN = 60_000
NOW = 1_000_000


def short(name: str, missing: int = 1, **values: object) -> Short:
    """`name` is the account and a number: "a1" is the first endpoint of account a."""
    known = {"type_ids": A40, "since": NOW, **values}
    return Short(endpoint_id=name, account_id=name[0], missing=missing, **known)  # type: ignore[arg-type]


def holder(name: str, number: int = 0, **values: object) -> Holder:
    known = {"type_ids": A40, "since": NOW, **values}
    return Holder(
        worker_id=f"{name}-{number}",
        endpoint_id=name,
        account_id=name[0],
        **known,  # type: ignore[arg-type]
    )


# Who is served next

NEXT: dict[str, tuple[list[Short], list[Holder], str]] = {
    "whose account has least": ([short("a1"), short("b1")], [holder("a2")], "b1"),
    "then whose endpoint has least": ([short("a1"), short("a2")], [holder("a1")], "a2"),
    "many endpoints do not help": (
        [short("a3"), short("b1")],
        [holder("a1"), holder("a2"), holder("b1")],
        "b1",
    ),
    "then who has waited longest": ([short("a1"), short("b1", since=NOW - 1)], [], "b1"),
    "whoever has jobs before who has none": ([short("a1", since=None), short("b1")], [], "b1"),
    "a worker of many GPUs is a large share": (
        [short("a1"), short("b1")],
        [holder("a1", size=4), holder("b1", 1), holder("b1", 2)],
        "b1",
    ),
    "who is leaving holds nothing any more": (
        [short("a1", since=NOW - 1), short("b1")],
        [holder("a1", leaving=True)],
        "a1",
    ),
}


@pytest.mark.parametrize("case", NEXT)
def test_who_is_served_next(case: str) -> None:
    shorts, holders, expected = NEXT[case]
    assert served_next(shorts, Shares.of(holders)).endpoint_id == expected


# Who gives way

LONG_AGO = NOW - TURN

WAYS: dict[str, tuple[list[Short], list[Holder], list[str]]] = {
    "nobody is there": ([short("b1")], [], []),
    "an unused one goes first": (
        [short("b1")],
        [holder("a1", 1), holder("a1", 2), holder("c1", unused=True)],
        ["c1-0"],
    ),
    "an unused one of the minimum stays": ([short("b1")], [holder("a1", unused=True, spare=False)], []),
    "one of two goes to who has none": ([short("b1")], [holder("a1", 1), holder("a1", 2)], ["a1-2"]),
    "one of one stays": ([short("b1")], [holder("a1")], []),
    "two and one is fair": ([short("b1")], [holder("a1", 1), holder("a1", 2), holder("b1")], []),
    "endpoints of one account share as well": ([short("a2")], [holder("a1", 1), holder("a1", 2)], ["a1-2"]),
    "a poor endpoint of a rich account gets nothing from others": (
        [short("a2")],
        [holder("a1", 1), holder("b1")],
        [],
    ),
    "the richest gives": (
        [short("c1")],
        [holder("a1", 1), holder("a1", 2), *(holder("b1", n) for n in range(3))],
        ["b1-2"],
    ),
    "GPUs of another type do not help": ([short("b1", type_ids=L4)], [holder("a1", unused=True)], []),
    "who is leaving already is enough": (
        [short("b1")],
        [holder("a1", 1), holder("a1", 2, leaving=True), holder("a1", 3)],
        [],
    ),
    "one for each short one": (
        [short("b1"), short("c1")],
        [holder("a1", number) for number in range(4)],
        ["a1-2", "a1-3"],
    ),
    "who starves gets a turn": ([short("b1", since=LONG_AGO)], [holder("a1", since=LONG_AGO)], ["a1-0"]),
    "not before it has waited so long": ([short("b1")], [holder("a1", since=LONG_AGO)], []),
    "not before the other had its turn": ([short("b1", since=LONG_AGO)], [holder("a1")], []),
    "nor when it has another": (
        [short("b1", since=LONG_AGO)],
        [holder("a1", since=LONG_AGO), holder("b1")],
        [],
    ),
    "a worker that starts is not sent away for a turn": (
        [short("b1", since=LONG_AGO)],
        [holder("a1", since=None)],
        [],
    ),
}


@pytest.mark.parametrize("case", WAYS)
def test_who_gives_way(case: str) -> None:
    shorts, holders, expected = WAYS[case]
    assert sorted(giving_way(shorts, holders, turn_ms=TURN, now=NOW)) == expected


# Any crowd, on GPUs of one type

endpoint_names = [account + str(number) for account in "abc" for number in (1, 2)]
wishes = st.dictionaries(st.sampled_from(endpoint_names), st.integers(1, 12), min_size=1)


class Machine:
    """Some GPUs and endpoints that all have more work than they get. Jobs end between two looks."""

    def __init__(self, gpus: int, wishes: dict[str, int], first: str) -> None:
        self.gpus, self.wishes = gpus, wishes
        self.workers = [holder(first, n) for n in range(min(gpus, wishes.get(first, 0)))]
        self.made = gpus

    def look(self) -> int:
        """One tick; how many moves there were."""
        moves = 0
        while (shorts := self.shorts()) and len(self.workers) < self.gpus:
            name = served_next(shorts, Shares.of(self.workers)).endpoint_id
            self.made += 1
            self.workers.append(holder(name, self.made))
            moves += 1
        going = giving_way(self.shorts(), self.workers, turn_ms=TURN, now=NOW)
        self.workers = [worker for worker in self.workers if worker.worker_id not in going]
        return moves + len(going)

    def shorts(self) -> list[Short]:
        return [
            short(name, most - self.held(name))
            for name, most in self.wishes.items()
            if self.held(name) < most
        ]

    def held(self, name: str) -> int:
        return sum(worker.endpoint_id == name for worker in self.workers)

    def settle(self) -> None:
        for _ in range(200):
            if not self.look():
                return
        raise AssertionError("It does not come to rest.")


@given(st.integers(1, 12), wishes, st.sampled_from(endpoint_names))
def test_shares_of_those_that_want_more_differ_by_at_most_one_and_stay(
    gpus: int, wishes: dict[str, int], first: str
) -> None:
    machine = Machine(gpus, wishes, first)
    machine.settle()
    held = Shares.of(machine.workers).accounts
    for poor in machine.shorts():
        for account in "abc":
            assert held[account, False] - held[poor.account_id, False] <= 1
    assert machine.look() == 0


@given(st.integers(1, 12), wishes, st.sampled_from(endpoint_names))
def test_no_gpu_is_free_while_somebody_is_short(gpus: int, wishes: dict[str, int], first: str) -> None:
    machine = Machine(gpus, wishes, first)
    machine.settle()
    assert len(machine.workers) == min(gpus, sum(wishes.values()))


@given(wishes, st.sampled_from(endpoint_names))
def test_nobody_below_its_share_gives_way(wishes: dict[str, int], first: str) -> None:
    machine = Machine(6, wishes, first)
    machine.settle()
    shares = Shares.of(machine.workers)
    for worker in machine.workers:
        poorer = replace(short("d1"), account_id="d")
        if shares.of_account(worker) <= 1:
            assert worker.worker_id not in giving_way([poorer], machine.workers, turn_ms=TURN, now=NOW)
