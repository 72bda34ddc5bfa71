"""The Engine port over plain local processes: loopback only, no images, no isolation, no limits.

For machines without Docker and for quick tests. What is written down is in `record`, the process that keeps
each command is `shim`.
"""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

import podd
from podd.domain.container import Container, ContainerSpec, ContainerState, RegistryAuth
from podd.ports import (
    ContainerEvent,
    Engine,
    EngineError,
    EngineInfo,
    ExecResult,
    Listening,
    LogStream,
    NoSuchContainer,
    StartRefused,
    Stats,
)
from podd.processes import record, shim
from podd.processes.log import ProcessLog
from podd.processes.record import Record

_LOCKS = 64
_LOCK_DIRECTORY = ".locks"
_PATIENCE = 10.0
_LOOK_AGAIN = 0.01
_EVENTS_EVERY = 0.2
_STATS_SPAN = 0.1
_STATS_AGE = 60.0
_GONE = ".gone-"
_UP = (ContainerState.RUNNING, ContainerState.PAUSED)


@dataclass(frozen=True, slots=True)
class _CpuSample:
    at: float
    used: float


class ProcessEngine(Engine):
    """The process containers of one podd instance below `root`. A new engine finds what an earlier one, even
    one that was killed, has left running."""

    def __init__(self, instance: str, root: Path) -> None:
        self._instance = instance
        self._root = root.absolute()
        (self._root / _LOCK_DIRECTORY).mkdir(parents=True, exist_ok=True)
        self._closed = threading.Event()
        self._cpu: dict[str, _CpuSample] = {}
        for rest in self._root.glob(f"{_GONE}*"):
            shutil.rmtree(rest, ignore_errors=True)

    def info(self) -> EngineInfo:
        return EngineInfo(
            kind="process",
            version=podd.__version__,
            host_address=record.ADDRESS,
            gpus=False,
            disk_limits=False,
        )

    def list(self) -> list[Container]:
        return [found.container() for found in self._records()]

    def start(self, spec: ContainerSpec) -> Container:
        if not spec.entrypoint and not spec.command:
            raise StartRefused(
                "The process engine has no images, so it needs a command: "
                "give the pod or endpoint one that this machine can run."
            )
        try:
            with self._lock(spec.name):
                return self._start(spec)
        except OSError as error:
            raise EngineError(f"The container {spec.name} could not be set up: {error}.") from error

    def stop(self, name: str, grace: float) -> None:
        with suppress(NoSuchContainer):
            there = self._own(name)
            if there.running:
                _signal(there, signal.SIGTERM)
                _continue(there)
                _await(lambda: not self._own(name).running, grace)
            self._end(name)

    def pause(self, name: str) -> None:
        """Stops the processes (SIGSTOP). The one that keeps them, and their log, runs on."""
        there = self._running(name)
        _signal(there, signal.SIGSTOP)
        for process in there.processes():  # those that have left the group
            with suppress(psutil.Error):
                process.suspend()
        if not _await(lambda: not self._own(name).running or self._own(name).paused, _PATIENCE):
            raise EngineError(f"The container {name} does not stop.")

    def unpause(self, name: str) -> None:
        _continue(self._running(name))

    def remove(self, name: str) -> None:
        with suppress(NoSuchContainer), self._lock(name):
            self._end(name)
            self._delete(self._own(name).directory)

    def logs(self, name: str, *, tail: int | None = None, follow: bool = False) -> LogStream:
        there = self._own(name)

        def running() -> bool:
            now = record.read(there.directory)
            return now is not None and now.running

        return ProcessLog(there.directory, running, self._closed, tail=tail, follow=follow)

    def exec(self, name: str, argv: Sequence[str]) -> ExecResult:
        there = self._running(name)
        try:
            done = subprocess.run(  # noqa: S603 - what the caller wants to run is the point
                argv,
                cwd=there.files,
                env=there.spec["env"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                check=False,
            )
        except OSError as error:
            return ExecResult(127 if isinstance(error, FileNotFoundError) else 126, f"{argv[0]}: {error}\n")
        code = done.returncode
        return ExecResult(code if code >= 0 else 128 - code, done.stdout.decode(errors="replace"))

    def stats(self, name: str) -> Stats:
        """The memory limit is the one asked for; nothing enforces it."""
        there = self._running(name)
        before = self._cpu.get(there.spec["id"])
        if before is None or time.monotonic() - before.at > _STATS_AGE:
            before, _ = _measure(there)
            self._closed.wait(_STATS_SPAN)
        after, memory = _measure(there)
        self._cpu[there.spec["id"]] = after
        elapsed = after.at - before.at
        percent = 100.0 * max(0.0, after.used - before.used) / elapsed if elapsed > 0 else 0.0
        return Stats(percent, memory, there.spec["memory"] * 1024 * 1024, _listening(there))

    def disk_use(self) -> dict[str, int]:
        return {found.directory.name: _size(found.files) for found in self._records() if found.running}

    def has_image(self, image: str) -> bool:  # noqa: ARG002
        return True

    def image_id(self, image: str) -> str:
        return image

    def other_names(self, image: str) -> frozenset[str]:  # noqa: ARG002
        return frozenset()

    def check_access(self, image: str, auth: RegistryAuth | None) -> None:
        """There are no registries."""

    def pull(
        self,
        image: str,
        auth: RegistryAuth | None = None,
        progress: Callable[[str], None] | None = None,
    ) -> None:
        """There is nothing to fetch."""

    def guard_host(self, port: int) -> str:  # noqa: ARG002
        """The processes are the host's own: there is nothing to keep them from."""
        return ""

    def events(self) -> Iterator[ContainerEvent]:
        return self._events({c.name: c for c in self.list()})

    def close(self) -> None:
        """Ends events and followed logs. The processes run on."""
        self._closed.set()

    # Finding

    def _records(self) -> Iterator[Record]:
        for directory in sorted(self._root.iterdir()):
            found = None if directory.name.startswith(".") else record.read(directory)
            if found is not None and found.spec["instance"] == self._instance:
                yield found

    def _own(self, name: str) -> Record:
        found = record.read(self._root / name)
        if found is None or found.spec["instance"] != self._instance:
            raise NoSuchContainer(f"There is no container {name}.")
        return found

    def _running(self, name: str) -> Record:
        there = self._own(name)
        if not there.running:
            raise EngineError(f"The container {name} is not running.")
        return there

    @contextmanager
    def _lock(self, name: str) -> Iterator[None]:
        """One at a time may make, start or remove this container, in this process or another. The lock of a
        daemon that dies is free again."""
        with (self._root / _LOCK_DIRECTORY / str(zlib.crc32(name.encode()) % _LOCKS)).open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    # Starting and ending

    def _start(self, spec: ContainerSpec) -> Container:
        directory = self._root / spec.name
        there = record.read(directory)
        if there is not None and there.spec["instance"] != self._instance:
            raise EngineError(f"The name {spec.name} is taken by a container of another podd.")
        if there is not None and there.running:
            return there.container()
        try:
            if there is None:
                record.write(directory, spec, self._instance, uuid.uuid4().hex, _path())
            else:
                _kill(there)
            self._spawn(directory)
        except StartRefused:
            # Nothing half-made stays. One that has run before keeps its files: somebody may want them.
            if there is None or there.state is None:
                self._delete(directory)
            raise
        return self._own(spec.name).container()

    def _spawn(self, directory: Path) -> None:
        """Start a shim and wait for its report."""
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and file
            [sys.executable, "-I", "-S", shim.__file__, str(directory)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        try:
            report, _ = process.communicate(timeout=_PATIENCE)
        except subprocess.TimeoutExpired as error:
            process.kill()
            process.communicate()
            raise EngineError("The process that was to keep the container does not answer.") from error
        word, _, why = report.decode(errors="replace").strip().partition(" ")
        if word == shim.REFUSED:
            raise StartRefused(f"The command could not be run: {why}.")
        if word == shim.BUSY:
            # A daemon that died just now has started one. It is about to say so.
            _await(lambda: self._own(directory.name).running, _PATIENCE)
        elif word != shim.STARTED:
            raise EngineError("The process that was to keep the container did not start.")

    def _end(self, name: str) -> None:
        """Kill all of it. Returns once the end is written down."""
        _kill(self._own(name))
        if not _await(lambda: not self._own(name).running, _PATIENCE):
            raise EngineError(f"The container {name} does not end, although it was killed.")

    def _delete(self, directory: Path) -> None:
        # Moved aside first: whenever we die, the container is there as a whole or not at all.
        aside = self._root / f"{_GONE}{uuid.uuid4().hex}"
        directory.rename(aside)
        shutil.rmtree(aside, ignore_errors=True)

    # Events

    def _events(self, before: dict[str, Container]) -> Iterator[ContainerEvent]:
        while not self._closed.wait(_EVENTS_EVERY):
            after = {c.name: c for c in self.list()}
            yield from changes(before, after)
            before = after


def changes(before: dict[str, Container], after: dict[str, Container]) -> Iterator[ContainerEvent]:
    """The events that lead from one look to the next."""
    for name in sorted(before.keys() | after.keys()):
        for action in _actions(before.get(name), after.get(name)):
            yield ContainerEvent(name, action)


def _actions(before: Container | None, after: Container | None) -> Iterator[str]:
    ran = before is not None and before.state in _UP
    runs = after is not None and after.state in _UP
    same_run = before is not None and after is not None and before.started_at == after.started_at
    if ran and not (runs and same_run):
        yield "die"
    if after is None:
        yield "remove"
    elif after.started_at is not None and not same_run:
        yield "start"
        if not runs:
            yield "die"


def _path() -> str:
    """The daemon's PATH, with its own Python first: that is where the worker SDK is."""
    return os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])


