"""How busy workloads and GPUs are: sampled now and then, kept in memory, never worth a transaction."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from podd.domain.use import History
from podd.domain.words import Port
from podd.domain.workload import Workload
from podd.ports import Engine, EngineError, GpuProbe, GpuUse, Listening, Stats
from podd.services.one_each import OneEach
from podd.services.platform import Platform
from podd.store import workloads


@dataclass(frozen=True, slots=True)
class Sample:
    """How busy a container was `at` (epoch milliseconds). `deaf` are the ports it has declared at which
    nothing listens; None where nobody can tell."""

    at: int
    use: Stats
    deaf: tuple[Port, ...] | None


class Telemetry:
    """The last samples, and the means of each minute of the last day. A workload or GPU that could not be
    read has no sample. A container whose measurement is still under way is not asked again, and holds up
    no other. A tick waits for its measurements, but leaves before the next one is due."""

    def __init__(self, podd: Platform, engine: Engine, probe: GpuProbe) -> None:
        self._podd = podd
        self._engine = engine
        self._probe = probe
        gpus = podd.settings.gpus
        self._questions = OneEach(gpus.samples_at_once, gpus.sample_seconds / 2)
        self._containers: dict[str, Sample] = {}
        self.gpus: Mapping[str, GpuUse] = {}
        self.history = History()

    @property
    def containers(self) -> Mapping[str, Sample]:
        return self._containers

    async def tick(self, now: int) -> None:
        running = {w.id: w for w in await self._podd.store.read(workloads.running)}
        for gone in self._containers.keys() - running.keys():
            del self._containers[gone]
        self._questions.begin("", self._look_at_gpus(now))
        for workload in running.values():
            self._questions.begin(workload.id, self._measure(workload))
        self.history.forget(now)
        await self._questions.wait()

    async def _look_at_gpus(self, now: int) -> None:
        self.gpus = await asyncio.to_thread(self._probe.utilisation)
        for uuid, use in self.gpus.items():
            self.history.add(uuid, asdict(use), now)

    async def _measure(self, workload: Workload) -> None:
        async with self._questions.turn:
            try:
                stats = await asyncio.to_thread(self._engine.stats, workload.container_name)
            except EngineError:
                self._containers.pop(workload.id, None)
                return
        now = self._podd.clock.now()
        sample = self._containers[workload.id] = Sample(now, stats, _deaf(workload, stats.listening))
        used = {"cpu_percent": stats.cpu_percent, "memory_mb": stats.memory_used / 2**20}
        deaf = None if sample.deaf is None else len(sample.deaf)
        self.history.add(workload.id, {**used, "deaf_ports": deaf}, now)


def _deaf(workload: Workload, listening: Listening | None) -> tuple[Port, ...] | None:
    if listening is None:
        return None
    inside = {(port.container, port.protocol): port.inside for port in workload.published}

    def heard(port: Port) -> bool:
        number = inside.get((port.number, port.protocol), port.number)
        return ("udp" if port.protocol == "udp" else "tcp", number) in listening

    return tuple(port for port in workload.needs.ports if not heard(port))
