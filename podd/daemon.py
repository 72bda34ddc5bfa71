"""The composition root: opens everything, wires it, runs it, and closes it in order.

Leaving never touches containers: a new start finds them by their labels and adopts them.
"""

import asyncio
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import structlog
import uvloop

from podd import __version__
from podd.api import app as application
from podd.api.asgi import Door
from podd.api.context import Api
from podd.config import Settings, catalogue
from podd.containers.engine import DockerEngine
from podd.declared import DeclaredProbe, JoinedProbe
from podd.ids import DerivedKeys
from podd.installation import DaemonError, Identity, identify, make_private_dir, only_daemon
from podd.listeners import Server, open_ways_in, operator_socket
from podd.loops import Loop, Loops
from podd.nvml import NvmlProbe
from podd.ports import Clock, Engine, EngineError, EngineInfo, GpuProbe
from podd.processes.engine import ProcessEngine
from podd.proxy.front import Front
from podd.proxy.health import Checks
from podd.sealing import Sealer
from podd.services import autoscale, dispatch, pods, workloads
from podd.services.logs import Logs
from podd.services.platform import AUTOSCALE, RECONCILE, SWEEP, Host, Platform
from podd.services.reconcile import Reconciler
from podd.services.telemetry import Telemetry
from podd.store import gpus, jobs, meta
from podd.store.db import Store, Tx
from podd.wakeups import Bells

log = structlog.get_logger()

LEAVE_AFTER = 10


class WallClock:
    def now(self) -> int:
        return time.time_ns() // 1_000_000


def serve(settings: Settings) -> None:
    """Run the daemon until SIGTERM or SIGINT. Raises DaemonError when it cannot start."""
    make_private_dir(settings.data_dir)
    with only_daemon(settings.data_dir):
        uvloop.run(_serve(settings))


async def _serve(settings: Settings) -> None:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(32, thread_name_prefix="podd-engine"))
    leaving = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, leaving.set)
    async with _running(settings, WallClock()) as servers:
        stopped = asyncio.create_task(_first_to_stop(servers))
        await asyncio.wait(
            [asyncio.create_task(leaving.wait()), stopped], return_when=asyncio.FIRST_COMPLETED
        )
        log.info("leaving")
    log.info("left")
    # Everything is stored and closed. A thread that still waits for the engine must not hold us up.
    sys.stderr.flush()
    os._exit(0)


@contextlib.asynccontextmanager
async def _running(settings: Settings, clock: Clock) -> AsyncIterator[list[Server]]:
    """Everything started, in the order it depends on each other; stopped in the other."""
    bells = Bells()
    known = catalogue(settings)
    store = await asyncio.to_thread(Store, settings.database, on_commit=bells.ring, on_told=_log_change)
    closing = contextlib.ExitStack()
    closing.callback(store.close)
    try:
        identity = await identify(store, settings.data_dir)
        engine, info = await asyncio.to_thread(_choose_engine, settings, identity)
        closing.callback(engine.close)
        await store.write(meta.put, "engine", info.kind)
        nvml = NvmlProbe()
        closing.callback(nvml.close)
        probe = JoinedProbe(nvml, DeclaredProbe(settings.gpus.simulated, known))
        ways_in = open_ways_in(settings, info)
        for listener in ways_in.sockets:
            closing.callback(listener.close)
        podd = Platform(
            settings=settings,
            catalogue=known,
            store=store,
            bells=bells,
            clock=clock,
            keys=DerivedKeys(identity.secret),
            sealer=Sealer(identity.secret),
            host=_host(settings, await asyncio.to_thread(probe.cuda_version)),
            worker_url=ways_in.worker_url,
            booted_at=clock.now(),
            operator_key_hash=identity.operator_key_hash,
        )
        await _take_stock(podd, probe)
        if nvml.problem:
            log.info("no NVIDIA GPUs", reason=nvml.problem)
        for uuid, reason in nvml.reasons.items():
            log.warning("gpu unhealthy", gpu=uuid, reason=reason)
        async with _at_work(podd, engine, probe) as reconciler:
            telemetry = Telemetry(podd, engine, probe)
            app = application.create(
                Api(podd, telemetry, info.kind, lambda: not reconciler.engine_away, logs=Logs(podd, engine))
            )
            checks = Checks(podd)
            front = Front(Door(app, local=False), podd, checks)
            message = settings.proxy.message_bytes
            servers = [Server(front, ways_in.sockets, message=message)]
            local = Door(app, local=True)
            servers.append(Server(local, [operator_socket(settings.data_dir)], message=message))
            every = settings.load_balancer.health_interval_seconds
            sampling = Loops(
                [Loop("telemetry", 10, telemetry.tick), Loop("health", every, checks.tick)], bells, clock
            )
            sampling.start()
            for server in servers:
                await server.start()
            log.info(
                "serving",
                version=__version__,
                url=settings.public_url,
                engine=info.kind,
                engine_version=info.version,
                data_dir=str(settings.data_dir),
            )
            try:
                yield servers
            finally:
                bells.close()
                await asyncio.gather(*(server.stop() for server in servers))
                await sampling.stop()
                await front.close()
                await checks.close()
    finally:
        await asyncio.to_thread(closing.close)


