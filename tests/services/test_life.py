"""Whatever users, workers, crashes and restarts do, in whatever order: what must hold, holds.

Hypothesis makes up lives of one podd with three GPUs and looks at it after each step.
"""

import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from podd.domain.endpoint import Endpoint
from podd.domain.errors import Conflict, NoCapacity, NotFound
from podd.domain.job import Job, JobStatus
from podd.domain.pod import Pod
from podd.domain.reconcile import LIVE
from podd.domain.worker import Worker, WorkerState
from podd.domain.workload import Desired, Kind, Workload
from podd.ports import EngineError
from podd.services import pods, workloads
from podd.services.dispatch import Refused
from tests.fakes import FakeEngine
from tests.services.lab import A6000, DOLLAR, RTX4090, Lab

T = TypeVar("T")
CENT = DOLLAR // 100
RUNNING = Desired.RUNNING
STEPS = 40
PICK = st.integers(0, 9)
"""Picks one of however many there are."""


def one_of(things: Sequence[T], pick: int) -> Sequence[T]:
    """One of them, if there is any. What there is depends on what threads do first, which rules may be tried
    must not: so none has a precondition."""
    return (things[pick % len(things)],) if things else ()


class Life(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.lab = Lab(self.directory, "aab", unhealthy_retry_seconds=60)
        self.pods: list[Pod] = []
        self.stopped_by_owner: set[str] = set()
        self.endpoints: list[Endpoint] = []
        self.jobs: list[Job] = []
        self.ends: dict[str, Job] = {}
        self.crews: Counter[str] = Counter()

    def teardown(self) -> None:
        try:
            self.in_time_all_that_should_run_does()
        finally:
            self.lab.close()
            shutil.rmtree(self.directory)

    # Owners

    @rule(bid=st.none() | st.integers(20, 40), count=st.integers(1, 2), memory=st.sampled_from([None, 8, 40]))
    def create_pod(self, bid: int | None, count: int, memory: int | None) -> None:
        with suppress(NoCapacity):
            nano = bid and bid * CENT
            types = (A6000, RTX4090)
            pod = self.lab.pod(
                gpu_type_ids=types, gpu_count=count, bid=nano, min_memory=memory, ports="22/tcp"
            )
            self.pods.append(pod)

    @rule(pick=PICK)
    def stop_pod(self, pick: int) -> None:
        for pod in one_of(self.pods, pick):
            self.lab.stop(pod)
            self.stopped_by_owner.add(pod.id)

    @rule(pick=PICK, count=st.sampled_from([None, 0, 1]))
    def resume_pod(self, pick: int, count: int | None) -> None:
        for pod in one_of(self.pods, pick):
            with suppress(NoCapacity, Conflict):
                self.lab.resume(pod, gpu_count=count)
                self.stopped_by_owner.discard(pod.id)

    @rule(pick=PICK)
    def reset_pod(self, pick: int) -> None:
        for pod in one_of(self.pods, pick):
            with suppress(Conflict):
                self.lab.do(pods.reset, self.lab.podd, self.lab.caller, pod.id, self.lab.now)

    @rule(pick=PICK)
    def terminate_pod(self, pick: int) -> None:
        for pod in one_of(self.pods, pick):
            self.lab.terminate(pod)
            self.pods.remove(pod)

    @rule(
        least=st.integers(0, 1),
        most=st.integers(1, 2),
        scaler=st.sampled_from(["QUEUE_DELAY", "REQUEST_COUNT"]),
    )
    def create_endpoint(self, least: int, most: int, scaler: str) -> None:
        if len(self.endpoints) == 2:
            return
        made = self.lab.endpoint(
            name=f"endpoint {len(self.endpoints)}",
            gpu_ids="AMPERE_48,ADA_24",
            workers_min=least,
            workers_max=most,
            scaler=scaler,
            scaler_value=1,
            execution_timeout_ms=120_000,
        )
        self.endpoints.append(made)

    @rule(pick=PICK, most=st.integers(1, 3), released=st.booleans())
    def change_endpoint(self, pick: int, most: int, released: bool) -> None:
        for endpoint in one_of(self.endpoints, pick):
            template = self.lab.template().id if released else None
            self.lab.change(endpoint, workers_max=most, template_id=template)

    @rule(pick=PICK, low=st.booleans(), number=st.integers(1, 3))
    def submit(self, pick: int, low: bool, number: int) -> None:
        for endpoint in one_of(self.endpoints, pick):
            self.jobs += [self.lab.submit(endpoint, lowPriority=low) for _ in range(number)]

    @rule(pick=PICK)
    def cancel(self, pick: int) -> None:
        for job in one_of(self.jobs[::-1], pick):
            self.lab.cancel(job)

    # Workers

    @rule(pick=PICK, limit=st.integers(1, 3), holds_nothing=st.booleans())
    def take(self, pick: int, limit: int, holds_nothing: bool) -> None:
        if not self.up():
            self.submit(pick, False, 1)
            self.lab.settle()
        for worker in one_of(self.up(), pick):
            taken = self.lab.take(worker, limit, holds_nothing=holds_nothing)
            assert isinstance(taken, Refused) or len(taken) <= limit

    @rule(pick=PICK, error=st.none() | st.just("boom"), refresh=st.booleans())
    def done(self, pick: int, error: str | None, refresh: bool) -> None:
        if not self.held():
            self.take(pick, 2, False)
        for worker, job in one_of(self.held(), pick):
            self.lab.done(worker, job, error=error, refresh=refresh)
            assert self.lab.status(job) is (JobStatus.FAILED if error else JobStatus.COMPLETED)

    @rule(pick=PICK, other=PICK)
    def post_about_any_job(self, pick: int, other: int) -> None:
        for job, worker in zip(one_of(self.jobs[::-1], pick), one_of(self.up(), other), strict=False):
            before = self.lab.job(job)
            self.lab.done(worker, job, '"any"')
            mine = before.status is JobStatus.IN_PROGRESS and before.worker_id == worker.id
            assert (self.lab.job(job) == before) != mine

    @rule(pick=PICK)
    def ping(self, pick: int) -> None:
        for worker in one_of(self.up(), pick):
            self.lab.ping(worker, *[job for holder, job in self.held() if holder.id == worker.id])

    # The world

    @rule(pick=PICK, code=st.sampled_from([0, 1, 137]), vanishes=st.booleans())
    def crash(self, pick: int, code: int, vanishes: bool) -> None:
        for name in one_of(self.lab.engine.running(), pick):
            if vanishes:
                self.lab.engine.lose(name)
            else:
                self.lab.engine.crash(name, code)

    @rule(operation=st.sampled_from(["start", "stop", "remove"]))
    def let_the_engine_fail_once(self, operation: str) -> None:
        self.lab.engine.fail_next(operation, EngineError("busy"))

    @rule(seconds=st.sampled_from([0.5, 3, 6, 45, 150]))
    def pass_time(self, seconds: float) -> None:
        self.lab.pass_time(seconds=seconds)

    @rule()
    def look_at_jobs(self) -> None:
        self.lab.look_at_jobs()

    @rule()
    def scale(self) -> None:
        self.lab.scale()

    @rule()
    def reconcile_once(self) -> None:
        self.lab.reconcile()

    @rule()
    def settle(self) -> None:
        self.lab.settle()

    @rule()
    def restart_the_daemon(self) -> None:
        self.lab.restart()

    @rule()
    def reboot_the_machine(self) -> None:
        for name in (*self.lab.engine.running(), *self.lab.engine.paused()):
            self.lab.engine.crash(name, 255)
        self.lab.restart()
        self.lab.do(workloads.note_reboot, self.lab.podd, self.lab.now)

    @initialize(least=st.integers(0, 1), most=st.integers(1, 3), spot=st.booleans())
    def begin(self, least: int, most: int, spot: bool) -> None:
        """So that there is something to do at once."""
        self.create_pod(25 if spot else None, 1, None)
        self.create_endpoint(least, most, "REQUEST_COUNT")
        self.submit(0, False, 3)
        self.lab.settle()

    # What must hold

    @invariant()
    def gpus_are_claimed_only_by_those_who_should_run(self) -> None:
        books = {w.id: w for w in self.lab.workloads()}
        for holder in self.lab.claims().values():
            assert books[holder].desired is RUNNING
        for pod in self.lab.ask(pods.listed, self.lab.caller):
            claimed = len(pod.workload.gpus)
            assert claimed == (pod.gpu_count if pod.workload.desired is RUNNING else 0)
        for worker in self.crew():
            wanted = worker.workload.desired is RUNNING
            assert len(worker.workload.gpus) == int(wanted)

    @invariant()
    def memory_is_promised_once(self) -> None:
        promised = sum(w.needs.memory for w in self.lab.workloads() if w.desired is RUNNING)
        assert promised <= self.lab.host.memory

    @invariant()
    def host_ports_are_given_once(self) -> None:
        given = [port.host for w in self.lab.workloads() for port in w.published]
        assert len(given) == len(set(given))

    @invariant()
    def nobody_but_the_owner_stops_an_on_demand_pod(self) -> None:
        for pod in self.lab.ask(pods.listed, self.lab.caller):
            if pod.workload.desired is Desired.STOPPED and not pod.spot:
                assert pod.id in self.stopped_by_owner

    @invariant()
    def containers_share_no_gpu_and_no_workload(self) -> None:
        live = [c for c in FakeEngine.list(self.lab.engine) if c.state in LIVE]
        gpus = [uuid for container in live for uuid in container.gpus]
        assert len(gpus) == len(set(gpus))
        assert self.lab.engine.clashes == []
        assert len({container.workload_id for container in live}) == len(live)

    @invariant()
    def what_has_ended_has_ended(self) -> None:
        for job in list(self.jobs):
            try:
                seen = self.lab.job(job)
            except NotFound:  # kept for its time
                assert job.id in self.ends
                self.jobs.remove(job)
                continue
            assert seen.retries <= self.lab.settings.limits.job_retries
            assert (seen.status is JobStatus.IN_PROGRESS) <= bool(seen.worker_id and seen.attempt)
            if job.id in self.ends:
                assert seen == self.ends[job.id]
            elif seen.final:
                self.ends[job.id] = seen

    @invariant()
    def jobs_are_held_by_workers_that_should_run(self) -> None:
        able = {worker.id for worker in self.crew() if worker.workload.desired is RUNNING}
        for job in self.jobs:
            seen = self.lab.job(job)
            assert seen.status is not JobStatus.IN_PROGRESS or seen.worker_id in able

    @invariant()
    def a_worker_is_idle_when_and_only_when_it_holds_nothing(self) -> None:
        for worker in self.crew():
            if worker.state in (WorkerState.IDLE, WorkerState.RUNNING):
                assert (worker.idle_since is None) == bool(worker.held)

    @invariant()
    def a_crew_grows_to_its_maximum_and_no_further(self) -> None:
        for endpoint in self.endpoints:
            size = len(self.lab.workers(endpoint))
            assert size <= max(self.crews[endpoint.id], self.lab.see(endpoint).workers_max)
            self.crews[endpoint.id] = size

    def in_time_all_that_should_run_does(self) -> None:
        """The engine may still have failures in store, but not for ever."""
        for _ in range(STEPS):
            self.lab.settle()
            wished = {w.container_name for w in self.lab.workloads() if w.desired is RUNNING}
            if set(self.lab.engine.running()) == wished:
                return
            self.lab.pass_time(hours=2)
        raise AssertionError(f"{self.lab.engine.running()} run instead of {wished}")

    # Private

    def crew(self) -> list[Worker]:
        return [worker for endpoint in self.endpoints for worker in self.lab.workers(endpoint)]

    def up(self) -> list[Worker]:
        """Workers whose container runs."""
        running = set(self.lab.engine.running())
        books = {w.id: w for w in self.lab.workloads() if w.kind is Kind.WORKER}
        return [w for w in self.crew() if runs(books[w.id], running)]

    def held(self) -> list[tuple[Worker, Job]]:
        crew = {worker.id: worker for worker in self.up()}
        seen = [self.lab.job(job) for job in self.jobs]
        held = [job for job in seen if job.status is JobStatus.IN_PROGRESS and job.worker_id in crew]
        return [(crew[job.worker_id], job) for job in held]


def runs(workload: Workload, running: set[str]) -> bool:
    return workload.container_name in running


TestLife = Life.TestCase
TestLife.settings = settings(
    max_examples=15,
    stateful_step_count=STEPS,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
