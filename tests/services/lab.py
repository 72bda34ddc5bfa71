"""podd's services on a real database, with an engine, GPUs and a clock that obey the test.

Nothing happens by itself: a test calls verbs, moves the clock, and lets the ticks run until all is done.
"""

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from podd.config import Settings, catalogue
from podd.domain.account import OPERATOR, Caller, CallerKind
from podd.domain.catalogue import Catalogue
from podd.domain.container import Container, ContainerSpec, RegistryAuth
from podd.domain.endpoint import Endpoint, EndpointChange
from podd.domain.gpu import Claim, Gpu, GpuState
from podd.domain.job import Job, JobStatus, Progress, Result, parse_request
from podd.domain.pod import Pod, PodRequest
from podd.domain.reconcile import LIVE
from podd.domain.template import Template
from podd.domain.worker import Worker
from podd.domain.workload import Workload
from podd.ids import DerivedKeys, key_hash
from podd.sealing import Sealer
from podd.services import (
    accounts,
    autoscale,
    billing,
    container_disks,
    dispatch,
    endpoints,
    jobs,
    pods,
    templates,
    volume_files,
)
from podd.services.dispatch import Badge, Refused
from podd.services.platform import AUTOSCALE, RECONCILE, Host, Platform
from podd.services.reconcile import Reconciler
from podd.store import events
from podd.store import gpus as gpu_rows
from podd.store import jobs as job_rows
from podd.store import workloads as rows
from podd.store.db import Reader, Store, Tx
from podd.wakeups import Bells, Listener
from tests.database import empty_database
from tests.fakes import FakeEngine, FakeVolumes, ManualClock

P = ParamSpec("P")
T = TypeVar("T")

A6000, RTX4090 = "NVIDIA RTX A6000", "NVIDIA GeForce RTX 4090"
DOLLAR = 1_000_000_000
IMAGE = "test/image"
SECRET = b"a secret of this installation"
OPERATOR_KEY = "podd_operator"
HOST = Host(vcpus=16, memory=64 * 1024, cuda_version="12.4")
PATIENCE = 20
"""Seconds after which a test that waits has failed."""


def machine(letters: str) -> list[Gpu]:
    """'aab' is two A6000 and one 4090 named g0, g1, g2; a capital letter is an unhealthy one."""
    types = {"a": A6000, "b": RTX4090}
    return [
        Gpu(
            uuid=f"g{index}",
            index=index,
            type_id=types[letter.lower()],
            memory=48 * 1024,
            state=GpuState.UNHEALTHY if letter.isupper() else GpuState.HEALTHY,
        )
        for index, letter in enumerate(letters)
    ]


class Died(BaseException):
    """The daemon was killed at this call. Nobody in it gets to say anything about it."""


class MortalEngine(FakeEngine):
    """The engine, with a daemon that dies at the call number `last_call`: before it had an effect, or
    (`after`) right after that.

    `asked` is every operation it was asked for, `clashes` the containers that were to be started on a GPU
    another one still held.
    """

    last_call = 0
    after = False
    dead = False

    def __init__(self, **how: Any) -> None:
        super().__init__(**how)
        self.asked: list[str] = []
        self.clashes: list[str] = []
        self._held: dict[str, threading.Event] = {}
        self.pulled_with: list[RegistryAuth | None] = []

    def list(self) -> list[Container]:
        return self._alive("list", super().list)

    def start(self, spec: ContainerSpec) -> Container:
        with self._machine.changed:
            others = [box for box in self._machine.boxes.values() if box.spec.workload_id != spec.workload_id]
            held = {gpu for box in others if box.now.state in LIVE for gpu in box.spec.gpus}
            if held & set(spec.gpus):
                self.clashes.append(spec.name)
        return self._alive("start", lambda: FakeEngine.start(self, spec))

    def stop(self, name: str, grace: float) -> None:
        self._alive("stop", lambda: FakeEngine.stop(self, name, grace))

    def remove(self, name: str) -> None:
        self._alive("remove", lambda: FakeEngine.remove(self, name))

    def has_image(self, image: str) -> bool:
        return self._alive("has_image", lambda: FakeEngine.has_image(self, image))

    def pull(
        self, image: str, auth: RegistryAuth | None = None, progress: Callable[[str], None] | None = None
    ) -> None:
        self.pulled_with.append(auth)
        self._alive("pull", lambda: FakeEngine.pull(self, image, auth, progress))

    @contextmanager
    def holding(self, operation: str) -> Iterator[None]:
        """Calls of this operation hang."""
        self._held[operation] = threading.Event()
        try:
            yield
        finally:
            self._held.pop(operation).set()

    def _alive(self, operation: str, act: Callable[[], T]) -> T:
        self.asked.append(operation)
        if operation in self._held:
            self._held[operation].wait(PATIENCE)
        dies = len(self.asked) == self.last_call
        if self.dead or (dies and not self.after):
            self.dead = True
            raise Died
        result = act()
        if dies:
            self.dead = True
            raise Died
        return result


