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
from functools import partial
from pathlib import Path

import psutil
import structlog
import uvloop

from podd import __version__, accelerator
from podd.api import app as application
from podd.api.asgi import Door
from podd.api.attempts import Attempts
from podd.api.context import Api
from podd.api.gauge import Gauge
from podd.api.hosts import KnownHosts, names_of
from podd.api.to_https import ToHttps
from podd.api.visits import Reception
from podd.certificates import Certificate
from podd.channels import ApprisePostman
from podd.config import Settings, catalogue
from podd.containers.engine import DockerEngine
from podd.courier import HttpCourier
from podd.declared import DeclaredProbe, JoinedProbe
from podd.domain.errors import StorageFailed
from podd.gateway.server import Gateway
from podd.ids import DerivedKeys
from podd.installation import DaemonError, Identity, identify, make_private_dir, only_daemon, sealing_keys
from podd.instruments import Instruments
from podd.listeners import Server, WaysIn, open_ways_in, operator_socket, ssh_sockets
from podd.loops import Loop, Loops
from podd.mail import SmtpPostman
from podd.nvml import NvmlProbe
from podd.ports import Clock, Engine, EngineError, EngineInfo, GpuProbe, Postman, VolumeError, VolumeStorage
from podd.processes.engine import ProcessEngine
from podd.proxy.front import Front
from podd.proxy.health import Checks
from podd.sealing import Sealer
from podd.service_manager import ServiceManager
from podd.services import (
    aftermath,
    arrears,
    autoscale,
    billing,
    container_disks,
    dispatch,
    funding,
    gpus,
    idle,
    lifetime,
    model_caches,
    pods,
    retention,
    volume_files,
    workloads,
)
from podd.services.fence import Fence
from podd.services.gpu_checks import GpuChecks
from podd.services.logs import Logs
from podd.services.notices import CHANNEL, MAIL, Letters
from podd.services.passwords import Passwords
from podd.services.platform import (
    AUTOSCALE,
    BILLING,
    GPUS,
    GROW,
    IMAGES,
    RECONCILE,
    SWEEP,
    WEBHOOKS,
    Host,
    Platform,
)
from podd.services.reconcile import Reconciler
from podd.services.shells import Shells
from podd.services.telemetry import Telemetry
from podd.services.terminals import Terminals
from podd.services.timekeeping import Timekeeper
from podd.services.webhooks import Webhooks
from podd.store import jobs, meta, notices, sealed
from podd.store.db import Store, Tx, nothing
from podd.vitals import LOOP, RECONCILER, WRITER, Vitals, patience
from podd.volumes.room import disk_room
from podd.volumes.storage import Storage, open_storage, wanted
from podd.wakeups import Bells

log = structlog.get_logger()

LEAVE_AFTER = 10


class WallClock:
    def now(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> int:
        return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1_000_000


def serve(settings: Settings) -> None:
    """Run the daemon until SIGTERM or SIGINT. Raises DaemonError when it cannot start."""
    manager = ServiceManager.found(os.environ)
    make_private_dir(settings.data_dir)
    with only_daemon(settings.data_dir):
        uvloop.run(_serve(settings, manager))


async def _serve(settings: Settings, manager: ServiceManager) -> None:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(32, thread_name_prefix="podd-engine"))
    leaving = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, leaving.set)
    async with _running(settings, WallClock(), manager) as servers:
        stopped = asyncio.create_task(_first_to_stop(servers))
        asked = asyncio.create_task(leaving.wait())
        await asyncio.wait([asked, stopped], return_when=asyncio.FIRST_COMPLETED)
        exit_code = 0 if leaving.is_set() else 1  # the service manager starts us again after a failure
        if exit_code:
            log.error("a server ended by itself", reason=str(stopped.result()))
        manager.tell(STOPPING="1", STATUS="leaving; containers stay")
        log.info("leaving")
    log.info("left")
    # Everything is stored and closed. A thread that still waits for the engine must not hold us up.
    sys.stderr.flush()
    os._exit(exit_code)


