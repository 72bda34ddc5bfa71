"""What a container wrote, read from the engine's log stream and followed until the container exits.

The engine sends frames (stream, length, text); each holds one line, or a piece of a very long one, under
its own timestamp.
"""

import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from podd.containers.answers import nanoseconds
from podd.containers.connection import Connection, Silent, Stream
from podd.containers.spec import seconds
from podd.ports import EngineAway, LogLine, LogStream, NoSuchContainer

_HEADER = struct.Struct(">BxxxL")
_STREAMS = {1: "stdout", 2: "stderr"}
_LONGEST = 1024 * 1024
_RETRY = 0.2


@dataclass(frozen=True, slots=True)
class Frame:
    """One message of the log: `at` is the engine's timestamp, in epoch nanoseconds."""

    stream: str
    at: int
    text: bytes


def payloads(chunks: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Stream number and content of each frame, wherever the chunks were cut."""
    buffer = b""
    for chunk in chunks:
        buffer += chunk
        start = 0
        while len(buffer) - start >= _HEADER.size:
            number, length = _HEADER.unpack_from(buffer, start)
            end = start + _HEADER.size + length
            if end > len(buffer):
                break
            yield number, buffer[start + _HEADER.size : end]
            start = end
        buffer = buffer[start:]


def frames(chunks: Iterable[bytes]) -> Iterator[Frame]:
    """The messages of a log stream that was asked for with timestamps."""
    for number, content in payloads(chunks):
        stamp, _, text = content.partition(b" ")
        yield Frame(_STREAMS.get(number, "stdout"), nanoseconds(stamp.decode()), text)


class Lines:
    """Puts pieces together to whole lines, and drops what was already seen before a reconnect."""

    def __init__(self) -> None:
        self.last_at = 0
        self._seen_at_last = 0
        self._skip = 0
        self._pieces: dict[str, bytes] = {}

    def reconnect(self) -> None:
        """The next frames start again at `last_at`. Pieces of one line share a timestamp, so count them."""
        self._skip = self._seen_at_last

    def take(self, frame: Frame) -> LogLine | None:
        """The line that `frame` completes, if it does."""
        if self._skip > 0 and frame.at <= self.last_at:
            self._skip -= frame.at == self.last_at
            return None
        if frame.at > self.last_at:
            self.last_at, self._seen_at_last, self._skip = frame.at, 0, 0
        self._seen_at_last += frame.at == self.last_at
        text = self._pieces.pop(frame.stream, b"") + frame.text
        if not text.endswith(b"\n") and len(text) < _LONGEST:
            self._pieces[frame.stream] = text
            return None
        return _line(frame.stream, frame.at, text)

    def rest(self) -> Iterator[LogLine]:
        """What was never ended by a line end."""
        for stream, text in self._pieces.items():
            yield _line(stream, self.last_at, text)
        self._pieces.clear()


class Log(LogStream):
    """The log of one container. `is_running` asks the engine, and raises NoSuchContainer or EngineAway."""

    def __init__(
        self,
        connection: Connection,
        container_id: str,
        is_running: Callable[[], bool],
        *,
        tail: int | None,
        follow: bool,
        silence: float,
    ) -> None:
        self._connection = connection
        self._path = f"/containers/{container_id}/logs"
        self._is_running = is_running
        self._tail = tail
        self._silence = silence
        self._lines = Lines()
        self._stream: Stream | None = None
        self._stopped = threading.Event()
        self._out = self._followed() if follow else self._whole()

    def __iter__(self) -> "Log":
        return self

    def __next__(self) -> LogLine:
        return next(self._out)

    def close(self) -> None:
        self._stopped.set()
        if self._stream is not None:
            self._stream.close()

    def _whole(self) -> Iterator[LogLine]:
        try:
            yield from self._read(follow=False)
        except EngineAway:
            if not self._stopped.is_set():
                raise
        yield from self._lines.rest()

    def _followed(self) -> Iterator[LogLine]:
        """A stream that ends says nothing about the container: it ends as well when the connection breaks."""
        with suppress(NoSuchContainer):
            while not self._ended():
                with suppress(EngineAway, Silent):
                    yield from self._read(follow=True)
                if not self._still_running():
                    break
                self._stopped.wait(_RETRY)
            if not self._ended():
                # The stream may have ended before its last lines came through.
                yield from self._read(follow=False)
        yield from self._lines.rest()

    def _read(self, *, follow: bool) -> Iterator[LogLine]:
        self._lines.reconnect()
        with self._connection.stream(
            "GET", self._path, silence=self._silence, params=self._params(follow)
        ) as stream:
            self._stream = stream
            if self._stopped.is_set():
                return
            for frame in frames(stream.chunks()):
                line = self._lines.take(frame)
                if line is not None:
                    yield line

    def _params(self, follow: bool) -> dict[str, str]:
        params = {"stdout": "1", "stderr": "1", "timestamps": "1", "follow": "1" if follow else "0"}
        at = self._lines.last_at
        if at:
            return params | {"since": seconds(at)}
        return params | ({} if self._tail is None else {"tail": str(self._tail)})

    def _still_running(self) -> bool:
        """Waits for an engine that is away, as long as one call would."""
        deadline = time.monotonic() + self._silence
        while not self._ended():
            try:
                return self._is_running()
            except EngineAway:
                if time.monotonic() > deadline:
                    raise
                self._stopped.wait(_RETRY)
        return False

    def _ended(self) -> bool:
        return self._stopped.is_set() or self._connection.closed


def _line(stream: str, at: int, text: bytes) -> LogLine:
    return LogLine(at // 1_000_000, stream, text.removesuffix(b"\n").decode(errors="replace"))
