"""One session of an SSH connection: a shell, a command, or a file transfer, in the container."""

import asyncio
from collections import deque
from collections.abc import Coroutine
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Protocol

import asyncssh
from asyncssh import SSHServerChannel

from podd.domain import shell as rules
from podd.domain.errors import PoddError
from podd.ports import STDERR, Window
from podd.services.entry import Entering
from podd.services.shells import Shell

FILES = "sftp"
MOST_UNREAD = 1024 * 1024
_PIECE = 64 * 1024


class Opener(Protocol):
    """Opens a shell in the container that the connection is for; `what` is told of. Raises PoddError."""

    async def open_shell(
        self, argv: list[str], *, env: dict[str, str], window: Window | None, what: Entering | None = None
    ) -> Shell: ...


class Session(asyncssh.SSHServerSession[bytes]):
    """What the client sends waits here while the command does not take it, and is not asked for when that is
    much."""

    def __init__(self, opener: Opener) -> None:
        self._opener = opener
        self._channel: SSHServerChannel[bytes] | None = None
        self._argv: list[str] = []
        self._what = Entering.SHELL
        self._terminal = ""
        self._window: Window | None = None
        self._shell: Shell | None = None
        self._input: deque[bytes | None] = deque()
        self._unread = 0
        self._arrived = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._tasks: set[asyncio.Task[None]] = set()

    # What the client asks for

    def connection_made(self, chan: SSHServerChannel[bytes]) -> None:
        self._channel = chan

    def pty_requested(self, term_type: str, term_size: tuple[int, int, int, int], term_modes: object) -> bool:  # noqa: ARG002
        self._terminal = term_type
        self._window = _window(term_size[0], term_size[1])
        return True

    def shell_requested(self) -> bool:
        self._argv = rules.shell(None)
        return True

    def exec_requested(self, command: str) -> bool:
        self._what = Entering.COMMAND
        try:
            self._argv = rules.shell(command)
        except PoddError:
            return False
        return True

    def subsystem_requested(self, subsystem: str) -> bool:
        if subsystem != FILES:
            return False
        self._argv = rules.file_server(inside("sftp_server"))
        self._what = Entering.FILES
        self._window = None
        return True

    def session_started(self) -> None:
        self._begin(self._run())

    def data_received(self, data: bytes, datatype: int | None) -> None:  # noqa: ARG002 - clients have one kind
        self._input.append(data)
        self._unread += len(data)
        self._arrived.set()
        if self._unread > MOST_UNREAD:
            self._chan.pause_reading()

    def eof_received(self) -> bool:
        self._input.append(None)
        self._arrived.set()
        return True

    def terminal_size_changed(self, width: int, height: int, pixwidth: int, pixheight: int) -> None:  # noqa: ARG002
        self._window = _window(width, height)
        if self._shell is not None:
            self._begin(self._shell.resize(self._window))

    def signal_received(self, signal: str) -> None:
        if self._shell is not None and signal in rules.SIGNALS:
            self._begin(self._shell.signal(signal))

    def break_received(self, msec: int) -> bool:  # noqa: ARG002
        self.signal_received("INT")
        return True

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        for task in self._tasks:
            task.cancel()

    def tell(self, text: str) -> None:
        """A word of podd's own to the client."""
        with suppress(asyncssh.Error, OSError):
            self._chan.write_stderr(f"podd: {text}\r\n".encode())

    # What comes of it

    @property
    def _chan(self) -> SSHServerChannel[bytes]:
        assert self._channel is not None, "it was made"
        return self._channel

    async def _run(self) -> None:
        try:
            self._shell = await self._opener.open_shell(
                self._argv, env=self._environment(), window=self._window, what=self._what
            )
        except PoddError as error:
            self.tell(error.message)
            self._chan.exit(1)
            return
        shell, feeding = self._shell, asyncio.create_task(self._feed(self._shell))
        try:
            code = await self._hand_out(shell)
            self._chan.exit(code)
        finally:
            feeding.cancel()
            await asyncio.shield(shell.close())

    def _environment(self) -> dict[str, str]:
        env = rules.let_in(self._chan.get_environment().items())
        return {**env, "TERM": self._terminal[:64] or "dumb"} if self._window else env

    async def _hand_out(self, shell: Shell) -> int:
        while piece := await shell.read():
            stream, data = piece
            await self._writable.wait()
            if stream == STDERR:
                self._chan.write_stderr(data)
            else:
                self._chan.write(data)
        return await shell.wait()

    async def _feed(self, shell: Shell) -> None:
        while True:
            while not self._input:
                self._arrived.clear()
                await self._arrived.wait()
            data = self._input.popleft()
            if data is None:
                await shell.end_input()
                return
            await shell.write(data)
            before, self._unread = self._unread, self._unread - len(data)
            if before > MOST_UNREAD >= self._unread:
                self._chan.resume_reading()

    def _begin(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(_quietly(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


@cache
def inside(name: str) -> str:
    """The text of a program that runs in containers."""
    return (Path(__file__).parent / "inside" / f"{name}.py").read_text()


async def _quietly(work: Coroutine[object, object, None]) -> None:
    """The client may go at any time, even while it is being answered."""
    with suppress(asyncssh.Error, OSError):
        await work


def _window(columns: int, rows: int) -> Window:
    """Clients without a terminal of their own say zero."""
    most = rules.MOST_COLUMNS
    return Window(min(columns, most) or 80, min(rows, most) or 24)
