"""The SSH server: who may come in, and what over a connection.

    ssh <podHostId>@host -p 2222        (or the pod's or worker's bare id)

The account's registered public keys open its pods and workers. There are no passwords, no forwarding of
agents or displays, and no listening on podd's side.
"""

import asyncio
import base64
import socket
from collections import Counter
from collections.abc import Awaitable
from contextlib import suppress
from weakref import WeakSet

import asyncssh
import structlog

from podd.domain.account import Origin
from podd.domain.audit import shortened
from podd.domain.errors import PoddError
from podd.gateway.forwarding import find_way, is_inside, session_over
from podd.gateway.host_key import host_key
from podd.gateway.logins import Logins
from podd.gateway.session import Session
from podd.ports import Window
from podd.services import entry
from podd.services.entry import Admission, Entering
from podd.services.platform import Platform
from podd.services.shells import Shell, Shells

log = structlog.get_logger()

_MISSED_KEEPALIVES = 3
_MOST_VARIABLES = 100
_INSIDE_ONLY = "Connections are forwarded into the pod itself only, as to localhost:8888."


class Gateway:
    """The server on these sockets. `start` it, and `stop` it."""

    def __init__(self, podd: Platform, shells: Shells, sockets: list[socket.socket]) -> None:
        self.podd = podd
        self.shells = shells
        self.settings = podd.settings.gateway
        self.logins = Logins(self.settings)
        self.connections: Counter[str] = Counter()
        self.visitors: set[Visitor] = set()
        self._sockets = sockets
        self._acceptors: list[asyncssh.SSHAcceptor] = []

    async def start(self) -> None:
        """Raises OSError, or asyncssh.KeyImportError, when there is no host key to be had."""
        key = await asyncio.to_thread(host_key, self.podd.settings.data_dir)
        options = asyncssh.SSHServerConnectionOptions(
            server_factory=lambda: Visitor(self),
            server_host_keys=[key],
            server_version="podd",
            login_timeout=self.settings.login_seconds,
            keepalive_interval=self.settings.keepalive_seconds,
            keepalive_count_max=_MISSED_KEEPALIVES,
            agent_forwarding=False,
            x11_forwarding=False,
            allow_pty=True,
            line_editor=False,
            compression_algs=["none"],
            gss_host=None,
            host_based_auth=False,
            password_auth=False,
            kbdint_auth=False,
        )
        for listener in self._sockets:
            self._acceptors.append(await asyncssh.listen(sock=listener, options=options, backlog=2048))

    async def stop(self) -> None:
        for acceptor in self._acceptors:
            acceptor.close()
        for visitor in list(self.visitors):
            visitor.send_away("podd is leaving.")
        await asyncio.gather(
            *(acceptor.wait_closed() for acceptor in self._acceptors), return_exceptions=True
        )


