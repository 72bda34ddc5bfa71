"""A command that somebody talks to, inside a container of the Docker Engine.

The engine neither sends signals to such a command nor ends it when nobody listens any more. So a shell goes
before it, says its own process id, which becomes the command's, and in a terminal waits until that has its
size. A signal is one more command, inside.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from podd.containers.connection import Duplex
from podd.containers.logs import payloads
from podd.ports import STDOUT, EngineError, Exec, Window

_ON_PIPES = 'echo $$; exec "$@"'
_IN_TERMINAL = 'echo $$; read -r _; exec "$@"'
_EOT = b"\x04"
_LONGEST_ID = 12


def introduced(argv: Sequence[str], *, terminal: bool) -> list[str]:
    """The command behind the shell that says who it is."""
    return ["sh", "-c", _IN_TERMINAL if terminal else _ON_PIPES, "sh", *argv]


class DockerExec(Exec):
    """`size` tells the engine the window, `kill` sends a signal to a process group inside, `exit_code` asks
    how the command has ended; all of them wait for the engine."""

    def __init__(
        self,
        duplex: Duplex,
        window: Window | None,
        *,
        size: Callable[[Window], None],
        kill: Callable[[str, int], None],
        exit_code: Callable[[], int],
    ) -> None:
        self._duplex = duplex
        self._in_terminal = window is not None
        self._size = size
        self._kill = kill
        self._exit_code = exit_code
        self._sending = threading.Lock()
        self._closed = False
        self._ended = False
        self._process_id: int | None = None
        self._pieces = self._output()
        self._first: list[tuple[int, bytes]] = []
        self._introduce(window)
        self._duplex.be_patient()

    def read(self) -> tuple[int, bytes] | None:
        if self._first:
            return self._first.pop(0)
        piece = next(self._pieces, None)
        self._ended = piece is None
        return piece

    def write(self, data: bytes) -> None:
        with self._sending, suppress(OSError):
            self._duplex.send(data)

    def end_input(self) -> None:
        if self._in_terminal:
            self.write(_EOT)
        else:
            with self._sending:
                self._duplex.end_sending()

    def resize(self, window: Window) -> None:
        if self._in_terminal and not self._ended:
            with suppress(EngineError):
                self._size(window)

    def signal(self, name: str) -> None:
        if self._process_id is not None and not self._ended and name.isalnum():
            with suppress(EngineError):
                self._kill(name, self._process_id)

    def wait(self) -> int:
        if self._closed:
            raise EngineError("The command was hung up on.")
        return self._exit_code()

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self.signal("HUP")
            self._duplex.close()

    # Private

    def _output(self) -> Iterator[tuple[int, bytes]]:
        if self._in_terminal:
            return ((STDOUT, chunk) for chunk in self._duplex.chunks())
        return payloads(self._duplex.chunks())

    def _introduce(self, window: Window | None) -> None:
        """Where there is no shell, what comes instead of its word is the reason, to be read by others."""
        text = self._line(b"")
        word, end, rest = text.partition(b"\n")
        if not (end and word.strip().isdigit()):
            self._keep(text)
            return
        self._process_id = int(word)
        if window is not None:
            self.resize(window)
            self.write(b"\n")
            rest = self._line(rest).partition(b"\n")[2]  # the terminal repeats what it is told
        self._keep(rest)

    def _line(self, text: bytes) -> bytes:
        """`text` and what follows on it, until there is a line in it, or what is no process id. The engine
        brings the two streams as it likes: errors may come before it, and are kept."""
        while b"\n" not in text and len(text) <= _LONGEST_ID:
            piece = next(self._pieces, None)
            if piece is None:
                break
            if piece[0] == STDOUT:
                text += piece[1]
            else:
                self._first.append(piece)
        return text

    def _keep(self, text: bytes) -> None:
        if text:
            self._first.append((STDOUT, text))


def kill_command(name: str, group: int) -> list[str]:
    return ["sh", "-c", f"kill -s {name} -- -{group}"]
