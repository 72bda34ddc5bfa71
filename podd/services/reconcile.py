"""Makes the engine agree with the books: see, plan, act, record.

Acting means talking to the engine, which is slow; it happens in threads, one step per workload at a
time, and a failure stays with its workload. Only the recording opens a transaction. Nothing here is
remembered that a new daemon could not see again.
"""

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Concatenate, ParamSpec, TypeVar

import structlog

from podd.domain.container import Container
from podd.domain.errors import Invalid
from podd.domain.reconcile import (
    Discard,
    Halt,
    RecordExit,
    RecordGone,
    RecordRunning,
    Start,
    Step,
    plan,
)
from podd.domain.workload import Desired, Phase, Workload
from podd.ports import (
    Engine,
    EngineAway,
    EngineError,
    ImageMissing,
    NoSuchContainer,
    PortTaken,
    StartRefused,
)
from podd.services import launch, registries, volumes, workloads
from podd.services.platform import RECONCILE, Platform
from podd.services.pulls import Pulls
from podd.store import volumes as volume_rows
from podd.store import workloads as rows
from podd.store.db import Tx

log = structlog.get_logger()
P = ParamSpec("P")
T = TypeVar("T")

LAST_LINES = 5


@dataclass
class _Busy:
    task: asyncio.Task[None]
    gpus: frozenset[str]


