"""How busy workloads and GPUs are: sampled now and then, kept in memory, never worth a transaction."""

import asyncio
from collections.abc import Mapping

from podd.domain.workload import Phase
from podd.ports import Engine, EngineError, GpuProbe, GpuUse, Stats
from podd.services.platform import Platform
from podd.store import workloads


class Telemetry:
    """The last samples. A workload or GPU that could not be read has none."""

    def __init__(self, podd: Platform, engine: Engine, probe: GpuProbe) -> None:
        self._podd = podd
        self._engine = engine
        self._probe = probe
        self.containers: Mapping[str, Stats] = {}
        self.gpus: Mapping[str, GpuUse] = {}

    async def tick(self, now: int) -> None:  # noqa: ARG002 - every tick gets the time
        self.gpus = await asyncio.to_thread(self._probe.utilisation)
        everything = await self._podd.store.read(workloads.every)
        running = {w.id: w.container_name for w in everything if w.phase is Phase.RUNNING}
        samples = await asyncio.gather(*(asyncio.to_thread(self._sample, name) for name in running.values()))
        self.containers = {
            workload_id: stats for workload_id, stats in zip(running, samples, strict=True) if stats
        }

    def _sample(self, name: str) -> Stats | None:
        try:
            return self._engine.stats(name)
        except EngineError:
            return None
