"""install.sh, run in a fresh copy of this project as somebody who just fetched it would."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import docker
import psutil
import pytest

pytestmark = pytest.mark.install

PROJECT = Path(__file__).resolve().parents[2]
INSTANCE_LABEL = "podd.instance"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What git knows of this project, uncommitted changes included, and nothing else."""
    listing = ["git", "-C", str(PROJECT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, capture_output=True, text=True, check=True).stdout.split("\0")
    copy = tmp_path / "podd"
    for name in names:
        if (PROJECT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, copy / name)
    return copy


def install(checkout: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [checkout / "install.sh", *arguments],
        cwd=checkout.parent,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=280,
    )


def processes_of(checkout: Path) -> list[str]:
    return [
        " ".join(process.info["cmdline"])
        for process in psutil.process_iter(["cmdline"])
        if any(str(checkout) in word for word in process.info["cmdline"] or [])
    ]


@pytest.fixture
def engine() -> Iterator[docker.DockerClient]:
    client = docker.from_env()
    yield client
    client.close()


@pytest.mark.timeout(300)
def test_the_demo_runs_from_nothing_and_leaves_nothing(checkout: Path, engine: docker.DockerClient) -> None:
    done = install(checkout, "demo")

    assert done.returncode == 0, done.stdout
    assert processes_of(checkout) == []
    assert engine.containers.list(all=True, filters={"label": INSTANCE_LABEL}) == []
    assert engine.networks.list(filters={"label": INSTANCE_LABEL}) == []


@pytest.mark.timeout(300)
def test_the_demo_runs_without_an_engine(checkout: Path, tmp_path: Path) -> None:
    nowhere = f"unix://{tmp_path}/no-engine.sock"

    done = install(checkout, "demo", DOCKER_HOST=nowhere)

    assert done.returncode == 0, done.stdout
    assert f"no Docker Engine (none answers at {nowhere})" in done.stdout
    assert processes_of(checkout) == []


@pytest.mark.parametrize("arguments", [[], ["everything"]])
def test_what_it_cannot_do_it_says(arguments: list[str]) -> None:
    done = install(PROJECT, *arguments)

    assert done.returncode == 2
    assert "Usage: ./install.sh demo" in done.stdout


def test_help_goes_well() -> None:
    done = install(PROJECT, "--help")

    assert done.returncode == 0
    assert done.stdout.startswith("Usage: ./install.sh demo")