def _signal(there: Record, number: int) -> None:
    """To the whole group, if it is still the process that was written down."""
    state = there.state
    if state is not None and shim.identity(state["pid"]) == state["identity"]:
        with suppress(ProcessLookupError):
            os.killpg(state["pid"], number)


def _continue(there: Record) -> None:
    """Its group first: that is the command itself."""
    _signal(there, signal.SIGCONT)
    for process in there.processes():
        with suppress(psutil.Error):
            process.resume()


def _kill(there: Record) -> None:
    for process in there.processes():
        with suppress(psutil.Error):
            process.kill()


def _measure(there: Record) -> tuple[_CpuSample, int]:
    used, memory = 0.0, 0
    for process in there.processes():
        with suppress(psutil.Error):
            times = process.cpu_times()
            used += times.user + times.system
            memory += process.memory_info().rss
    return _CpuSample(time.monotonic(), used), memory


def _listening(there: Record) -> Listening:
    found = set()
    for process in there.processes():
        with suppress(psutil.Error):
            for end in process.net_connections("inet"):
                if end.status == psutil.CONN_LISTEN:
                    found.add(("tcp", end.laddr.port))
                elif end.type is socket.SOCK_DGRAM and not any(end.raddr):
                    found.add(("udp", end.laddr.port))
    return frozenset(found)


def _await(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(_LOOK_AGAIN)
    return True


def _size(directory: Path) -> int:
    """Bytes that the files below it take up, but for those that go meanwhile. Links are not followed."""
    total = 0
    for parent, _, names in os.walk(directory):
        for name in names:
            with suppress(FileNotFoundError):
                total += Path(parent, name).lstat().st_blocks * 512
    return total