@contextlib.asynccontextmanager
async def _running(settings: Settings, clock: Clock, manager: ServiceManager) -> AsyncIterator[list[Server]]:
    """Everything started, in the order it depends on each other; stopped in the other."""
    bells = Bells()
    known = catalogue(settings)
    vitals = Vitals(clock.monotonic(), patience(settings.vitals))
    instruments = Instruments(settings.metrics.endpoints)

    def hear_change(what: str, facts: dict[str, object]) -> None:
        _log_change(what, facts)
        instruments.note_change(what, facts)

    store = await asyncio.to_thread(Store, settings.database, on_commit=bells.ring, on_told=hear_change)
    store.on_batch = instruments.note_commit
    closing = contextlib.ExitStack()
    closing.callback(store.close)
    try:
        identity = await identify(store, settings.data_dir)
        engine, info = await asyncio.to_thread(_choose_engine, settings, identity, instruments)
        closing.callback(engine.close)
        await store.write(meta.put, "engine", info.kind)
        storage = await asyncio.to_thread(_open_volumes, settings, info)
        nvml = NvmlProbe(ignored_xids=settings.gpus.ignored_xids)
        closing.callback(nvml.close)
        probe = JoinedProbe(nvml, DeclaredProbe(settings.gpus.simulated, known))
        ways_in = open_ways_in(settings, info, manager)
        ssh = ssh_sockets(settings, manager)
        for listener in (*ways_in.sockets, *ways_in.secure, *ssh):
            closing.callback(listener.close)
        certificate = await asyncio.to_thread(_certificate, settings, ways_in, clock)
        hook = await asyncio.to_thread(accelerator.install, settings.data_dir)
        podd = Platform(
            settings=settings,
            catalogue=known,
            store=store,
            bells=bells,
            clock=clock,
            keys=DerivedKeys(identity.secret),
            sealer=await _sealer(settings, identity, store),
            host=_host(settings, info, await asyncio.to_thread(probe.cuda_version)),
            worker_url=ways_in.worker_url,
            booted_at=clock.now(),
            operator_key_hash=identity.operator_key_hash,
            boot_id=await asyncio.to_thread(_boot_id),
            accelerator=hook if settings.accelerate_workers else None,
            instruments=instruments,
        )
        store.last_step = partial(aftermath.follow, podd=podd)
        await _take_stock(podd, probe)
        if nvml.problem:
            log.info("no NVIDIA GPUs", reason=nvml.problem)
        for uuid, reason in nvml.reasons.items():
            log.warning("gpu unhealthy", gpu=uuid, reason=reason)
        fence = Fence(engine, ways_in.worker_port)
        await fence.tick(clock.now())
        async with _at_work(podd, engine, info, storage, probe, fence, vitals) as reconciler:
            telemetry = Telemetry(podd, engine, probe)
            shells = Shells(podd, engine)
            terminals = Terminals(podd, shells)
            app = application.create(
                Api(
                    podd,
                    telemetry,
                    info.kind,
                    lambda: not reconciler.engine_away,
                    logs=Logs(podd, engine),
                    gauge=Gauge(settings.rates),
                    terminals=terminals,
                    attempts=Attempts(settings.accounts),
                    passwords=Passwords(settings.accounts.passwords_at_once),
                    vitals=vitals,
                )
            )
            checks = Checks(podd)
            front = Front(Door(app, local=False), podd, checks)
            named = KnownHosts(front, names_of(settings)) if settings.allowed_hosts else front
            everybody = Reception(named, podd)
            plain = (
                everybody
                if settings.tls.http == "serve"
                else ToHttps(everybody, settings.tls.port, info.host_address)
            )
            servers = [Server(plain, ways_in.sockets, settings)]
            if certificate is not None:
                servers.append(Server(everybody, ways_in.secure, settings, certificate.context))
            local = Reception(Door(app, local=True), podd)
            servers.append(Server(local, [operator_socket(settings.data_dir, manager)], settings))

            async def look_at_certificate(now: int) -> None:
                if certificate is not None:
                    await asyncio.to_thread(certificate.look_on, now)

            async def look_for_idle_pods(now: int) -> None:
                await idle.tick(podd, telemetry.history, now)

            serving = f"serving {settings.public_url}, engine {info.kind} {info.version}"

            async def tell_manager(_now: int) -> None:
                dead = vitals.dead(clock.monotonic())
                if dead:
                    manager.tell(STATUS=f"{serving}; silent for too long: {', '.join(dead)}")
                else:
                    away = "; the engine does not answer" if reconciler.engine_away else ""
                    manager.tell(WATCHDOG="1", STATUS=serving + away)

            sampling = Loops(
                [
                    Loop("service manager", manager.watchdog_seconds / 4 or 15, tell_manager),
                    Loop("telemetry", settings.gpus.sample_seconds, telemetry.tick),
                    Loop("idle pods", 60, look_for_idle_pods),
                    Loop("certificate", settings.tls.look_seconds, look_at_certificate),
                    Loop("health", settings.load_balancer.health_interval_seconds, checks.tick),
                ],
                bells,
                clock,
            )
            gateway = Gateway(podd, shells, ssh)
            sampling.start()
            for server in servers:
                await server.start()
            await gateway.start()
            manager.drop_others()
            manager.tell(READY="1", STATUS=serving)
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
                await gateway.stop()
                await asyncio.gather(*(server.stop() for server in servers))
                await terminals.close()
                await shells.close()
                await sampling.stop()
                await front.close()
                await checks.close()
                await podd.uses.flush(podd.store)
    finally:
        await asyncio.to_thread(closing.close)