class Visitor(asyncssh.SSHServer):
    """One connection, before and after its login."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._podd = gateway.podd
        self._settings = gateway.settings
        self._conn: asyncssh.SSHServerConnection | None = None
        self._address = ""
        self._trying = False
        self._tried = 0
        self._admitted: Admission | None = None
        self._inside = False
        self._forwards = 0
        self._forwarded: set[int] = set()
        self._watch: asyncio.Task[None] | None = None
        self._sessions: WeakSet[Session] = WeakSet()

    # The login

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._conn = conn
        peer = conn.get_extra_info("peername")
        self._address = str(peer[0]) if peer else ""
        self._trying = self._gateway.logins.begin(self._address)
        self._gateway.visitors.add(self)
        if not self._trying:
            log.debug("ssh connection refused", address=self._address)
            conn.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._gateway.visitors.discard(self)
        if self._trying:
            self._trying = False
            self._gateway.logins.end(self._address, failed=self._tried > 0)
        if self._inside and self._admitted is not None:
            self._inside = False
            self._gateway.connections[self._admitted.account_id] -= 1
        if self._watch is not None:
            self._watch.cancel()

    def begin_auth(self, username: str) -> bool:  # noqa: ARG002 - whoever it is has to show a key
        self._tried += 1
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    async def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        """Also asked before there is a signature. The database is asked, whoever it is."""
        self._tried += 1
        self._admitted = None
        if self._tried > 2 * self._settings.keys_per_login:
            self.send_away("Too many keys. Name one with -i and -o IdentitiesOnly=yes.")
            return False
        body = base64.b64encode(key.public_data).decode()
        self._admitted = await self._podd.store.read(
            entry.by_ssh_key, self._podd.keys, username, body, key.get_fingerprint(), self._origin()
        )
        return self._admitted is not None

    def auth_completed(self) -> None:
        assert self._admitted is not None, "a key was shown"
        account_id = self._admitted.account_id
        self._trying = False
        self._gateway.logins.end(self._address, failed=False)
        self._inside = True
        self._gateway.connections[account_id] += 1
        most = self._settings.connections_per_account
        if self._gateway.connections[account_id] > most:
            self.send_away(f"There are {most} SSH connections of this account, which is the most.")
            return
        self._watch = asyncio.create_task(self._leave_in_time())

    # Inside

    def session_requested(self) -> tuple[asyncssh.SSHServerChannel[bytes], Session]:
        assert self._conn is not None
        channel = self._conn.create_server_channel(encoding=None)
        channel._env = _FewVariables()
        session = Session(self)
        self._sessions.add(session)
        return channel, session

    def connection_requested(
        self,
        dest_host: str,
        dest_port: int,
        orig_host: str,  # noqa: ARG002
        orig_port: int,  # noqa: ARG002
    ) -> Awaitable[asyncssh.SSHTCPSession[bytes]]:
        return self._forward(dest_host, dest_port)

    async def open_shell(
        self, argv: list[str], *, env: dict[str, str], window: Window | None, what: Entering | None = None
    ) -> Shell:
        assert self._admitted is not None, "it is logged in"
        session = entry.Session(what, f"over SSH from {self._address}") if what else None
        return await self._gateway.shells.open(self._admitted, argv, env=env, window=window, session=session)

    def send_away(self, reason: str) -> None:
        # Clients show what comes with a disconnection only where they have no session.
        for session in list(self._sessions):
            session.tell(reason)
        if self._conn is not None:
            with suppress(asyncssh.Error, OSError):
                self._conn.disconnect(asyncssh.DISC_SERVICE_NOT_AVAILABLE, reason)

    # Private

    async def _leave_in_time(self) -> None:
        assert self._admitted is not None
        self.send_away(await entry.end_of(self._podd, self._admitted))

    async def _forward(self, host: str, port: int) -> asyncssh.SSHTCPSession[bytes]:
        assert self._admitted is not None
        try:
            workload = await self._podd.store.read(entry.place, self._admitted)
        except PoddError as error:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, error.message) from error
        if not is_inside(workload.id, workload.address, host) or not 0 < port < 65536:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED, _INSIDE_ONLY)
        if self._forwards >= self._settings.forwards_per_connection:
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_RESOURCE_SHORTAGE, "Too many at the same time.")
        self._forwards += 1
        try:
            await self._note_forward(port)
            way = await find_way(self, workload, port, self._podd.settings.proxy.connect_seconds)
        except BaseException:
            self._forwards -= 1
            raise
        return session_over(way, self._end_forward)

    async def _note_forward(self, port: int) -> None:
        """A browser opens many connections: one entry for each port."""
        assert self._admitted is not None
        if port not in self._forwarded:
            self._forwarded.add(port)
            await self._podd.store.write(entry.note, self._podd, self._admitted, Entering.FORWARD)

    def _origin(self) -> Origin:
        version = self._conn.get_extra_info("client_version", "") if self._conn is not None else ""
        return Origin(self._address, "ssh", shortened(str(version)))

    def _end_forward(self) -> None:
        self._forwards -= 1


class _FewVariables(dict[bytes, bytes]):
    """What a client sets before its command starts is kept by asyncssh, however much it is."""

    def __setitem__(self, name: bytes, value: bytes) -> None:
        if len(self) < _MOST_VARIABLES and len(name) + len(value) < 10_000:
            super().__setitem__(name, value)
