"""The container engine goes away under running pods and comes back, and so does the whole machine: pods run
again, one container each, with their volumes."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import docker
import pytest

from tests.e2e.daemon import Daemon
from tests.e2e.dockerd import Dockerd
from tests.waiting import eventually

pytestmark = pytest.mark.docker

IMAGE = os.environ.get("PODD_TEST_IMAGE", "podd-test/busybox:latest")
NOTE = "sh -c 'date >>/workspace/starts; sleep 1000'"


class Machine:
    """An engine, and a podd that uses it."""

    def __init__(self, directory: Path, *, live_restore: bool) -> None:
        self.engine = Dockerd(live_restore=live_restore)
        self.podd = Daemon(directory / "podd", engine="docker", env={"DOCKER_HOST": self.engine.host})
        self.pod = ""

    def begin(self) -> None:
        """With one pod that runs and has a volume."""
        self.podd.start()
        self.pod = self.podd.create_pod(NOTE, imageName=IMAGE, volumeInGb=1)
        eventually(lambda: self.podd.runs(self.pod) and self.starts() == 1, 30)

    def starts(self) -> int:
        """How often the pod's program has begun, as its volume tells."""
        notes = self.podd.data_dir / "volumes" / self.pod / "starts"
        return len(notes.read_text().splitlines()) if notes.exists() else 0

    def container(self) -> str:
        pod = self.podd.pod(self.pod)
        assert pod is not None
        return str(pod["dockerId"])

    def containers(self) -> list[str]:
        """The ids of all that run."""
        with closing(docker.DockerClient(self.engine.host)) as client:
            return [str(container.id) for container in client.containers.list()]

    def ready(self) -> bool:
        return self.podd.http("GET", "/readyz", key="").status_code == 200

    def close(self) -> None:
        try:
            self.podd.close()
        finally:
            self.engine.close()


NewMachine = Callable[[bool], Machine]


@pytest.fixture
def new_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[NewMachine]:
    made: list[Machine] = []

    def new(live_restore: bool) -> Machine:
        machine = Machine(tmp_path, live_restore=live_restore)
        made.append(machine)
        machine.engine.start()
        machine.engine.take_image(IMAGE)
        monkeypatch.setenv("DOCKER_HOST", machine.engine.host)
        machine.begin()
        return machine

    yield new
    for machine in made:
        machine.close()


def test_an_engine_that_is_restarted_with_live_restore_interrupts_no_pod(new_machine: NewMachine) -> None:
    machine = new_machine(True)
    before = machine.container()
    for end in (machine.engine.stop, machine.engine.kill):
        end()
        eventually(lambda: not machine.ready(), 30)
        machine.engine.start()
        eventually(machine.ready, 30)
    assert machine.podd.runs(machine.pod)
    assert machine.containers() == [before]
    assert machine.starts() == 1


def test_a_pod_that_died_with_its_engine_is_started_again_on_its_volume(new_machine: NewMachine) -> None:
    machine = new_machine(False)
    machine.engine.kill()
    eventually(lambda: not machine.ready(), 30)
    machine.engine.start()
    eventually(lambda: machine.starts() == 2, 60)
    eventually(lambda: machine.podd.runs(machine.pod), 30)
    assert machine.containers() == [machine.container()]
    pod = machine.podd.pod(machine.pod)
    assert pod is not None
    assert len(pod["gpus"]) == 1


def test_after_a_reboot_a_pod_runs_again_on_its_volume_and_a_fresh_disk(new_machine: NewMachine) -> None:
    machine = new_machine(False)
    before = machine.container()
    machine.podd.kill()
    machine.engine.stop()
    with sqlite3.connect(machine.podd.data_dir / "podd.sqlite3") as database:
        database.execute("UPDATE meta SET value = 'the boot before' WHERE key = 'boot_id'")
    database.close()
    machine.engine.start()
    machine.podd.start()
    eventually(lambda: machine.starts() == 2, 60)
    eventually(lambda: machine.podd.runs(machine.pod), 30)
    assert machine.containers() == [machine.container()] != [before]