@contextlib.asynccontextmanager
async def _at_work(
    podd: Platform,
    engine: Engine,
    info: EngineInfo,
    storage: VolumeStorage,
    probe: GpuProbe,
    fence: Fence,
    vitals: Vitals,
) -> AsyncIterator[Reconciler]:
    """The loops run."""
    reconciler = Reconciler(podd, engine, storage)
    hooks = podd.settings.webhooks
    courier = HttpCourier(hooks.allow, hooks.timeout_seconds)
    webhooks = Webhooks(podd, courier)
    letters = Letters(podd, await asyncio.to_thread(_postmen, podd.settings))

    async def look_at_gpus(_now: int) -> None:
        await _look_at_gpus(podd, probe)

    timekeeper = Timekeeper(podd)

    async def look_at_jobs(_now: int) -> None:
        await timekeeper.tick()
        now = podd.clock.now()
        await podd.store.write(dispatch.tick, podd, now)

    async def look_at_pods(now: int) -> None:
        await podd.store.write(pods.tick, podd, now)

    async def bill(now: int) -> None:
        await billing.tick(podd)
        await funding.tick(podd, now)
        await arrears.tick(podd, now)

    async def look_at_lifetimes(now: int) -> None:
        await lifetime.tick(podd, now)

    async def look_at_volumes(now: int) -> None:
        await volume_files.tick(podd, storage, now)
        await model_caches.tick(podd, storage, now)

    async def look_at_disks(now: int) -> None:
        if not info.disk_limits:
            await container_disks.tick(podd, engine, now)

    async def scale(now: int) -> None:
        await autoscale.tick(podd, now)

    async def forget(now: int) -> None:
        await retention.tick(podd, now)

    async def note_uses(_now: int) -> None:
        await podd.uses.flush(podd.store)

    async def say_who_is_alive(_now: int) -> None:
        vitals.beat(LOOP, podd.clock.monotonic())
        with contextlib.suppress(StorageFailed):  # it answers, so it lives
            await podd.store.write(nothing)
        vitals.beat(WRITER, podd.clock.monotonic())

    def hear(loop: str, milliseconds: int, failed: bool) -> None:
        podd.instruments.note_tick(loop, milliseconds, failed)
        if loop == "reconcile":
            vitals.beat(RECONCILER, podd.clock.monotonic())

    every = podd.settings.gpus.container_check_seconds
    loops = Loops(
        [
            Loop("reconcile", 2, reconciler.tick, (RECONCILE,)),
            Loop("images", 30, reconciler.warm_up.tick, (IMAGES,)),
            Loop("autoscale", 1, scale, (AUTOSCALE,)),
            Loop("jobs", 1, look_at_jobs),
            Loop("pods", 1, look_at_pods),
            Loop("lifetimes", 30, look_at_lifetimes),
            Loop("billing", podd.settings.billing.interval_seconds, bill, (BILLING,)),
            Loop("webhooks", 1, webhooks.tick, (WEBHOOKS,)),
            Loop("notices", 5, letters.tick, (notices.BELL,)),
            Loop("volumes", 10, look_at_volumes, (SWEEP, GROW)),
            Loop("container disks", podd.settings.limits.container_disk_check_seconds, look_at_disks),
            *([Loop("gpu checks", every, GpuChecks(podd, engine).tick)] if every else []),
            Loop("gpus", podd.settings.gpus.look_seconds, look_at_gpus, (GPUS,)),
            Loop("history", 300, forget),
            Loop("uses", podd.settings.accounts.last_used_seconds, note_uses),
            Loop("fence", 30, fence.tick),
            Loop("vitals", 5, say_who_is_alive),
        ],
        podd.bells,
        podd.clock,
        hear,
    )
    await volume_files.at_start(podd, storage)
    leaving = threading.Event()
    events = threading.Thread(target=_ring_on_events, args=(podd.bells, engine, leaving), daemon=True)
    faults = threading.Thread(target=_hear_faults, args=(podd, probe), daemon=True)
    loops.start()
    events.start()
    faults.start()
    try:
        yield reconciler
    finally:
        await loops.stop()
        await webhooks.close()
        await letters.close()
        await courier.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_AFTER):
                await reconciler.drain()
        reconciler.close()
        leaving.set()
        probe.close()
        engine.close()
        await asyncio.to_thread(events.join, LEAVE_AFTER)


async def _sealer(settings: Settings, identity: Identity, store: Store) -> Sealer:
    """With every key that something is sealed with. Raises DaemonError when one is lost."""
    sealer = Sealer(identity.secret, await asyncio.to_thread(sealing_keys, settings.data_dir))
    lost = [name for name in await store.read(sealed.key_names) if not sealer.knows(name)]
    if lost:
        raise DaemonError(
            f"{settings.data_dir / 'sealing.keys'} lacks the key {lost[0]}, which secrets are sealed with: "
            "put the file back from a backup."
        )
    return sealer


