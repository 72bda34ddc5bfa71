"""Ends containers that have written more than their disk holds, where the engine does not keep them to it.

Within seconds, not at once: what is written between two looks lands on the host's disk.
"""

import asyncio

from podd.domain.workload import Phase
from podd.ports import Engine, EngineError
from podd.services import workloads
from podd.services.platform import Platform
from podd.store import workloads as rows

GIB = 2**30


async def tick(podd: Platform, engine: Engine, now: int) -> None:
    running = [w for w in await podd.store.read(rows.every) if w.phase is Phase.RUNNING]
    if not running:
        return
    try:
        written = await asyncio.to_thread(engine.disk_use)
    except EngineError:
        return  # the reconciler says so when the engine is away
    for workload in running:
        used = written.get(workload.container_name, 0)
        if used > workload.needs.disk * GIB:
            await podd.store.write(workloads.note_overfull, podd, workload, used, now)
