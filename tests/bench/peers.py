"""Huey on SQLite and Celery on Redis, in an environment of their own below the user's cache.

They are fetched from PyPI when they are not there. Redis comes from Debian's `redis-tools`, whose one program
is the server as well; it is installed when that is possible, else Celery is left out.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench import place
from tests.waiting import eventually

PACKAGES = ("huey==3.5.4", "celery[redis]==5.7.0")
PLACE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "podd-bench"
PYTHON = PLACE / "venv" / "bin" / "python"
CLIENT = Path(__file__).with_name("peer.py")

Side = Callable[[int, int], float]
"""Jobs a second, for a number of jobs and of clients at once."""


@dataclass
class Peers:
    directory: Path
    redis: str
    missing: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def consumers(self, slots: int) -> Iterator[dict[str, Side]]:
        """Consumers with so many slots that have done a first job."""
        with ExitStack() as running:
            sides: dict[str, Side] = {}
            for name in ("Huey, SQLite with fsync", "Celery, Redis"):
                if name not in self.missing:
                    sides[name] = running.enter_context(self._consumer(name, slots))
            yield sides

    @contextmanager
    def _consumer(self, name: str, slots: int) -> Iterator[Side]:
        kind = name.split(",")[0].lower()
        env = {
            **os.environ,
            "BENCH_HUEY": str(self.directory / f"huey-{slots}.db"),
            "BENCH_REDIS": self.redis,
            "PYTHONPATH": str(CLIENT.parent / "peer_app"),
        }
        if kind == "huey":
            options = ["-k", "thread", "-w", str(slots), "-d", "0.001", "-m", "0.001", "-b", "1", "-n", "-C"]
            words = [str(PYTHON.with_name("huey_consumer")), "bench_huey.huey", *options, "-q"]
        else:
            options = ["-c", str(slots), "-P", "prefork", "--without-gossip", "--without-mingle"]
            words = [str(PYTHON), "-m", "celery", "-A", "bench_celery", "worker", *options]
        with place.child(words, env=env, cwd=self.directory):

            def run(number: int, clients: int) -> float:
                command = [str(PYTHON), str(CLIENT.parent / "peer_app" / "client.py"), kind]
                said = subprocess.run(
                    [*command, str(number), str(clients)], env=env, check=True, capture_output=True, text=True
                )
                return float(said.stdout)

            run(1, 1)
            yield run


@contextmanager
def ready() -> Iterator[Peers]:
    """The peers, as far as they are to be had."""
    with place.scratch() as directory, ExitStack() as running:
        found = Peers(directory, "")
        try:
            _install()
        except (OSError, subprocess.CalledProcessError) as error:
            for name in ("Huey, SQLite with fsync", "Celery, Redis"):
                found.missing[name] = f"its packages could not be installed: {error}"
        program = _redis()
        if not program:
            found.missing["Celery, Redis"] = "there is no Redis: apt-get install redis-tools"
        elif not found.missing:
            port = place.free_port()
            found.redis = f"redis://127.0.0.1:{port}/0"
            words = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(directory)]
            words += ["--appendonly", "yes", "--appendfsync", "everysec"]
            running.enter_context(place.child(words, executable=program))
            eventually(lambda: place.accepts(port))
        yield found


def _install() -> None:
    mark = PLACE / "packages"
    if mark.exists() and mark.read_text() == "\n".join(PACKAGES):
        return
    PLACE.mkdir(parents=True, exist_ok=True)
    for words in (
        [sys.executable, "-m", "venv", str(PLACE / "venv")],
        [str(PYTHON), "-m", "pip", "-q", "install", *PACKAGES],
    ):
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    mark.write_text("\n".join(PACKAGES))


def _redis() -> str:
    """The path of the server's program; Debian calls it by another name in its tools."""
    for name in ("redis-server", "redis-check-rdb"):
        if path := shutil.which(name):
            return path
    if shutil.which("apt-get") and os.geteuid() == 0:
        for words in (["update"], ["install", "-y", "--no-install-recommends", "redis-tools"]):
            subprocess.run(["apt-get", "-q", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return shutil.which("redis-check-rdb") or ""
    return ""
