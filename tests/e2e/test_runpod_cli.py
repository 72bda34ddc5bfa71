"""The command line that comes with RunPod's package, unmodified, on a real daemon."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import NewDaemon
from tests.e2e.daemon import Daemon


class Cli:
    """`runpod WORDS`, with a home directory of its own."""

    def __init__(self, daemon: Daemon, home: Path) -> None:
        home.mkdir()
        self._environment = daemon.environment(HOME=str(home), RUNPOD_API_BASE_URL=daemon.url, COLUMNS="200")

    def __call__(self, *words: str, answers: str = "") -> str:
        done = subprocess.run(
            [sys.executable, "-c", "from runpod.cli.entry import runpod_cli; runpod_cli()", *words],
            env=self._environment,
            input=answers,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture
def daemon(new_daemon: NewDaemon) -> Daemon:
    return new_daemon(
        settings={"gpus": {"simulated": [{"type": "NVIDIA GeForce RTX 3090", "count": 1}]}}
    ).start()


@pytest.fixture
def runpod(daemon: Daemon, tmp_path: Path) -> Cli:
    cli = Cli(daemon, tmp_path / "home")
    cli("config", daemon.key, "--profile", "default")
    return cli


def test_its_default_pod_is_created_and_listed(daemon: Daemon, runpod: Cli) -> None:
    made = runpod("pod", "create", "my pod", answers="y\n")
    pod_id = made.split("Pod ")[1].split(" ")[0]
    row = next(line for line in runpod("pod", "list").splitlines() if pod_id in line)
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert (cells[:2], cells[3]) == ([pod_id, "my pod"], "runpod/base:0.0.0")
    found = daemon.pod(pod_id)
    assert found is not None
    assert found["gpuCount"] == 1


def test_an_ssh_key_is_made_added_and_listed(daemon: Daemon, runpod: Cli) -> None:
    runpod("ssh", "add-key", answers="y\nmine\n")
    assert "ssh-rsa" in runpod("ssh", "list-keys")
    assert "ssh-rsa" in daemon.graphql("{ myself { pubKey } }")["myself"]["pubKey"]
