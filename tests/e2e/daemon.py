"""A real podd daemon as a child process, and what tests do with it."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx

from podd.client import Client
from podd.containers.engine import DockerEngine
from podd.ids import new_id
from podd.ports import Engine
from podd.processes.engine import ProcessEngine
from podd.wire.operator import AccountWish, NewAccount
from tests.local_ports import free_port
from tests.records import records
from tests.service_manager import Manager
from tests.waiting import PATIENCE, eventually

Json = dict[str, Any]

FINAL = ("COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT")
HANDLERS = Path(__file__).with_name("handlers.py")

# Tests that run at the same time in other processes have other ports.
PORTS = 20_000 + 3_000 * (int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 4)

# Short enough that a test need not wait, long enough that a busy machine keeps them.
LIMITS = {
    "take_hold_seconds": 3,
    "ping_interval_seconds": 1,
    "idle_timeout_seconds": 2,
    "cancel_grace_seconds": 3,
    "stop_grace_seconds": 3,
    "spot_grace_seconds": 1,
    "workers_quota": 1000,
}


class GraphQLFailed(Exception):
    """The answer had errors: `errors` as they came, `data` beside them."""

    def __init__(self, body: Json) -> None:
        super().__init__(body["errors"][0]["message"])
        self.errors: list[Json] = body["errors"]
        self.data: Json | None = body.get("data")
        self.code: str = body["errors"][0]["extensions"]["code"]


class Daemon:
    """`podd serve` on a free port of the loopback, with a data directory of its own and two simulated GPUs.

    Stopping and starting it again keeps port and data. `settings` are those of the settings file, nested as
    there; `limits` are taken on top of the quick ones above; `manager` is its service manager, if it has one.
    `close` leaves nothing behind.
    """

    def __init__(
        self,
        directory: Path,
        *,
        engine: str = "process",
        gpus: int = 2,
        limits: Mapping[str, Any] = {},
        settings: Mapping[str, Any] = {},
        env: Mapping[str, str] = {},
        manager: Manager | None = None,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.engine = engine
        self.data_dir = directory / "data"
        self.port = free_port()
        self.ssh_port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.config = directory / "podd.toml"
        self.process: subprocess.Popen[bytes] | None = None
        self._env = env
        self._manager = manager
        # No connection is kept: the daemon may be another one by the next request.
        self._http = httpx.Client(
            base_url=self.url, limits=httpx.Limits(max_keepalive_connections=0), trust_env=False
        )
        self._log = directory / "podd.log"
        self._log.touch()
        self._key = ""
        first_port = PORTS + random.randrange(0, 3_000, 100)
        base: Json = {
            "data_dir": str(self.data_dir),
            "listen": [f"127.0.0.1:{self.port}"],
            "engine": engine,
            "gateway": {"ssh_port": self.ssh_port},
            "tls": {"port": 0},
            "log": {"format": "json"},
            # Enough for anything the tests start at once, whatever this machine has.
            "machine": {
                "port_range": [first_port, first_port + 99],
                "memory_gb": 16,
                "vcpus": 8,
                "disk_gb": 10_000,
            },
            "gpus": {"simulated": [{"type": "NVIDIA RTX A6000", "count": gpus}]} if gpus else {},
            # Clients of the tests are in a hurry.
            "limits": {**LIMITS, "queued_jobs": 0, "queued_jobs_per_worker": 0, **limits},
            "rates": {"run": "", "run_at_once": 0, "status": "", "status_at_once": 0},
        }
        for name, value in settings.items():
            base[name] = {**base[name], **value} if isinstance(base.get(name), dict) else value
        self.config.write_text(_toml(base))

    # Its life

    def start(self) -> "Daemon":
        """Run it; returns once it is ready."""
        assert self.process is None, "it runs already"
        with self._log.open("ab") as log:
            command = [sys.executable, "-m", "podd", "serve", "--config", str(self.config)]
            manager = self._manager
            self.process = subprocess.Popen(
                manager.command(*command) if manager else command,
                env=self.environment(**(manager.environment() if manager else {})),
                pass_fds=manager.file_descriptors if manager else (),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        eventually(self._ready)
        return self

    def stop(self) -> None:
        """As the service manager does: SIGTERM, and a clean end."""
        assert self.process is not None, "it does not run"
        process, self.process = self.process, None
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"SIGTERM did not end it.\n{self.log_text()[-3000:]}") from None
        assert code == 0, f"It ended with {code}.\n{self.log_text()[-3000:]}"

    def kill(self) -> None:
        """As a power cut does, as far as the daemon goes: SIGKILL."""
        assert self.process is not None, "it does not run"
        process, self.process = self.process, None
        process.kill()
        process.wait()

    def restart(self) -> None:
        self.stop()
        self.start()

    def close(self) -> None:
        """End it, and whatever it has started."""
        try:
            if self.process is not None:
                self.stop()
        finally:
            self._http.close()
            self._clean()

    # What it has

    def log_text(self) -> str:
        """All that the daemon has written so far."""
        return self._log.read_text(errors="replace")

    def log_lines(self, event: str) -> list[Json]:
        """The log's records with this event."""
        return [record for record in records(self.log_text()) if record.get("event") == event]

    @property
    def instance(self) -> str:
        """The name its containers are marked with."""
        with sqlite3.connect(f"file:{self.data_dir / 'podd.sqlite3'}?mode=ro", uri=True) as db:
            row = db.execute("SELECT value FROM meta WHERE key = 'instance'").fetchone()
        db.close()
        return str(row[0])

    def containers(self) -> Engine:
        """An engine that sees the daemon's containers. Close it."""
        if self.engine == "docker":
            return DockerEngine(self.instance)
        return ProcessEngine(self.instance, self.data_dir / "processes")

    def running(self, endpoint_id: str = "") -> list[str]:
        """Names of its containers that run: all, or those of an endpoint's workers."""
        own = {worker["id"] for worker in self.workers(endpoint_id)} if endpoint_id else None
        engine = self.containers()
        try:
            return [
                container.name
                for container in engine.list()
                if container.state == "running" and (own is None or container.workload_id in own)
            ]
        finally:
            engine.close()

    def written_by(self, container: str) -> list[str]:
        """The lines a container has written so far."""
        engine = self.containers()
        try:
            return [line.line for line in engine.logs(container)]
        finally:
            engine.close()

    # Talking to it

    @property
    def key(self) -> str:
        """An API key of the account most tests work with."""
        if not self._key:
            self._key = self.account()
        return self._key

    def account(self, email: str = "") -> str:
        """A new account; its API key."""
        wish = AccountWish(email=email or f"{new_id(8)}@example.com", name=None)
        with Client.local(self.data_dir) as client:
            return client.post("/operator/v1/accounts", wish, NewAccount).api_key

    def environment(self, **more: str) -> dict[str, str]:
        """For children: this process's own, without podd's settings."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PODD_", "RUNPOD_"))}
        return {**kept, **self._env, **more}

    def cli(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        """`podd WORDS`, with the settings of this daemon."""
        return subprocess.run(
            [sys.executable, "-m", "podd", *words, "--config", str(self.config)],
            env=self.environment(**env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def http(self, method: str, path: str, *, key: str | None = None, **how: Any) -> httpx.Response:
        """One request with an API key (the account's own if none is given, no key at all if empty)."""
        shown = self.key if key is None else key
        headers = {**({"Authorization": f"Bearer {shown}"} if shown else {}), **how.pop("headers", {})}
        return self._http.request(method, path, headers=headers, timeout=how.pop("timeout", 30), **how)

    def graphql(self, query: str, variables: Json | None = None, *, key: str | None = None) -> Json:
        """The answer's `data`. Raises GraphQLFailed when it has errors."""
        response = self.http("POST", "/graphql", key=key, json={"query": query, "variables": variables})
        body: Json = response.json()
        if "errors" in body:
            raise GraphQLFailed(body)
        data: Json = body["data"]
        return data

    # Pods

    def create_pod(self, command: str, *, key: str | None = None, **wish: Any) -> str:
        """A pod with one GPU that runs `command`; its id. `wish` has names of GraphQL's input."""
        wish = {"gpuTypeId": "NVIDIA RTX A6000", "imageName": "test/none", "dockerArgs": command, **wish}
        document = (
            "mutation ($input: PodFindAndDeployOnDemandInput)"
            " { podFindAndDeployOnDemand(input: $input) { id } }"
        )
        made = self.graphql(document, {"input": wish}, key=key)
        return str(made["podFindAndDeployOnDemand"]["id"])

    def pod(self, pod_id: str) -> Json | None:
        """What clients see of it; None when it is gone."""
        found: Json | None = self.graphql(
            "query ($id: String!) { pod(input: {podId: $id}) { id name desiredStatus podType costPerHr"
            " gpuCount dockerId lastStatusChange gpus { id } machine { podHostId } runtime { uptimeInSeconds"
            " ports { ip isIpPublic privatePort publicPort type } } } }",
            {"id": pod_id},
        )["pod"]
        return found

    def runs(self, pod_id: str) -> bool:
        found = self.pod(pod_id)
        return found is not None and found["runtime"] is not None

    # Serverless

    def create_template(self, args: str, *, image: str = "test/none", name: str = "", **wish: Any) -> str:
        made = self.graphql(
            "mutation ($input: SaveTemplateInput) { saveTemplate(input: $input) { id } }",
            {
                "input": {
                    "name": name or f"template {new_id(6)}",
                    "imageName": image,
                    "dockerArgs": args,
                    "containerDiskInGb": 5,
                    "volumeInGb": 0,
                    "env": [],
                    "isServerless": True,
                    **wish,
                }
            },
        )
        return str(made["saveTemplate"]["id"])

    def create_endpoint(self, handler: str, *, env: Mapping[str, str] = {}, **wish: Any) -> str:
        """An endpoint whose workers run `handler` of handlers.py; its id. `wish` as in GraphQL's input."""
        variables = [{"key": name, "value": value} for name, value in env.items()]
        template_id = self.create_template(worker_command(handler), env=variables)
        return self.save_endpoint(templateId=template_id, **wish)

    def save_endpoint(self, **wish: Any) -> str:
        if "id" not in wish:
            wish = {"name": f"endpoint {new_id(6)}", "gpuIds": "AMPERE_48", "idleTimeout": 2, **wish}
        saved = self.graphql(
            "mutation ($input: EndpointInput!) { saveEndpoint(input: $input) { id } }", {"input": wish}
        )
        return str(saved["saveEndpoint"]["id"])

    def delete_endpoint(self, endpoint_id: str) -> None:
        self.graphql("mutation ($id: String!) { deleteEndpoint(id: $id) }", {"id": endpoint_id})

    def workers(self, endpoint_id: str) -> list[Json]:
        """The endpoint's workers as its owner sees them."""
        found = self.graphql(
            "query ($id: String!) { myself { endpoint(id: $id) {"
            " pods { id desiredStatus lastStatusChange } } } }",
            {"id": endpoint_id},
        )
        workers: list[Json] = found["myself"]["endpoint"]["pods"]
        return workers

    def run(self, endpoint_id: str, input: Any, **request: Any) -> str:
        """Queue a job; its id."""
        response = self.http("POST", f"/v2/{endpoint_id}/run", json={"input": input, **request})
        assert response.status_code == 200, response.text
        return str(response.json()["id"])

    def status(self, endpoint_id: str, job_id: str) -> Json:
        response = self.http("GET", f"/v2/{endpoint_id}/status/{job_id}")
        assert response.status_code == 200, response.text
        body: Json = response.json()
        return body

    def finished(self, endpoint_id: str, job_id: str, seconds: float = PATIENCE) -> Json:
        """The job once it is in a final state."""
        eventually(lambda: self.status(endpoint_id, job_id)["status"] in FINAL, seconds)
        return self.status(endpoint_id, job_id)

    def health(self, endpoint_id: str) -> Json:
        response = self.http("GET", f"/v2/{endpoint_id}/health")
        assert response.status_code == 200, response.text
        body: Json = response.json()
        return body

    # Private

    def _ready(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            code, self.process = self.process.returncode, None
            raise AssertionError(f"The daemon ended with {code}.\n{self.log_text()[-3000:]}")
        with suppress(httpx.HTTPError):
            return self._http.get("/readyz").status_code == 200
        return False

    def _clean(self) -> None:
        if not (self.data_dir / "podd.sqlite3").exists():
            return
        engine = self.containers()
        try:
            for container in engine.list():
                engine.remove(container.name)
            if isinstance(engine, DockerEngine):
                engine.remove_network()
        finally:
            engine.close()


def worker_command(handler: str) -> str:
    """What a template's dockerArgs say so that the process engine runs this handler."""
    return f"python3 -u {HANDLERS} {handler}"


def _toml(table: Mapping[str, Any], path: str = "") -> str:
    """Nested tables as TOML; its scalars and lists of scalars read as in JSON."""
    values = {k: v for k, v in table.items() if not isinstance(v, Mapping)}
    tables = {k: v for k, v in table.items() if isinstance(v, Mapping)}
    text = f"[{path}]\n" if path and values else ""
    text += "".join(f"{name} = {_value(value)}\n" for name, value in values.items())
    return text + "".join(_toml(inner, f"{path}.{name}".lstrip(".")) for name, inner in tables.items())


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{k} = {_value(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    return json.dumps(value)
