"""What the containers of the contract run: commands for engines that run them, behaviours for the fake."""

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from podd.domain.container import with_search_paths
from podd.ports import STDERR, ExecResult
from tests.fakes import Behaviour, FakeExec, Running

IMAGE = os.environ.get("PODD_TEST_IMAGE", "podd-test/busybox:latest")


def sh(script: str) -> tuple[str, ...]:
    return ("sh", "-c", script)


# Paths are relative: the working directory is / in a real container, elsewhere one that stands for it.
RUN_ON = sh("while :; do sleep 0.1; done")
EXIT_0 = sh("exit 0")
EXIT_7 = sh("echo bye; exit 7")
EXIT_9_ON_TERM = sh("trap 'exit 9' TERM; echo ready; while :; do sleep 0.02; done")
IGNORE_TERM = sh("trap '' TERM; echo ready; while :; do sleep 0.02; done")
COUNT_TO_FIVE = sh("for i in 1 2 3 4 5; do echo line $i; done; while :; do sleep 0.1; done")
BOTH_STREAMS = sh("echo out; echo err >&2")
NO_LINE_END = sh("printf 'the end'")
WAIT_FOR_GO = sh("echo one; while [ ! -e go ]; do sleep 0.02; done; echo two; echo three; exit 3")
GREET = sh('echo "$GREETING"')
TAKE_NOTES = sh('cat workspace/notes 2>/dev/null; echo "by $AUTHOR" >>workspace/notes')
COUNT_STARTS = sh("echo start >>starts; wc -l <starts")
TICK = sh("n=0; while :; do n=$((n+1)); echo $n; sleep 0.01; done")
WRITE_3_MB = sh("head -c 3000000 /dev/zero >big; while :; do sleep 0.1; done")
LISTEN = sh("which python3 && exec python3 -m http.server $PORT; exec nc -l -p $PORT")
NOT_THERE = ("no-such-command", "--at-all")

GO = ("touch", "go")
SAY_NO = sh("echo no; exit 5")

# What is talked to.
REPEAT = ("cat",)
SAY_BOTH = sh("echo out; echo err >&2; exit 6")
SHOW_GREETING = sh('printf %s "$GREETING"')
SHOW_SIZE = sh("trap 'stty size' WINCH; stty size; while :; do sleep 0.02; done")
HEAR_INT = sh("trap 'echo heard; exit 4' INT; echo ready; while :; do sleep 0.02; done")
# It starts nothing more once it is ready: a shell that is in vfork just then loses the signal.
NOTE_HANGUP = sh("trap 'touch hung-up; exit 0' HUP; sleep 1000 & echo ready; wait")
SEE_NOTE = ("test", "-e", "hung-up")
POUR = sh("head -c 3000000 /dev/zero")
IS_TERMINAL = sh("test -t 0 && test -t 1 && echo yes >/dev/tty")


def behaviours() -> dict[tuple[str, ...], Behaviour]:
    """What each command comes to, for the fake."""
    return {
        RUN_ON: Behaviour(
            commands={SAY_NO: lambda _: ExecResult(5, "no\n"), SEE_NOTE: _see_note}, talks=TALKS
        ),
        EXIT_0: Behaviour(exit_code=0),
        EXIT_7: Behaviour(program=lambda c: c.say("bye"), exit_code=7),
        EXIT_9_ON_TERM: Behaviour(program=lambda c: c.say("ready"), on_term=9),
        IGNORE_TERM: Behaviour(program=lambda c: c.say("ready"), on_term=None),
        COUNT_TO_FIVE: Behaviour(program=_count_to_five),
        LISTEN: Behaviour(),
        TICK: Behaviour(program=lambda c: c.say("1")),
        BOTH_STREAMS: Behaviour(program=_both_streams, exit_code=0),
        NO_LINE_END: Behaviour(program=lambda c: c.say("the end"), exit_code=0),
        WAIT_FOR_GO: Behaviour(program=lambda c: c.say("one"), commands={GO: _go}),
        GREET: Behaviour(program=_greet, exit_code=0),
        TAKE_NOTES: Behaviour(program=_take_notes, exit_code=0),
        WRITE_3_MB: Behaviour(program=_write_3_mb),
        COUNT_STARTS: Behaviour(program=_StartCounter(), exit_code=0),
    }


def _repeat(talk: FakeExec) -> int:
    while isinstance(heard := talk.listen(), bytes):
        talk.say(heard)
    return 0


def _say_both(talk: FakeExec) -> int:
    talk.say(b"out\n")
    talk.say(b"err\n", STDERR)
    return 6


def _show_greeting(talk: FakeExec) -> int:
    talk.say(talk.env["GREETING"].encode())
    return 0


def _show_size(talk: FakeExec) -> int:
    while True:
        assert talk.window is not None
        talk.say(f"{talk.window.rows} {talk.window.columns}\r\n".encode())
        if talk.listen() != "WINCH":
            return 0


def _hear_int(talk: FakeExec) -> int:
    talk.say(b"ready\n")
    while talk.listen() != "INT":
        pass
    talk.say(b"heard\n")
    return 4


_hung_up: list[FakeExec] = []


def _note_hangup(talk: FakeExec) -> int:
    _hung_up.clear()
    talk.say(b"ready\n")
    while talk.listen() != "HUP":
        pass
    _hung_up.append(talk)
    return 0


def _see_note(_: Running) -> ExecResult:
    return ExecResult(0 if _hung_up else 1, "")


def _pour(talk: FakeExec) -> int:
    talk.say(bytes(3_000_000))
    return 0


def _is_terminal(talk: FakeExec) -> int:
    talk.say(b"yes\r\n")
    return 0


TALKS: dict[tuple[str, ...], Callable[[FakeExec], int]] = {
    REPEAT: _repeat,
    SAY_BOTH: _say_both,
    SHOW_GREETING: _show_greeting,
    SHOW_SIZE: _show_size,
    HEAR_INT: _hear_int,
    NOTE_HANGUP: _note_hangup,
    POUR: _pour,
    IS_TERMINAL: _is_terminal,
}


def _greet(container: Running) -> None:
    spec = container.spec
    container.say(with_search_paths(dict(spec.env), spec.search_paths)["GREETING"])


def _count_to_five(container: Running) -> None:
    for number in range(1, 6):
        container.say(f"line {number}")


def _write_3_mb(container: Running) -> None:
    container.engine.written[container.spec.name] = 3_000_000


def _both_streams(container: Running) -> None:
    container.say("out")
    container.say("err", "stderr")


def _go(container: Running) -> ExecResult:
    container.say("two")
    container.say("three")
    container.exit(3)
    return ExecResult(0, "")


def _take_notes(container: Running) -> None:
    notes = Path(container.spec.mounts[0].source, "notes")
    if notes.exists():
        for line in notes.read_text().splitlines():
            container.say(line)
    with notes.open("a") as file:
        file.write(f"by {dict(container.spec.env)['AUTHOR']}\n")


class _StartCounter:
    def __init__(self) -> None:
        self._starts: Counter[str] = Counter()

    def __call__(self, container: Running) -> None:
        self._starts[container.spec.name] += 1
        container.say(str(self._starts[container.spec.name]))
