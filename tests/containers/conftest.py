"""Engines to test against: a stub that behaves badly on demand, and the real one."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from podd.containers.engine import DockerEngine
from tests.containers.stub import StubEngine
from tests.contract.bench import clean


@pytest.fixture
def stub(tmp_path: Path) -> Iterator[StubEngine]:
    stub = StubEngine(tmp_path / "engine.sock")
    yield stub
    stub.stop()


@pytest.fixture
def stubbed(stub: StubEngine) -> Iterator[DockerEngine]:
    """podd's engine on the stub, soon out of patience."""
    engine = DockerEngine("test", base_url=stub.url, timeout=0.3, pull_silence=0.3)
    yield engine
    engine.close()


@pytest.fixture
def engine() -> Iterator[DockerEngine]:
    """podd's engine on a real Docker Engine."""
    engine = DockerEngine(f"test-{uuid.uuid4().hex[:8]}")
    yield engine
    clean(engine)
    engine.close()


@pytest.fixture
def api() -> Iterator[docker.APIClient]:
    """The same Docker Engine, seen without podd."""
    client = docker.DockerClient.from_env()
    yield client.api
    client.close()
