"""A podd with the proxy in front, and programs for its containers."""

from collections.abc import Callable, Iterator

import pytest

from tests.api.conftest import NewPodd
from tests.api.conftest import new_podd as new_podd
from tests.api.served import Served
from tests.proxy.programs import App, Program

NewProgram = Callable[..., Program]


@pytest.fixture
def podd(new_podd: NewPodd) -> Served:
    """Its containers have addresses of this machine's loopback, the first 127.0.0.2."""
    podd = new_podd()
    podd.engine.subnet = "127.0.0"
    return podd


@pytest.fixture
def new_program() -> Iterator[NewProgram]:
    """Makes programs that listen; takes what `Program` takes."""
    made: list[Program] = []

    def new(app: App, address: str = "127.0.0.2", port: int = 0) -> Program:
        made.append(Program(app, address, port))
        return made[-1]

    yield new
    for program in made:
        program.close()
