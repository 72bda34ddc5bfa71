"""The composition root: opens everything, wires it, runs it, and closes it in order.

Leaving never touches containers: a new start finds them by their labels and adopts them.
"""

import asyncio
import contextlib
import fcntl
import grp
import os
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psutil
import structlog
import uvicorn
import uvloop

from podd import __version__, ids
from podd.api import app as application
from podd.api.asgi import Door
from podd.api.context import Api
from podd.config import Settings, catalogue
from podd.containers.engine import DockerEngine
from podd.declared import DeclaredProbe, JoinedProbe
from podd.ids import DerivedKeys
from podd.loops import Loop, Loops
from podd.nvml import NvmlProbe
from podd.ports import Clock, Engine, EngineError, EngineInfo, GpuProbe
from podd.processes.engine import ProcessEngine
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

SOCKET_GROUP = "podd"
LOOPBACKS = ("127.0.0.1", "::1", "localhost")
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - recognised, not bound
LEAVE_AFTER = 10


class DaemonError(Exception):
    """podd cannot start; the message says what to do."""


class WallClock:
    def now(self) -> int:
        return time.time_ns() // 1_000_000


def serve(settings: Settings) -> None:
    """Run the daemon until SIGTERM or SIGINT. Raises DaemonError when it cannot start."""
    _make_private_dir(settings.data_dir)
    with _only_daemon(settings.data_dir):
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
async def _running(settings: Settings, clock: Clock) -> AsyncIterator[list["_Server"]]:
    """Everything started, in the order it depends on each other; stopped in the other."""
    bells = Bells()
    known = catalogue(settings)
    store = await asyncio.to_thread(Store, settings.database, on_commit=bells.ring, on_told=_log_change)
    closing = contextlib.ExitStack()
    closing.callback(store.close)
    try:
        identity = await _identity(store, settings.data_dir)
        engine, info = await asyncio.to_thread(_choose_engine, settings, identity)
        closing.callback(engine.close)
        await store.write(meta.put, "engine", info.kind)
        nvml = NvmlProbe()
        closing.callback(nvml.close)
        probe = JoinedProbe(nvml, DeclaredProbe(settings.gpus.simulated, known))
        ways_in = _ways_in(settings, info)
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
            servers = [_Server(Door(app, local=False), ways_in.sockets)]
            servers.append(_Server(Door(app, local=True), [_operator_socket(settings.data_dir)]))
            sampling = Loops([Loop("telemetry", 10, telemetry.tick)], bells, clock)
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
    events = threading.Thread(target=_ring_on_events, args=(podd.bells, engine), daemon=True)
    loops.start()
    events.start()
    try:
        yield reconciler
    finally:
        await loops.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_AFTER):
                await reconciler.drain()


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


# Identity


@dataclass(frozen=True)
class _Identity:
    instance: str
    secret: bytes
    operator_key_hash: str
    engine: str | None


async def _identity(store: Store, data_dir: Path) -> _Identity:
    """Who this installation is. Made once: a name for its containers, a secret for derived keys, and the
    operator's key, which is written to a file only root can read."""
    secret_file, key_file = data_dir / "secret.key", data_dir / "operator.key"
    if not secret_file.exists():
        _write_private(secret_file, secrets.token_hex(32))
    stored = await store.read(meta.get, "operator_key_hash")
    if stored is None and not key_file.exists():
        _write_private(key_file, ids.operator_key() + "\n")
        log.info("operator key made", file=str(key_file))
    # While the file is there it decides, so a start that was cut off here is simply repeated.
    key_hash = ids.key_hash(key_file.read_text().strip()) if key_file.exists() else stored
    assert key_hash is not None, "there is a file, or there was one before"

    def settle(tx: Tx) -> tuple[str, str | None]:
        instance = meta.get(tx, "instance") or ids.new_id(8)
        meta.put(tx, "instance", instance)
        meta.put(tx, "operator_key_hash", key_hash)
        return instance, meta.get(tx, "engine")

    instance, engine = await store.write(settle)
    return _Identity(instance, bytes.fromhex(secret_file.read_text().strip()), key_hash, engine)


