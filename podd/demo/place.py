"""Where the demo takes place: a temporary directory with a podd of its own, and what that runs.

`endings` leaves nothing of it.
"""

import json
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from podd.client import Client
from podd.containers.engine import DockerEngine
from podd.demo.api import Api
from podd.demo.child import GPU_TYPE, Child
from podd.demo.failure import DemoError, wait_for
from podd.demo.screen import Say
from podd.domain.container import Container, ContainerState
from podd.domain.gpu import GpuState
from podd.nvml import NvmlProbe
from podd.ports import Engine, EngineAway
from podd.processes.engine import ProcessEngine
from podd.volumes.host import Host
from podd.wire.operator import MachineStatus

Ending = tuple[str, Callable[[], str | None]]

SIMULATED_GPUS = 2
EMAIL = "demo@example.com"
END_WITHIN = 15  # seconds that workloads get to end by themselves, and the daemon after them


class Place:
    """An empty directory at first. `daemon` is there to be started, the rest comes with the steps."""

    def __init__(self, engine: str, config: Path | None) -> None:
        self._simulated = 0 if _real_gpus() else SIMULATED_GPUS
        self._wanted_engine = engine
        self._engine: Engine | None = None
        self._api: Api | None = None
        self.directory = Path(tempfile.mkdtemp(prefix="podd-demo-"))
        self.daemon = Child(self.directory, engine, self._simulated, config)

    @property
    def api(self) -> Api:
        assert self._api is not None, "there is an account"
        return self._api

    @property
    def engine(self) -> Engine:
        assert self._engine is not None, "the daemon is ready"
        return self._engine

    @property
    def has_docker(self) -> bool:
        return isinstance(self._engine, DockerEngine)

    # The first steps

    def await_ready(self, say: Say) -> None:
        say(f"data directory {self.daemon.data_dir}, log {self.daemon.log}")
        wait_for("the daemon to be ready", self.daemon.ready)
        with Client.local(self.daemon.data_dir) as client:
            machine = client.get("/operator/v1/machine", MachineStatus)
        self._engine = self._open_engine()
        say(f"podd {machine.version} at {self.daemon.url}")
        if self.has_docker:
            say(f"containers run on Docker {self.engine.info().version}")
        else:
            say("containers run as plain processes: no images, no isolation")
        simulated = f", of which {self._simulated} {GPU_TYPE} are simulated: there is none here"
        say(f"GPUs: {machine.gpus}{simulated if self._simulated else ''}")

    def make_account(self, say: Say) -> None:
        """As an operator does it: by podd's command line, over the local socket."""
        words = ["account", "create", EMAIL, "--json"]
        say(f"$ PODD_DATA_DIR={self.daemon.data_dir} podd {' '.join(words)}")
        made = json.loads(self.daemon.command(*words))
        self._api = Api(self.daemon.url, made["api_key"])
        say(f"account {made['account_id']}, API key {made['api_key'][:8]}...")

    # What runs

    def containers(self, workload_id: str | None = None) -> list[Container]:
        """Those of one pod or worker, or all. Raises DemoError when the daemon has died meanwhile."""
        self.daemon.check()
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
        return self.daemon.data_dir / "volumes" / pod_id

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
        """What is to be done, in this order, so that nothing is left. Each says what it did, or raises."""
        return [
            ("pods and endpoints", self._end_workloads),
            ("daemon", lambda: self.daemon.stop(END_WITHIN)),
            ("containers", self._sweep),
            ("directory", self._remove_directory),
        ]

    def _end_workloads(self) -> None:
        """Through the API, as a user would, so that everything ends in its own way."""
        if self._api is None or not self.daemon.lives():
            return
        me = self.api.graphql("query { myself { pods { id } endpoints { id } } }")["myself"]
        for pod in me["pods"]:
            self.api.graphql(f'mutation {{ podTerminate(input: {{podId: "{pod["id"]}"}}) }}')
        for endpoint in me["endpoints"]:
            self.api.graphql(f'mutation {{ deleteEndpoint(id: "{endpoint["id"]}") }}')
        with suppress(DemoError):  # what is left then is swept away
            wait_for("the last container to go", lambda: None if self.containers() else True, END_WITHIN)

    def _sweep(self) -> str | None:
        """Whatever is still there, however it came to be: with the daemon gone, nobody makes more of it."""
        facts = self.daemon.facts()
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
            return None  # it was only tried
        finally:
            engine.close()
        return f"removed {len(left)} containers that had not ended" if left else None

    def _remove_directory(self) -> str:
        Host().unmount_below(self.directory)
        shutil.rmtree(self.directory)
        return f"removed {self.directory}"

    # Private

    def _open_engine(self) -> Engine:
        """The engine that the daemon uses, or is about to."""
        facts = self.daemon.facts()
        if (facts.get("engine") or self._wanted_engine) == "process":
            return ProcessEngine(facts["instance"], self.daemon.data_dir / "processes")
        return DockerEngine(facts["instance"])


def _real_gpus() -> bool:
    probe = NvmlProbe()
    try:
        return any(g.type_id == GPU_TYPE and g.state is GpuState.HEALTHY for g in probe.gpus())
    finally:
        probe.close()
