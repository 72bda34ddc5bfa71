"""What every Engine promises of commands that somebody talks to."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from podd.domain.container import ContainerSpec
from podd.ports import STDERR, STDOUT, EngineError, Exec, NoSuchContainer, Window
from tests.contract.bench import Bench, a_spec
from tests.contract.programs import (
    EXIT_0,
    HEAR_INT,
    IS_TERMINAL,
    NOT_THERE,
    NOTE_HANGUP,
    POUR,
    REPEAT,
    SAY_BOTH,
    SEE_NOTE,
    SHOW_GREETING,
    SHOW_SIZE,
)
from tests.waiting import eventually

SMALL, LARGE = Window(80, 24), Window(120, 40)


@pytest.fixture
def spec(bench: Bench) -> ContainerSpec:
    """A container that runs."""
    spec = a_spec(env=(("GREETING", "from the container"),))
    bench.engine.start(spec)
    return spec


@contextmanager
def opened(
    bench: Bench,
    spec: ContainerSpec,
    argv: Sequence[str],
    *,
    window: Window | None = None,
    greeting: str = "",
) -> Iterator[Exec]:
    env = {"GREETING": greeting} if greeting else {}
    talk = bench.engine.open_exec(spec.name, argv, env=env, window=window)
    try:
        yield talk
    finally:
        talk.close()


def all_of(talk: Exec) -> dict[int, bytes]:
    said = {STDOUT: b"", STDERR: b""}
    while piece := talk.read():
        said[piece[0]] += piece[1]
    return said


def until(talk: Exec, text: bytes) -> bytes:
    said = b""
    while text not in said:
        piece = talk.read()
        assert piece is not None, said
        said += piece[1]
    return said


def test_what_is_written_reaches_the_command_until_its_input_ends(bench: Bench, spec: ContainerSpec) -> None:
    with opened(bench, spec, REPEAT) as talk:
        talk.write(b"one\n")
        assert until(talk, b"\n") == b"one\n"
        talk.write(b"two")
        talk.end_input()
        assert all_of(talk) == {STDOUT: b"two", STDERR: b""}
        assert talk.wait() == 0


def test_both_streams_and_the_exit_code_come_back(bench: Bench, spec: ContainerSpec) -> None:
    with opened(bench, spec, SAY_BOTH) as talk:
        assert all_of(talk) == {STDOUT: b"out\n", STDERR: b"err\n"}
        assert talk.wait() == 6


def test_nothing_is_lost_of_much_output(bench: Bench, spec: ContainerSpec) -> None:
    with opened(bench, spec, POUR) as talk:
        assert len(all_of(talk)[STDOUT]) == 3_000_000
        assert talk.wait() == 0


def test_variables_come_on_top_of_the_containers(bench: Bench, spec: ContainerSpec) -> None:
    for given, shown in (("", b"from the container"), ("mine", b"mine")):
        with opened(bench, spec, SHOW_GREETING, greeting=given) as talk:
            assert all_of(talk)[STDOUT] == shown


def test_a_terminal_is_one_and_controls_its_command(bench: Bench, spec: ContainerSpec) -> None:
    with opened(bench, spec, IS_TERMINAL, window=SMALL) as talk:
        assert all_of(talk)[STDOUT] == b"yes\r\n"
        assert talk.wait() == 0


def test_a_terminal_has_its_size_from_the_start_and_changes_it(bench: Bench, spec: ContainerSpec) -> None:
    with opened(bench, spec, SHOW_SIZE, window=SMALL) as talk:
        assert until(talk, b"\n") == b"24 80\r\n"
        talk.resize(LARGE)
        assert until(talk, b"\n") == b"40 120\r\n"


def test_a_signal_reaches_the_command(bench: Bench, spec: ContainerSpec) -> None:
    with opened(bench, spec, HEAR_INT) as talk:
        until(talk, b"ready")
        talk.signal("INT")
        assert b"heard" in all_of(talk)[STDOUT]
        assert talk.wait() == 4
        talk.signal("INT")


@pytest.mark.parametrize("window", [None, SMALL], ids=["pipes", "terminal"])
def test_hanging_up_tells_the_command_and_lets_its_reader_go(
    bench: Bench, spec: ContainerSpec, window: Window | None
) -> None:
    talk = bench.engine.open_exec(spec.name, NOTE_HANGUP, env={}, window=window)
    until(talk, b"ready")
    reader = threading.Thread(target=lambda: all_of(talk), daemon=True)
    reader.start()
    talk.close()
    talk.close()
    eventually(lambda: not reader.is_alive())
    eventually(lambda: bench.engine.exec(spec.name, SEE_NOTE).exit_code == 0)
    with pytest.raises(EngineError):
        talk.wait()


def test_it_ends_with_its_container(bench: Bench, spec: ContainerSpec) -> None:
    with opened(bench, spec, REPEAT) as talk:
        bench.engine.remove(spec.name)
        assert all_of(talk) == {STDOUT: b"", STDERR: b""}
        talk.write(b"nobody is there")
        talk.end_input()


def test_a_missing_command_says_so_and_fails(bench: Bench, spec: ContainerSpec) -> None:
    for window in (None, SMALL):
        with opened(bench, spec, NOT_THERE, window=window) as talk:
            said = all_of(talk)
            assert b"no-such-command" in said[STDOUT] + said[STDERR]
            assert talk.wait() in (126, 127)


def test_it_needs_a_running_container_of_ones_own(bench: Bench, spec: ContainerSpec) -> None:
    ended = a_spec(EXIT_0)
    bench.finish(ended)
    with pytest.raises(EngineError):
        bench.engine.open_exec(ended.name, REPEAT, env={}, window=None)
    for engine, name in ((bench.engine, "podd-missing-1"), (bench.another("stranger"), spec.name)):
        with pytest.raises(NoSuchContainer):
            engine.open_exec(name, REPEAT, env={}, window=None)
