"""podd's application over real HTTP in this process: a real store, a fake engine, a clock that stands still.

Nothing happens by itself: `settle` lets the loops of the daemon turn until they have nothing more to do.
"""

import asyncio
import json
import socket
import threading
from collections.abc import Coroutine, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import httpx
import uvicorn
import uvloop
from litestar import Litestar
from litestar.types import ASGIApp

from podd.api import app as application
from podd.api.asgi import Door
from podd.api.attempts import Attempts
from podd.api.context import Api
from podd.api.gauge import Gauge
from podd.api.visits import Reception
from podd.config import Settings, catalogue
from podd.declared import DeclaredProbe
from podd.domain.account import OPERATOR
from podd.ids import DerivedKeys, key_hash, new_id
from podd.listeners import web_server
from podd.proxy.front import Front
from podd.proxy.health import Checks
from podd.sealing import Sealer
from podd.services import accounts, aftermath, autoscale, dispatch
from podd.services.logs import Logs
from podd.services.passwords import Passwords
from podd.services.platform import Host, Platform
from podd.services.reconcile import Reconciler
from podd.services.shells import Shells
from podd.services.telemetry import Telemetry
from podd.services.terminals import Terminals
from podd.store import gpus
from podd.store.db import Store
from podd.vitals import Vitals, patience
from podd.wakeups import Bells
from tests.database import empty_database
from tests.fakes import FakeEngine, FakeVolumes, ManualClock

T = TypeVar("T")
Json = dict[str, Any]

IMAGE = "test/worker"
OPERATOR_KEY = "podd_" + "0" * 48
SECRET = b"a secret of the tests"
# Without reading the machine's certificates each time.
QUICKLY: Json = {"trust_env": False, "verify": False}
GPUS = [{"type": "NVIDIA RTX A6000", "count": 2}, {"type": "NVIDIA GeForce RTX 3090", "count": 1}]

# Holds are real time even here. Whoever tests a hold itself sets its length.
LIMITS = {"take_hold_seconds": 30, "workers_quota": 1000}


