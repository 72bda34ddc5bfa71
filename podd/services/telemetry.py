"""How busy workloads and GPUs are: sampled now and then, kept in memory, never worth a transaction."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict

from podd.domain.use import History
from podd.domain.workload import Phase
from podd.ports import Engine, EngineError, GpuProbe, GpuUse, Stats
from podd.services.one_each import OneEach
from podd.services.platform import Platform
from podd.store import workloads

AT_ONCE = 8
"""Containers measured at the same time; the engine takes up to a second for each."""
PATIENCE = 5.0
"""Seconds a tick waits for its measurements. What takes longer is noted when it comes."""


class Telemetry:
    """The last samples, and the means of each minute of the last day. A workload or GPU that could not be
    read has no sample. A container whose measurement is still under way is not asked again, and holds up
    no other."""

    def __init__(self, podd: Platform, engine: Engine, probe: GpuProbe) -> None:
        self._podd = podd
        self._engine = engine
        self._probe = probe
        self._questions = OneEach(AT_ONCE, PATIENCE)
        self._containers: dict[str, Stats] = {}
        self.gpus: Mapping[str, GpuUse] = {}
        self.history = History()

    @property
    def containers(self) -> Mapping[str, Stats]:
        return self._containers

    async def tick(self, now: int) -> None:
        everything = await self._podd.store.read(workloads.every)
        running = {w.id: w.container_name for w in everything if w.phase is Phase.RUNNING}
        for gone in self._containers.keys() - running.keys():
            del self._containers[gone]
        self._questions.begin("", self._look_at_gpus(now))
        for workload_id, name in running.items():
            self._questions.begin(workload_id, self._measure(workload_id, name, now))
        self.history.forget(now)
        await self._questions.wait()

    async def _look_at_gpus(self, now: int) -> None:
        self.gpus = await asyncio.to_thread(self._probe.utilisation)
        for uuid, use in self.gpus.items():
            self.history.add(uuid, asdict(use), now)

    async def _measure(self, workload_id: str, name: str, now: int) -> None:
        async with self._questions.turn:
            try:
                stats = await asyncio.to_thread(self._engine.stats, name)
            except EngineError:
                self._containers.pop(workload_id, None)
                return
        self._containers[workload_id] = stats
        used = {"cpu_percent": stats.cpu_percent, "memory_mb": stats.memory_used / 2**20}
        self.history.add(workload_id, used, now)
