"""The ways in: listening sockets, and the servers on them."""

import asyncio
import contextlib
import grp
import os
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog
import uvicorn
from litestar.types import ASGIApp

from podd.config import Settings
from podd.installation import OPERATORS_GROUP, DaemonError
from podd.ports import EngineInfo
from podd.proxy.client import ClientLimits, client_protocol
from podd.service_manager import ServiceManager

log = structlog.get_logger()

LOOPBACKS = ("127.0.0.1", "::1", "localhost")
EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - recognised, not bound


@dataclass(frozen=True)
class WaysIn:
    """`worker_url` and its `worker_port` are where containers reach podd; over `secure` there is TLS."""

    sockets: list[socket.socket]
    secure: list[socket.socket]
    worker_url: str
    worker_port: int


def open_ways_in(settings: Settings, engine: EngineInfo, manager: ServiceManager) -> WaysIn:
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
    sockets = [_listen(manager, *address) for address in addresses]
    return WaysIn(sockets, _secure(settings, manager), f"http://{inside}:{port}", port)


def ssh_sockets(settings: Settings, manager: ServiceManager) -> list[socket.socket]:
    """Where the SSH gateway listens: its port, at the addresses of `listen`. Where that is taken there is no
    SSH; all else is served."""
    listeners = []
    for address in beside(settings, settings.gateway.ssh_port):
        try:
            listeners.append(_listen(manager, *address, setting="gateway.ssh_port"))
        except DaemonError as error:
            log.error("no SSH gateway", reason=str(error))
    return listeners


def beside(settings: Settings, port: int) -> list[tuple[str, int]]:
    """This port at the addresses of `listen`; none if it is 0."""
    return [(host, port) for host in dict.fromkeys(host for host, _ in settings.addresses)] if port else []


def _secure(settings: Settings, manager: ServiceManager) -> list[socket.socket]:
    """As for SSH, a port that is taken stops nothing else, unless http leads there and nowhere else."""
    listeners = []
    for address in beside(settings, settings.tls.port):
        try:
            listeners.append(_listen(manager, *address, setting="tls.port"))
        except DaemonError as error:
            if settings.tls.http == "redirect":
                raise
            log.error("no https", reason=str(error))
    return listeners


def _listen(manager: ServiceManager, host: str, port: int, setting: str = "listen") -> socket.socket:
    """One that the service manager has kept since an earlier start, or a new one for it to keep."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        (*_, address), *_ = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
        kept = manager.kept(address)
        if kept is not None:
            return kept
        listener = socket.create_server(address, family=family, backlog=2048)
        manager.keep(listener)
        return listener
    except OSError as error:
        # Python's own text repeats the address.
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise DaemonError(
            f"Cannot listen on {host}:{port}: {reason}. "
            f"Stop what uses the port, or set another one in `{setting}`."
        ) from error


def operator_socket(data_dir: Path, manager: ServiceManager) -> socket.socket:
    """The operator's way in: whoever may open it needs no key."""
    path = data_dir / "podd.sock"
    kept = manager.kept(str(path)) if path.is_socket() else None
    if kept is not None:
        return kept
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
        os.chown(path, -1, grp.getgrnam(OPERATORS_GROUP).gr_gid)
    path.chmod(0o660)
    listener.listen(128)
    manager.keep(listener)
    return listener


def web_server(app: ASGIApp, settings: Settings, tls: ssl.SSLContext | None = None) -> uvicorn.Config:
    """How podd speaks HTTP and WebSockets."""
    limits = settings.limits
    return uvicorn.Config(
        app,
        http=client_protocol(
            ClientLimits(
                limits.request_head_bytes,
                limits.request_head_seconds,
                limits.client_check_seconds,
                limits.leave_seconds,
            )
        ),
        ws="websockets-sansio",
        ws_max_size=settings.proxy.message_bytes,
        ws_per_message_deflate=False,
        # A client that sends faster than a program takes it is not read, and so not heard to answer.
        ws_ping_timeout=60,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=limits.keep_alive_seconds,
        timeout_graceful_shutdown=5,
        ssl_context_factory=(lambda _config, _default: tls) if tls else None,
    )


class Server:
    """uvicorn on sockets of ours, without its own signal handling, over TLS if there is a context."""

    def __init__(
        self,
        app: ASGIApp,
        sockets: list[socket.socket],
        settings: Settings,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._sockets = sockets
        self._uvicorn = _Uvicorn(web_server(app, settings, tls))
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
