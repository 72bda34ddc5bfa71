"""A command that somebody talks to, among the processes of a process container."""

import fcntl
import os
import select
import signal
import struct
import subprocess
import termios
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from podd.ports import STDERR, STDOUT, EngineError, Exec, Window

_CHUNK = 64 * 1024
_EOT = b"\x04"
# The first terminal that the leader of a session opens is the one that controls it.
_TAKE_TERMINAL = 'exec <>"$0"; exec "$@"'


class ProcessExec(Exec):
    """Its process leads a session of its own. File descriptors are let go by whoever is the last to use them
    after close()."""

    def __init__(self, argv: Sequence[str], cwd: Path, env: Mapping[str, str], window: Window | None) -> None:
        self._in_terminal = window is not None
        self._outputs: dict[int, int] = {}
        self._opened: list[int] = []
        self._input = -1
        self._failed = b""
        self._lock = threading.Lock()
        self._inside = 0
        self._closed = False
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._start(argv, cwd, env, window)
        except OSError as error:
            # As a shell says it, and as the contract has it: not there is an outcome, not an error.
            self._code = 127 if isinstance(error, FileNotFoundError) else 126
            self._failed = f"{argv[0]}: {error.strerror}\n".encode()

    def read(self) -> tuple[int, bytes] | None:
        if self._failed:
            text, self._failed = self._failed, b""
            return STDERR, text
        with self._using() as there:
            while there and self._outputs:
                ready = select_in([*self._outputs, self._wake])
                if self._wake in ready:
                    break
                fd = ready[0]
                data = b""
                with suppress(OSError):  # EIO: nobody has the terminal open any more
                    data = os.read(fd, _CHUNK)
                if data:
                    return self._outputs[fd], data
                del self._outputs[fd]
        return None

    def write(self, data: bytes) -> None:
        with self._using() as there:
            while there and data and self._input >= 0:
                poll = select.poll()
                poll.register(self._input, select.POLLOUT)
                poll.register(self._wake, select.POLLIN)
                if any(fd == self._wake for fd, _ in poll.poll()):
                    return
                try:
                    data = data[os.write(self._input, data) :]
                except BlockingIOError:
                    continue
                except OSError:
                    return

    def end_input(self) -> None:
        if self._in_terminal:
            self.write(_EOT)
            return
        with self._lock:
            if self._input >= 0:
                self._opened.remove(self._input)
                os.close(self._input)
                self._input = -1

    def resize(self, window: Window) -> None:
        with self._using() as there:
            if there and self._in_terminal:
                with suppress(OSError):
                    _set_window(self._input, window)

    def signal(self, name: str) -> None:
        number = getattr(signal, f"SIG{name}", None)
        process = self._process
        if process is not None and number is not None and process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)

    def wait(self) -> int:
        if self._process is None:
            return self._code
        while not self._closed:
            with suppress(subprocess.TimeoutExpired):
                code = self._process.wait(1)
                return code if code >= 0 else 128 - code
        raise EngineError("The command was hung up on.")

    def close(self) -> None:
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self.signal("HUP")
        with self._lock:
            if self._opened:
                os.write(self._waker, b"x")
            self._let_go()
        process = self._process
        if process is not None and process.poll() is None:
            threading.Thread(target=process.wait, daemon=True).start()  # whenever it ends, it is no zombie

    # Private

    def _start(self, argv: Sequence[str], cwd: Path, env: Mapping[str, str], window: Window | None) -> None:
        self._wake, self._waker = os.pipe()
        self._opened += [self._wake, self._waker]
        try:
            if window is None:
                self._start_on_pipes(argv, cwd, env)
            else:
                self._start_in_terminal(argv, cwd, env, window)
        except OSError:
            while self._opened:
                os.close(self._opened.pop())
            raise
        for fd in self._opened:
            os.set_blocking(fd, False)

    def _start_on_pipes(self, argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> None:
        ends = [os.pipe() for _ in range(3)]
        (stdin, self._input), (out, stdout), (err, stderr) = ends
        self._opened += [self._input, out, err]
        self._outputs = {out: STDOUT, err: STDERR}
        try:
            self._spawn(argv, cwd, env, stdin, stdout, stderr)
        finally:
            for fd in (stdin, stdout, stderr):
                os.close(fd)

    def _start_in_terminal(
        self, argv: Sequence[str], cwd: Path, env: Mapping[str, str], window: Window
    ) -> None:
        master, slave = os.openpty()
        self._opened.append(master)
        self._input = master
        self._outputs = {master: STDOUT}
        _set_window(master, window)
        taking = ["sh", "-c", _TAKE_TERMINAL, os.ttyname(slave), *argv]
        try:
            self._spawn(taking, cwd, env, slave, slave, slave)
        finally:
            os.close(slave)

    def _spawn(
        self, argv: Sequence[str], cwd: Path, env: Mapping[str, str], stdin: int, stdout: int, stderr: int
    ) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - what the caller wants to run is the point
            argv, cwd=cwd, env=env, stdin=stdin, stdout=stdout, stderr=stderr, start_new_session=True
        )

    @contextmanager
    def _using(self) -> Iterator[bool]:
        """Whether the file descriptors are there, which they then are until the end of this."""
        with self._lock:
            there = bool(self._opened) and not self._closed
            self._inside += there
        try:
            yield there
        finally:
            with self._lock:
                self._inside -= there
                self._let_go()

    def _let_go(self) -> None:
        if self._closed and not self._inside:
            while self._opened:
                os.close(self._opened.pop())


def select_in(fds: list[int]) -> list[int]:
    """Those that have something to read, or have ended. Waits for one."""
    poll = select.poll()
    for fd in fds:
        poll.register(fd, select.POLLIN)
    return [fd for fd, _ in poll.poll()]


def _set_window(fd: int, window: Window) -> None:
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", window.rows, window.columns, 0, 0))
