"""The writer and the readers: an answer is durable, a failure leaves no trace, a burst is one commit."""

import asyncio
import queue
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from podd.domain.account import Account
from podd.domain.errors import Conflict, Invalid, StorageFailed
from podd.domain.gpu import Gpu
from podd.domain.workload import Desired, Kind, Needs, Phase, Workload
from podd.store import accounts, gpus, meta, workloads
from podd.store.db import MAX_BATCH, Reader, Store, Tx

ANSWER = 10
"""Seconds an answer may take before a test calls it lost."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "podd.sqlite3"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with closing(Store(path)) as opened:
        yield opened


def put(tx: Tx, key: str, value: str = "x") -> str:
    meta.put(tx, key, value)
    return key


def put_and_fail(tx: Tx, key: str, error: Exception) -> None:
    put(tx, key)
    tx.ring(f"bell of {key}")
    tx.tell(f"said by {key}")
    raise error


def put_ring_and_tell(tx: Tx, key: str, *bells: str) -> None:
    put(tx, key)
    tx.tell("put", key=key)
    for bell in bells:
        tx.ring(bell)


def keys(db: Reader) -> set[str]:
    return {row["key"] for row in db.rows("SELECT key FROM meta")}


def seen_from_outside(path: Path) -> set[str]:
    """The keys that any other program would see now."""
    with closing(sqlite3.connect(path)) as connection:
        return {key for (key,) in connection.execute("SELECT key FROM meta")}


@contextmanager
def held_up(store: Store) -> Iterator[None]:
    """The writer is busy with one verb; what is submitted meanwhile becomes its next batch."""
    begun, go_on = threading.Event(), threading.Event()

    def verb(tx: Tx) -> None:
        begun.set()
        go_on.wait()

    held = store.submit(verb)
    begun.wait()
    try:
        yield
    finally:
        go_on.set()
        held.result(ANSWER)


def commits(path: Path) -> int:
    """How many transactions the write-ahead log holds: a frame that ends one names the database's size."""
    log = path.with_name(path.name + "-wal").read_bytes()
    page_size, salt = int.from_bytes(log[8:12], "big"), log[16:24]
    frames = (log[at : at + 24] for at in range(32, len(log) - 23, 24 + page_size))
    return sum(frame[4:8] != b"\0\0\0\0" for frame in frames if frame[8:16] == salt)


# Verbs


async def test_of_two_hundred_verbs_at_once_one_fails_and_the_others_are_stored(store: Store) -> None:
    wishes = [
        store.write(put_and_fail, f"{n}", Conflict("no")) if n == 77 else store.write(put, f"{n}")
        for n in range(200)
    ]
    answers: list[Any] = await asyncio.gather(*wishes, return_exceptions=True)
    assert isinstance(answers.pop(77), Conflict)
    assert answers == [f"{n}" for n in range(200) if n != 77]
    assert await store.read(keys) == set(answers)


def test_a_verb_that_raises_leaves_no_trace_among_those_it_was_stored_with(path: Path) -> None:
    rung: list[str] = []
    told: list[str] = []
    with closing(Store(path, on_commit=rung.extend, on_told=lambda what, facts: told.append(what))) as store:
        with held_up(store):
            before = store.submit(put_ring_and_tell, "before", "a")
            failing = store.submit(put_and_fail, "failing", Invalid("no"))
            after = store.submit(put_ring_and_tell, "after", "b")
        before.result(ANSWER)
        after.result(ANSWER)
        with pytest.raises(Invalid):
            failing.result(ANSWER)
        assert store.ask(keys) == {"before", "after"}
    assert (rung, told) == (["a", "b"], ["put", "put"])


def test_a_row_that_breaks_a_rule_of_the_schema_fails_its_own_verb_alone(store: Store) -> None:
    def orphan(tx: Tx) -> None:
        put(tx, "orphan")
        tx.insert("claims", {"gpu_uuid": "unknown", "workload_id": "unknown", "since": 0})

    with held_up(store):
        good, bad = store.submit(put, "good"), store.submit(orphan)
    assert good.result(ANSWER) == "good"
    with pytest.raises(sqlite3.IntegrityError):
        bad.result(ANSWER)
    assert store.ask(keys) == {"good"}


def test_text_that_cannot_be_stored_is_the_callers_mistake(store: Store) -> None:
    with pytest.raises(Invalid, match="Unicode"):
        store.submit(put, "half of a pair: \ud83d").result(ANSWER)
    assert store.ask(keys) == set()