class Reconciler:
    """`tick` plans and begins steps; they go on by themselves and ring for the next tick."""

    def __init__(self, podd: Platform, engine: Engine) -> None:
        self._podd = podd
        self._engine = engine
        self._busy: dict[str, _Busy] = {}
        self._pulls = Pulls(engine, lambda: podd.bells.ring([RECONCILE]), self._note_pull)
        self.engine_away = False

    async def tick(self, now: int) -> None:
        # Whoever was busy when the engine was asked may have moved on since: it waits for the next look.
        busy = {workload_id: step.gpus for workload_id, step in self._busy.items()}
        try:
            containers = await asyncio.to_thread(self._engine.list)
        except EngineAway as error:
            self._note_away(str(error))
            return
        self._note_back()
        everything = await self._podd.store.read(rows.every)
        known = {workload.id: workload for workload in everything}
        for step in plan(everything, containers, busy, now):
            self._begin(step, known.get(step.workload_id))

    async def sweep_volumes(self) -> None:
        """Remove the files of network volumes that were deleted, then forget these."""
        for volume_id in await self._podd.store.read(volume_rows.deleted):
            await asyncio.to_thread(shutil.rmtree, volumes.directory(self._podd, volume_id), True)
            await self._write(volume_rows.forget, volume_id)
            log.info("network volume removed", volume=volume_id)

    async def drain(self) -> None:
        """Wait for the steps under way; begin no more. Pulls are given up."""
        await self._pulls.cancel()
        await asyncio.gather(*(busy.task for busy in self._busy.values()), return_exceptions=True)

    # Private

    def _begin(self, step: Step, workload: Workload | None) -> None:
        gpus = frozenset(workload.gpu_uuids if workload else ())
        task = asyncio.create_task(self._carry_out(step, workload), name=f"{step.workload_id}")
        self._busy[step.workload_id] = _Busy(task, gpus)

    async def _carry_out(self, step: Step, workload: Workload | None) -> None:
        again = True
        try:
            again = await self._act(step, workload)
        except EngineAway as error:
            again = False
            self._note_away(str(error))
        except EngineError as error:
            again = False
            log.warning("step failed", step=type(step).__name__, workload=step.workload_id, error=str(error))
        except Exception:
            again = False
            log.exception("step broke", step=type(step).__name__, workload=step.workload_id)
        finally:
            del self._busy[step.workload_id]
        if again:
            self._podd.bells.ring([RECONCILE])

    async def _act(self, step: Step, workload: Workload | None) -> bool:
        """Carry out one step; True when another look is due at once."""
        if isinstance(step, Discard):
            await self._discard(step)
            return True
        if isinstance(step, Halt):
            await asyncio.to_thread(self._engine.stop, step.container, step.grace)
            return True
        assert workload is not None, "only strays are unknown, and those are discarded"
        match step:
            case Start():
                return await self._start(workload)
            case RecordRunning(container=container):
                await self._write(workloads.note_running, workload, container, self._now())
            case RecordExit(container=container):
                last = await asyncio.to_thread(self._last_lines, container)
                await self._write(workloads.note_exit, self._podd, workload, container, last, self._now())
                log.info("main process ended", workload=workload.id, code=container and container.exit_code)
            case RecordGone():
                await self._let_go(workload)
        return True

    async def _start(self, workload: Workload) -> bool:
        """Start the container once its image is there; False while that takes."""
        image = workload.needs.image
        try:
            auth = await self._podd.store.read(registries.auth_for, self._podd, workload)
            if not await self._pulls.ready(image, auth):
                await self._write(
                    workloads.note_phase, workload, Phase.PULLING, f"pulling {image}", self._now()
                )
                return False
            if not await self._write(
                workloads.note_phase, workload, Phase.STARTING, "starting the container", self._now()
            ):
                return True
            container = await self._run(workload)
        except (ImageMissing, StartRefused, Invalid) as error:
            log.info("cannot start", workload=workload.id, reason=str(error))
            await self._write(workloads.note_refusal, self._podd, workload, str(error), self._now())
            return True
        except PortTaken as error:
            log.info("host port taken", workload=workload.id, reason=str(error))
            await self._write(workloads.note_port_taken, self._podd, workload, self._now())
            return True
        except EngineAway:
            raise
        except EngineError as error:
            log.warning("not started", workload=workload.id, reason=str(error))
            await self._write(workloads.note_failure, workload, str(error), self._now())
            return False
        await self._write(workloads.note_running, workload, container, self._now())
        log.info("container started", workload=workload.id, container=container.name)
        return True

    async def _run(self, workload: Workload) -> Container:
        spec = await self._podd.store.read(launch.spec, self._podd, workload)

        def run() -> Container:
            for mount in spec.mounts:
                if not mount.read_only:
                    launch.make_volume(mount.source)
            return self._engine.start(spec)

        return await asyncio.to_thread(run)

    async def _discard(self, step: Discard) -> None:
        def discard() -> None:
            self._engine.stop(step.container, step.grace)
            self._engine.remove(step.container)

        await asyncio.to_thread(discard)
        log.info("container removed", workload=step.workload_id, container=step.container)

    async def _let_go(self, workload: Workload) -> None:
        """Nothing runs any more: take away a terminated one's volume, then note it."""
        if workload.desired is Desired.TERMINATED and workload.needs.volume:
            await asyncio.to_thread(shutil.rmtree, launch.volume_dir(self._podd, workload.id), True)
        await self._write(workloads.note_gone, workload)

    def _last_lines(self, container: Container | None) -> str:
        """What the container wrote last, on one line."""
        if container is None:
            return ""
        try:
            lines = list(self._engine.logs(container.name, tail=LAST_LINES))
        except (NoSuchContainer, EngineError):
            return ""
        return " | ".join(line.line.strip() for line in lines if line.line.strip())[-1000:]

    async def _write(self, verb: Callable[Concatenate[Tx, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._podd.store.write(verb, *args, **kwargs)

    def _note_pull(self, image: str, line: str) -> None:
        """Called from a pull's own thread: how far it has come, for those who wait for it."""
        self._podd.store.submit(workloads.note_pull, image, line, self._now())

    def _now(self) -> int:
        return self._podd.clock.now()

    def _note_away(self, reason: str) -> None:
        if not self.engine_away:
            log.error("container engine away", reason=reason)
        self.engine_away = True

    def _note_back(self) -> None:
        if self.engine_away:
            log.info("container engine is back")
        self.engine_away = False
