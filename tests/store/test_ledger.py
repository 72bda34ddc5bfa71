"""The ledger: nothing in it changes, nothing is posted twice, and the balances are the sum of it."""

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podd.domain.errors import StorageFailed
from podd.domain.ledger import DEPOSITS, Posting, credit, revenue
from podd.store import ledger
from podd.store.db import Store

DEPOSIT = Posting(key="d1", at=5, source=DEPOSITS, target=credit("a"), amount=10, account_id="a")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "podd.sqlite3")


def post(store: Store, posting: Posting) -> bool:
    return store.submit(ledger.post, posting).result()


def test_a_posting_moves_its_amount(store: Store) -> None:
    assert post(store, DEPOSIT)
    assert store.ask(ledger.balances) == {DEPOSITS: -10, "credit:a": 10}
    assert store.ask(ledger.balance, credit("a")) == 10
    assert store.ask(ledger.balance, credit("b")) == 0


def test_a_key_is_posted_once(store: Store) -> None:
    post(store, DEPOSIT)
    assert not post(store, replace(DEPOSIT, amount=99))
    assert store.ask(ledger.balance, credit("a")) == 10


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE postings SET amount = 1",
        "DELETE FROM postings",
        "INSERT OR REPLACE INTO postings SELECT number, key, at, source, target, 1, text, account_id, "
        "resource, group_id, item, gpu_type_id, size, lasted FROM postings",
    ],
)
def test_nobody_changes_what_is_written(store: Store, statement: str) -> None:
    post(store, DEPOSIT)
    connection = sqlite3.connect(store.path)
    connection.execute("PRAGMA recursive_triggers = ON")
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(statement)
    connection.close()
    assert store.ask(ledger.of_account, "a") == [DEPOSIT]


@pytest.mark.parametrize("wrong", [{"amount": 0}, {"amount": -1}, {"amount": 0.5}, {"target": DEPOSITS}])
def test_a_posting_that_moves_nothing_is_refused(store: Store, wrong: dict[str, object]) -> None:
    with pytest.raises((sqlite3.IntegrityError, StorageFailed)):
        post(store, replace(DEPOSIT, **wrong))  # type: ignore[arg-type]
    assert store.ask(ledger.balances) == {}


NAMES = st.sampled_from([DEPOSITS, credit("a"), credit("b"), revenue("gpu")])
POSTINGS = st.lists(st.tuples(st.integers(0, 20), NAMES, NAMES, st.integers(1, 10**15)), max_size=30)


@given(wishes=POSTINGS)
@settings(max_examples=30)
def test_balances_are_the_sum_of_the_postings_and_all_together_nothing(
    tmp_path_factory: pytest.TempPathFactory, wishes: list[tuple[int, str, str, int]]
) -> None:
    store = Store(tmp_path_factory.mktemp("ledger") / "podd.sqlite3")
    for key, source, target, amount in wishes:
        if source != target:
            post(store, Posting(key=str(key), at=1, source=source, target=target, amount=amount))
    balances = store.ask(ledger.balances)
    assert balances == store.ask(ledger.sums)
    assert sum(balances.values()) == 0
    store.close()


def test_charges_are_summed_by_hour_and_a_charge_that_ends_with_its_hour_belongs_to_it(store: Store) -> None:
    hour = 3_600_000
    charge = Posting(
        key="1", at=hour, source=credit("a"), target=revenue("pod-gpu"), amount=5, account_id="a",
        resource="p", item="pod-gpu", gpu_type_id="T", lasted=7,
    )  # fmt: skip
    for posting in (charge, replace(charge, key="2", at=hour + 1), replace(charge, key="3", at=2 * hour)):
        post(store, posting)
    post(store, replace(charge, key="4", account_id="b"))
    found = store.ask(ledger.spent, "a", 0, 2 * hour, ["pod-gpu"])
    assert [(one.hour, one.amount, one.lasted) for one in found] == [(0, 5, 7), (hour, 10, 14)]
    assert store.ask(ledger.spent, "a", 0, 2 * hour, ["pod-disk"]) == []
    assert [one.hour for one in store.ask(ledger.spent, "a", hour, 2 * hour, ["pod-gpu"])] == [hour]
