"""What the containers of the contract run: commands for engines that run them, behaviours for the fake."""

import os
from collections import Counter
from pathlib import Path

from podd.domain.container import with_search_paths
from podd.ports import ExecResult
from tests.fakes import Behaviour, Running

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


def behaviours() -> dict[tuple[str, ...], Behaviour]:
    """What each command comes to, for the fake."""
    return {
        RUN_ON: Behaviour(commands={SAY_NO: lambda _: ExecResult(5, "no\n")}),
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