def _postmen(settings: Settings) -> dict[str, Postman]:
    """Raises DaemonError when the mail server's password cannot be read."""
    mail, machine = settings.mail, settings.machine.host_name
    password = mail.password.get_secret_value()
    if mail.password_file:
        try:
            password = Path(mail.password_file).read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            raise DaemonError(f"mail.password_file {mail.password_file} cannot be read: {error}.") from error
    sender = mail.from_address or f"podd@{machine}"
    return {
        MAIL: SmtpPostman(mail, sender, machine, password),
        CHANNEL: ApprisePostman(settings.notices.channels),
    }


async def _take_stock(podd: Platform, probe: GpuProbe) -> None:
    """What a new start has to know before anything else moves."""
    found, trouble = await asyncio.to_thread(lambda: (probe.gpus(), probe.trouble()))

    def note(tx: Tx) -> None:
        last = meta.get(tx, "boot_id")
        rebooted = last is not None and last != podd.boot_id
        if rebooted:
            gpus.note_reboot(tx)
        gpus.look(tx, podd, found, trouble, podd.booted_at)
        if rebooted:
            workloads.note_reboot(tx, podd, podd.booted_at)
        meta.put(tx, "boot_id", podd.boot_id)
        jobs.note_all_seen(tx, podd.booted_at)

    await podd.store.write(note)
    log.info("gpus", count=len(found), simulated=sum(gpu.simulated for gpu in found))


async def _look_at_gpus(podd: Platform, probe: GpuProbe) -> None:
    found, trouble = await asyncio.to_thread(lambda: (probe.gpus(), probe.trouble()))
    await podd.store.write(gpus.look, podd, found, trouble, podd.clock.now())


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


# The machine


def _choose_engine(
    settings: Settings, identity: Identity, instruments: Instruments
) -> tuple[Engine, EngineInfo]:
    """The engine to use. `auto` takes Docker where it answers, and stays with what it took: an engine that
    is merely late after a reboot must not be taken for absent."""
    wanted = settings.engine if settings.engine != "auto" else identity.engine or "auto"
    if wanted != "process":
        docker = DockerEngine(
            identity.instance,
            timeout=settings.limits.engine_timeout_seconds,
            settings=settings.containers,
            heard=instruments.note_call,
        )
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


def _certificate(settings: Settings, ways_in: WaysIn, clock: Clock) -> Certificate | None:
    return Certificate(settings, clock.now()) if ways_in.secure else None


def _open_volumes(settings: Settings, info: EngineInfo) -> Storage:
    """How volumes are kept to their size here, which is said in the log."""
    try:
        storage = open_storage(settings.data_dir, wanted(settings.volumes, info.kind))
    except VolumeError as error:
        raise DaemonError(f'{error} Set volumes = "auto" to take what works.') from error
    if storage.limits:
        log.info("volumes", mechanism=storage.mechanism)
    else:
        log.warning("volumes have no size limit", mechanism=storage.mechanism)
    return storage


def _host(settings: Settings, info: EngineInfo, cuda_version: str | None) -> Host:
    """What workloads may use in all: what is there, less the host's own reserve."""
    machine = settings.machine
    vcpus = machine.vcpus or psutil.cpu_count() or 1
    memory = machine.memory_gb * 1024 if machine.memory_gb else psutil.virtual_memory().total // 2**20
    engine_root = Path(info.data_root) if info.data_root else None
    room = disk_room(settings.data_dir, engine_root, machine.disk_gb, machine.reserved_disk_gb)
    return Host(
        vcpus=max(vcpus - machine.reserved_vcpus, 1),
        memory=max(memory - machine.reserved_memory_gb * 1024, 512),
        disk=room.shared,
        container_disk=room.containers,
        cuda_version=cuda_version,
    )


async def _first_to_stop(servers: list[Server]) -> BaseException | None:
    """What the first server to stop has ended with."""
    tasks = [server.task for server in servers if server.task is not None]
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    return next(iter(done)).exception()


# Small things


def _log_change(what: str, facts: dict[str, object]) -> None:
    """One line for each change of state, once it is stored."""
    log.info(what, **facts)


def _hear_faults(podd: Platform, probe: GpuProbe) -> None:
    """What the driver reports is noted as it happens, and looked into. Ends when the probe is closed."""
    for fault in probe.faults():
        log.warning("gpu fault", gpus=fault.uuids, text=fault.text, fatal=fault.fatal)
        podd.store.submit(gpus.note_fault, podd, fault, podd.clock.now())
        podd.bells.ring([GPUS])


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
