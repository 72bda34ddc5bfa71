"""An engine on the test bench, and the three ways to put one there."""

import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from podd.containers.engine import DockerEngine
from podd.domain.container import ContainerSpec
from podd.ports import ContainerEvent, Engine
from podd.processes.engine import ProcessEngine
from tests.contract.programs import IMAGE, NOT_THERE, RUN_ON, behaviours
from tests.fakes import FakeEngine

Maker = Callable[[str], Engine]


@dataclass(frozen=True)
class Bench:
    """The engine under test. `another(instance)` is one more of its kind on the same machine."""

    kind: str
    instance: str
    engine: Engine
    another: Maker

    def lines(self, name: str, **how: Any) -> list[str]:
        return [line.line for line in self.engine.logs(name, **how)]

    def finish(self, spec: ContainerSpec) -> list[str]:
        """Start it, wait for its end and give what it wrote."""
        self.engine.start(spec)
        return self.lines(spec.name, follow=True)


def a_spec(command: tuple[str, ...] = RUN_ON, **fields: Any) -> ContainerSpec:
    """A small container with an id of its own."""
    workload_id = uuid.uuid4().hex[:12]
    spec = ContainerSpec(workload_id=workload_id, generation=1, kind="pod", image=IMAGE, command=command)
    return replace(spec, memory=64, cpus=0.5, **fields)


def fakes(_: Path) -> Maker:
    first = FakeEngine("first", images=[IMAGE])
    first.behaviours = behaviours()
    first.refusals[NOT_THERE] = "The command no-such-command was not found."
    return first.neighbour


def processes(directory: Path) -> Maker:
    return lambda instance: ProcessEngine(instance, directory / "engine")


def dockers(_: Path) -> Maker:
    return DockerEngine


def clean(engine: Engine) -> None:
    """Leave nothing of this instance behind."""
    for container in engine.list():
        engine.remove(container.name)
    if isinstance(engine, DockerEngine):
        engine.remove_network()


class Listener:
    """Collects an engine's events, in a thread of its own."""

    def __init__(self, engine: Engine) -> None:
        self.heard: list[ContainerEvent] = []
        self._stream = engine.events()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def actions(self, name: str) -> list[str]:
        return [event.action for event in self.heard if event.name == name]

    def has_ended(self) -> bool:
        return not self._thread.is_alive()

    def _listen(self) -> None:
        for event in self._stream:
            self.heard.append(event)
