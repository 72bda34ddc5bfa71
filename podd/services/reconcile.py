"""Makes the engine agree with the books: see, plan, act, record.

Acting means talking to the engine, which is slow; it happens in threads, one step per workload at a
time, and a failure stays with its workload. Only the recording opens a transaction. Nothing here is
remembered that a new daemon could not see again. Where nothing changes, a tick asks the engine for its
list and that is all.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Concatenate, ParamSpec, TypeVar

import structlog

from podd.domain.container import Container
from podd.domain.errors import Invalid
from podd.domain.reconcile import (
    Discard,
    Freeze,
    Halt,
    RecordExit,
    RecordGone,
    RecordRunning,
    Start,
    Step,
    Thaw,
    plan,
)
from podd.domain.workload import Desired, Kind, Phase, Workload
from podd.ports import (
    Engine,
    EngineAway,
    EngineError,
    ImageMissing,
    NoSuchContainer,
    PortTaken,
    StartRefused,
    VolumeError,
    VolumeStorage,
)
from podd.services import launch, registries, workloads
from podd.services.lanes import Lanes
from podd.services.platform import IMAGES, RECONCILE, Platform
from podd.services.private_images import PrivateImages
from podd.services.pulls import Pulls
from podd.services.warm_up import WarmUp
from podd.store import volumes as volume_rows
from podd.store import workloads as rows
from podd.store.db import Store, Tx

log = structlog.get_logger()
P = ParamSpec("P")
T = TypeVar("T")

LAST_LINES = 5


class Books:
    """The workloads that a plan has to know, read again only when something was written since."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seen: tuple[int, frozenset[str]] | None = None
        self._workloads: dict[str, Workload] = {}

    async def of(self, contained: frozenset[str]) -> dict[str, Workload]:
        """By id: all that should run or may have something left of them, and those of `contained`."""
        # Taken first: what is written meanwhile is read now or makes the next call read again.
        seen = (self._store.changes, contained)
        if seen != self._seen:
            found = await self._store.read(rows.awake, contained)
            self._workloads = {workload.id: workload for workload in found}
            self._seen = seen
        return self._workloads


@dataclass
class _Busy:
    task: asyncio.Task[None]
    gpus: frozenset[str]


class Reconciler:
    """`tick` plans and begins steps; they go on by themselves and ring for the next tick. `warm_up` shares
    its pulls, and has a tick of its own."""

    def __init__(self, podd: Platform, engine: Engine, storage: VolumeStorage) -> None:
        self._podd = podd
        self._engine = engine
        self._storage = storage
        self._busy: dict[str, _Busy] = {}
        limits = podd.settings.limits
        self._lanes = Lanes(limits.engine_calls_at_once, limits.engine_stops_at_once)
        self._books = Books(podd.store)
        self._private = PrivateImages(podd, engine)
        self._pulls = Pulls(
            engine, self._private, lambda: podd.bells.ring([RECONCILE, IMAGES]), self._note_pull
        )
        self.warm_up = WarmUp(podd, self._pulls, self._private)
        self.engine_away = False

    async def tick(self, now: int) -> None:
        # Whoever was busy when the engine was asked may have moved on since: it waits for the next look.
        busy = {workload_id: step.gpus for workload_id, step in self._busy.items()}
        try:
            containers = await self._lanes.look(self._engine.list)
        except EngineAway as error:
            self._note_away(str(error))
            return
        self._note_back()
        known = await self._books.of(frozenset(container.workload_id for container in containers))
        for step in plan(known.values(), containers, busy, now):
            self._begin(step, known.get(step.workload_id))

    async def drain(self) -> None:
        """Wait for the steps under way; begin no more. Pulls are given up."""
        await self._pulls.cancel()
        await asyncio.gather(*(busy.task for busy in self._busy.values()), return_exceptions=True)
        await self.warm_up.drain()

    def close(self) -> None:
        self._lanes.close()

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
            await self._lanes.stop(self._engine.stop, step.container, step.grace)
            return True
        if isinstance(step, Freeze | Thaw):
            switch = self._engine.pause if isinstance(step, Freeze) else self._engine.unpause
            await asyncio.to_thread(switch, step.container)
            return True
        assert workload is not None, "only strays are unknown, and those are discarded"
        match step:
            case Start():
                return await self._start(workload)
            case RecordRunning(container=container):
                await self._write(workloads.note_running, workload, container, self._now())
            case RecordExit(container=container):
                last = await self._lanes.act(self._last_lines, container)
                await self._write(workloads.note_exit, self._podd, workload, container, last, self._now())
                log.info("main process ended", workload=workload.id, code=container and container.exit_code)
            case RecordGone():
                await self._let_go(workload)
        return True

    async def _start(self, workload: Workload) -> bool:
        """Start the container once its image is there; False while that takes."""
        image = workload.needs.image
        try:
            auth = await self._podd.store.read(registries.auth_for, self._podd, workload.image_use)
            if not await self._pulls.ready(image, auth):
                await self._write(
                    workloads.note_phase, workload, Phase.PULLING, f"pulling {image}", self._now()
                )
                return False
            await self._private.check(workload.image_use, auth)
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
        except (EngineError, VolumeError) as error:
            log.warning("not started", workload=workload.id, reason=str(error))
            await self._write(workloads.note_failure, self._podd, workload, str(error), self._now())
            return False
        await self._write(workloads.note_running, workload, container, self._now())
        log.info("container started", workload=workload.id, container=container.name)
        return True

    async def _run(self, workload: Workload) -> Container:
        spec = await self._podd.store.read(launch.spec, self._podd, workload)
        left_out = launch.left_out(self._podd, workload)
        if left_out:
            await self._write(workloads.note_left_out, workload, left_out, self._now())
        for volume in await self._podd.store.read(launch.volumes_of, self._podd, workload):
            await self._lanes.act(self._storage.ensure, volume.path, volume.size)
            if volume.network_id:
                await self._write(volume_rows.note_made, volume.network_id, volume.size)
        return await self._lanes.act(self._engine.start, spec)

    async def _discard(self, step: Discard) -> None:
        await self._lanes.stop(self._engine.stop, step.container, step.grace)
        await self._lanes.act(self._engine.remove, step.container)
        log.info("container removed", workload=step.workload_id, container=step.container)

    async def _let_go(self, workload: Workload) -> None:
        """Nothing runs any more: take away a terminated one's volume, then note it."""
        if workload.desired is Desired.TERMINATED and workload.kind is Kind.POD:
            try:
                await asyncio.to_thread(self._storage.remove, launch.volume_dir(self._podd, workload.id))
            except VolumeError as error:
                log.warning("volume not removed", workload=workload.id, reason=str(error))
                await self._write(workloads.note_volume_stuck, workload, str(error), self._now())
                return
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