def test_verbs_run_one_after_the_other_in_the_order_they_came(store: Store) -> None:
    def append(tx: Tx, letter: str) -> str:
        text = (meta.get(tx, "text") or "") + letter
        meta.put(tx, "text", text)
        return text

    with held_up(store):
        answers = [store.submit(append, letter) for letter in "abc"]
    assert [answer.result(ANSWER) for answer in answers] == ["a", "ab", "abc"]


async def test_a_caller_who_goes_away_takes_nothing_back(store: Store) -> None:
    with held_up(store):
        caller = asyncio.create_task(store.write(put, "left behind"))
        await asyncio.sleep(0)
        caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert await store.write(keys) == {"left behind"}


# Commits


def test_nobody_is_answered_before_the_commit(store: Store, path: Path) -> None:
    visible: dict[str, bool] = {}

    def look(key: str) -> Callable[[Future[str]], None]:
        return lambda _answer: visible.update({key: key in seen_from_outside(path)})

    with held_up(store):
        answers = [store.submit(put, f"{n}") for n in range(50)]
        for n, answer in enumerate(answers):
            answer.add_done_callback(look(f"{n}"))
    store.close()
    assert visible == {f"{n}": True for n in range(50)}


def test_all_that_waits_is_one_commit(store: Store, path: Path) -> None:
    with held_up(store):
        before = commits(path)
        answers = [store.submit(put, f"{n}") for n in range(MAX_BATCH)]
    for answer in answers:
        answer.result(ANSWER)
    assert commits(path) - before == 1  # the verb that held it up changed nothing


async def test_what_one_turn_of_the_event_loop_asks_for_is_one_commit(store: Store, path: Path) -> None:
    before = commits(path)
    await asyncio.gather(*(store.write(put, f"key {number}") for number in range(MAX_BATCH)))
    assert commits(path) == before + 1


def test_a_verb_alone_is_a_commit_of_its_own(store: Store, path: Path) -> None:
    before = commits(path)
    for n in range(5):
        store.submit(put, f"{n}").result(ANSWER)
    assert commits(path) - before == 5


def test_a_burst_larger_than_a_batch_is_stored_in_as_few_as_it_takes(store: Store, path: Path) -> None:
    with held_up(store):
        before = commits(path)
        answers = [store.submit(put, f"{n}") for n in range(2 * MAX_BATCH + 1)]
    for answer in answers:
        answer.result(ANSWER)
    assert commits(path) - before == 3


def test_every_commit_reaches_the_disk(store: Store) -> None:
    def safety(tx: Tx) -> tuple[object, ...]:
        pragmas = ("journal_mode", "synchronous", "foreign_keys")
        return tuple(tx.value(f"PRAGMA {pragma}") for pragma in pragmas)

    full = 2
    assert store.submit(safety).result(ANSWER) == ("wal", full, 1)


# Bells and what is told


def test_bells_ring_after_the_commit_and_each_once(path: Path) -> None:
    heard: list[tuple[list[str], set[str]]] = []

    def ring(bells: Iterable[str]) -> None:
        heard.append((list(bells), seen_from_outside(path)))

    with closing(Store(path, on_commit=ring)) as store:
        with held_up(store):
            store.submit(put_ring_and_tell, "1", "a", "b", "a")
            last = store.submit(put_ring_and_tell, "2", "b", "c")
        last.result(ANSWER)
    assert heard == [(["a", "b", "c"], {"1", "2"})]


def test_what_changed_is_told_after_the_commit(path: Path) -> None:
    heard: list[tuple[str, dict[str, Any], set[str]]] = []

    def hear(what: str, facts: dict[str, Any]) -> None:
        heard.append((what, facts, seen_from_outside(path)))

    with closing(Store(path, on_told=hear)) as store:
        store.submit(put_ring_and_tell, "1").result(ANSWER)
    assert heard == [("put", {"key": "1"}, {"1"})]


@pytest.mark.parametrize("listener", ["on_commit", "on_told"])
def test_a_listener_that_breaks_does_not_stop_the_writer(path: Path, listener: str) -> None:
    def break_(*_: object) -> None:
        raise RuntimeError("listener broke")

    with capture_logs(), closing(Store(path, **{listener: break_})) as store:  # type: ignore[arg-type]
        for n in range(3):
            store.submit(put_ring_and_tell, f"{n}", "a").result(ANSWER)
        assert store.ask(keys) == {"0", "1", "2"}


# Storage that fails


