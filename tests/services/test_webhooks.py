"""Webhooks: the end of a job is told to whoever asked for it, from rows that outlive a restart."""

import asyncio
import ipaddress
from collections.abc import Iterator

import pytest

from podd.courier import HttpCourier
from podd.domain.endpoint import Endpoint
from podd.domain.job import Job, JobStatus, Result, parse_request
from podd.domain.measure import Measure
from podd.services import endpoints, jobs
from podd.services.webhooks import Webhooks
from podd.store import measures
from podd.store import webhooks as rows
from tests.receiver import Receiver, receiving
from tests.services.lab import Lab

LOOPBACK = ipaddress.ip_network("127.0.0.0/8")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def submit(lab: Lab, endpoint: Endpoint, url: str, input: str = '{"n": 1}', policy: str = "{}") -> Job:
    raw = f'{{"input": {input}, "webhook": "{url}", "policy": {policy}}}'.encode()
    request = parse_request(raw, sync=False, limits=lab.podd.job_limits)
    return lab.do(jobs.submit, lab.podd, lab.caller, endpoint.id, request, lab.now)


def deliver(lab: Lab) -> None:
    """Deliver all that is due now."""
    lab.run(_deliver(lab))


async def _deliver(lab: Lab) -> None:
    courier = HttpCourier((LOOPBACK,), timeout=10)
    outbox = Webhooks(lab.podd, courier)
    while due(lab):
        await outbox.tick(lab.now)
        await asyncio.gather(*(t for t in asyncio.all_tasks() if t is not asyncio.current_task()))
    await courier.close()


def answers(lab: Lab, job: Job) -> tuple[int, int]:
    """How many of the endpoint's webhooks were taken, and how many were not."""
    found = lab.ask(measures.since, job.endpoint_id, 0)
    return sum(found[Measure.WEBHOOK_SENT].values()), sum(found[Measure.WEBHOOK_FAILED].values())


def due(lab: Lab) -> list[tuple[int, str]]:
    return lab.ask(rows.due, lab.now, 10_000, 100)


def test_the_end_of_a_job_is_told_once_with_what_it_was_asked(lab: Lab, receiver: Receiver) -> None:
    endpoint = lab.endpoint()
    worker = lab.ready_worker(endpoint)
    job = submit(lab, endpoint, receiver.url)
    lab.pass_time(seconds=2)
    lab.take_one(worker)
    assert due(lab) == []
    lab.pass_time(seconds=3)
    lab.done(worker, job, '{"answer": 42}')
    deliver(lab)
    deliver(lab)
    assert receiver.heard == [
        {
            "id": job.id,
            "status": "COMPLETED",
            "input": {"n": 1},
            "output": {"answer": 42},
            "delayTime": 2000,
            "executionTime": 3000,
            "workerId": worker.id,
            "webhook": receiver.url,
        }
    ]


def test_a_failure_is_told_with_its_error(lab: Lab, receiver: Receiver) -> None:
    endpoint = lab.endpoint()
    worker = lab.ready_worker(endpoint)
    job = submit(lab, endpoint, receiver.url)
    lab.take_one(worker)
    lab.post(worker, job, Result(output=None, error="no luck"))
    deliver(lab)
    assert [(heard["status"], heard["error"]) for heard in receiver.heard] == [("FAILED", "no luck")]


def test_a_job_that_expires_is_told_and_a_cancelled_one_is_not(lab: Lab, receiver: Receiver) -> None:
    endpoint = lab.endpoint(workers_max=0)
    submit(lab, endpoint, receiver.url, policy='{"ttl": 10000}')
    cancelled = submit(lab, endpoint, receiver.url)
    lab.cancel(cancelled)
    lab.pass_time(seconds=11)
    lab.look_at_jobs()
    deliver(lab)
    assert [heard["status"] for heard in receiver.heard] == [JobStatus.TIMED_OUT]


def test_a_late_result_of_a_finished_job_is_told_to_nobody(lab: Lab, receiver: Receiver) -> None:
    endpoint = lab.endpoint()
    worker = lab.ready_worker(endpoint)
    job = submit(lab, endpoint, receiver.url)
    lab.take_one(worker)
    lab.done(worker, job)
    lab.done(worker, job)
    deliver(lab)
    assert len(receiver.heard) == 1