@contextlib.asynccontextmanager
async def _at_work(podd: Platform, engine: Engine, probe: GpuProbe) -> AsyncIterator[Reconciler]:
    """The loops run."""
    reconciler = Reconciler(podd, engine)

    async def look_at_gpus(_now: int) -> None:
        await podd.store.write(gpus.put_all, await asyncio.to_thread(probe.gpus))

    async def look_at_jobs(now: int) -> None:
        await podd.store.write(dispatch.tick, podd, now)

    async def look_at_pods(now: int) -> None:
        await podd.store.write(pods.tick, podd, now)

    async def sweep(_now: int) -> None:
        await reconciler.sweep_volumes()

    async def scale(now: int) -> None:
        await autoscale.tick(podd, now)

    loops = Loops(
        [
            Loop("reconcile", 2, reconciler.tick, (RECONCILE,)),
            Loop("autoscale", 1, scale, (AUTOSCALE,)),
            Loop("jobs", 1, look_at_jobs),
            Loop("pods", 1, look_at_pods),
            Loop("sweep", 3600, sweep, (SWEEP,)),
            Loop("gpus", 60, look_at_gpus),
        ],
        podd.bells,
        podd.clock,
    )
    leaving = threading.Event()
    events = threading.Thread(target=_ring_on_events, args=(podd.bells, engine, leaving), daemon=True)
    loops.start()
    events.start()
    try:
        yield reconciler
    finally:
        await loops.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_AFTER):
                await reconciler.drain()
        leaving.set()
        engine.close()
        await asyncio.to_thread(events.join, LEAVE_AFTER)


async def _take_stock(podd: Platform, probe: GpuProbe) -> None:
    """What a new start has to know before anything else moves."""
    boot = await asyncio.to_thread(_boot_id)
    found = await asyncio.to_thread(probe.gpus)

    def note(tx: Tx) -> None:
        gpus.put_all(tx, found)
        last = meta.get(tx, "boot_id")
        if last is not None and last != boot:
            workloads.note_reboot(tx, podd.booted_at)
        meta.put(tx, "boot_id", boot)
        jobs.note_all_seen(tx, podd.booted_at)

    await podd.store.write(note)
    log.info("gpus", count=len(found), simulated=sum(gpu.simulated for gpu in found))


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


# The machine


def _choose_engine(settings: Settings, identity: Identity) -> tuple[Engine, EngineInfo]:
    """The engine to use. `auto` takes Docker where it answers, and stays with what it took: an engine that
    is merely late after a reboot must not be taken for absent."""
    wanted = settings.engine if settings.engine != "auto" else identity.engine or "auto"
    if wanted != "process":
        docker = DockerEngine(identity.instance, timeout=settings.limits.engine_timeout_seconds)
        try:
            return docker, docker.info()
        except EngineError as error:
            docker.close()
            if wanted == "docker":
                raise DaemonError(
                    f"Docker does not answer: {error} Start it (systemctl start docker), "
                    'or set engine = "process" to run without containers.'
                ) from error
            log.warning("docker does not answer; using plain processes without isolation", reason=str(error))
    processes = ProcessEngine(identity.instance, settings.data_dir / "processes")
    return processes, processes.info()


def _host(settings: Settings, cuda_version: str | None) -> Host:
    """What workloads may use in all: what is there, less the host's own reserve."""
    machine = settings.machine
    vcpus = machine.vcpus or psutil.cpu_count() or 1
    memory = machine.memory_gb * 1024 if machine.memory_gb else psutil.virtual_memory().total // 2**20
    return Host(
        vcpus=max(vcpus - machine.reserved_vcpus, 1),
        memory=max(memory - machine.reserved_memory_gb * 1024, 512),
        cuda_version=cuda_version,
    )


async def _first_to_stop(servers: list[Server]) -> None:
    tasks = [server.task for server in servers if server.task is not None]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)


# Small things


def _log_change(what: str, facts: dict[str, object]) -> None:
    """One line for each change of state, once it is stored."""
    log.info(what, **facts)


def _ring_on_events(bells: Bells, engine: Engine, leaving: threading.Event) -> None:
    """A container that starts or ends is looked at now, not at the next tick. Ends when the engine is closed
    for good."""
    while not leaving.is_set():
        try:
            for _event in engine.events():
                bells.ring([RECONCILE])
        except EngineError as error:
            log.debug("no events from the engine", reason=str(error))
        leaving.wait(1)