def settled(answers: dict[str, Future[str]]) -> set[str]:
    """The keys that were answered well; the others must have failed for want of room."""
    good = set()
    for answer in answers.values():
        error = answer.exception(ANSWER)
        if error is None:
            good.add(answer.result())
        else:
            assert isinstance(error, StorageFailed)
            assert "could not store the change" in error.message
    return good


def limit_pages(tx: Tx, more: int) -> None:
    tx.value(f"PRAGMA max_page_count = {tx.value('PRAGMA page_count') + more}")


def test_on_a_full_disk_what_was_answered_is_there_and_nothing_else(store: Store) -> None:
    store.submit(put, "early").result(ANSWER)
    store.submit(limit_pages, 20).result(ANSWER)
    with held_up(store):
        answers = {
            key: store.submit(put, key, value)
            for n in range(10)
            for key, value in ((f"small{n}", "x"), (f"large{n}", "x" * 40_000))
        }
    good = settled(answers)
    assert len(good) < len(answers)
    assert store.ask(keys) == {"early", *good}
    store.submit(limit_pages, 1_000_000).result(ANSWER)
    assert store.submit(put, "late").result(ANSWER) == "late"
    assert store.ask(keys) == {"early", *good, "late"}
    assert store.ask(lambda db: db.value("PRAGMA integrity_check")) == "ok"


@contextmanager
def files_no_longer_than(size: int) -> Iterator[None]:
    """Writes past this size fail, as on a full disk. Python has switched off the signal for it."""
    assert signal.getsignal(signal.SIGXFSZ) is signal.SIG_IGN
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_commit_that_fails_is_nobodys_success(store: Store, path: Path) -> None:
    """The verbs themselves went well; it is the commit that finds no room for its log."""
    store.submit(put, "early").result(ANSWER)
    log = path.with_name(path.name + "-wal")
    rung: list[str] = []
    store._on_commit = rung.extend
    with files_no_longer_than(log.stat().st_size + 5000):
        with held_up(store):
            answers = {f"{n}": store.submit(put, f"{n}", "x" * 3000) for n in range(20)}
            store.submit(put_ring_and_tell, "ringing", "bell")
        assert settled(answers) == set()
        assert store.ask(keys) == {"early"}
    assert rung == []
    assert store.submit(put, "late").result(ANSWER) == "late"
    assert store.ask(keys) == {"early", "late"}
    assert store.ask(lambda db: db.value("PRAGMA integrity_check")) == "ok"


def test_a_file_that_is_no_database_is_refused_when_opening(path: Path) -> None:
    path.write_bytes(b"not a database, " * 1000)
    with pytest.raises(sqlite3.DatabaseError):
        Store(path)
    assert path.read_bytes() == b"not a database, " * 1000


# Readers


async def test_a_reader_sees_what_was_answered_before_it_asked(store: Store) -> None:
    for n in range(50):
        await store.write(put, f"{n}")
        assert f"{n}" in await store.read(keys)


def test_a_question_sees_one_moment(store: Store) -> None:
    store.submit(put, "a").result(ANSWER)

    def question(db: Reader) -> tuple[set[str], set[str]]:
        before = keys(db)
        store.submit(put, "b").result(ANSWER)
        return before, keys(db)

    assert store.ask(question) == ({"a"}, {"a"})
    assert store.ask(keys) == {"a", "b"}


def test_a_reader_sees_nothing_that_is_not_committed(store: Store) -> None:
    def verb(tx: Tx) -> set[str]:
        put(tx, "mine")
        return store.ask(keys)

    assert store.submit(verb).result(ANSWER) == set()
    assert store.ask(keys) == {"mine"}


def test_a_reader_cannot_write(store: Store) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        store.ask(lambda db: db.rows("DELETE FROM meta RETURNING key"))
    assert store.submit(put, "still").result(ANSWER) == "still"


def test_a_question_that_raises_leaves_its_reader_usable(store: Store) -> None:
    def broken(db: Reader) -> None:
        db.rows("SELECT * FROM meta")
        raise KeyError("oops")

    for _ in range(2):
        with pytest.raises(KeyError):
            store.ask(broken)
    assert store.submit(put, "a").result(ANSWER) == "a"
    assert store.ask(keys) == {"a"}


def test_rows_have_names_and_a_missing_row_is_none(store: Store) -> None:
    store.submit(put, "a", "1").result(ANSWER)
    assert store.ask(Reader.rows, "SELECT * FROM meta") == [{"key": "a", "value": "1"}]
    assert store.ask(Reader.row, "SELECT * FROM meta WHERE key = ?", ("b",)) is None
    assert store.ask(Reader.value, "SELECT value FROM meta WHERE key = :key", {"key": "a"}) == "1"
    assert store.ask(Reader.value, "SELECT value FROM meta WHERE key = 'b'") is None


