"""Charges: for what really ran, exactly, whatever happens to podd, the machine and its clock meanwhile."""

import sqlite3
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import count
from pathlib import Path

import pytest

from podd.domain.billing import NETWORK_VOLUME, POD_CPU, POD_DISK, POD_GPU, POD_VOLUME, SERVERLESS_GPU
from podd.domain.ledger import credit
from podd.domain.meter import Moment
from podd.domain.spending import Spent
from podd.services import billing, volumes
from podd.store import ledger
from podd.store import workloads as rows
from podd.store.db import Params, Reader, Row, Tx
from tests.services.conftest import NewLab
from tests.services.lab import A6000, DOLLAR, Lab

HOUR = 3_600_000
MONTH = 720 * HOUR
SECURE = 490_000_000
"""An A6000, per hour."""


def tick(lab: Lab) -> None:
    lab.run(billing.tick(lab.podd))


def spent(lab: Lab, resource: str = "") -> dict[str, int]:
    """What was charged, by item."""
    items = (POD_GPU, POD_CPU, POD_DISK, POD_VOLUME, SERVERLESS_GPU, NETWORK_VOLUME)
    found: list[Spent] = lab.ask(ledger.spent, lab.caller.account_id, 0, lab.now * 2, items)
    sums: dict[str, int] = {}
    for one in found:
        if resource in ("", one.resource):
            sums[one.item] = sums.get(one.item, 0) + one.amount
    return sums


def share(amount: int, time: int, period: int) -> int:
    """What is to be charged, rounded once."""
    return int(Fraction(amount * time, period) + Fraction(1, 2))


@pytest.fixture(autouse=True)
def books_balance(lab: Lab) -> Iterator[None]:
    yield
    balances = lab.ask(ledger.balances)
    assert balances == lab.ask(ledger.sums)
    assert sum(balances.values()) == 0


def test_a_pod_is_charged_for_the_time_its_container_ran(lab: Lab) -> None:
    pod = lab.pod(disk=50, volume=20)
    lab.pass_time(seconds=600)  # it waits for its container
    lab.settle()
    for _ in range(7):
        lab.pass_time(seconds=777)
        tick(lab)
    lab.pass_time(seconds=1)
    lab.stop(pod)
    lab.settle()
    lab.pass_time(hours=3)
    tick(lab)
    ran = 7 * 777_000 + 1000
    assert spent(lab) == {
        POD_GPU: share(SECURE, ran, HOUR),
        POD_DISK: share(5 * DOLLAR, ran, MONTH),
        POD_VOLUME: share(2 * DOLLAR, 600_000 + ran, MONTH) + share(4 * DOLLAR, 3 * HOUR, MONTH),
    }
    assert lab.ask(ledger.balance, credit(lab.caller.account_id)) == -sum(spent(lab).values())


def test_a_day_in_which_podd_was_down_is_caught_up_in_one_tick(lab: Lab) -> None:
    lab.pod()
    lab.settle()
    tick(lab)
    lab.pass_time(hours=24)
    lab.restart()
    tick(lab)
    assert spent(lab)[POD_GPU] == 24 * SECURE
    hours = {one.hour for one in lab.ask(ledger.spent, lab.caller.account_id, 0, lab.now, (POD_GPU,))}
    assert len(hours) == 25, "each hour of the day has its part"


def test_a_container_that_ended_while_podd_was_down_is_charged_up_to_its_end(lab: Lab) -> None:
    pod = lab.pod()
    lab.settle()
    lab.pass_time(hours=2)
    lab.engine.crash(lab.look(pod).workload.container_name)
    lab.pass_time(hours=5)
    lab.restart()
    lab.settle()
    assert spent(lab)[POD_GPU] == 2 * SECURE


@pytest.mark.parametrize("ready", [True, False])
@pytest.mark.parametrize("leaving", ["", "another endpoint is short of GPUs"])
def test_a_worker_that_ended_while_podd_was_down_is_charged_up_to_its_end(
    lab: Lab, ready: bool, leaving: str
) -> None:
    """Whatever comes of it: it goes, rests, or is started afresh."""
    endpoint = lab.endpoint(workers_min=1, idle_timeout_s=5)
    lab.settle()
    worker = lab.worker(endpoint)
    if ready:
        lab.take(worker)
    lab.do(lambda tx: rows.change_worker(tx, worker.id, leaving=leaving))
    lab.pass_time(hours=2)
    lab.engine.crash(worker.workload.container_name)
    lab.pass_time(hours=5)
    lab.restart()
    lab.reconcile()
    (active,) = {gpu.active_second for gpu in lab.podd.catalogue.types if gpu.id == A6000}
    assert spent(lab, worker.id) == {SERVERLESS_GPU: 2 * 3600 * active}