# The machine


def _choose_engine(settings: Settings, identity: _Identity) -> tuple[Engine, EngineInfo]:
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


# Ways in


@dataclass(frozen=True)
class _WaysIn:
    sockets: list[socket.socket]
    worker_url: str


def _ways_in(settings: Settings, engine: EngineInfo) -> _WaysIn:
    """The listening sockets, and where a container reaches one of them.

    Containers cannot reach the host's loopback. Unless podd listens everywhere, it listens on its own
    bridge's address as well, where only containers come from.
    """
    addresses = list(settings.addresses)
    inside, port = engine.host_address, addresses[0][1]
    everywhere = [port for host, port in addresses if host in EVERYWHERE]
    if everywhere:
        port = everywhere[0]
    elif (inside, port) not in addresses and not (inside in LOOPBACKS and addresses[0][0] in LOOPBACKS):
        addresses.append((inside, port))
    return _WaysIn([_listen(*address) for address in addresses], f"http://{inside}:{port}")


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        # Python's own text repeats the address.
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise DaemonError(
            f"Cannot listen on {host}:{port}: {reason}. "
            "Stop what uses the port, or set another one in `listen`."
        ) from error


def _operator_socket(data_dir: Path) -> socket.socket:
    """The operator's way in: whoever may open it needs no key."""
    path = data_dir / "podd.sock"
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    # Made closed, opened to the group after it has its owner: there is no moment of mode 0777.
    mask = os.umask(0o177)
    try:
        listener.bind(str(path))
    except OSError as error:
        listener.close()
        raise DaemonError(
            f"Cannot use the data directory {data_dir} for podd.sock: {error}. "
            "Set data_dir to a shorter path."
        ) from error
    finally:
        os.umask(mask)
    with contextlib.suppress(KeyError, PermissionError):
        os.chown(path, -1, grp.getgrnam(SOCKET_GROUP).gr_gid)
    path.chmod(0o660)
    listener.listen(128)
    return listener


class _Server:
    """uvicorn on sockets of ours, without its own signal handling."""

    def __init__(self, app: Door, sockets: list[socket.socket]) -> None:
        self._sockets = sockets
        self._uvicorn = _Uvicorn(
            uvicorn.Config(
                app,
                http="httptools",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=75,
                timeout_graceful_shutdown=5,
            )
        )
        self.task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self.task = asyncio.create_task(self._uvicorn.serve(sockets=self._sockets))
        while not (self._uvicorn.started or self.task.done()):  # noqa: ASYNC110 - it has only a flag
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        self._uvicorn.should_exit = True
        if self.task is not None:
            await asyncio.gather(self.task, return_exceptions=True)


class _Uvicorn(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _first_to_stop(servers: list[_Server]) -> None:
    tasks = [server.task for server in servers if server.task is not None]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)


# Small things


def _log_change(what: str, facts: dict[str, object]) -> None:
    """One line for each change of state, once it is stored."""
    log.info(what, **facts)


def _ring_on_events(bells: Bells, engine: Engine) -> None:
    """A container that starts or ends is looked at now, not at the next tick."""
    while not bells.closed:
        try:
            for _event in engine.events():
                bells.ring([RECONCILE])
        except EngineError:
            pass
        if not bells.closed:
            time.sleep(1)


def _make_private_dir(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o750)
        with contextlib.suppress(KeyError, PermissionError):
            os.chown(directory, -1, grp.getgrnam(SOCKET_GROUP).gr_gid)
    except OSError as error:
        raise DaemonError(
            f"Cannot use the data directory {directory}: {error.strerror}. "
            "Run podd as root, or set data_dir to a directory it may write to."
        ) from error


@contextlib.contextmanager
def _only_daemon(data_dir: Path) -> Iterator[None]:
    """Two daemons on one data directory would fight over the same containers."""
    with (data_dir / "podd.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise DaemonError(f"Another podd already runs on {data_dir}; stop it first.") from error
        yield


def _write_private(path: Path, text: str) -> None:
    """Write aside and rename, readable by the owner alone from its first byte."""
    aside = path.with_name(path.name + ".tmp")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
