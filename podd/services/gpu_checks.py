"""Asks inside containers whether they can still use their GPUs (see `domain.gpu_loss`)."""

import asyncio

from podd.domain import gpu_loss
from podd.domain.workload import Kind, Workload
from podd.ports import Engine, EngineError
from podd.services import workers
from podd.services.one_each import OneEach
from podd.services.platform import RECONCILE, Platform
from podd.services.workloads import current
from podd.store import events, workloads
from podd.store.db import Tx

LOST = "its container has lost its GPUs"


class GpuChecks:
    """Containers with real GPUs, one question at a time for each: a driver that hangs holds up its own."""

    def __init__(self, podd: Platform, engine: Engine) -> None:
        self._podd = podd
        self._engine = engine
        gpus = podd.settings.gpus
        self._questions = OneEach(gpus.container_checks_at_once, gpus.container_check_seconds / 2)

    async def tick(self, now: int) -> None:
        for workload in await self._podd.store.read(workloads.running):
            if any(not gpu.simulated for gpu in workload.gpus):
                self._questions.begin(workload.id, self._check(workload, now))
        await self._questions.wait()

    async def _check(self, workload: Workload, now: int) -> None:
        async with self._questions.turn:
            lost = await asyncio.to_thread(self._ask, workload.container_name)
        if lost is not None and lost != bool(workload.gpus_lost_at):
            await self._podd.store.write(note, self._podd, workload, lost, now)

    def _ask(self, container: str) -> bool | None:
        for question in gpu_loss.QUESTIONS:
            try:
                answer = self._engine.exec(container, question)
            except EngineError:
                continue
            verdict = gpu_loss.lost(answer.exit_code, answer.output)
            if verdict is not None:
                return verdict
        return None


def note(tx: Tx, podd: Platform, workload: Workload, lost: bool, now: int) -> None:
    """A pod is shown as affected, and restarted if the settings say so; a worker goes once it has done what
    it holds."""
    fresh = current(tx, workload)
    if fresh is None:
        return
    workloads.change(tx, fresh.id, gpus_lost_at=now if lost else None)
    events.add(tx, fresh.id, "gpus lost" if lost else "gpus back", LOST if lost else "it has its GPUs", now)
    if not lost:
        return
    worker = workloads.worker(tx, fresh.id) if fresh.kind is Kind.WORKER else None
    if worker is not None:
        workers.see_off(tx, podd, worker, LOST, now)
    elif podd.settings.gpus.restart_pods_without_gpus:
        workloads.change(tx, fresh.id, restart_of=fresh.started_at or 0, failures=0, retry_at=0)
        tx.ring(RECONCILE)
