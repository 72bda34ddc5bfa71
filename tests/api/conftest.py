"""A podd of its own for each test of the APIs."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from podd.api import worker
from tests.api.served import Served

NewPodd = Callable[..., Served]


@pytest.fixture
def new_podd(tmp_path: Path) -> Iterator[NewPodd]:
    """Makes podds with settings of the test's choice; takes what `Served` takes."""
    made: list[Served] = []

    def new(**how: Any) -> Served:
        directory = tmp_path / f"podd-{len(made)}"
        directory.mkdir()
        made.append(Served(directory, **how))
        return made[-1]

    yield new
    for podd in made:
        podd.close()


@pytest.fixture
def podd(new_podd: NewPodd) -> Served:
    return new_podd()


@pytest.fixture(scope="module")
def shared_podd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One podd for all tests of a module that only ask."""
    podd = Served(tmp_path_factory.mktemp("podd"))
    yield podd
    podd.close()


@pytest.fixture(autouse=True)
def quick_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused workers need not wait here, but where that is the point."""
    monkeypatch.setattr(worker, "REFUSAL_HOLD", 0.05)
