"""`podd shell`: a terminal in a pod or worker, from this one."""

import os
import select
import shlex
import shutil
import signal
import sys
import termios
import threading
import time
import tty
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Annotated

import typer
from pydantic import BaseModel
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from podd.cli.terminal import Config, fail, settings_of
from podd.client import Client, ClientError
from podd.wire.terminal import Control, Hello, Notice, Size, TerminalToken, TerminalWish

_PIECE = 32 * 1024
_COME_BACK_SECONDS = 55
_TRY_EVERY = 1.0


def shell(
    pod: Annotated[str, typer.Argument(help="The id of a pod or a worker.")],
    command: Annotated[
        list[str] | None,
        typer.Argument(
            help="What to run there instead of a shell. One word is a command line; several are a program "
            "and its arguments, as they are (behind --)."
        ),
    ] = None,
    config: Config = None,
) -> None:
    """Open a shell in a pod or worker, or run a command there. Its exit code becomes this command's."""
    try:
        with Client.find(settings_of(config).data_dir) as client:
            code = _Visit(client, pod, command_line(command or [])).run()
    except ClientError as error:
        fail(str(error))
    raise typer.Exit(code)


def command_line(words: list[str]) -> str | None:
    """What the shell there is to read: one word is a line as it would be typed, several stay the words they
    are."""
    return words[0] if len(words) == 1 else shlex.join(words) or None


class _Visit:
    """One session, over as many connections as it takes."""

    def __init__(self, client: Client, pod: str, command: str | None) -> None:
        self._client = client
        asked = client.post("/operator/v1/terminals", TerminalWish(id=pod), TerminalToken)
        self._path = asked.path
        self._in_terminal = sys.stdin.isatty() and sys.stdout.isatty()
        self._hello = Hello(token=asked.token, command=command, size=self._size())
        self._received = 0
        self._connection: ClientConnection | None = None
        self._wake, self._waker = os.pipe()

    def run(self) -> int:
        with ExitStack() as stack:
            if self._in_terminal:
                stack.enter_context(_raw(sys.stdin.fileno()))
                signal.signal(signal.SIGWINCH, lambda *_: os.write(self._waker, b"w"))
            threading.Thread(target=self._send, daemon=True).start()
            return self._look()

    def _look(self) -> int:
        """The exit code. Raises ClientError."""
        lost_at: float | None = None
        while True:
            try:
                with self._client.socket(self._path) as connection:
                    hello = self._hello.model_copy(update={"received": self._received})
                    connection.send(hello.model_dump_json())
                    lost_at = None
                    code = self._read(connection)
                    if code is not None:
                        return code
            except _Over:
                raise
            except (ClientError, ConnectionClosed) as error:
                now = time.monotonic()
                lost_at = lost_at or now
                if not self._hello.session or now - lost_at > _COME_BACK_SECONDS:
                    raise ClientError(f"The connection is lost: {error}") from error
            finally:
                self._connection = None
            time.sleep(_TRY_EVERY)

    def _read(self, connection: ClientConnection) -> int | None:
        for message in connection:
            if isinstance(message, bytes):
                self._received += len(message) - 1
                _write(message[0], message[1:])
                continue
            notice = Notice.model_validate_json(message)
            if notice.error is not None:
                raise _Over(notice.error)
            if notice.exit is not None:
                return notice.exit
            if notice.session is not None:
                self._hello = Hello(session=notice.session)
                self._connection = connection
                os.write(self._waker, b"w")
        return None

    def _send(self) -> None:
        """In a thread: what is typed, and the size of this terminal when it changes."""
        stdin = sys.stdin.fileno()
        listening = [stdin, self._wake]
        while True:
            ready, _, _ = select.select(listening, [], [])
            if self._wake in ready:
                os.read(self._wake, 100)
                size = self._size()
                if size is not None:
                    self._tell(Control(size=size))
            connection = self._connection
            if stdin in ready and connection is not None:
                data = os.read(stdin, _PIECE)
                if data:
                    with suppress(ConnectionClosed):
                        connection.send(data)
                else:
                    listening.remove(stdin)
                    self._tell(Control(eof=True))
            elif stdin in ready:
                time.sleep(0.05)  # until there is a connection to say it over

    def _tell(self, control: BaseModel) -> None:
        connection = self._connection
        if connection is not None:
            with suppress(ConnectionClosed):
                connection.send(control.model_dump_json(exclude_none=True))

    def _size(self) -> Size | None:
        if not self._in_terminal:
            return None
        columns, rows = shutil.get_terminal_size()
        return Size(columns=columns, rows=rows)


class _Over(ClientError):
    """The session has ended for a reason, which coming back does not change."""


def _write(stream: int, data: bytes) -> None:
    out = sys.stderr.buffer if stream == 2 else sys.stdout.buffer
    out.write(data)
    out.flush()


@contextmanager
def _raw(fd: int) -> Iterator[None]:
    """What is typed goes to the other end as it is."""
    before = termios.tcgetattr(fd)
    tty.setraw(fd, termios.TCSADRAIN)  # what was typed ahead is kept
    try:
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)
