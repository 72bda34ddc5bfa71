"""A database as the first release left it when it was killed at work, and podd of today on it.

`first_schema.sql` is a dump of what that release's own code had written."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from podd.domain.account import Caller, CallerKind
from podd.domain.billing import POD_GPU
from podd.domain.container import ContainerSpec
from podd.domain.job import JobStatus
from podd.services import billing, endpoints, jobs, pods
from podd.store import ledger, releases
from podd.store import volumes as volume_rows
from podd.store.db import Store
from tests.services.lab import Lab

DUMP = Path(__file__).with_name("first_schema.sql").read_text()
RENAMED = {("gpus", "state"): "health", ("workloads", "restart_at"): "restart_of"}
OWNER = "user_pur2qawmd0zun71hgtvrc74i"
ENDPOINT, WITHOUT_WORKERS, WORKER = "elpz57mx36wv92", "nootnkhwl0ovh1", "bfgovsuryp7rfq"
KILLED_AT = 1795464268000

Rows = list[dict[str, Any]]


def rows(path: Path) -> dict[str, Rows]:
    """All that is in a database, by table."""
    with closing(sqlite3.connect(path)) as db:
        db.row_factory = sqlite3.Row
        names = [row["name"] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {name: [dict(row) for row in db.execute(f"SELECT * FROM [{name}]")] for name in names}


def first_release(path: Path) -> Path:
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as db:
        db.executescript(DUMP)
    return path


def upgraded(lab: Lab) -> Caller:
    """The lab on the database of the first release, whose containers still run; the account in it."""
    lab.reconciler.close()
    lab.podd.store.close()
    for leftover in lab.settings.data_dir.glob("podd.sqlite3-*"):
        leftover.unlink()
    first_release(lab.settings.database)
    lab.clock.set(KILLED_AT)
    lab.engine.images |= {"test/none", "test/private"}
    for row in rows(lab.settings.database)["workloads"]:
        if row["phase"] == "RUNNING":
            lab.engine.start(
                ContainerSpec(workload_id=row["id"], generation=1, kind=row["kind"], image=row["image"])
            )
    lab.engine.calls.clear()
    lab.restart()
    lab.caller = Caller(CallerKind.ACCOUNT, account_id=OWNER, key_id="x7i34bf1dd0y0n", user_id=OWNER)
    return lab.caller


def test_nothing_that_was_in_any_table_is_lost(tmp_path: Path) -> None:
    path = first_release(tmp_path / "podd.sqlite3")
    before = rows(path)
    Store(path).close()
    after = rows(path)
    for table, were in before.items():
        assert were, f"the dump has nothing in {table}"
        kept = [{name: row[name] for name in row} for row in after[table]]
        for row in were:
            assert {
                RENAMED.get((table, name), name): value for name, value in row.items()
            }.items() <= kept.pop(0).items()
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_containers_are_adopted_and_stopped_pods_resume(lab: Lab) -> None:
    caller = upgraded(lab)
    lab.settle()
    done = {call[0] for call in lab.engine.calls}
    assert not done & {"start", "stop", "remove", "pull"}
    by_name = {pod.name: pod for pod in lab.ask(pods.listed, caller)}
    states = {name: (pod.workload.desired, pod.workload.phase) for name, pod in by_name.items()}
    assert states == {
        "running": ("RUNNING", "RUNNING"),
        "mounted": ("RUNNING", "RUNNING"),
        "spot": ("RUNNING", "RUNNING"),
        "stopped": ("STOPPED", "NONE"),
    }
    assert lab.resume(by_name["stopped"]).own_gpu_count == 1  # for which the spot pod has to go
    assert lab.look(by_name["spot"]).workload.desired == "STOPPED"
    lab.settle()
    assert lab.look(by_name["stopped"]).workload.phase == "RUNNING"


def test_jobs_go_on_where_they_were(lab: Lab) -> None:
    upgraded(lab)
    lab.settle()
    worker = next(worker for worker in lab.workers_of(ENDPOINT) if worker.id == WORKER)
    found = {job.id: job for job in lab.ask(jobs.recent, lab.caller, ENDPOINT, None, 100)}
    (running,) = [job for job in found.values() if job.status is JobStatus.IN_PROGRESS]
    waiting = [job for job in found.values() if job.status is JobStatus.IN_QUEUE]
    assert sorted(job.status for job in found.values()) == sorted(
        ["COMPLETED", "FAILED", "IN_PROGRESS", "IN_QUEUE", "IN_QUEUE"]
    )
    lab.done(worker, running)
    for _ in waiting:
        lab.done(worker, lab.take_one(worker))
    assert {lab.status(job) for job in (running, *waiting)} == {JobStatus.COMPLETED}
    (failed,) = [job for job in found.values() if job.status is JobStatus.FAILED]
    assert lab.do(jobs.retry, lab.caller, ENDPOINT, failed.id, lab.now).status is JobStatus.IN_QUEUE
    (idle,) = lab.ask(jobs.recent, lab.caller, WITHOUT_WORKERS, None, 100)
    assert idle.status is JobStatus.IN_QUEUE


def test_endpoints_have_a_history_and_are_not_taken_for_unused(lab: Lab) -> None:
    caller = upgraded(lab)
    for endpoint in lab.ask(endpoints.listed, caller):
        assert [release.version for release in lab.ask(releases.of, endpoint.id)] == [0]
        assert endpoint.asked_at > 0
        assert endpoint.type == "QB"


def test_a_network_volume_is_made_where_it_was(lab: Lab) -> None:
    upgraded(lab)
    (volume,) = lab.ask(volume_rows.every)
    files = lab.ask(volume_rows.files, volume.id)
    assert files is not None
    assert (volume.size, files.made) == (10, 0)


@pytest.mark.parametrize("hours", [0, 5])
def test_what_ran_is_charged_from_the_upgrade_on(lab: Lab, hours: int) -> None:
    upgraded(lab)
    lab.run(billing.tick(lab.podd))
    lab.pass_time(hours=hours)
    lab.run(billing.tick(lab.podd))
    spent = lab.ask(ledger.spent, OWNER, 0, lab.now * 2, [POD_GPU])
    assert sum(one.amount for one in spent) == (2 * 490_000_000 + 400_000_000) * hours


def test_where_workers_may_run_moves_from_what_was_only_kept(tmp_path: Path) -> None:
    path = first_release(tmp_path / "podd.sqlite3")
    kept = [
        '{"locations": "EU-RO-1,LOCAL-1", "allowedCudaVersions": "12.4", "workersPFBTarget": 1}',
        '{"allowedCudaVersions": ["12.4", "12.5"], "minCudaVersion": "12.1"}',
    ]
    with closing(sqlite3.connect(path)) as db, db:
        for endpoint_id, extras in zip((ENDPOINT, WITHOUT_WORKERS), kept, strict=True):
            db.execute("UPDATE endpoints SET extras_json = ? WHERE id = ?", (extras, endpoint_id))
    Store(path).close()
    names = ("data_center_ids", "cuda_versions", "min_cuda_version", "extras_json")
    found = {row["id"]: tuple(row[name] for name in names) for row in rows(path)["endpoints"]}
    assert found[ENDPOINT] == ("EU-RO-1,LOCAL-1", "12.4", "", '{"workersPFBTarget":1}')
    assert found[WITHOUT_WORKERS] == ("", "12.4,12.5", "12.1", "{}")
