"""The demo's own podd: a daemon on a temporary data directory, and a look at what its engine runs.

Nothing of it is shared with a podd that is installed here, and `close` leaves nothing of it.
"""

import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import httpx

from podd.client import Client
from podd.containers.engine import DockerEngine
from podd.demo.api import Api
from podd.demo.failure import DemoError, wait_for
from podd.demo.screen import Say
from podd.domain.container import Container, ContainerState
from podd.domain.gpu import GpuState
from podd.nvml import NvmlProbe
from podd.ports import Engine, EngineAway
from podd.processes.engine import ProcessEngine
from podd.wire.operator import MachineStatus

GPU_TYPE = "NVIDIA RTX A6000"
SIMULATED_GPUS = 2
EMAIL = "demo@example.com"

Ending = tuple[str, Callable[[], str | None]]

LONGEST_SOCKET = 107  # bytes of a path that the kernel takes for a Unix socket
END_WITHIN = 15  # seconds that workloads get to end by themselves, and the daemon after them


class Place:
    """Begins as an empty directory; `start_daemon` and the steps after it fill `engine` and `api`."""

    api: Api
    engine: Engine

    def __init__(self, engine: str, config: Path | None) -> None:
        self.real_gpus = _real_gpus()
        self.url = f"http://127.0.0.1:{_free_port()}"
        self.directory = Path(tempfile.mkdtemp(prefix="podd-demo-"))
        self.data_dir = self.directory / "data"
        self._wanted_engine = engine
        self._config = config or Path(os.devnull)
        self._daemon: subprocess.Popen[bytes] | None = None
        self._engine_kind = ""

    @property
    def log(self) -> Path:
        return self.directory / "podd.log"

    @property
    def has_docker(self) -> bool:
        return self._engine_kind == "docker"

    # The daemon

    def start_daemon(self) -> None:
        """In a session of its own: Ctrl-C is for the demo, which ends the daemon after what runs on it."""
        if len(os.fsencode(self.data_dir / "podd.sock")) > LONGEST_SOCKET:
            raise DemoError(
                f"The path {self.directory} is too long for a socket; set TMPDIR to a shorter one."
            )
        with self.log.open("wb") as log:
            self._daemon = subprocess.Popen(  # noqa: S603 - ourselves
                [sys.executable, "-m", "podd", "serve", "--config", str(self._config)],
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def await_ready(self, say: Say) -> None:
        say(f"data directory {self.data_dir}, log {self.log}")
        wait_for("the daemon to be ready", self._ready, 60)
        with Client.local(self.data_dir) as client:
            machine = client.get("/operator/v1/machine", MachineStatus)
        self._engine_kind = machine.engine
        self.engine = self._open_engine()
        say(f"podd {machine.version} at {self.url}")
        if self.has_docker:
            say(f"containers run on Docker {self.engine.info().version}")
        else:
            say("containers run as plain processes: no images, no isolation")
        simulated = f", of which {SIMULATED_GPUS} {GPU_TYPE} are simulated: there is none here"
        say(f"GPUs: {machine.gpus}{'' if self.real_gpus else simulated}")

    def make_account(self, say: Say) -> None:
        """As an operator does it: by podd's command line, over the local socket."""
        words = ["account", "create", EMAIL, "--json"]
        say(f"$ PODD_DATA_DIR={self.data_dir} podd {' '.join(words)}")
        done = subprocess.run(  # noqa: S603 - ourselves
            [sys.executable, "-m", "podd", *words, "--config", str(self._config)],
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise DemoError(f"The account could not be made: {_last_line(done.stderr)}")
        made = json.loads(done.stdout)
        self.api = Api(self.url, made["api_key"])
        say(f"account {made['account_id']}, API key {made['api_key'][:8]}...")

    def log_tail(self, lines: int) -> list[str]:
        with suppress(OSError):
            return self.log.read_text(errors="replace").splitlines()[-lines:]
        return []

    # What runs on it

    def containers(self, workload_id: str | None = None) -> list[Container]:
        """Those of one pod or worker, or all; also says so when the daemon has died meanwhile."""
        self._check_daemon()
        return [c for c in self.engine.list() if workload_id in (None, c.workload_id)]

    def run_inside(self, workload_id: str, script: str) -> str:
        """What a shell in the running container prints."""
        running = [c for c in self.containers(workload_id) if c.state is ContainerState.RUNNING]
        if not running:
            raise DemoError(f"No container of {workload_id} is running.")
        done = self.engine.exec(running[0].name, ["sh", "-c", script])
        if done.exit_code:
            raise DemoError(f"Inside {running[0].name}, {script!r} failed: {done.output.strip()}")
        return done.output

    def volume(self, pod_id: str) -> Path:
        """Where the pod's volume is on this machine."""
        return self.data_dir / "volumes" / pod_id

    def clues(self) -> list[str]:
        """What the pods and workers say about themselves, as far as it can be had."""
        found: list[str] = []
        with suppress(Exception):
            fields = "pods { id lastStatusChange }"
            me = self.api.graphql(f"query {{ myself {{ {fields} endpoints {{ {fields} }} }} }}")["myself"]
            pods = [*me["pods"], *(pod for endpoint in me["endpoints"] for pod in endpoint["pods"])]
            found += [f"{pod['id']}: {pod['lastStatusChange']}" for pod in pods]
        with suppress(Exception):
            for container in self.engine.list():
                lines = self.engine.logs(container.name, tail=5)
                found += [f"{container.name} wrote: {line.line}" for line in lines]
        return found

    # The end

    def endings(self) -> list[Ending]:
        """What has to be done, in this order, so that nothing is left. Each says what it did, or raises."""
        return [
            ("pods and endpoints", self._end_workloads),
            ("daemon", self._stop_daemon),
            ("containers", self._sweep),
            ("directory", self._remove_directory),
        ]

    def _end_workloads(self) -> str | None:
        """Through the API, as a user would, so that everything ends in its own way."""
        if not hasattr(self, "api") or not self._daemon_lives():
            return None
        me = self.api.graphql("query { myself { pods { id } endpoints { id } } }")["myself"]
        for pod in me["pods"]:
            self.api.graphql(f'mutation {{ podTerminate(input: {{podId: "{pod["id"]}"}}) }}')
        for endpoint in me["endpoints"]:
            self.api.graphql(f'mutation {{ deleteEndpoint(id: "{endpoint["id"]}") }}')
        with suppress(DemoError):  # what is left then is swept away
            wait_for("the last container to end", lambda: True if not self.containers() else None, END_WITHIN)
        self.api.close()
        return None

    def _stop_daemon(self) -> str | None:
        if self._daemon is None:
            return None
        self._daemon.terminate()
        try:
            self._daemon.wait(END_WITHIN)
        except subprocess.TimeoutExpired:
            self._daemon.kill()
            self._daemon.wait()
            return "the daemon did not leave and was killed"
        return "the daemon has left"

    def _sweep(self) -> str | None:
        """Whatever is still there of this instance, however it came to be: the daemon is gone for good."""
        facts = self._facts()
        if "instance" not in facts:
            return None  # it did not get that far
        engine = self._open_engine()
        try:
            left = engine.list()
            for container in left:
                engine.remove(container.name)
            if isinstance(engine, DockerEngine):
                engine.remove_network()
        except EngineAway:
            if facts.get("engine") == "docker":
                raise
            return None
        finally:
            engine.close()
        return f"removed {len(left)} containers that had not ended" if left else None

    def _remove_directory(self) -> str:
        shutil.rmtree(self.directory)
        return f"removed {self.directory}"

    # Private

    def _environment(self) -> dict[str, str]:
        """Nothing that is set for another podd reaches this one; what the demo needs wins over its file."""
        others = {name: value for name, value in os.environ.items() if not name.startswith("PODD_")}
        simulated = [] if self.real_gpus else [{"type": GPU_TYPE, "count": SIMULATED_GPUS}]
        return others | {
            "PODD_DATA_DIR": str(self.data_dir),
            "PODD_LISTEN": self.url.removeprefix("http://"),
            "PODD_PUBLIC_URL": self.url,
            "PODD_ENGINE": self._wanted_engine,
            "PODD_GPUS__SIMULATED": json.dumps(simulated),
            "PODD_BILLING__MODE": "off",
            "NO_COLOR": "1",
        }

    def _ready(self) -> bool | None:
        self._check_daemon()
        try:
            answer = httpx.get(f"{self.url}/readyz", timeout=5, trust_env=False)
        except httpx.TransportError:
            return None
        return True if answer.status_code == 200 else None

    def _check_daemon(self) -> None:
        if not self._daemon_lives():
            last = _last_line("\n".join(self.log_tail(20)))
            raise DemoError(f"The daemon has ended: {last.removeprefix('podd: ')}")

    def _daemon_lives(self) -> bool:
        return self._daemon is not None and self._daemon.poll() is None

    def _open_engine(self) -> Engine:
        facts = self._facts()
        if (facts.get("engine") or self._wanted_engine) == "process":
            return ProcessEngine(facts["instance"], self.data_dir / "processes")
        return DockerEngine(facts["instance"])

    def _facts(self) -> dict[str, str]:
        """What the daemon keeps about itself: the name of its instance, and the engine it took."""
        database = self.data_dir / "podd.sqlite3"
        try:
            with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as reader:
                return dict(reader.execute("SELECT key, value FROM meta"))
        except sqlite3.Error:
            return {}


def _real_gpus() -> bool:
    probe = NvmlProbe()
    try:
        return any(g.type_id == GPU_TYPE and g.state is GpuState.HEALTHY for g in probe.gpus())
    finally:
        probe.close()


def _free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port: int = listener.getsockname()[1]
        return port


def _last_line(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "it said nothing")