class Served:
    """One podd. `http` speaks to it with the key of its first account, `key`; `local` through its socket."""

    def __init__(
        self, directory: Path, *, limits: Mapping[str, Any] = {}, settings: Mapping[str, Any] = {}
    ) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = self._listener.getsockname()
        self.url = f"http://127.0.0.1:{self.address[1]}"
        self.settings = Settings(
            data_dir=directory,
            listen=(f"127.0.0.1:{self.address[1]}",),
            **{"gpus": {"simulated": GPUS}, "limits": {**LIMITS, **limits}, **settings},
        )
        self.settings.database.write_bytes(empty_database())
        self.clock = ManualClock()
        self.engine = FakeEngine(images=[IMAGE, "runpod/tensorflow", "runpod/pytorch"], clock=self.clock)
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._threads = ThreadPoolExecutor(32)
        self.do(self._open())
        self.key = self.account()
        self.http = self.client(self.key)
        self.local = httpx.Client(
            transport=httpx.HTTPTransport(uds=str(directory / "podd.sock"), verify=False),
            base_url="http://podd",
            **QUICKLY,
        )

    def close(self) -> None:
        self.http.close()
        self.local.close()
        self.engine.thaw()
        self.engine.close()
        self.do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._threads.shutdown()

    def do(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run it where podd runs; its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    def background(self, coroutine: Coroutine[Any, Any, T]) -> "Future[T]":
        """As `do`, without waiting."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def later(self, method: str, path: str, **how: Any) -> "Future[httpx.Response]":
        """A request that need not be answered at once."""
        return self._threads.submit(self.http.request, method, path, **how)

    def settle(self) -> None:
        """Let podd catch up with everything that is known and due."""
        self.do(self.settling())

    async def settling(self) -> None:
        """`settle`, for `background`."""
        for _ in range(5):
            now = self.clock.now()
            await self.podd.store.write(dispatch.tick, self.podd, now)
            await autoscale.tick(self.podd, now)
            await self.reconciler.tick(now)
            await self.reconciler.warm_up.tick(now)
            await self.reconciler.drain()

    def pass_time(self, **how: float) -> None:
        self.clock.advance(**how)
        self.settle()

    # Who calls

    def account(self, email: str = "") -> str:
        """A new account; its key."""
        email = email or f"{new_id(8)}@example.com"
        made = self.do(self.podd.store.write(accounts.create, OPERATOR, email, None, self.clock.now()))
        return made[2]

    def client(self, key: str) -> httpx.Client:
        """A client with this key, or without one. Close it."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30, **QUICKLY)

    # What they do

    def graphql(
        self, query: str, variables: Json | None = None, *, key: str | None = None
    ) -> tuple[Json | None, list[Json]]:
        """`data` and errors of an answer that is HTTP 200."""
        with self.client(self.key if key is None else key) as client:
            response = client.post("/graphql", json={"query": query, "variables": variables})
        assert response.status_code == 200, response.text
        body = response.json()
        return body["data"], body.get("errors", [])

    def data(self, query: str, variables: Json | None = None, *, key: str | None = None) -> Json:
        """`data` of an answer without errors."""
        data, errors = self.graphql(query, variables, key=key)
        assert not errors
        assert data is not None
        return data

    def error(self, query: str, variables: Json | None = None, *, key: str | None = None) -> Json:
        """The one error of an answer."""
        _, errors = self.graphql(query, variables, key=key)
        assert len(errors) == 1
        return errors[0]

    def create_pod(self, *, key: str | None = None, **wish: Any) -> str:
        wish = {"gpuTypeId": "NVIDIA RTX A6000", "imageName": IMAGE, "dockerArgs": "run", **wish}
        made = self.data(
            "mutation ($input: PodFindAndDeployOnDemandInput)"
            " { podFindAndDeployOnDemand(input: $input) { id } }",
            {"input": wish},
            key=key,
        )
        return str(made["podFindAndDeployOnDemand"]["id"])

    def create_template(self, *, key: str | None = None, **wish: Any) -> str:
        wish = {"name": f"template {new_id(6)}", "imageName": IMAGE, "dockerArgs": "run", "env": [], **wish}
        wish = {"containerDiskInGb": 5, "volumeInGb": 0, **wish}
        made = self.data(
            "mutation ($input: SaveTemplateInput) { saveTemplate(input: $input) { id } }",
            {"input": wish},
            key=key,
        )
        return str(made["saveTemplate"]["id"])

    def create_endpoint(self, *, key: str | None = None, **wish: Any) -> str:
        if "id" not in wish:
            wish = {"name": "an endpoint", "gpuIds": "AMPERE_48", **wish}
            wish.setdefault("templateId", self.create_template(key=key, isServerless=True))
        made = self.data(
            "mutation ($input: EndpointInput!) { saveEndpoint(input: $input) { id } }",
            {"input": wish},
            key=key,
        )
        return str(made["saveEndpoint"]["id"])

    def submit(self, endpoint_id: str, input: Any = None, *, sync: bool = False, **request: Any) -> str:
        """Queue a job; its id."""
        path = f"/v2/{endpoint_id}/runsync?wait=1000" if sync else f"/v2/{endpoint_id}/run"
        response = self.http.post(path, json={"input": input, **request})
        assert response.status_code == 200, response.text
        return str(response.json()["id"])

    def status(self, endpoint_id: str, job_id: str) -> Json:
        response = self.http.get(f"/v2/{endpoint_id}/status/{job_id}")
        assert response.status_code == 200, response.text
        body: Json = response.json()
        return body

    def health(self, endpoint_id: str) -> Json:
        body: Json = self.http.get(f"/v2/{endpoint_id}/health").json()
        return body

    def under_way(self, pod_id: str) -> int:
        """Requests the proxy has passed on to a pod and not yet answered."""
        return self._front.under_way(pod_id)

    def worker(self, endpoint_id: str, number: int = 0) -> "Worker":
        """One of the endpoint's running containers, as the worker inside sees it."""
        specs = [self.engine.spec(name) for name in self.engine.running()]
        own = [dict(s.env) for s in specs if dict(s.env).get("RUNPOD_ENDPOINT_ID") == endpoint_id]
        return Worker(own[number], self._threads)

    def woken(self, **wish: Any) -> tuple[str, "Worker"]:
        """A new endpoint and its one active worker, whose container runs but has asked for nothing yet."""
        endpoint_id = self.create_endpoint(**{"workersMin": 1, "workersMax": 1, **wish})
        self.settle()
        return endpoint_id, self.worker(endpoint_id)

    # Private

    async def _open(self) -> None:
        bells = Bells()
        known = catalogue(self.settings)
        store = await asyncio.to_thread(Store, self.settings.database, on_commit=bells.ring)
        probe = DeclaredProbe(self.settings.gpus.simulated, known)
        await store.write(gpus.put_all, probe.gpus())
        self.podd = Platform(
            settings=self.settings,
            catalogue=known,
            store=store,
            bells=bells,
            clock=self.clock,
            keys=DerivedKeys(SECRET),
            sealer=Sealer(SECRET),
            host=Host(vcpus=12, memory=96 * 1024, cuda_version=None),
            worker_url=self.url,
            booted_at=self.clock.now(),
            operator_key_hash=key_hash(OPERATOR_KEY),
        )
        store.last_step = partial(aftermath.follow, podd=self.podd)
        self.reconciler = Reconciler(self.podd, self.engine, FakeVolumes())
        telemetry = Telemetry(self.podd, self.engine, probe)
        self.logs = Logs(self.podd, self.engine)
        self.shells = Shells(self.podd, self.engine)
        self.terminals = Terminals(self.podd, self.shells)
        self.podd.store.on_batch = self.podd.instruments.note_commit
        self.vitals = Vitals(self.clock.monotonic(), patience(self.settings.vitals))
        self.api = Api(
            self.podd,
            telemetry,
            "fake",
            lambda: not self.reconciler.engine_away,
            logs=self.logs,
            gauge=Gauge(self.settings.rates),
            terminals=self.terminals,
            attempts=Attempts(self.settings.accounts),
            passwords=Passwords(self.settings.accounts.passwords_at_once),
            vitals=self.vitals,
        )
        self._app = _app(self.api)
        own_socket = socket.socket(socket.AF_UNIX)
        own_socket.bind(str(self.settings.data_dir / "podd.sock"))
        own_socket.listen()
        self.checks = Checks(self.podd)
        self._front = Front(Door(self._app, local=False), self.podd, self.checks)
        self._doors = [
            await _serve(Reception(self._front, self.podd), self._listener, self.settings),
            await _serve(Reception(Door(self._app, local=True), self.podd), own_socket, self.settings),
        ]

    async def _close(self) -> None:
        self.podd.bells.close()
        for door in self._doors:
            await _end(door)
        await self.terminals.close()
        await self.shells.close()
        await self._front.close()
        await self.checks.close()
        await self.reconciler.drain()
        self.reconciler.close()
        await asyncio.to_thread(self.podd.store.close)
        _idle_apps.append(self._app)


class Worker:
    """What runs in a serverless container, by hand: speaks as the worker SDK does, with the environment
    podd gave it."""

    def __init__(self, env: Mapping[str, str], threads: ThreadPoolExecutor) -> None:
        self.env = env
        self.id = env["RUNPOD_POD_ID"]
        self.take_url = env["RUNPOD_WEBHOOK_GET_JOB"]
        self._threads = threads
        self._headers = {
            "Authorization": env["RUNPOD_AI_API_KEY"],
            "User-Agent": "RunPod-Python-SDK/1.12.0 (Linux; x86_64) Language/Python 3.11.7",
        }

    def take(self, *, holding: bool = False) -> Json:
        """The job that waits for it."""
        response = self.ask_job(holding=holding)
        assert response.status_code == 200, response.text
        job: Json = response.json()
        return job

    def ask_job(self, *, holding: bool = False) -> httpx.Response:
        return self.get(f"{self.take_url}&job_in_progress={int(holding)}")

    def ask_job_later(self, *, holding: bool = False) -> "Future[httpx.Response]":
        return self._threads.submit(self.ask_job, holding=holding)

    def ask_jobs(self, size: int, *, holding: bool = False) -> httpx.Response:
        url = self.take_url.replace("job-take", "job-take-batch")
        return self.get(f"{url}&batch_size={size}&job_in_progress={int(holding)}")

    def ask_stops(self) -> httpx.Response:
        return self.get(self.take_url.replace("/job-take/", "/job-stop/"))

    def ask_stops_later(self) -> "Future[httpx.Response]":
        return self._threads.submit(self.ask_stops)

    def done(self, job_id: str, body: Any) -> httpx.Response:
        return self._post("RUNPOD_WEBHOOK_POST_OUTPUT", job_id, json.dumps(body, ensure_ascii=False).encode())

    def done_raw(self, job_id: str, body: bytes) -> httpx.Response:
        return self._post("RUNPOD_WEBHOOK_POST_OUTPUT", job_id, body)

    def stream(self, job_id: str, chunk: Any) -> httpx.Response:
        return self._post("RUNPOD_WEBHOOK_POST_STREAM", job_id, json.dumps({"output": chunk}).encode())

    def ping(self, *job_ids: str, **query: str) -> httpx.Response:
        url = httpx.URL(self.env["RUNPOD_WEBHOOK_PING"])
        jobs = {"job_id": ",".join(job_ids)} if job_ids else {}
        return self.get(str(url.copy_merge_params({**jobs, "runpod_version": "1.12.0", **query})))

    def get(self, url: str, *, key: str | None = None) -> httpx.Response:
        headers = {**self._headers, "Content-Type": "application/json"}
        if key is not None:
            headers["Authorization"] = key
        return httpx.get(url, headers=headers, timeout=90, **QUICKLY)

    def _post(self, variable: str, job_id: str, body: bytes) -> httpx.Response:
        url = self.env[variable].replace("$RUNPOD_POD_ID", self.id).replace("$ID", job_id)
        headers = {
            **self._headers,
            "Content-Type": "application/x-www-form-urlencoded",
            "charset": "utf-8",
            "X-Request-ID": job_id,
        }
        return httpx.post(url + "&isStream=false", content=body, headers=headers, timeout=30, **QUICKLY)


# To make one takes longer than most tests; all that they know of a podd is in their state.
_idle_apps: list[Litestar] = []


def _app(api: Api) -> Litestar:
    app = _idle_apps.pop() if _idle_apps else application.create(api)
    app.state.api = api
    return app


async def _serve(app: ASGIApp, listener: socket.socket, settings: Settings) -> uvicorn.Server:
    """The web server as the daemon has it, but for its endless loop."""
    config = web_server(app, settings)
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listener])
    return server


async def _end(server: uvicorn.Server) -> None:
    for listening in server.servers:
        listening.close()
    for connection in list(server.server_state.connections):
        connection.shutdown()
    await asyncio.gather(*server.server_state.tasks, return_exceptions=True)