def ended(lab: Lab, url: str, endpoint: Endpoint | None = None) -> Job:
    """A job that failed at once."""
    endpoint = endpoint or lab.endpoint()
    job = submit(lab, endpoint, url)
    lab.do(jobs.end, lab.podd, job, JobStatus.FAILED, error="x", now=lab.now)
    return job


def test_62_65_anything_but_2xx_is_tried_again_after_a_pause_three_times_in_all(
    lab: Lab, receiver: Receiver
) -> None:
    receiver.answers = [500, 302, 404]
    job = ended(lab, receiver.url)
    for tries in (1, 2, 3):
        deliver(lab)
        assert len(receiver.heard) == tries
        lab.pass_time(seconds=9.9)
        assert due(lab) == []
        lab.pass_time(seconds=0.1)
    assert due(lab) == []
    assert answers(lab, job) == (0, 3)
    assert lab.status(job) is JobStatus.FAILED


def test_the_end_of_a_deleted_endpoints_job_is_still_told(lab: Lab, receiver: Receiver) -> None:
    job = ended(lab, receiver.url)
    lab.do(endpoints.delete, lab.podd, lab.caller, job.endpoint_id, lab.now)
    deliver(lab)
    assert [heard["id"] for heard in receiver.heard] == [job.id]


def test_an_answer_of_2xx_ends_the_tries(lab: Lab, receiver: Receiver) -> None:
    receiver.answers = [500, 500, 204]
    ended(lab, receiver.url)
    for _ in range(4):
        deliver(lab)
        lab.pass_time(seconds=10)
    assert len(receiver.heard) == 3


def test_what_was_not_delivered_is_delivered_after_a_restart_although_the_job_is_forgotten(
    lab: Lab, receiver: Receiver
) -> None:
    job = ended(lab, receiver.url)
    lab.pass_time(days=1)
    lab.look_at_jobs()
    assert lab.ask(rows.get, due(lab)[0][0]).job.id == job.id  # type: ignore[union-attr]
    lab.restart()
    deliver(lab)
    assert [heard["id"] for heard in receiver.heard] == [job.id]


def test_a_clock_that_is_set_back_holds_nothing_up(lab: Lab, receiver: Receiver) -> None:
    receiver.answers = [500, 200]
    ended(lab, receiver.url)
    deliver(lab)
    lab.pass_time(days=-1)
    deliver(lab)
    assert len(receiver.heard) == 2


def test_a_private_address_is_not_called_and_counts_as_no_answer(lab: Lab) -> None:
    job = ended(lab, "http://10.0.0.1/hook")
    deliver(lab)
    assert answers(lab, job) == (0, 1)


def test_63_a_receiver_that_hangs_holds_up_no_other_endpoint(lab: Lab, receiver: Receiver) -> None:
    receiver.answers = [None]
    slow, quick = lab.endpoint(), lab.endpoint(name="quick")
    with receiving() as other:
        share = lab.settings.webhooks.at_once_per_endpoint
        for _ in range(share + 3):
            ended(lab, receiver.url, slow)
        ended(lab, other.url, quick)
        lab.run(_while_it_hangs(lab, receiver, other))
        assert len(other.heard) == 1
        assert len(receiver.heard) == share


async def _while_it_hangs(lab: Lab, receiver: Receiver, other: Receiver) -> None:
    courier = HttpCourier((LOOPBACK,), timeout=10)
    outbox = Webhooks(lab.podd, courier)
    await outbox.tick(lab.now)
    await outbox.tick(lab.now)
    share = lab.settings.webhooks.at_once_per_endpoint
    await lab._until(lambda: other.heard and len(receiver.heard) >= share)
    await outbox.close()
    await courier.close()


def test_deliveries_broken_off_by_the_daemons_end_are_made_again(lab: Lab, receiver: Receiver) -> None:
    receiver.answers = [None, 200]
    ended(lab, receiver.url)
    lab.run(_leave_while_it_hangs(lab, receiver))
    deliver(lab)
    assert len(receiver.heard) == 2


async def _leave_while_it_hangs(lab: Lab, receiver: Receiver) -> None:
    courier = HttpCourier((LOOPBACK,), timeout=10)
    outbox = Webhooks(lab.podd, courier)
    await outbox.tick(lab.now)
    await lab._until(lambda: receiver.heard)
    await outbox.close()
    await courier.close()
