"""GPUs that are scarce, shared between endpoints and accounts."""

from podd.domain.account import Caller
from podd.domain.endpoint import Endpoint
from podd.domain.job import Job, JobStatus
from podd.domain.worker import Worker
from podd.store import jobs as job_rows
from podd.store.db import Reader
from tests.services.conftest import NewLab
from tests.services.lab import Lab


def loaded(lab: Lab, caller: Caller) -> Endpoint:
    """A new endpoint of this caller with twenty waiting jobs, which wants all workers it may have."""
    mine, lab.caller = lab.caller, caller
    endpoint = lab.endpoint(scaler="REQUEST_COUNT", scaler_value=1, workers_max=4)
    for _ in range(20):
        lab.submit(endpoint)
    lab.caller = mine
    return endpoint


def all_work(lab: Lab, endpoint: Endpoint) -> list[Worker]:
    """Each worker that is up and open has a job."""
    for worker in lab.workers_of(endpoint.id):
        if not worker.held:
            lab.take(worker)
    return [worker for worker in lab.workers_of(endpoint.id) if worker.held]


def finish_all(lab: Lab, endpoint: Endpoint) -> None:
    for worker in lab.workers_of(endpoint.id):
        for job in lab.ask(held, worker.id):
            lab.done(worker, job)


def held(db: Reader, worker_id: str) -> list[Job]:
    found = (job_rows.get(db, one.endpoint_id, one.id) for one in job_rows.held_by(db, worker_id))
    return [job for job in found if job is not None]


def count(lab: Lab, endpoint: Endpoint) -> int:
    return len(lab.workers_of(endpoint.id))


def test_two_accounts_that_come_together_get_as_many_gpus_each(new_lab: NewLab) -> None:
    lab = new_lab("aaaa")
    first = loaded(lab, lab.caller)
    second = loaded(lab, lab.account("bob@example.org"))
    lab.settle()
    assert (count(lab, first), count(lab, second)) == (2, 2)


def test_who_has_all_gpus_gives_up_half_of_them_after_the_jobs_they_have(new_lab: NewLab) -> None:
    lab = new_lab("aaaa")
    first = loaded(lab, lab.caller)
    lab.settle()
    assert len(all_work(lab, first)) == 4
    second = loaded(lab, lab.account("bob@example.org"))
    lab.settle()
    assert (count(lab, first), count(lab, second)) == (4, 0)
    for _ in range(3):
        finish_all(lab, first)
        lab.settle()
        all_work(lab, first)
        all_work(lab, second)
    assert (count(lab, first), count(lab, second)) == (2, 2)
    lab.settle()
    assert (count(lab, first), count(lab, second)) == (2, 2)


def test_no_accepted_job_is_lost_when_a_worker_gives_way(new_lab: NewLab) -> None:
    lab = new_lab("aa")
    first = lab.endpoint(scaler="REQUEST_COUNT", scaler_value=1, workers_max=2)
    jobs = [lab.submit(first) for _ in range(2)]
    lab.settle()
    all_work(lab, first)
    loaded(lab, lab.account("bob@example.org"))
    lab.settle()
    assert [lab.status(job) for job in jobs] == [JobStatus.IN_PROGRESS] * 2
    finish_all(lab, first)
    assert [(lab.status(job), lab.job(job).retries) for job in jobs] == [(JobStatus.COMPLETED, 0)] * 2


def test_an_idle_worker_makes_room_at_once_but_not_one_of_the_minimum(new_lab: NewLab) -> None:
    lab = new_lab("aa")
    kept = lab.endpoint(name="kept", workers_min=1, idle_timeout_s=3600)
    lab.ready_worker(kept)
    spare = lab.endpoint(name="spare", idle_timeout_s=3600)
    lab.ready_worker(spare)
    other = lab.endpoint(name="other", workers_min=1)
    lab.settle()
    assert [count(lab, one) for one in (kept, spare, other)] == [1, 0, 1]


def test_with_one_gpu_endpoints_take_turns(new_lab: NewLab) -> None:
    lab = new_lab("a", fair_turn_seconds=30)
    first = lab.endpoint(name="first")
    jobs = [lab.submit(first) for _ in range(9)]
    lab.settle()
    worker = lab.worker(first)
    assert lab.taken(worker) == [jobs[0].id]
    second = lab.endpoint(name="second")
    waiting = lab.submit(second)
    lab.settle()
    assert lab.see(second).throttled == 1
    lab.pass_time(seconds=29)
    lab.settle()
    lab.done(worker, jobs[0])
    assert lab.taken(worker) == [jobs[1].id]
    lab.pass_time(seconds=1)
    lab.settle()
    lab.done(worker, jobs[1])
    lab.settle()
    assert (count(lab, first), count(lab, second)) == (0, 1)
    assert lab.taken(lab.worker(second)) == [waiting.id]


def test_a_gpu_that_a_pod_gives_back_goes_to_who_has_waited_longest(new_lab: NewLab) -> None:
    lab = new_lab("a")
    pod = lab.pod()
    late = lab.endpoint(name="late")
    early = lab.endpoint(name="early")
    lab.submit(early)
    lab.pass_time(seconds=1)
    lab.submit(late)
    lab.settle()
    lab.stop(pod)
    lab.settle()
    assert (count(lab, early), count(lab, late)) == (1, 0)
    assert (lab.see(early).throttled, lab.see(late).throttled) == (0, 1)
