"""The database: one writer thread with group commit, and readers with connections of their own.

A verb is a plain function `verb(tx, ...) -> result`. The writer runs every verb that is waiting inside
one `BEGIN IMMEDIATE ... COMMIT`, each in a savepoint of its own, and hands out results only after the
commit. So an answered request is durable, a verb that raises leaves no trace, there is no lock to
contend for, and a burst of submissions costs one fsync. A verb must not do anything slow.
"""

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import structlog
from sqlite_utils import Database

from podd.domain.account import Caller, hearing
from podd.domain.errors import Invalid, StorageFailed
from podd.store.schema import migrations

log = structlog.get_logger()
P = ParamSpec("P")
T = TypeVar("T")
Params = Sequence[Any] | dict[str, Any]
Row = dict[str, Any]
Table = tuple[tuple[str, ...], list[tuple[Any, ...]]]

MAX_BATCH = 256
LEAVING = "podd is shutting down; send the request again shortly."


class Reader:
    """Questions to the database."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self, sql: str, params: Params = ()) -> list[Row]:
        names, found = self.table(sql, params)
        return [dict(zip(names, values, strict=True)) for values in found]

    def table(self, sql: str, params: Params = ()) -> Table:
        """The names of the columns, and the rows as tuples."""
        cursor = self._connection.execute(sql, params)
        return tuple([column[0] for column in cursor.description]), cursor.fetchall()

    def row(self, sql: str, params: Params = ()) -> Row | None:
        found = self.rows(sql, params)
        return found[0] if found else None

    def value(self, sql: str, params: Params = ()) -> Any:
        """The first column of the first row, or None."""
        values = self._connection.execute(sql, params).fetchone()
        return values[0] if values else None


class Tx(Reader):
    """A verb's hold on the database: it may also change rows, and name bells to ring after the commit.

    `changed` are the rows, by table and id, that were inserted, changed or deleted by id, or named with
    `note_change`, in this order; `allowed` is who was allowed which operation.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(connection)
        self.rings: list[str] = []
        self.told: list[tuple[str, Row]] = []
        self.changed: dict[tuple[str, str], None] = {}
        self.allowed: dict[tuple[Caller, str], None] = {}

    def run(self, sql: str, params: Params = ()) -> int:
        """Execute one change; the number of rows it touched."""
        return self._connection.execute(sql, params).rowcount

    def insert(self, table: str, row: Row) -> None:
        columns = ", ".join(row)
        marks = ", ".join(f":{column}" for column in row)
        self._connection.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", row)
        if "id" in row:
            self.note_change(table, row["id"])

    def update(self, table: str, key: str, values: Row) -> int:
        """Set columns of the row whose `id` is `key`; the number of rows touched (0 or 1)."""
        assignments = ", ".join(f"{column} = :{column}" for column in values)
        self.note_change(table, key)
        return self.run(f"UPDATE {table} SET {assignments} WHERE id = :id", {**values, "id": key})

    def delete(self, table: str, key: str) -> int:
        """Delete the row whose `id` is `key`; the number of rows deleted (0 or 1)."""
        self.note_change(table, key)
        return self.run(f"DELETE FROM {table} WHERE id = ?", (key,))

    def note_change(self, table: str, key: str) -> None:
        self.changed[table, key] = None

    def note_allowed(self, caller: Caller, operation: str) -> None:
        self.allowed[caller, operation] = None

    def ring(self, bell: str) -> None:
        self.rings.append(bell)

    def tell(self, what: str, **facts: Any) -> None:
        """Say what changed, for the log. Nobody hears of it before it is stored."""
        self.told.append((what, facts))


@dataclass
class _Waiting:
    """`loop` is the event loop that `future` belongs to; None for one that any thread may wait for."""

    verb: Callable[[Tx], Any]
    future: Future[Any] | asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop | None = None
    result: Any = None
    error: BaseException | None = None
    rings: list[str] = field(default_factory=list)
    told: list[tuple[str, Row]] = field(default_factory=list)


