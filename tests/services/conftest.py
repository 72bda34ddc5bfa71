"""A podd of its own for each test."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.services.lab import Lab

NewLab = Callable[..., Lab]


@pytest.fixture
def new_lab(tmp_path: Path) -> Iterator[NewLab]:
    """Makes podds with GPUs and limits of the test's choice; takes what `Lab` takes."""
    made: list[Lab] = []

    def new(gpus: str = "aab", **how: Any) -> Lab:
        made.append(Lab(tmp_path / str(len(made)), gpus, **how))
        return made[-1]

    yield new
    for lab in made:
        lab.close()


@pytest.fixture
def lab(new_lab: NewLab) -> Lab:
    """Two A6000 and one 4090 (g0, g1, g2), 16 cores, 64 GB."""
    return new_lab()