def test_time_in_which_the_machine_was_down_is_not_charged(lab: Lab) -> None:
    lab.pod()
    lab.settle()
    lab.pass_time(hours=1)
    tick(lab)
    lab.clock.set(lab.now + 9 * HOUR)
    lab.boot_id = "the next boot"
    lab.restart()
    tick(lab)
    lab.pass_time(hours=1)
    tick(lab)
    assert spent(lab)[POD_GPU] == 2 * SECURE


@pytest.mark.parametrize("jump", [-86_400_000, -HOUR, HOUR, 86_400_000])
def test_a_clock_that_is_set_changes_no_charge(lab: Lab, jump: int) -> None:
    pod = lab.pod()
    lab.settle()
    lab.pass_time(hours=1)
    lab.clock.set(lab.now + jump)
    lab.pass_time(hours=1)
    tick(lab)
    lab.stop(pod)
    assert spent(lab)[POD_GPU] == 2 * SECURE


def test_a_repeated_tick_charges_nothing(lab: Lab) -> None:
    lab.pod()
    lab.settle()
    lab.pass_time(hours=1)
    tick(lab)
    before = spent(lab)
    tick(lab)
    lab.restart()
    tick(lab)
    assert spent(lab) == before


def test_a_terminated_pod_is_charged_up_to_then_and_no_further(lab: Lab) -> None:
    pod = lab.pod(volume=10)
    lab.settle()
    lab.pass_time(hours=1)
    lab.terminate(pod)
    lab.pass_time(hours=1)
    lab.settle()
    tick(lab)
    assert spent(lab)[POD_GPU] == SECURE
    assert spent(lab)[POD_VOLUME] == share(DOLLAR, HOUR, MONTH)


def test_a_spot_pod_pays_its_bid(lab: Lab) -> None:
    lab.pod(bid=300_000_000)
    lab.settle()
    lab.pass_time(hours=1)
    tick(lab)
    assert spent(lab)[POD_GPU] == 300_000_000


def test_100_a_worker_is_charged_for_each_second_begun_of_each_span(lab: Lab) -> None:
    endpoint = lab.endpoint(idle_timeout_s=5)
    worker = lab.ready_worker(endpoint)
    lab.pass_time(seconds=5.2)
    lab.settle()
    assert lab.workers(endpoint) == []
    (one,) = lab.ask(ledger.spent, lab.caller.account_id, 0, lab.now, (SERVERLESS_GPU,))
    flex = next(t for t in lab.podd.catalogue.types if t.id == one.gpu_type_id).serverless_second
    assert (one.resource, one.group, one.amount) == (worker.id, endpoint.id, 6 * flex)


def test_a_frozen_worker_costs_nothing_until_it_is_thawed(lab: Lab) -> None:
    endpoint = lab.endpoint(idle_timeout_s=5, flash_boot="FLASHBOOT")
    worker = lab.ready_worker(endpoint)
    lab.pass_time(seconds=5)
    lab.settle()
    assert lab.worker(endpoint).workload.frozen_at is not None
    lab.pass_time(hours=1)
    tick(lab)
    lab.submit(endpoint)
    lab.settle()
    lab.pass_time(seconds=3)
    tick(lab)
    found = lab.ask(ledger.spent, lab.caller.account_id, 0, lab.now, (SERVERLESS_GPU,))
    flex = next(t for t in lab.podd.catalogue.types if t.id == found[0].gpu_type_id).serverless_second
    assert {one.resource for one in found} == {worker.id}
    assert sum(one.amount for one in found) == (5 + 3) * flex


