"""`podd demo` where it does not go well. Where it does is tests/install."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.waiting import eventually

pytestmark = pytest.mark.e2e


class Demo:
    """One run, with its temporary files in `directory` and its output in `output`."""

    def __init__(self, directory: Path, *arguments: str, **environment: str) -> None:
        self.directory = directory
        self.output = directory.with_name("output")
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "podd", "demo", *arguments],
                env={**os.environ, "TMPDIR": str(directory), **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    @property
    def said(self) -> str:
        return self.output.read_text()

    def wait_to_say(self, text: str) -> None:
        deadline = time.monotonic() + 60
        while text not in self.said:
            assert self.process.poll() is None, self.said
            assert time.monotonic() < deadline, self.said
            time.sleep(0.02)

    def left(self) -> list[str]:
        """What is still there of it: files, and processes of whatever kind."""
        processes = [p.info for p in psutil.process_iter(["cmdline", "environ"])]
        return [str(path) for path in self.directory.iterdir()] + [
            " ".join(info["cmdline"] or [])
            for info in processes
            if str(self.directory) in str(info["environ"] or "")
        ]


StartDemo = Callable[..., Demo]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[StartDemo]:
    started: list[Demo] = []

    def start(*arguments: str, **environment: str) -> Demo:
        directory = tmp_path / "t"
        directory.mkdir()
        started.append(Demo(directory, *arguments, **environment))
        return started[-1]

    yield start
    for demo in started:
        if demo.process.poll() is None:
            demo.process.terminate()
        demo.process.wait(60)


@pytest.mark.parametrize("last", ["Start podd", "Create a pod", "List the pods"])
def test_it_leaves_nothing_even_when_it_is_killed(start: StartDemo, last: str) -> None:
    demo = start("--engine", "process")
    demo.wait_to_say(last)
    demo.process.kill()
    demo.process.wait()
    eventually(lambda: not demo.left())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    "last", ["a pod and a serverless job", "Start podd", "Create a pod", "Create a serverless endpoint"]
)
def test_it_can_be_ended_at_any_time_and_leaves_nothing(
    start: StartDemo, last: str, number: signal.Signals
) -> None:
    demo = start("--engine", "process")
    demo.wait_to_say(last)

    os.killpg(demo.process.pid, number)  # as a terminal does it for Ctrl-C

    assert demo.process.wait(60) == 128 + number
    assert f"podd demo: ended by {number.name}" in demo.said
    assert "Traceback" not in demo.said
    assert demo.left() == []


def test_without_the_engine_it_was_told_to_use_it_fails_and_says_what_to_do(start: StartDemo) -> None:
    demo = start("--engine", "docker", DOCKER_HOST="unix:///nowhere")

    assert demo.process.wait(60) == 1
    assert "podd demo: The daemon has ended: Docker does not answer" in demo.said
    assert "systemctl start docker" in demo.said
    assert demo.left() == []


def test_when_its_daemon_dies_it_fails_and_leaves_nothing(start: StartDemo) -> None:
    demo = start("--engine", "process")
    demo.wait_to_say("Create a serverless endpoint")
    for child in psutil.Process(demo.process.pid).children(recursive=True):
        if "serve" in child.cmdline():
            child.kill()

    assert demo.process.wait(60) == 1
    assert demo.left() == []


def test_what_it_cannot_use_it_refuses_before_it_begins(start: StartDemo, tmp_path: Path) -> None:
    demo = start("--engine", "submarine")

    assert demo.process.wait(60) == 2
    assert demo.said == "podd demo: --engine must be auto, docker or process, not submarine.\n"
