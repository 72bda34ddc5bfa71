"""Where the benchmark works: a daemon of its own, endpoints with raw workers, child processes."""

import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

from podd.ids import DerivedKeys
from tests.bench.wire import Requests
from tests.e2e.daemon import Daemon
from tests.waiting import eventually

HOLD = 90
"""Seconds a poll is held, as podd ships it."""


@contextmanager
def scratch() -> Iterator[Path]:
    """A directory on a disk: /tmp may be memory. PODD_BENCH_DIR says where."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("PODD_BENCH_DIR", "."), prefix=".bench-") as name:
        yield Path(name).absolute()


@contextmanager
def daemon(*, limits: Mapping[str, Any] = {}, **how: Any) -> Iterator[Daemon]:
    """podd with plain processes instead of containers and no limits on rates; else as it is shipped."""
    shipped = {"take_hold_seconds": HOLD, "ping_interval_seconds": 10, **limits}
    with scratch() as directory, closing(Daemon(directory, limits=shipped, **how)) as podd:
        podd.start()
        yield podd


@contextmanager
def endpoint(podd: Daemon, slots: int) -> Iterator[str]:
    """An endpoint with one raw worker of so many slots, which is there; with 0, without a worker."""
    template = podd.create_template(f"python3 -u -m tests.bench.worker {slots}")
    most = 1 if slots else 0
    made = podd.save_endpoint(
        templateId=template, workersMin=most, workersMax=most, idleTimeout=3600, gpuIds="AMPERE_48"
    )
    try:
        if slots:
            podd.finished(made, podd.run(made, {"are you": "there"}))
        yield made
    finally:
        podd.delete_endpoint(made)


def requests_to(podd: Daemon) -> Requests:
    return Requests(podd.url, podd.key)


@contextmanager
def child(words: list[str], **how: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A process for the length of the block; silent unless PODD_BENCH_TELL is set."""
    out = None if "PODD_BENCH_TELL" in os.environ else subprocess.DEVNULL
    process = subprocess.Popen(words, stdout=out, stderr=out, **how)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def module(name: str, *words: str, path: str = "/") -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """`python -m NAME PORT WORDS`, once it listens: its address, and its process."""
    port = free_port()
    with child([sys.executable, "-m", name, str(port), *words]) as process:
        url = f"http://127.0.0.1:{port}"
        eventually(lambda: listens(url))
        yield url, process


def listens(url: str) -> bool:
    try:
        httpx.get(url, trust_env=False)
    except httpx.TransportError:
        return False
    return True


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def worker_key(podd: Daemon, worker_id: str) -> str:
    """What the worker's first container shows: the benchmark can take its part."""
    secret = (podd.data_dir / "secret.key").read_text().strip()
    return DerivedKeys(bytes.fromhex(secret)).worker(worker_id, 1)


def used(pid: int) -> float:
    """Seconds of processor time a process has had so far."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def resident(pid: int) -> float:
    """MiB of memory a process has in use."""
    return float(psutil.Process(pid).memory_info().rss) / 2**20
