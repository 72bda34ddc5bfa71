"""What podd and the service manager tell each other."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from podd.service_manager import ServiceManager
from tests.service_manager import Manager
from tests.waiting import eventually


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(tmp_path, watchdog_seconds=3)
    yield manager
    manager.close()


def test_what_podd_says_arrives(manager: Manager) -> None:
    ServiceManager.found(manager.environment()).tell(READY="1", STATUS="serving")
    eventually(lambda: manager.said == [{"READY": "1", "STATUS": "serving"}])


def test_without_a_service_manager_nothing_is_said_and_kept() -> None:
    nobody = ServiceManager.found({})
    nobody.tell(READY="1")
    assert (nobody.watchdog_seconds, nobody.kept(("127.0.0.1", 1))) == (0, None)


def test_a_manager_that_is_away_stops_nothing(tmp_path: Path) -> None:
    with capture_logs() as said:
        ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "nobody")}).tell(READY="1")
    assert said[0]["event"] == "the service manager does not listen"


def test_the_programs_podd_starts_are_not_meant(manager: Manager) -> None:
    environment = {**manager.environment(), "LISTEN_PID": "1", "PATH": "/bin"}
    assert ServiceManager.found(environment).watchdog_seconds == 3
    assert environment == {"PATH": "/bin"}


def test_a_watchdog_for_another_process_is_not_ours() -> None:
    assert ServiceManager({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}).watchdog_seconds == 0


def test_a_kept_socket_goes_on_listening_when_podd_has_closed_its_own(manager: Manager) -> None:
    ours = ServiceManager.found(manager.environment())
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        ours.keep(listener)
        eventually(lambda: list(manager.kept) == [f"127.0.0.1-{address[1]}"])
    with socket.create_connection(address, timeout=10):
        (fd,) = manager.file_descriptors
        with socket.socket(fileno=os.dup(fd)) as kept:
            accepted, _ = kept.accept()
            accepted.close()
