"""Keeps one process container: starts its command, writes down what it prints and how it ends.

Run as `python -I -S shim.py DIRECTORY`, apart from the daemon so that it outlives it. Standard library only,
and little of that: one shim stays in memory for each container. It decides nothing; the engine sends signals.

In DIRECTORY it reads spec.json and writes state.json (atomically), log and log.1 (lines of
`milliseconds stream text`), and holds a lock on shim.lock for as long as it lives.
"""

import contextlib
import fcntl
import functools
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

SPEC, STATE, LOCK, LOG, OLD_LOG = "spec.json", "state.json", "shim.lock", "log", "log.1"

# What the shim reports on its standard output, as one line; a refusal is followed by the reason.
STARTED, BUSY, REFUSED = "started", "busy", "refused"

_LOG_LIMIT = 10 * 1024 * 1024
_LONGEST_LINE = 1024 * 1024
_CHUNK = 64 * 1024
_LAST_WORDS = 1.0


def identity(pid: int) -> str | None:
    """What tells this process from a later one of the same number; None when there is none alive."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else f"{_boot()}:{fields[19]}"


def stopped(pid: int) -> bool:
    """Whether the process stands still for a SIGSTOP, or will do nothing more before it does: one that waits
    for its vforked child, which stands still as well, gets that far only when it is continued."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return False
    status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    pending = int(status["SigPnd"], 16) | int(status["ShdPnd"], 16)
    return status["State"].startswith("T") or bool(pending >> (signal.SIGSTOP - 1) & 1)


@functools.cache
def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Replace the file as a whole: a reader sees the old or the new value, whenever we die."""
    draft = path.with_name(f"{path.name}.new")
    draft.write_text(json.dumps(value))
    draft.replace(path)


class LogFile:
    """The log, in two files: a full one is kept as the old one, and the one before that is dropped."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / LOG
        self._old = directory / OLD_LOG
        self._file = self._path.open("ab", buffering=0)
        self._size = self._file.tell()

    def write(self, stream: str, text: bytes) -> None:
        line = b"%d %s %s\n" % (time.time_ns() // 1_000_000, stream.encode(), text)
        if self._size + len(line) > _LOG_LIMIT:
            self._turn_over()
        self._file.write(line)
        self._size += len(line)

    def close(self) -> None:
        self._file.close()

    def _turn_over(self) -> None:
        self._file.close()
        self._path.replace(self._old)
        self._file = self._path.open("ab", buffering=0)
        self._size = 0


class Output:
    """The pipes of the command, cut into lines."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: LogFile) -> None:
        self._log = log
        self._pieces: dict[int, bytes] = {}
        self._names: dict[int, str] = {}
        self._selector = selectors.DefaultSelector()
        for name, pipe in (("stdout", process.stdout), ("stderr", process.stderr)):
            assert pipe is not None
            self._names[pipe.fileno()] = name
            self._selector.register(pipe.fileno(), selectors.EVENT_READ)

    def copy_until(self, ended: int) -> None:
        """Until the file descriptor `ended` is readable, or nobody can write any more."""
        self._selector.register(ended, selectors.EVENT_READ)
        while self._names:
            ready = [key.fd for key, _ in self._selector.select()]
            for fd in ready:
                if fd != ended:
                    self._copy(fd)
            if ended in ready:
                break
        self._selector.unregister(ended)

    def copy_rest(self) -> None:
        """What is still in the pipes. A process that has left the group may hold them open: do not wait."""
        deadline = time.monotonic() + _LAST_WORDS
        while self._names and time.monotonic() < deadline:
            for key, _ in self._selector.select(deadline - time.monotonic()):
                self._copy(key.fd)
        for fd, piece in self._pieces.items():
            if piece:
                self._log.write(self._names.get(fd, "stdout"), piece)

    def _copy(self, fd: int) -> None:
        data = os.read(fd, _CHUNK)
        *lines, piece = (self._pieces.get(fd, b"") + data).split(b"\n")
        if piece and (not data or len(piece) > _LONGEST_LINE):
            lines, piece = [*lines, piece], b""
        self._pieces[fd] = piece
        for line in lines:
            self._log.write(self._names[fd], line)
        if not data:
            self._selector.unregister(fd)
            del self._names[fd], self._pieces[fd]


def main(directory: Path) -> None:
    if os.fork():
        os._exit(0)  # the engine waits for this one only; the other belongs to nobody
    os.setsid()
    os.chdir("/")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        # Stay until the command has gone, to say how. Not SIG_IGN: the command would inherit that.
        signal.signal(number, lambda *_: None)
    lock = (directory / LOCK).open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        _report(BUSY)
        return
    spec = json.loads((directory / SPEC).read_text())
    try:
        process = _start(spec)
    except (OSError, ValueError) as error:
        _report(f"{REFUSED} {_why(error, spec['argv'][0])}")
        return
    _keep(process, directory)


def _start(spec: dict[str, Any]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(  # noqa: S603 - running what the spec says is what it is for
        spec["argv"],
        cwd=spec["cwd"],
        env=spec["env"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def _keep(process: "subprocess.Popen[bytes]", directory: Path) -> None:
    state: dict[str, Any] = {
        "pid": process.pid,
        "identity": identity(process.pid),
        "shim": {"pid": os.getpid(), "identity": identity(os.getpid())},
        "started_at": time.time_ns() // 1_000_000,
    }
    log = LogFile(directory)
    write_json(directory / STATE, state)
    _report(STARTED)
    output = Output(process, log)
    output.copy_until(os.pidfd_open(process.pid))
    code = process.wait()
    _kill_group(process.pid)
    output.copy_rest()
    log.close()
    state["exit_code"] = code if code >= 0 else 128 - code
    state["finished_at"] = time.time_ns() // 1_000_000
    write_json(directory / STATE, state)


def _kill_group(pid: int) -> None:
    with contextlib.suppress(OSError):
        os.killpg(pid, signal.SIGKILL)


def _report(line: str) -> None:
    """Tell the engine, which reads until the end of this output; it may be gone."""
    with contextlib.suppress(OSError):
        os.write(1, line.encode() + b"\n")
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)


def _why(error: OSError | ValueError, command: str) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or command}: {error.strerror}"
    return f"{command}: {error}"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
