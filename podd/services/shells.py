"""What goes on inside containers for people who came in: shells, commands, file transfers.

Engines block, so each of these has threads of its own while it reads and writes; nobody else waits for them.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from podd.config import Gateway
from podd.domain.errors import Conflict, TooMany
from podd.domain.workload import Workload
from podd.ports import Engine, EngineError, Exec, Window
from podd.services import entry
from podd.services.entry import Admission, Session
from podd.services.platform import Platform

P = ParamSpec("P")
T = TypeVar("T")

LOST = 255
"""The exit code of a command whose own cannot be known, as ssh has it."""
_THREADS_EACH = 4


class Shell:
    """One command inside a container, for the event loop. Close it."""

    def __init__(self, threads: ThreadPoolExecutor, inside: Exec, left: Callable[[], None]) -> None:
        self._threads = threads
        self._inside = inside
        self._left = left
        self._closed = False

    async def read(self) -> tuple[int, bytes] | None:
        """As Exec.read."""
        return await self._do(self._inside.read)

    async def write(self, data: bytes) -> None:
        """Returns once the command has taken it."""
        await self._do(self._inside.write, data)

    async def end_input(self) -> None:
        await self._do(self._inside.end_input)

    async def resize(self, window: Window) -> None:
        await self._do(self._inside.resize, window)

    async def signal(self, name: str) -> None:
        await self._do(self._inside.signal, name)

    async def wait(self) -> int:
        """The exit code, once all was read; LOST when nobody knows."""
        try:
            return await self._do(self._inside.wait)
        except EngineError:
            return LOST

    async def close(self) -> None:
        """Hang up."""
        if not self._closed:
            self._closed = True
            self._left()
            await self._do(self._inside.close)

    async def _do(self, act: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: act(*args, **kwargs))


class Shells:
    """All shells there are, within their limits."""

    def __init__(self, podd: Platform, engine: Engine) -> None:
        self._podd = podd
        self._engine = engine
        self._limits: Gateway = podd.settings.gateway
        self._of: Counter[str] = Counter()
        self._open: set[Shell] = set()
        self._threads = ThreadPoolExecutor(
            self._limits.sessions * _THREADS_EACH, thread_name_prefix="podd-shell"
        )

    async def open(
        self,
        admitted: Admission,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        window: Window | None,
        session: Session | None = None,
    ) -> Shell:
        """Run this inside. `session` is told of; without one it is a part of something that is told already.
        Raises NotFound when there is nothing to go into, TooMany, and Conflict when the engine refuses."""
        workload = await self._podd.store.read(entry.place, admitted)
        self._take_place(admitted.account_id)
        try:
            if session is not None:
                await self._podd.store.write(entry.note_session, self._podd, admitted, session)
            inside = await self._run(workload, argv, env, window)
        except BaseException:
            self._leave_place(admitted.account_id)
            raise
        shell = Shell(self._threads, inside, lambda: self._closed(shell, admitted.account_id))
        self._open.add(shell)
        return shell

    def count(self, account_id: str) -> int:
        """How many an account has."""
        return self._of[account_id]

    async def close(self) -> None:
        """Hang up on all."""
        await asyncio.gather(*(shell.close() for shell in list(self._open)), return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)

    # Private

    async def _run(
        self, workload: Workload, argv: Sequence[str], env: Mapping[str, str], window: Window | None
    ) -> Exec:
        name = workload.container_name
        opening = asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: self._engine.open_exec(name, argv, env=env, window=window)
        )
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(self._drop)
            raise
        except EngineError as error:
            raise Conflict(str(error)) from error

    def _drop(self, opened: "asyncio.Future[Exec]") -> None:
        """Nobody waits for it any more."""
        if not opened.cancelled() and opened.exception() is None:
            self._threads.submit(opened.result().close)

    def _take_place(self, account_id: str) -> None:
        most = self._limits.sessions_per_account
        if self._of[account_id] >= most:
            raise TooMany(f"There are {most} sessions of this account, which is the most.")
        if self._of.total() >= self._limits.sessions:
            raise TooMany("There are as many sessions as this machine allows; try again in a minute.")
        self._of[account_id] += 1

    def _closed(self, shell: Shell, account_id: str) -> None:
        self._open.discard(shell)
        self._leave_place(account_id)

    def _leave_place(self, account_id: str) -> None:
        self._of[account_id] -= 1
        if not self._of[account_id]:
            del self._of[account_id]
