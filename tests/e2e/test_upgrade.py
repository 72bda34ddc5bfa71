"""podd of today starts over the database and the containers of its first release."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import docker
import pytest

from podd.client import Client
from podd.wire.keys import KeyWish, NewKey
from tests.e2e.daemon import Daemon
from tests.waiting import eventually

pytestmark = pytest.mark.docker

IMAGE = os.environ.get("PODD_TEST_IMAGE", "podd-test/busybox:latest")
DUMP = Path(__file__).parent.parent / "services" / "first_schema.sql"
OWNER, POD, INSTANCE = "user_pur2qawmd0zun71hgtvrc74i", "4kw6n0ejxps82e", "4ihemk5q"
GPU = "GPU-c8cbd74f-e2ed-5da6-b5d4-18e033154509"
NAME, NETWORK = f"podd-{POD}-1", f"podd-{INSTANCE}"


def leave_database(path: Path) -> None:
    """As the first release left it on this machine, which has not been restarted since: one pod that runs."""
    path.parent.mkdir(parents=True)
    path.with_name("secret.key").write_text("0" * 64)
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    with closing(sqlite3.connect(path)) as db:
        db.executescript(DUMP.read_text())
        for table, column in (
            ("jobs", "worker_id"),
            ("workers", "id"),
            ("claims", "workload_id"),
            ("published_ports", "workload_id"),
            ("pods", "id"),
            ("workloads", "id"),
        ):
            db.execute(f"DELETE FROM {table} WHERE {column} IS NOT ?", (POD,))
        db.execute("UPDATE endpoints SET workers_min = 0, workers_max = 0")
        db.execute("UPDATE workloads SET image = ?", (IMAGE,))
        db.execute("UPDATE meta SET value = 'docker' WHERE key = 'engine'")
        db.execute("UPDATE meta SET value = ? WHERE key = 'boot_id'", (boot_id,))
        db.commit()


def leave_container(client: docker.DockerClient, data_dir: Path) -> str:
    """As the first release made it; its id."""
    client.networks.create(NETWORK, "bridge", {"com.docker.network.bridge.enable_icc": "false"})
    volume = data_dir / "volumes" / POD
    volume.mkdir(parents=True)
    container = client.containers.create(
        IMAGE,
        ["sleep", "1000"],
        name=NAME,
        network=NETWORK,
        init=True,
        labels={
            "podd.instance": INSTANCE,
            "podd.workload": POD,
            "podd.kind": "pod",
            "podd.generation": "1",
            "podd.gpus": GPU,
        },
        mounts=[docker.types.Mount("/srv/w", str(volume), "bind")],
    )
    container.start()
    return str(container.id)


@pytest.fixture
def client() -> Iterator[docker.DockerClient]:
    client = docker.from_env()
    yield client
    client.close()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    daemon = Daemon(tmp_path, engine="docker", gpus=4)
    leave_database(daemon.data_dir / "podd.sqlite3")
    try:
        yield daemon
    finally:
        daemon.close()


def test_a_pod_of_the_first_release_goes_on_in_its_container_and_moves_with_its_next_start(
    daemon: Daemon, client: docker.DockerClient
) -> None:
    container_id = leave_container(client, daemon.data_dir)
    daemon.start()
    with Client.local(daemon.data_dir) as operator:
        key = operator.post("/operator/v1/keys", KeyWish(account=OWNER), NewKey).api_key

    def pod() -> dict[str, object]:
        query = (
            f'{{ pod(input: {{podId: "{POD}"}}) {{ dockerId desiredStatus runtime {{ uptimeInSeconds }} }} }}'
        )
        found: dict[str, object] = daemon.graphql(query, key=key)["pod"]
        return found

    eventually(lambda: pod()["dockerId"] == container_id and pod()["runtime"] is not None)
    container = client.containers.get(container_id)
    assert (container.status, container.attrs["RestartCount"]) == ("running", 0)
    assert container.exec_run(["sh", "-c", "echo kept >/srv/w/notes"]).exit_code == 0
    assert daemon.running() == [NAME]

    daemon.graphql(f'mutation {{ podStop(input: {{podId: "{POD}"}}) {{ id }} }}', key=key)
    eventually(lambda: daemon.running() == [])
    daemon.graphql(f'mutation {{ podResume(input: {{podId: "{POD}"}}) {{ id }} }}', key=key)
    eventually(lambda: daemon.running() == [f"podd-{POD}-2"])
    moved = client.containers.get(f"podd-{POD}-2")
    assert moved.exec_run(["cat", "/srv/w/notes"]).output == b"kept\n"
    assert NETWORK not in moved.attrs["NetworkSettings"]["Networks"]

    daemon.graphql(f'mutation {{ podTerminate(input: {{podId: "{POD}"}}) }}', key=key)
    eventually(lambda: daemon.running() == [])