# Closing


def test_closing_finishes_what_is_queued(path: Path) -> None:
    store = Store(path)
    with held_up(store):
        answers = [store.submit(put, f"{n}") for n in range(300)]
        closer = threading.Thread(target=store.close)
        closer.start()
    closer.join(ANSWER)
    assert [answer.result(0) for answer in answers] == [f"{n}" for n in range(300)]
    assert seen_from_outside(path) == {f"{n}" for n in range(300)}


async def test_after_closing_everybody_is_told_so(path: Path) -> None:
    store = Store(path)
    store.close()
    store.close()
    with pytest.raises(StorageFailed, match="shutting down"):
        await store.write(put, "a")
    with pytest.raises(StorageFailed, match="shutting down"):
        await store.read(keys)
    assert seen_from_outside(path) == set()


def test_whoever_comes_while_it_closes_is_answered_too(path: Path) -> None:
    """The store closes just when a verb is to be queued: it is stored, or refused, but not forgotten."""
    store = Store(path)
    closer = threading.Thread(target=store.close)

    class Doorstep(queue.SimpleQueue[Any]):
        def put(self, item: Any, *args: Any, **kwargs: Any) -> None:
            if item is not None:
                closer.start()
                closer.join(0.2)  # it must wait for us; if it does not, it is through by now
            super().put(item)

    with held_up(store):
        store._queue = Doorstep()
    answer = store.submit(put, "late")
    closer.join(ANSWER)
    error = answer.exception(ANSWER)
    assert seen_from_outside(path) == (set() if error else {"late"})


# Death

WRITE_AND_SAY_WHAT_WAS_ANSWERED = """
import os, sys, threading
from pathlib import Path
from podd.store import meta
from podd.store.db import Store

def put(tx, key):
    meta.put(tx, key, "x" * 200)
    return key

store, room = Store(Path(sys.argv[1])), threading.Semaphore(50)

def say(answer):
    os.write(1, (answer.result() + "\\n").encode())
    room.release()

n = 0
while True:
    room.acquire()
    store.submit(put, f"{sys.argv[2]} {n}").add_done_callback(say)
    n += 1
"""


def test_sudden_death_loses_nothing_that_was_answered(path: Path) -> None:
    answered: set[str] = set()
    moments = random.Random(20231114)
    for round_ in range(4):
        command = [sys.executable, "-c", WRITE_AND_SAY_WHAT_WAS_ANSWERED, str(path), str(round_)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            for _ in range(moments.randrange(1, 1500)):
                answered.add(writer.stdout.readline().strip())
            writer.send_signal(signal.SIGKILL)
            answered |= {line.strip() for line in writer.stdout if line.endswith("\n")}
        with closing(Store(path)) as store:
            assert answered <= store.ask(keys)
            assert store.ask(lambda db: db.value("PRAGMA integrity_check")) == "ok"


# Migrations


def schema(path: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        tables = connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY name").fetchall()
        return tables + connection.execute("SELECT * FROM _sqlite_migrations").fetchall()


def test_migrations_are_applied_once(path: Path) -> None:
    with closing(Store(path)) as store:
        store.submit(put, "kept").result(ANSWER)
    first = schema(path)
    assert "jobs" in {name for _, name, *_ in first}
    for _ in range(2):
        with closing(Store(path)) as store:
            assert store.ask(keys) == {"kept"}
    assert schema(path) == first


def test_only_one_claim_on_a_gpu_is_possible(store: Store) -> None:
    """Whatever a verb believes, the schema is the last referee."""
    needs = Needs(image="i", env={}, cpus=1, memory=1, disk=1)

    def two_claims(tx: Tx) -> None:
        gpus.put_all(tx, [Gpu("g", 0, "type", 1)])
        accounts.insert(tx, Account("a", "a@example.org", "a", "", 0))
        for id in ("w1", "w2"):
            workload = Workload(
                id=id,
                kind=Kind.POD,
                account_id="a",
                desired=Desired.RUNNING,
                phase=Phase.NONE,
                generation=1,
                needs=needs,
            )
            workloads.insert(tx, workload)
            gpus.claim(tx, id, ["g"], 0)

    with pytest.raises(sqlite3.IntegrityError, match=r"UNIQUE.*gpu_uuid"):
        store.submit(two_claims).result(ANSWER)
    assert store.ask(workloads.every) == []
