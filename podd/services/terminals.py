"""Shells that outlive the connection they are looked at through, for web pages and `podd shell`.

A token, which is good once and for a short while, opens one; what it then is called lets its owner come back.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Self

from podd.domain import shell as rules
from podd.domain.account import Origin
from podd.domain.errors import NotFound, TooMany
from podd.ports import Window
from podd.services import entry
from podd.services.entry import Admission, Entering, Session
from podd.services.platform import Platform
from podd.services.shells import Shell, Shells

MOST_TOKENS = 10_000
_RUN = 32 * 1024
_WAITING_INPUT = 64


@dataclass(frozen=True, slots=True)
class _Promise:
    admitted: Admission
    until: int


@dataclass(frozen=True, slots=True)
class Errand:
    """What is run, what that is for the audit log, and how it is told of."""

    argv: list[str]
    what: Entering
    way: str

    @classmethod
    def shell(cls, command: str | None) -> Self:
        """A command line, or an interactive shell. Raises Invalid."""
        return cls(rules.shell(command), Entering.COMMAND if command else Entering.SHELL, "in a terminal")

    @classmethod
    def files(cls, argv: list[str]) -> Self:
        return cls(argv, Entering.FILES, "to copy files")


class Terminals:
    """All there are, and the tokens for more."""

    def __init__(self, podd: Platform, shells: Shells) -> None:
        self._podd = podd
        self._shells = shells
        self._settings = podd.settings.terminal
        self._promises: dict[str, _Promise] = {}
        self._open: dict[str, Terminal] = {}

    def promise(self, admitted: Admission) -> str:
        """A token to open one terminal with. Raises TooMany."""
        now = self._podd.clock.now()
        self._promises = {token: kept for token, kept in self._promises.items() if kept.until > now}
        if len(self._promises) >= MOST_TOKENS:
            raise TooMany("Too many terminals were asked for and not opened; try again in a minute.")
        token = secrets.token_urlsafe(32)
        self._promises[token] = _Promise(admitted, now + round(self._settings.token_seconds * 1000))
        return token

    async def open(self, token: str, errand: Errand, window: Window | None, address: str) -> "Terminal":
        """Raises NotFound for a token that is not good any more, and what Shells.open raises."""
        kept = self._promises.pop(token, None)
        if kept is None or kept.until <= self._podd.clock.now():
            raise NotFound("The token is not good any more: ask for another.")
        env = {"TERM": "xterm-256color"} if window else {}
        way = f"{errand.way} from {address or 'this machine'}"
        admitted = replace(kept.admitted, by=replace(kept.admitted.by, origin=Origin(address, "terminal")))
        session = Session(errand.what, way)
        shell = await self._shells.open(admitted, errand.argv, env=env, window=window, session=session)
        ending = entry.end_of(self._podd, admitted)
        terminal = Terminal(shell, self._settings.buffer_bytes, self._settings.reconnect_seconds, self._gone)
        self._open[terminal.name] = terminal
        terminal.start(ending)
        return terminal

    def again(self, name: str) -> "Terminal":
        """The terminal of that name. Raises NotFound."""
        found = self._open.get(name)
        if found is None:
            raise NotFound("The session is over.")
        return found

    async def close(self) -> None:
        for terminal in list(self._open.values()):
            await terminal.close("podd is leaving.")

    def _gone(self, terminal: "Terminal") -> None:
        self._open.pop(terminal.name, None)


class Terminal:
    """One shell and the last `most` bytes of its output. `name` is a secret. While nobody looks, the shell
    writes on until that much has not been seen, and is hung up on after `patience` seconds. `exit_code` or
    `reason` say how it has ended."""

    def __init__(self, shell: Shell, most: int, patience: float, gone: Callable[["Terminal"], None]) -> None:
        self.name = secrets.token_urlsafe(32)
        self.exit_code: int | None = None
        self.reason = ""
        self._shell = shell
        self._most = most
        self._patience = patience
        self._gone = gone
        self._runs: deque[tuple[int, bytearray]] = deque()
        self._first = 0
        self._end = 0
        self._taken = 0
        self._turn = 0
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._input: asyncio.Queue[bytes | None] = asyncio.Queue(_WAITING_INPUT)
        self._tasks: list[asyncio.Task[None]] = []
        self._alarm: asyncio.TimerHandle | None = None

    def start(self, ending: Coroutine[object, object, str]) -> None:
        self._tasks = [
            asyncio.create_task(work) for work in (self._pump(), self._feed(), self._leave(ending))
        ]

    @property
    def over(self) -> bool:
        return self.exit_code is not None or bool(self.reason)

    async def output(self, received: int) -> AsyncGenerator[tuple[int, bytes], None]:
        """Pieces after the first `received` bytes, of which those that are kept, until the end, or until
        somebody else looks. Close it, and the shell waits for its owner to come back."""
        self._turn += 1
        turn, place = self._turn, max(received, 0)
        self._calm()
        self._wake()
        try:
            while turn == self._turn:
                self._news.clear()
                piece = self._after(place)
                if piece is None:
                    if self.over:
                        return
                    await self._news.wait()
                    continue
                place, stream, data = piece
                yield stream, data
                self._taken = max(self._taken, place)
                self._room.set()
        finally:
            if turn == self._turn:
                loop = asyncio.get_running_loop()
                self._alarm = loop.call_later(self._patience, self._tired)

    async def write(self, data: bytes) -> None:
        await self._input.put(data)

    async def end_input(self) -> None:
        await self._input.put(None)

    async def resize(self, window: Window) -> None:
        await self._shell.resize(window)

    async def close(self, reason: str) -> None:
        """Hang up."""
        self.reason = self.reason or reason
        self._calm()
        self._wake()
        self._gone(self)
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()
        await asyncio.shield(self._shell.close())

    # Private

    async def _pump(self) -> None:
        while piece := await self._shell.read():
            self._keep(*piece)
            while self._end - self._taken > self._most:
                self._room.clear()
                await self._room.wait()
        self.exit_code = await self._shell.wait()
        self._wake()
        await self._shell.close()

    async def _feed(self) -> None:
        while True:
            data = await self._input.get()
            if data is None:
                await self._shell.end_input()
            else:
                await self._shell.write(data)

    async def _leave(self, ending: Coroutine[object, object, str]) -> None:
        await self.close(await ending)

    def _keep(self, stream: int, data: bytes) -> None:
        if self._runs and self._runs[-1][0] == stream and len(self._runs[-1][1]) < _RUN:
            self._runs[-1][1].extend(data)
        else:
            self._runs.append((stream, bytearray(data)))
        self._end += len(data)
        while self._runs and self._end - self._first - len(self._runs[0][1]) >= self._most:
            if self._first + len(self._runs[0][1]) > self._taken:
                break
            self._first += len(self._runs.popleft()[1])
        self._wake()

    def _after(self, place: int) -> tuple[int, int, bytes] | None:
        """The next piece after that place: where it ends, its stream, and the bytes."""
        at = self._first
        for stream, run in self._runs:
            if at + len(run) > place:
                return at + len(run), stream, bytes(run[max(place - at, 0) :])
            at += len(run)
        return None

    def _wake(self) -> None:
        self._news.set()

    def _calm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _tired(self) -> None:
        closing = asyncio.ensure_future(self.close("Nobody has come back to it."))
        self._tasks.append(closing)
