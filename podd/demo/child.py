"""A daemon of the demo's own, as a child process. It shares nothing with a podd that is installed here."""

import json
import os
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

import httpx

from podd.demo.failure import DemoError

GPU_TYPE = "NVIDIA RTX A6000"
DISK_GB = 1000  # said to be there: the demo writes a few bytes, and runs on small machines as well
LONGEST_SOCKET = 107  # bytes of a path that the kernel takes for a Unix socket


class Child:
    """`engine` is the one it is told to use, `simulated_gpus` how many it declares."""

    def __init__(self, directory: Path, engine: str, simulated_gpus: int, config: Path | None) -> None:
        self.url = f"http://127.0.0.1:{_free_port()}"
        self.data_dir = directory / "data"
        self.log = directory / "podd.log"
        self._engine = engine
        self._simulated_gpus = simulated_gpus
        self._config = config or Path(os.devnull)
        self._running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """In a session of its own: Ctrl-C is for the demo, which ends the daemon after what runs on it."""
        if len(os.fsencode(self.data_dir / "podd.sock")) > LONGEST_SOCKET:
            raise DemoError(
                f"The path {self.data_dir} is too long for a socket; set TMPDIR to a shorter one."
            )
        with self.log.open("wb") as log:
            self._running = subprocess.Popen(  # noqa: S603 - ourselves
                self._words("serve"),
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def command(self, *words: str) -> str:
        """What `podd WORDS` prints, run as an operator would. Raises DemoError when it fails."""
        done = subprocess.run(  # noqa: S603 - ourselves
            self._words(*words),
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise DemoError(f"podd {words[0]} failed: {_last_of(done.stderr.splitlines())}")
        return done.stdout

    def ready(self) -> bool | None:
        """True or None. Raises DemoError when it will never be."""
        self.check()
        try:
            answer = httpx.get(f"{self.url}/readyz", timeout=5, trust_env=False)
        except httpx.TransportError:
            return None
        return True if answer.status_code == 200 else None

    def check(self) -> None:
        """Raises DemoError, with its last words, when the daemon has died."""
        if not self.lives():
            raise DemoError(f"The daemon has ended: {_last_of(self.log_tail(20))}")

    def lives(self) -> bool:
        return self._running is not None and self._running.poll() is None

    def stop(self, within: float) -> str | None:
        """It leaves, or is killed; what it ran is left alone."""
        if self._running is None:
            return None
        self._running.terminate()
        try:
            self._running.wait(within)
        except subprocess.TimeoutExpired:
            self._running.kill()
            self._running.wait()
            return "the daemon did not leave and was killed"
        return "the daemon has left"

    def log_tail(self, lines: int) -> list[str]:
        with suppress(OSError):
            return self.log.read_text(errors="replace").splitlines()[-lines:]
        return []

    def facts(self) -> dict[str, str]:
        """What it keeps about itself, as `instance` and `engine`; nothing before it has made its database."""
        database = f"{(self.data_dir / 'podd.sqlite3').as_uri()}?mode=ro"
        try:
            with closing(sqlite3.connect(database, uri=True)) as reader:
                return dict(reader.execute("SELECT key, value FROM meta"))
        except sqlite3.Error:
            return {}

    # Private

    def _words(self, command: str, *words: str) -> list[str]:
        return [sys.executable, "-m", "podd", command, *words, "--config", str(self._config)]

    def _environment(self) -> dict[str, str]:
        """What is set for another podd does not reach this one; what the demo needs wins over the file."""
        others = {name: value for name, value in os.environ.items() if not name.startswith("PODD_")}
        simulated = [{"type": GPU_TYPE, "count": self._simulated_gpus}] if self._simulated_gpus else []
        return others | {
            "PODD_DATA_DIR": str(self.data_dir),
            "PODD_LISTEN": self.url.removeprefix("http://"),
            "PODD_PUBLIC_URL": self.url,
            "PODD_ENGINE": self._engine,
            "PODD_GPUS__SIMULATED": json.dumps(simulated),
            "PODD_MACHINE__DISK_GB": str(DISK_GB),
            "PODD_GATEWAY__SSH_PORT": str(_free_port()),
            "PODD_BILLING__MODE": "off",
            "PODD_LOG__FORMAT": "console",
        }


def _free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port: int = listener.getsockname()[1]
        return port


def _last_of(lines: list[str]) -> str:
    said = [line for line in lines if line.strip()] or ["it said nothing"]
    return said[-1].removeprefix("podd: ")
