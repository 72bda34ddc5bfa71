"""Real daemons for the end-to-end tests. All of these are started by the tests and end with them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.daemon import Daemon
from tests.e2e.sdk import Sdk

NewDaemon = Callable[..., Daemon]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here starts daemons."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture
def new_daemon(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NewDaemon]:
    """Makes daemons, not started yet; takes what `Daemon` takes. Docker is the engine of tests marked so."""
    made: list[Daemon] = []
    engine = "docker" if request.node.get_closest_marker("docker") else "process"

    def new(**how: Any) -> Daemon:
        daemon = Daemon(tmp_path / f"podd-{len(made)}", **{"engine": engine, **how})
        made.append(daemon)
        return daemon

    yield new
    _close_all(made)


@pytest.fixture
def daemon(new_daemon: NewDaemon) -> Daemon:
    """A daemon of the test's own, started."""
    return new_daemon().start()


@pytest.fixture(scope="session")
def shared_daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """A daemon for all tests that leave it as they found it: the process engine, eight GPUs, no patience."""
    quick = {"runsync_wait_seconds": 2, "execution_timeout_min_seconds": 1, "unhealthy_retry_seconds": 2}
    daemon = Daemon(tmp_path_factory.mktemp("shared"), gpus=8, limits=quick)
    try:
        yield daemon.start()
    finally:
        daemon.close()


@pytest.fixture(scope="session")
def sdk(shared_daemon: Daemon) -> Iterator[Sdk]:
    """The client SDK, turned to the shared daemon."""
    sdk = Sdk(shared_daemon.url, shared_daemon.key, shared_daemon.environment())
    yield sdk
    sdk.close()


def _close_all(daemons: list[Daemon]) -> None:
    problems: list[Exception] = []
    for daemon in daemons:
        try:
            daemon.close()
        except Exception as problem:
            problems.append(problem)
    if problems:
        raise problems[0]
