"""podd under a service manager: what it says to it, and a restart that nobody notices."""

import http.client
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from podd.client import Client
from podd.wire.operator import MachineStatus
from tests.e2e.conftest import NewDaemon
from tests.local_ports import free_port
from tests.service_manager import Manager
from tests.waiting import PATIENCE, eventually


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(tmp_path, watchdog_seconds=4)
    yield manager
    manager.close()


class Callers:
    """Clients who ask again and again, each time over a connection of its own."""

    def __init__(self, port: int, count: int = 4) -> None:
        self.answers = 0
        self.failures: list[str] = []
        self._port = port
        self._enough = threading.Event()
        self._threads = [threading.Thread(target=self._call) for _ in range(count)]

    def __enter__(self) -> "Callers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        for thread in self._threads:
            thread.join()

    def _call(self) -> None:
        while not self._enough.is_set():
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
            try:
                connection.request("GET", "/livez")
                status = connection.getresponse().status
                if status == 200:
                    self.answers += 1
                else:
                    self.failures.append(f"answered {status}")
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(type(error).__name__)
            finally:
                connection.close()


def answers_come(callers: Callers) -> None:
    enough = callers.answers + 50
    eventually(lambda: callers.answers >= enough)


def test_a_restart_under_load_fails_nobody_and_a_crash_refuses_nobody(
    new_daemon: NewDaemon, manager: Manager
) -> None:
    daemon = new_daemon(manager=manager).start()
    with Callers(daemon.port) as callers:
        answers_come(callers)
        daemon.restart()
        answers_come(callers)
    assert callers.failures == []

    with Callers(daemon.port) as callers:
        answers_come(callers)
        daemon.kill()
        daemon.start()
        answers_come(callers)
    assert ConnectionRefusedError.__name__ not in callers.failures  # what was being answered is cut off

    with Client.local(daemon.data_dir) as operator:
        assert operator.get("/operator/v1/machine", MachineStatus).engine == "process"


def test_podd_says_how_it_is_and_lets_go_of_what_the_settings_no_longer_name(
    new_daemon: NewDaemon, manager: Manager
) -> None:
    """The writer says that it is alive every 5 seconds, which is not enough for this patience."""
    daemon = new_daemon(manager=manager, settings={"vitals": {"writer_seconds": 0.001}}).start()
    eventually(lambda: manager.heard(READY="1"))

    def writer_missed() -> list[dict[str, str]]:
        return [said for said in manager.said if "silent for too long: writer" in said.get("STATUS", "")]

    eventually(writer_missed)
    assert not any("WATCHDOG" in said for said in writer_missed())

    old, new = daemon.ssh_port, free_port()
    assert f"127.0.0.1-{old}" in manager.kept
    daemon.config.write_text(daemon.config.read_text().replace(f"ssh_port = {old}", f"ssh_port = {new}"))
    daemon.restart()
    assert manager.heard(STOPPING="1")
    eventually(lambda: f"127.0.0.1-{old}" not in manager.kept)
    assert f"127.0.0.1-{new}" in manager.kept