class Store:
    """The open database file. After each commit, from the writer thread, `on_commit` hears which bells to
    ring and `on_told` what changed. `changes` grows with every commit that changed a row: who reads it first
    and the rows then knows later whether these may be others by now.

    `last_step`, if it is set, is run at the end of every verb, as a part of it: for what must always follow
    from a change, whoever makes it.
    """

    last_step: Callable[[Tx], None] | None = None
    on_batch: Callable[[int, float, bool], None] = staticmethod(lambda _size, _seconds, _stored: None)
    """Told of each commit, from the writer thread: how many changes, how long, whether it was stored."""

    def __init__(
        self,
        path: Path,
        *,
        on_commit: Callable[[Iterable[str]], None] | None = None,
        on_told: Callable[[str, Row], None] | None = None,
        readers: int = 2,
    ) -> None:
        self.path = path
        self._on_commit = on_commit
        self._on_told = on_told
        self._queue: queue.SimpleQueue[list[_Waiting] | None] = queue.SimpleQueue()
        self._closed = False
        self.changes = 0
        self._door = threading.Lock()
        self._local = threading.local()
        self._reader_connections: list[sqlite3.Connection] = []
        self._opened: Future[None] = Future()
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="podd-reader")
        self._writer = threading.Thread(target=self._write_loop, name="podd-writer", daemon=True)
        self._writer.start()
        self._opened.result()

    async def write(self, verb: Callable[Concatenate[Tx, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run the verb in the writer; its result once it is on disk. Raises what the verb raised, or
        StorageFailed when it could not be stored."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._gather(_Waiting(lambda tx: verb(tx, *args, **kwargs), future, loop), loop)
        return await future

    def submit(
        self, verb: Callable[Concatenate[Tx, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        """`write` for callers outside the event loop."""
        future: Future[T] = Future()
        # A caller that goes away must not take back a change that others may already build on.
        future.set_running_or_notify_cancel()
        self._put([_Waiting(lambda tx: verb(tx, *args, **kwargs), future)])
        return future

    async def read(
        self, question: Callable[Concatenate[Reader, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run the question on a reader's own connection: it sees everything committed before."""
        loop = asyncio.get_running_loop()
        try:
            answer = loop.run_in_executor(self._readers, lambda: self.ask(question, *args, **kwargs))
        except RuntimeError:  # the readers are gone
            raise StorageFailed(LEAVING) from None
        return await answer

    def ask(self, question: Callable[Concatenate[Reader, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """`read` in the calling thread. The question sees one consistent snapshot."""
        connection = self._reader_connection()
        connection.execute("BEGIN")
        try:
            return question(Reader(connection), *args, **kwargs)
        finally:
            connection.execute("COMMIT")

    def close(self) -> None:
        """Finish what is queued, then close. Safe to call twice."""
        with self._door:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        self._writer.join()
        self._readers.shutdown(wait=True)
        for connection in self._reader_connections:
            connection.close()

    # Private

    def _gather(self, waiting: _Waiting, loop: asyncio.AbstractEventLoop) -> None:
        """What one turn of an event loop asks for goes to the writer together, so that the two do not take
        turns at the interpreter for each of many."""
        gathered: list[_Waiting] = self._local.__dict__.setdefault("gathered", [])
        gathered.append(waiting)
        if len(gathered) == 1:
            loop.call_soon(self._put_gathered)

    def _put_gathered(self) -> None:
        self._put(self._local.__dict__.pop("gathered"))

    def _put(self, waiting: list[_Waiting]) -> None:
        """Into the queue, unless the store is closed."""
        with self._door:
            closed = self._closed
            if not closed:
                self._queue.put(waiting)
        if closed:
            _answer(waiting, StorageFailed(LEAVING))

    def _reader_connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = _connect(self.path)
            connection.execute("PRAGMA query_only = ON")
            connection.execute("PRAGMA busy_timeout = 5000")
            self._local.connection = connection
            self._reader_connections.append(connection)
        return connection

    def _write_loop(self) -> None:
        try:
            connection = _open_for_writing(self.path)
        except BaseException as error:
            self._opened.set_exception(error)
            return
        self._opened.set_result(None)
        running = True
        while running:
            batch, running = self._next_batch()
            if batch:
                begun = time.perf_counter()
                failure = _commit_together(connection, batch, self.last_step)
                self.on_batch(len(batch), time.perf_counter() - begun, failure is None)
                self.changes = connection.total_changes
                self._settle(batch, failure)
        connection.close()

    def _next_batch(self) -> tuple[list[_Waiting], bool]:
        """Everything that waits now, at least one, though no more after MAX_BATCH; False once the store is to
        close."""
        batch: list[_Waiting] = []
        try:
            while len(batch) < MAX_BATCH:
                waiting = self._queue.get(block=not batch)
                if waiting is None:
                    return batch, False
                batch += waiting
        except queue.Empty:
            pass
        return batch, True

    def _settle(self, batch: list[_Waiting], failure: StorageFailed | None) -> None:
        # Bells first: who is answered finds nothing kept any more that the answer has made untrue.
        stored = [waiting for waiting in batch if failure is None and waiting.error is None]
        try:
            self._spread([bell for waiting in stored for bell in waiting.rings], stored)
        except Exception:
            # It is stored and will be answered. Whoever was to hear of it looks again by itself.
            log.exception("listener broke")
        by_loop: dict[asyncio.AbstractEventLoop | None, list[_Waiting]] = {}
        for waiting in batch:
            by_loop.setdefault(waiting.loop, []).append(waiting)
        for loop, those in by_loop.items():
            if loop is None:
                _answer(those, failure)
                continue
            with suppress(RuntimeError):  # the loop is gone, and all who waited on it
                loop.call_soon_threadsafe(_answer, those, failure)  # once: each call wakes the loop

    def _spread(self, rings: list[str], stored: list[_Waiting]) -> None:
        if rings and self._on_commit is not None:
            self._on_commit(dict.fromkeys(rings))
        if self._on_told is not None:
            for waiting in stored:
                for what, facts in waiting.told:
                    self._on_told(what, facts)


def nothing(_tx: Tx) -> None:
    """A verb for who only wants to know whether the writer answers."""


def _connect(path: Path) -> sqlite3.Connection:
    """Keeps all of podd's statements compiled, and begins no transaction by itself."""
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=1024)


def _open_for_writing(path: Path) -> sqlite3.Connection:
    connection = _connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA busy_timeout = 5000")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA recursive_triggers = ON")  # REPLACE deletes, and triggers are to see it
    migrations.apply(Database(connection))
    return connection


def _answer(batch: list[_Waiting], failure: StorageFailed | None) -> None:
    for waiting in batch:
        error = failure or waiting.error
        if waiting.future.cancelled():  # whoever asked has gone
            continue
        if error is None:
            waiting.future.set_result(waiting.result)
        else:
            waiting.future.set_exception(error)


def _commit_together(
    connection: sqlite3.Connection, batch: list[_Waiting], last_step: Callable[[Tx], None] | None
) -> StorageFailed | None:
    """Run the batch in one transaction. A failure returned here means that nothing of it was stored."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        for waiting in batch:
            _run_in_savepoint(connection, waiting, last_step)
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        return StorageFailed(f"The database could not store the change: {error}.")
    return None


def _run_in_savepoint(
    connection: sqlite3.Connection, waiting: _Waiting, last_step: Callable[[Tx], None] | None
) -> None:
    tx = Tx(connection)
    connection.execute("SAVEPOINT verb")
    try:
        with hearing(tx.note_allowed):
            waiting.result = waiting.verb(tx)
        if last_step is not None and (tx.changed or tx.allowed):
            last_step(tx)
        waiting.rings, waiting.told = tx.rings, tx.told
    except Exception as error:
        if not connection.in_transaction:
            # SQLite itself rolled everything back (disk full, I/O error): the whole batch is lost.
            raise sqlite3.OperationalError(str(error)) from error
        connection.execute("ROLLBACK TO verb")
        waiting.error = _as_told_to_callers(error)
    connection.execute("RELEASE verb")


def _as_told_to_callers(error: Exception) -> Exception:
    match error:
        case sqlite3.OperationalError():
            return StorageFailed(f"The database could not store the change: {error}.")
        case UnicodeEncodeError():
            return Invalid("A text has half of a surrogate pair in it, which is no Unicode character.")
    return error