def _but_for_the_dead(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    if not isinstance(context.get("exception"), Died):
        loop.default_exception_handler(context)


@cache
def known_cards() -> Catalogue:
    return catalogue(Settings())


class Lab:
    """One podd. `caller` is its first account. Limits are settings of the `limits` section."""

    def __init__(
        self,
        directory: Path,
        gpus: str = "aab",
        *,
        host: Host = HOST,
        machine_settings: dict[str, Any] | None = None,
        billing_settings: dict[str, Any] | None = None,
        gpus_settings: dict[str, Any] | None = None,
        **limits: Any,
    ) -> None:
        directory.mkdir(exist_ok=True)
        self.settings = Settings(
            data_dir=directory,
            limits=limits,
            machine=machine_settings or {},
            billing=billing_settings or {},
            gpus=gpus_settings or {},
        )
        self.settings.database.write_bytes(empty_database())
        self.host = host
        self.boot_id = "the first boot"
        self.clock = ManualClock()
        self.engine = MortalEngine(images=[IMAGE], clock=self.clock)
        self.volumes = FakeVolumes()
        self._rung: list[str] = []
        self._runner = asyncio.Runner()
        self._start()
        self.plug_in(gpus)
        self.caller = self.account("ada@example.org")

    def close(self) -> None:
        self.engine.thaw()
        self.reconciler.close()
        self.podd.store.close()
        self._runner.close()

    def restart(self) -> None:
        """The daemon is gone at once, and another one starts. The containers do not notice."""
        self.reconciler.close()
        self.podd.store.close()
        self.engine.dead = False
        self._start()
        self.do(job_rows.note_all_seen, self.now)

    # Verbs and questions

    @property
    def now(self) -> int:
        return self.clock.now()

    def do(self, verb: Callable[Concatenate[Tx, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.podd.store.submit(verb, *args, **kwargs).result(PATIENCE)

    def ask(self, question: Callable[Concatenate[Reader, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.podd.store.ask(question, *args, **kwargs)

    @property
    def rung(self) -> list[str]:
        """The bells that verbs rang up to now."""
        self.do(lambda tx: None)
        return self._rung

    def run(self, coroutine: Any) -> Any:
        return self._runner.run(coroutine)

    def pass_time(self, *, seconds: float = 0, hours: float = 0, days: float = 0) -> None:
        self.clock.advance(seconds=seconds, hours=hours, days=days)

    def plug_in(self, gpus: str) -> None:
        self.do(gpu_rows.put_all, machine(gpus))

    def account(self, email: str) -> Caller:
        account, key, _ = self.do(accounts.create, OPERATOR, email, None, self.now)
        return Caller(CallerKind.ACCOUNT, account_id=account.id, key_id=key.id, user_id=account.id)

    def events(self, subject: str) -> list[str]:
        return [event.kind for event in self.ask(events.of, subject)]

    # Pods

    def pod(self, caller: Caller | None = None, **wish: Any) -> Pod:
        """A new pod, by default with one A6000."""
        request = PodRequest(**{"image": IMAGE, "gpu_type_ids": (A6000,), **wish})
        return self.do(pods.create, self.podd, caller or self.caller, request, self.now)

    def stop(self, pod: Pod, caller: Caller | None = None) -> Pod:
        return self.do(pods.stop, self.podd, caller or self.caller, pod.id, self.now)

    def resume(
        self, pod: Pod, gpu_count: int | None = None, bid: int | None = None, caller: Caller | None = None
    ) -> Pod:
        return self.do(pods.resume, self.podd, caller or self.caller, pod.id, gpu_count, self.now, bid=bid)

    def terminate(self, pod: Pod, caller: Caller | None = None) -> None:
        self.do(pods.terminate, self.podd, caller or self.caller, pod.id, self.now)

    def look(self, pod: Pod) -> Pod:
        """The pod as it is now."""
        return self.ask(pods.own, self.caller, pod.id)

    def workload(self, id: str) -> Workload | None:
        return self.ask(rows.get, id)

    def workloads(self) -> list[Workload]:
        return self.ask(rows.every)

    def claims(self) -> dict[str, str]:
        """Who holds which GPU."""
        claims: list[Claim] = self.ask(gpu_rows.claims)
        return {claim.gpu_uuid: claim.workload_id for claim in claims}

    # Endpoints and their workers

    def template(self, **values: Any) -> Template:
        wish = {"name": f"template {self.now}-{len(self.ask(templates.listed, self.caller))}", "image": IMAGE}
        return self.do(
            templates.save, self.podd, self.caller, None, {**wish, "serverless": True, **values}, self.now
        )

    def endpoint(self, **wish: Any) -> Endpoint:
        """A new endpoint, by default on A6000s, with QUEUE_DELAY 4 s and no minimum."""
        change = {"name": "my endpoint", "gpu_ids": "AMPERE_48", **wish}
        if "template_id" not in change:
            change["template_id"] = self.template().id
        return self.do(endpoints.save, self.podd, self.caller, None, EndpointChange(**change), self.now)

    def change(self, endpoint: Endpoint, **said: Any) -> Endpoint:
        change = EndpointChange(**said)
        return self.do(endpoints.save, self.podd, self.caller, endpoint.id, change, self.now)

    def see(self, endpoint: Endpoint) -> Endpoint:
        """The endpoint as it is now."""
        return self.ask(endpoints.own, self.caller, endpoint.id)

    def workers(self, endpoint: Endpoint) -> list[Worker]:
        return self.workers_of(endpoint.id)

    def workers_of(self, endpoint_id: str) -> list[Worker]:
        return self.ask(rows.workers_of, endpoint_id)

    def worker(self, endpoint: Endpoint) -> Worker:
        """The endpoint's only worker."""
        (worker,) = self.workers(endpoint)
        return worker

    def badge(self, worker: Worker) -> Badge:
        """What the worker's present container shows."""
        now = self.workload(worker.id)
        generation = now.generation if now else worker.workload.generation
        return Badge(worker.endpoint_id, worker.id, self.podd.keys.worker(worker.id, generation))

    # Jobs

    def submit(self, endpoint: Endpoint, input: Any = 1, *, sync: bool = False, **policy: Any) -> Job:
        raw = json.dumps({"input": input, "policy": policy}).encode()
        request = parse_request(raw, sync=sync, limits=self.podd.job_limits)
        return self.do(jobs.submit, self.podd, self.caller, endpoint.id, request, self.now)

    def cancel(self, job: Job) -> Job:
        return self.do(jobs.cancel, self.podd, self.caller, job.endpoint_id, job.id, self.now)

    def job(self, job: Job) -> Job:
        """The job as it is now."""
        return self.ask(jobs.status, self.caller, job.endpoint_id, job.id)

    def status(self, job: Job) -> JobStatus:
        return self.job(job).status

    def take(self, worker: Worker, limit: int = 1, *, holds_nothing: bool = False) -> list[Job] | Refused:
        return self.do(dispatch.take, self.podd, self.badge(worker), limit, holds_nothing, self.now)

    def taken(self, worker: Worker, limit: int = 1) -> list[str]:
        """Ids of the jobs the worker gets now."""
        found = self.take(worker, limit)
        assert not isinstance(found, Refused)
        return [job.id for job in found]

    def take_one(self, worker: Worker) -> Job:
        found = self.take(worker)
        assert isinstance(found, list)
        (job,) = found
        return job

    def post(self, worker: Worker, job: Job, posted: Progress | Result, badge: Badge | None = None) -> None:
        self.do(dispatch.post, self.podd, badge or self.badge(worker), job.id, posted, self.now)

    def done(self, worker: Worker, job: Job, output: str = '"done"', **how: Any) -> None:
        self.post(worker, job, Result(**{"output": output, "error": None, **how}))

    def ping(self, worker: Worker, *held: Job) -> None:
        self.do(dispatch.ping, self.podd, self.badge(worker), [job.id for job in held], self.now)

    def stops(self, worker: Worker) -> list[str] | Refused:
        return self.do(dispatch.to_stop, self.podd, self.badge(worker), self.now)

    def look_at_jobs(self) -> None:
        self.do(dispatch.tick, self.podd, self.now)

    def ready_worker(self, endpoint: Endpoint) -> Worker:
        """The endpoint's only worker, started if need be, which has asked for a job in vain."""
        if not self.workers(endpoint):
            bait = self.submit(endpoint)
            self.settle()
            self.cancel(bait)
        self.settle()
        worker = self.worker(endpoint)
        assert self.take(worker) == []
        return worker

    # Ticks

    def scale(self) -> None:
        self.run(autoscale.tick(self.podd, self.now))

    def tend_volumes(self) -> None:
        self.run(volume_files.tick(self.podd, self.volumes, self.now))

    def watch_disks(self) -> None:
        self.run(container_disks.tick(self.podd, self.engine, self.now))

    def settle(self) -> None:
        """Let all ticks run, again and again, until nothing more happens at this time."""
        with self.bells.listen(RECONCILE, AUTOSCALE) as bell:
            for _ in range(100):
                self.look_at_jobs()
                self.scale()
                moved = self.reconcile()
                moved = self.warm_up() or moved
                if not self._rang(bell) and not moved:
                    return
        raise AssertionError("It does not come to rest.")

    def _rang(self, bell: Listener) -> bool:
        self.do(lambda tx: None)  # whoever is answered after that has let the bells of those before ring
        self.run(asyncio.sleep(0))
        return bool(self.run(bell.wait(0)))

    def reconcile(self) -> bool:
        """One tick of the reconciler and the steps it begins; whether there were any. Raises Died."""
        return bool(self.run(self._carry_out(self.reconciler.tick)))

    def warm_up(self) -> bool:
        """One look for images that endpoints wait for, and the pulls it begins; whether there were any."""
        return bool(self.run(self._carry_out(self.reconciler.warm_up.tick)))

    def begin(self) -> int:
        """One tick of the reconciler, which does not wait for the steps it begins: how many there are."""
        return int(self.run(self._begin()))

    def until(self, holds: Callable[[], object]) -> None:
        """Let the steps under way go on until it holds."""
        self.run(self._until(holds))

    async def _begin(self) -> int:
        before = asyncio.all_tasks()
        await self.reconciler.tick(self.now)
        return len(asyncio.all_tasks() - before)

    async def _until(self, holds: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not holds():
                await asyncio.sleep(0.001)

    async def _carry_out(self, tick: Callable[[int], Coroutine[Any, Any, None]]) -> bool:
        with suppress(Died):
            await tick(self.now)
        begun, me = False, asyncio.current_task()
        while steps := {task for task in asyncio.all_tasks() if task is not me}:
            begun = True
            done, stuck = await asyncio.wait(steps, timeout=PATIENCE)
            assert not stuck, f"stuck: {stuck}"
            for step in done:
                step.exception()  # the reconciler has had its say; Died is nobody's to catch
        if self.engine.dead:
            raise Died
        return begun

    def _start(self) -> None:
        loop = self._runner.get_loop()
        loop.set_exception_handler(_but_for_the_dead)
        self.bells = Bells(loop)
        store = Store(self.settings.database, on_commit=lambda bells: self._hear(list(bells)))
        self.podd = Platform(
            settings=self.settings,
            catalogue=known_cards(),
            store=store,
            bells=self.bells,
            clock=self.clock,
            keys=DerivedKeys(SECRET),
            sealer=Sealer(SECRET),
            host=self.host,
            worker_url="http://10.0.0.1:8484",
            booted_at=self.clock.now(),
            operator_key_hash=key_hash(OPERATOR_KEY),
            boot_id=self.boot_id,
        )
        store.last_step = lambda tx: billing.keep_up(tx, self.podd)
        self.reconciler = Reconciler(self.podd, self.engine, self.volumes)

    def _hear(self, bells: list[str]) -> None:
        self._rung += bells
        self.bells.ring(bells)
