"""Connections that a client has forwarded: into the pod itself, and nowhere else."""

import asyncio
import ipaddress
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

import asyncssh
from asyncssh import SSHReader, SSHWriter
from asyncssh.stream import SSHTCPStreamSession

from podd.domain import shell as rules
from podd.domain.errors import PoddError
from podd.domain.workload import Workload, internal_name
from podd.gateway.session import Opener, inside
from podd.ports import STDERR, STDOUT
from podd.services.shells import Shell

_PIECE = 64 * 1024
_CONNECTED = b"+"


class Way(Protocol):
    """To a program that listens in the container. `read` gives b"" at the end."""

    async def read(self) -> bytes: ...

    async def write(self, data: bytes) -> None: ...

    async def end_input(self) -> None: ...

    async def close(self) -> None: ...


def is_inside(workload_id: str, address: str, host: str) -> bool:
    """Whether this is the container by one of its names: its loopback, its id, its address."""
    name = host.lower().rstrip(".")
    if name in ("localhost", workload_id, internal_name(workload_id)) or (address and name == address):
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False


async def find_way(opener: Opener, workload: Workload, port: int, seconds: float) -> Way:
    """To the container's address, or else from inside, for programs that listen on its loopback alone.
    Raises ChannelOpenError."""
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(seconds):
            return _Direct(*await asyncio.open_connection(workload.address, port))
    try:
        shell = await opener.open_shell(rules.relay(port, inside("relay")), env={}, window=None)
    except PoddError as error:
        raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, error.message) from error
    way = _FromInside(shell)
    try:
        async with asyncio.timeout(seconds):
            if await way.connected():
                return way
    except TimeoutError:
        pass
    except BaseException:
        await asyncio.shield(way.close())
        raise
    await way.close()
    raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, f"Nothing listens on port {port} there.")


def session_over(way: Way, left: Callable[[], None]) -> asyncssh.SSHTCPSession[bytes]:
    """The session of a channel that leads there; `left` is called at its end."""

    async def copy(reader: SSHReader[bytes], writer: SSHWriter[bytes]) -> None:
        try:
            with suppress(asyncssh.Error, OSError):
                await _copy(way, reader, writer)
        finally:
            left()
            writer.close()
            await asyncio.shield(way.close())

    return SSHTCPStreamSession(copy)


# Private


class _Direct(Way):
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def read(self) -> bytes:
        return await self._reader.read(_PIECE)

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def end_input(self) -> None:
        if self._writer.can_write_eof():
            self._writer.write_eof()

    async def close(self) -> None:
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()


class _FromInside(Way):
    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._early = b""

    async def connected(self) -> bool:
        """Whether the program inside says so."""
        while piece := await self._shell.read():
            if piece[0] != STDERR:
                self._early = piece[1].removeprefix(_CONNECTED)
                return piece[1].startswith(_CONNECTED)
        return False

    async def read(self) -> bytes:
        early, self._early = self._early, b""
        if early:
            return early
        while piece := await self._shell.read():
            if piece[0] == STDOUT:
                return piece[1]
        return b""

    async def write(self, data: bytes) -> None:
        await self._shell.write(data)

    async def end_input(self) -> None:
        await self._shell.end_input()

    async def close(self) -> None:
        await self._shell.close()


async def _copy(way: Way, reader: SSHReader[bytes], writer: SSHWriter[bytes]) -> None:
    async def up() -> None:
        with suppress(asyncssh.Error, OSError):
            while data := await reader.read(_PIECE):
                await way.write(data)
            await way.end_input()

    sending = asyncio.create_task(up())
    try:
        while data := await way.read():
            writer.write(data)
            await writer.drain()
    finally:
        sending.cancel()
