"""What a process container printed, read from the shim's two log files and followed while it runs."""

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from podd.ports import LogLine, LogStream
from podd.processes.shim import LOG, OLD_LOG

_LOOK_AGAIN = 0.05
_CHUNK = 1024 * 1024


class ProcessLog(LogStream):
    """The log in `directory`. `running` and `ended` say whether more may come and whether to give up."""

    def __init__(
        self,
        directory: Path,
        running: Callable[[], bool],
        ended: threading.Event,
        *,
        tail: int | None,
        follow: bool,
    ) -> None:
        self._directory = directory
        self._running = running
        self._ended = ended
        self._stopped = threading.Event()
        self._out = self._lines(tail, follow)

    def __iter__(self) -> "ProcessLog":
        return self

    def __next__(self) -> LogLine:
        return next(self._out)

    def close(self) -> None:
        self._stopped.set()

    def _lines(self, tail: int | None, follow: bool) -> Iterator[LogLine]:
        with _Reader(self._directory) as reader:
            yield from map(parse, deque(reader.lines(), tail))
            while follow and not self._stopped.is_set():
                # Ask before reading: what was written before the end must come out.
                more_may_come = self._running() and not self._ended.is_set()
                yield from map(parse, reader.lines())
                if not more_may_come:
                    break
                self._stopped.wait(_LOOK_AGAIN)


def parse(line: bytes) -> LogLine:
    """A line as the shim writes it: milliseconds, stream, text."""
    at, stream, text = line.split(b" ", 2)
    return LogLine(int(at), stream.decode(), text.decode(errors="replace"))


class _Reader:
    """Whole lines since the last call, over the shim's changes from a full file to a new one."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / LOG
        self._old = directory / OLD_LOG
        self._files: list[BinaryIO] = []
        self._piece = b""

    def __enter__(self) -> "_Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def lines(self) -> Iterator[bytes]:
        if not self._files:
            self._open()
        while self._files:
            # Asked before reading: a file that is no longer the present one gets no more lines.
            is_present = _is_at(self._files[-1], self._path)
            for file in self._files:
                yield from self._split(file)
            if is_present:
                return
            self._open()

    def _split(self, file: BinaryIO) -> Iterator[bytes]:
        while data := file.read(_CHUNK):
            *lines, self._piece = (self._piece + data).split(b"\n")
            yield from lines

    def _open(self) -> None:
        """The present file, and before it the old one, unless that is what we have just read. In this order:
        a change of files in between shows as the same file twice."""
        known = self._files[-1:]
        files: list[BinaryIO] = []
        for path in (self._path, self._old):
            with suppress(FileNotFoundError):
                files.insert(0, path.open("rb"))
        if len(files) > 1 and any(_same(files[0], other) for other in (files[1], *known)):
            files.pop(0).close()
        self._close()
        self._files = files

    def _close(self) -> None:
        for file in self._files:
            file.close()
        self._files = []


def _same(one: BinaryIO, other: BinaryIO) -> bool:
    return os.path.sameopenfile(one.fileno(), other.fileno())


def _is_at(file: BinaryIO, path: Path) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    return False