def test_100_active_workers_have_their_discount_and_those_above_the_minimum_have_not(lab: Lab) -> None:
    endpoint = lab.endpoint(workers_min=1, workers_max=2, scaler_value=1)
    lab.settle()
    lab.change(endpoint, workers_min=2)
    lab.settle()
    lab.change(endpoint, workers_min=1)
    first, second = lab.workers(endpoint)
    lab.pass_time(seconds=3)
    tick(lab)
    found = lab.ask(ledger.spent, lab.caller.account_id, 0, lab.now, (SERVERLESS_GPU,))
    gpu_type = next(t for t in lab.podd.catalogue.types if t.id == found[0].gpu_type_id)
    amounts = {one.resource: one.amount for one in found}
    assert amounts == {first.id: 3 * gpu_type.active_second, second.id: 3 * gpu_type.serverless_second}


def test_a_network_volume_is_charged_from_its_making_to_its_deletion_at_its_size(lab: Lab) -> None:
    made = lab.do(volumes.create, lab.podd, lab.caller, "data", 100, None, lab.now)
    lab.pass_time(hours=10)
    lab.do(volumes.change, lab.podd, lab.caller, made.id, None, 2000)
    lab.pass_time(hours=10)
    lab.do(volumes.delete, lab.caller, made.id, lab.now)
    lab.pass_time(hours=10)
    tick(lab)
    small, large = share(7 * DOLLAR, 10 * HOUR, MONTH), share(120 * DOLLAR, 10 * HOUR, MONTH)
    assert spent(lab) == {NETWORK_VOLUME: small + large}


def test_with_billing_off_nothing_is_charged(new_lab: NewLab) -> None:
    lab = new_lab(billing_settings={"mode": "off"})
    lab.pod(volume=10)
    lab.settle()
    lab.pass_time(hours=1)
    tick(lab)
    assert lab.ask(ledger.balances) == {}


def test_what_ran_before_there_were_meters_is_charged_from_the_first_tick_on(lab: Lab) -> None:
    lab.podd.store.last_step = None
    lab.pod()
    lab.settle()
    lab.pass_time(hours=1)
    tick(lab)
    lab.pass_time(hours=1)
    tick(lab)
    assert spent(lab)[POD_GPU] == SECURE, "not for the hour before, of which nobody has said that it costs"


# Crashes


def test_a_tick_killed_at_any_statement_charges_nothing_twice_and_loses_nothing(
    lab: Lab, tmp_path: Path
) -> None:
    lab.pod(volume=10)
    lab.settle()
    lab.pass_time(hours=1)
    whole = after_ticks(lab, tmp_path / "whole.sqlite3")
    assert whole is not None
    assert len(whole) > 3
    statement = 1
    while (found := after_ticks(lab, tmp_path / f"{statement}.sqlite3", killed_at=statement)) is not None:
        assert found == whole
        statement += 1
    assert statement > len(whole)


def after_ticks(lab: Lab, copy: Path, killed_at: int = 0) -> list[Row] | None:
    """The postings after a tick that dies at its n-th statement and one more that does not; None if the
    first one has fewer statements."""
    with sqlite3.connect(lab.settings.database) as source, sqlite3.connect(copy) as target:
        source.backup(target)
    died = False
    if killed_at:
        died = not tick_on(copy, lab.podd.moment(), killed_at)
    tick_on(copy, lab.podd.moment())
    connection = sqlite3.connect(copy)
    rows = Reader(connection).rows("SELECT * FROM postings ORDER BY number")
    connection.close()
    return rows if died or not killed_at else None


def tick_on(file: Path, now: Moment, killed_at: int = 0) -> bool:
    """Read all meters of this database, each in its own transaction; False if it died on the way."""
    connection = sqlite3.connect(file, isolation_level=None)
    steps = count(1)

    def step() -> None:
        if next(steps) == killed_at:
            raise Killed

    try:
        for row in Reader(connection).rows("SELECT id FROM meters ORDER BY id"):
            connection.execute("BEGIN IMMEDIATE")
            billing.read(Mortal(connection, step), now, [row["id"]])
            step()
            connection.execute("COMMIT")
    except Killed:
        return False
    finally:
        connection.close()  # what is not committed is gone, as when a process ends
    return True


class Killed(BaseException):
    """The daemon died at this statement."""


class Mortal(Tx):
    def __init__(self, connection: sqlite3.Connection, step: Callable[[], None]) -> None:
        super().__init__(connection)
        self._step = step

    def run(self, sql: str, params: Params = ()) -> int:
        touched = super().run(sql, params)
        self._step()
        return touched

    def insert(self, table: str, row: Row) -> None:
        super().insert(table, row)
        self._step()
