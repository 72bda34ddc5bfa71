"""Puts each engine on the bench, and cleans up behind it."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from podd.ports import Engine
from tests.contract.bench import Bench, clean, dockers, fakes, processes
from tests.contract.registry import Registry

MAKERS = {"fake": fakes, "process": processes, "docker": dockers}


@pytest.fixture(params=["fake", "process", pytest.param("docker", marks=pytest.mark.docker)])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    make = MAKERS[request.param](tmp_path)
    made: list[tuple[str, Engine]] = []

    def another(instance: str) -> Engine:
        engine = make(instance)
        made.append((instance, engine))
        return engine

    instance = f"test-{uuid.uuid4().hex[:8]}"
    yield Bench(request.param, instance, another(instance), another)
    for each in {i: make(i) for i, _ in made}.values():
        clean(each)
        each.close()
    for _, engine in made:
        engine.close()


@pytest.fixture
def registry() -> Iterator[Registry]:
    registry = Registry(f"test/{uuid.uuid4().hex[:8]}")
    yield registry
    registry.stop()
