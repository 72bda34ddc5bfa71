"""Between podd and its workers: who gets which job, whose word counts, and how a lost job is missed."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from podd.domain.errors import Unauthenticated
from podd.domain.job import Job, JobStatus, Progress, Result
from podd.domain.worker import Worker, WorkerState
from podd.services import dispatch, endpoints
from podd.services.dispatch import Badge, Refused
from podd.services.platform import Platform, queue_bell, worker_bell
from podd.services.timekeeping import Timekeeper
from podd.store import workloads
from podd.store.db import Tx
from tests.services.conftest import NewLab
from tests.services.lab import Lab

IN_QUEUE, IN_PROGRESS, COMPLETED = JobStatus.IN_QUEUE, JobStatus.IN_PROGRESS, JobStatus.COMPLETED
FAILED, CANCELLED = JobStatus.FAILED, JobStatus.CANCELLED
LONG_AGO = 3
"""Seconds after which a hand-out cannot have crossed with the worker's next request."""


@pytest.fixture
def crew(lab: Lab) -> tuple[Lab, Worker]:
    return lab, lab.ready_worker(lab.endpoint())


Crew = tuple[Lab, Worker]


def queue(lab: Lab, worker: Worker, number: int, **policy: Any) -> list[Job]:
    endpoint = lab.ask(endpoints.own, lab.caller, worker.endpoint_id)
    return [lab.submit(endpoint, n, **policy) for n in range(number)]


def ids(jobs: list[Job]) -> list[str]:
    return [job.id for job in jobs]


# Handing out


def test_jobs_are_handed_out_in_the_order_they_came(crew: Crew) -> None:
    lab, worker = crew
    jobs = queue(lab, worker, 3)
    assert [lab.take_one(worker).id for _ in jobs] == ids(jobs)
    assert lab.taken(worker) == []


def test_a_handed_out_job_is_in_progress_at_its_worker(crew: Crew) -> None:
    lab, worker = crew
    [job] = queue(lab, worker, 1)
    lab.pass_time(seconds=2)
    taken = lab.take_one(worker)
    assert taken == lab.job(job)
    assert (taken.status, taken.worker_id, taken.attempt, taken.taken_at) == (
        IN_PROGRESS,
        worker.id,
        1,
        lab.now,
    )
    assert taken.body == job.body


def test_no_more_are_handed_out_than_asked_for(crew: Crew) -> None:
    lab, worker = crew
    jobs = queue(lab, worker, 5)
    assert lab.taken(worker, 3) == ids(jobs[:3])
    assert lab.taken(worker, 3) == ids(jobs[3:])


def test_jobs_of_low_priority_wait_for_the_others(crew: Crew) -> None:
    lab, worker = crew
    low = queue(lab, worker, 2, lowPriority=True)
    normal = queue(lab, worker, 2)
    assert [lab.take_one(worker).id for _ in range(3)] == ids([*normal, low[0]])


def test_a_lost_job_goes_first(crew: Crew) -> None:
    lab, worker = crew
    lost, other = queue(lab, worker, 2)
    lab.take_one(worker)
    queue(lab, worker, 1)
    lab.pass_time(seconds=LONG_AGO)
    assert [job.id for job in as_list(lab.take(worker, 2, holds_nothing=True))] == [lost.id, other.id]


def test_a_lost_job_of_low_priority_still_waits_for_the_others(crew: Crew) -> None:
    lab, worker = crew
    [low] = queue(lab, worker, 1, lowPriority=True)
    lab.take_one(worker)
    [normal] = queue(lab, worker, 1)
    [later] = queue(lab, worker, 1, lowPriority=True)
    lab.pass_time(seconds=LONG_AGO)
    got = [as_list(lab.take(worker, holds_nothing=n == 0))[0].id for n in range(3)]
    assert got == ids([normal, low, later])


def test_nobody_gets_a_job_of_another_endpoint(lab: Lab) -> None:
    one, other = lab.endpoint(name="one"), lab.endpoint(name="other")
    worker = lab.ready_worker(one)
    lab.submit(other)
    assert lab.taken(worker) == []


def test_two_workers_never_get_the_same_job(lab: Lab) -> None:
    endpoint = lab.endpoint(workers_min=2)
    lab.settle()
    first, second = lab.workers(endpoint)
    jobs = [lab.submit(endpoint) for _ in range(10)]
    got = [id for worker in (first, second, first, second) for id in lab.taken(worker, 3)]
    assert sorted(got) == sorted(ids(jobs))


def test_the_first_take_makes_the_worker_ready(lab: Lab) -> None:
    endpoint = lab.endpoint(workers_min=1)
    lab.settle()
    worker = lab.worker(endpoint)
    assert worker.state is WorkerState.INITIALIZING
    lab.pass_time(seconds=5)
    assert lab.taken(worker) == []
    ready = lab.worker(endpoint)
    assert (ready.state, ready.ready_at, ready.idle_since) == (WorkerState.IDLE, lab.now, lab.now)


def test_a_worker_is_idle_from_the_end_of_its_last_job(crew: Crew) -> None:
    lab, worker = crew
    first, second = queue(lab, worker, 2)
    lab.taken(worker, 2)
    assert look(lab, worker).idle_since is None
    lab.pass_time(seconds=1)
    lab.done(worker, first)
    assert (look(lab, worker).state, look(lab, worker).idle_since) == (WorkerState.RUNNING, None)
    lab.pass_time(seconds=1)
    lab.done(worker, second)
    assert (look(lab, worker).state, look(lab, worker).idle_since) == (WorkerState.IDLE, lab.now)


def test_a_reply_that_could_not_be_written_was_no_attempt(crew: Crew) -> None:
    lab, worker = crew
    jobs = queue(lab, worker, 2)
    taken = as_list(lab.take(worker, 2))
    lab.pass_time(seconds=1)
    lab.do(dispatch.put_back, taken, lab.now)
    seen = [lab.job(job) for job in jobs]
    assert [(job.retries, job.enqueued_at) for job in seen] == [(0, job.enqueued_at) for job in jobs]
    assert look(lab, worker).idle_since == lab.now
    assert queue_bell(worker.endpoint_id) in lab.rung
    assert lab.taken(worker, 2) == ids(jobs)


def test_putting_back_a_job_that_has_moved_on_changes_nothing(crew: Crew) -> None:
    lab, worker = crew
    queue(lab, worker, 1)
    taken = as_list(lab.take(worker))
    lab.done(worker, taken[0])
    lab.do(dispatch.put_back, taken, lab.now)
    assert lab.status(taken[0]) is COMPLETED


# The door


def test_a_worker_that_is_told_to_go_gets_no_more_jobs(crew: Crew) -> None:
    """The idle stop and the take meet in the database: whoever is second sees what the first did."""
    lab, worker = crew
    lab.pass_time(seconds=10)
    lab.scale()  # idle for too long
    [job] = queue(lab, worker, 1)
    assert lab.take(worker) == Refused()
    assert lab.stops(worker) == Refused()
    assert lab.status(job) is IN_QUEUE


def test_the_polls_of_a_worker_that_is_told_to_go_are_answered_at_once(crew: Crew) -> None:
    lab, worker = crew
    lab.pass_time(seconds=10)
    lab.rung.clear()
    lab.scale()
    assert worker_bell(worker.id) in lab.rung


def test_a_worker_with_a_job_is_not_let_go(crew: Crew) -> None:
    lab, worker = crew
    [job] = queue(lab, worker, 1)
    lab.take_one(worker)
    lab.pass_time(seconds=30)
    lab.ping(worker, job)
    lab.settle()
    assert look(lab, worker).state is WorkerState.RUNNING


def test_a_worker_that_wants_a_refresh_gets_no_job_from_then_on(crew: Crew) -> None:
    lab, worker = crew
    first, second, third = queue(lab, worker, 3)
    lab.taken(worker, 2)
    lab.done(worker, first, refresh=True)
    assert lab.take(worker) == Refused()
    assert [lab.status(job) for job in (second, third)] == [IN_PROGRESS, IN_QUEUE]


# Whose word counts


def words(podd: Platform, badge: Badge, job_id: str, now: int) -> list[Callable[[Tx], Any]]:
    """Everything a worker can say, about one job where it is about a job."""
    return [
        lambda tx: dispatch.take(tx, podd, badge, 1, True, now),
        lambda tx: dispatch.to_stop(tx, podd, badge, now),
        lambda tx: dispatch.post(tx, podd, badge, job_id, Result('"forged"', None), now),
        lambda tx: dispatch.post(tx, podd, badge, job_id, Progress('"forged"'), now),
        lambda tx: dispatch.refuse_result(tx, podd, badge, job_id, "forged", now),
        lambda tx: dispatch.chunk(tx, podd, badge, job_id, ["1"], now),
        lambda tx: dispatch.ping(tx, podd, badge, [job_id], now),
        lambda tx: dispatch.unfit(tx, podd, badge, "check", "forged", now),
    ]


def test_a_wrong_key_is_refused_and_changes_nothing(crew: Crew) -> None:
    lab, worker = crew
    [job] = queue(lab, worker, 1)
    lab.take_one(worker)
    before = lab.job(job)
    good = lab.badge(worker)
    stranger = lab.ready_worker(lab.endpoint(name="other"))
    for badge in (
        Badge(good.endpoint_id, good.worker_id, "wrong"),
        Badge(good.endpoint_id, good.worker_id, ""),
        Badge(good.endpoint_id, good.worker_id, "schlüssel"),
        Badge(good.endpoint_id, good.worker_id, lab.badge(stranger).key),
        Badge(good.endpoint_id, "nosuchworker", good.key),
        Badge("nosuchendpoint", good.worker_id, good.key),
        Badge(stranger.endpoint_id, good.worker_id, good.key),
    ):
        lab.pass_time(seconds=1)
        for word in words(lab.podd, badge, job.id, lab.now):
            with pytest.raises(Unauthenticated):
                lab.do(word)
    assert lab.job(job) == before
    assert look(lab, worker).state is WorkerState.RUNNING


def test_a_worker_has_a_say_about_its_own_jobs_only(lab: Lab) -> None:
    endpoint = lab.endpoint(workers_min=2)
    lab.settle()
    mine, other = lab.workers(endpoint)
    job = lab.submit(endpoint)
    assert lab.taken(mine) == [job.id]
    lab.done(other, job, '"foreign"')
    lab.post(other, job, Progress('"foreign"'))
    lab.do(dispatch.refuse_result, lab.podd, lab.badge(other), job.id, "foreign", lab.now)
    assert (lab.status(job), lab.job(job).progress) == (IN_PROGRESS, None)
    lab.done(mine, job, '"mine"')
    assert lab.job(job).output == '"mine"'


def test_a_result_that_comes_twice_is_accepted_and_the_first_one_stays(crew: Crew) -> None:
    lab, worker = crew
    [job] = queue(lab, worker, 1)
    lab.take_one(worker)
    lab.done(worker, job, '"first"')
    finished = lab.job(job)
    counted = lab.ask(endpoints.own, lab.caller, worker.endpoint_id).completed
    lab.pass_time(seconds=1)
    lab.done(worker, job, '"second"')
    lab.done(worker, job, error="third")
    assert lab.job(job) == finished
    assert lab.ask(endpoints.own, lab.caller, worker.endpoint_id).completed == counted


def test_a_post_about_a_job_nobody_knows_is_accepted(crew: Crew) -> None:
    lab, worker = crew
    [job] = queue(lab, worker, 1)
    lab.do(dispatch.post, lab.podd, lab.badge(worker), "nosuchjob", Result("1", None), lab.now)
    lab.done(worker, job)  # not even handed out
    assert lab.status(job) is IN_QUEUE


def test_a_late_result_of_a_lost_attempt_changes_nothing(lab: Lab) -> None:
    endpoint = lab.endpoint(workers_min=2)
    lab.settle()
    first, second = lab.workers(endpoint)
    job = lab.submit(endpoint)
    assert lab.taken(first) == [job.id]
    lab.pass_time(seconds=41)
    lab.look_at_jobs()
    assert lab.taken(second) == [job.id]
    lab.done(first, job, '"late"')
    assert (lab.status(job), lab.job(job).worker_id) == (IN_PROGRESS, second.id)
    lab.done(second, job, '"good"')
    assert (lab.job(job).output, lab.job(job).retries) == ('"good"', 1)


def test_a_container_of_the_past_is_heard_but_changes_nothing(crew: Crew) -> None:
    lab, worker = crew
    [job] = queue(lab, worker, 1)
    old = lab.badge(worker)
    lab.take_one(worker)
    lab.pass_time(seconds=60)
    lab.engine.crash(worker.workload.container_name)
    lab.settle()
    new = look(lab, worker)
    assert new.workload.generation == worker.workload.generation + 1
    assert lab.taken(new) == [job.id]
    before = lab.job(job)
    refused = [lab.do(word) for word in words(lab.podd, old, job.id, lab.now)]
    assert refused == [Refused(), Refused(), *[None] * 6]
    assert lab.job(job) == before
    lab.done(new, job, '"new"')
    assert lab.job(job).output == '"new"'


def test_a_result_that_cannot_be_kept_fails_the_job_with_the_reason(crew: Crew) -> None:
    lab, worker = crew
    [job] = queue(lab, worker, 1)
    lab.take_one(worker)
    lab.do(dispatch.refuse_result, lab.podd, lab.badge(worker), job.id, "too large", lab.now)
    assert (lab.status(job), lab.job(job).error) == (FAILED, "too large")
    assert look(lab, worker).state is WorkerState.IDLE


# Lost jobs


def test_a_worker_that_says_it_holds_nothing_has_lost_its_job(crew: Crew) -> None:
    lab, worker = crew
    [job] = queue(lab, worker, 1)
    lab.take_one(worker)
    lab.pass_time(seconds=LONG_AGO)
    again = as_list(lab.take(worker, holds_nothing=True))
    assert ids(again) == [job.id]
    assert (lab.job(job).attempt, lab.job(job).retries) == (2, 1)
    assert lab.ask(endpoints.own, lab.caller, worker.endpoint_id).retried == 1


def test_a_hand_out_that_may_have_crossed_with_the_next_request_is_not_lost(crew: Crew) -> None:
    lab, worker = crew
    [job] = queue(lab, worker, 1)
    lab.take_one(worker)
    lab.pass_time(seconds=1.9)
    assert lab.take(worker, holds_nothing=True) == []
    assert (lab.status(job), lab.job(job).retries) == (IN_PROGRESS, 0)


def test_a_worker_that_may_hold_something_has_lost_nothing(crew: Crew) -> None:
    lab, worker = crew
    [job] = queue(lab, worker, 1)
    lab.take_one(worker)
    lab.pass_time(seconds=LONG_AGO)
    assert lab.take(worker, holds_nothing=False) == []
    assert lab.status(job) is IN_PROGRESS


def test_a_job_lost_twice_fails_in_runpods_words(crew: Crew) -> None:
    lab, worker = crew
    [job] = queue(lab, worker, 1)
    lab.take_one(worker)
    lab.pass_time(seconds=LONG_AGO)
    lab.take(worker, holds_nothing=True)
    lab.pass_time(seconds=LONG_AGO)
    assert lab.take(worker, holds_nothing=True) == []
    lost = lab.job(job)
    assert (lost.status, lost.error, lost.retries) == (FAILED, "job timed out after 1 retries", 1)
    endpoint = lab.ask(endpoints.own, lab.caller, worker.endpoint_id)
    assert (endpoint.retried, endpoint.failed) == (1, 1)


def test_how_often_a_job_is_retried_is_a_setting(new_lab: NewLab) -> None:
    lab = new_lab(job_retries=0)
    worker = lab.ready_worker(lab.endpoint())
    [job] = queue(lab, worker, 1)
    lab.take_one(worker)
    lab.pass_time(seconds=LONG_AGO)
    assert lab.take(worker, holds_nothing=True) == []
    assert lab.job(job).error == "job timed out after 0 retries"


def test_a_job_nobody_has_a_word_about_is_lost_after_forty_seconds(crew: Crew) -> None:
    lab, worker = crew
    [job] = queue(lab, worker, 1)
    lab.take_one(worker)
    lab.pass_time(seconds=40)
    lab.look_at_jobs()
    assert lab.status(job) is IN_PROGRESS
    lab.pass_time(seconds=0.001)
    lab.look_at_jobs()
    assert (lab.status(job), lab.job(job).retries) == (IN_QUEUE, 1)


@pytest.mark.parametrize("sign", ["ping", "progress", "chunk"])
def test_a_sign_of_life_keeps_a_job_where_it_is(crew: Crew, sign: str) -> None:
    lab, worker = crew
    [job] = queue(lab, worker, 1)
    lab.take_one(worker)
    for _ in range(3):
        lab.pass_time(seconds=39)
        match sign:
            case "ping":
                lab.ping(worker, job)
            case "progress":
                lab.post(worker, job, Progress("1"))
            case "chunk":
                lab.do(dispatch.chunk, lab.podd, lab.badge(worker), job.id, ["1"], lab.now)
        lab.look_at_jobs()
    assert lab.status(job) is IN_PROGRESS


def test_a_ping_that_names_anothers_job_says_nothing_about_it(lab: Lab) -> None:
    endpoint = lab.endpoint(workers_min=2)
    lab.settle()
    mine, other = lab.workers(endpoint)
    job = lab.submit(endpoint)
    assert lab.taken(mine) == [job.id]
    lab.pass_time(seconds=41)
    lab.ping(other, job)
    lab.look_at_jobs()
    assert lab.status(job) is IN_QUEUE


def test_a_slower_ping_is_waited_for(new_lab: NewLab) -> None:
    lab = new_lab(ping_interval_seconds=30)
    worker = lab.ready_worker(lab.endpoint())
    [job] = queue(lab, worker, 1)
    lab.take_one(worker)
    lab.pass_time(seconds=120)
    lab.look_at_jobs()
    assert lab.status(job) is IN_PROGRESS
    lab.pass_time(seconds=1)
    lab.look_at_jobs()
    assert lab.status(job) is IN_QUEUE


def test_what_podds_own_restart_cut_off_is_handed_out_again_uncounted(crew: Crew) -> None:
    lab, worker = crew
    [job] = queue(lab, worker, 1)
    lab.take_one(worker)
    lab.pass_time(seconds=LONG_AGO)
    lab.restart()
    assert ids(as_list(lab.take(worker, holds_nothing=True))) == [job.id]
    assert (lab.job(job).retries, lab.job(job).attempt) == (0, 2)
    assert lab.ask(endpoints.own, lab.caller, worker.endpoint_id).retried == 0


def test_podds_own_absence_is_not_held_against_the_silent(crew: Crew) -> None:
    lab, worker = crew
    [job] = queue(lab, worker, 1, executionTimeout=0)
    lab.take_one(worker)
    lab.pass_time(hours=1)
    lab.restart()
    lab.look_at_jobs()
    lab.pass_time(seconds=40)
    lab.look_at_jobs()
    assert lab.status(job) is IN_PROGRESS
    lab.pass_time(seconds=1)
    lab.look_at_jobs()
    assert lab.status(job) is IN_QUEUE


def test_a_worker_that_fell_silent_is_not_in_the_way_of_its_endpoint(lab: Lab) -> None:
    """Its process hangs: it never asks again. With one worker at most, nobody else would."""
    endpoint = lab.endpoint(workers_max=1)
    hung = lab.ready_worker(endpoint)
    job = lab.submit(endpoint)
    lab.take_one(hung)
    lab.pass_time(seconds=60)
    lab.settle()
    assert lab.status(job) is IN_QUEUE
    fresh = lab.worker(endpoint)
    assert lab.engine.running() == [fresh.workload.container_name]
    assert fresh.workload.container_name != hung.workload.container_name
    assert lab.taken(fresh) == [job.id]


# A blocked worker: its main loop stands still, its pings go on


def blocked(lab: Lab, worker: Worker, *held: Job, seconds: int, ping: bool = True) -> None:
    """A handler does not give way, so the worker's pings name only what it had read before."""
    for _ in range(seconds // 10):
        lab.pass_time(seconds=10)
        if ping:
            lab.ping(worker, *held)
        lab.look_at_jobs()


def test_a_job_that_a_blocked_worker_has_not_read_yet_is_not_lost(crew: Crew) -> None:
    lab, worker = crew
    reading, unread = queue(lab, worker, 2)
    lab.taken(worker)
    lab.taken(worker)
    blocked(lab, worker, reading, seconds=300)
    assert [lab.status(job) for job in (reading, unread)] == [IN_PROGRESS, IN_PROGRESS]
    lab.done(worker, reading)
    lab.look_at_jobs()
    assert lab.status(unread) is IN_PROGRESS
    lab.ping(worker, unread)
    blocked(lab, worker, unread, seconds=60)
    lab.done(worker, unread)
    assert lab.job(unread).retries == 0


def test_once_its_main_loop_runs_again_silence_about_a_job_counts(crew: Crew) -> None:
    lab, worker = crew
    reading, unread = queue(lab, worker, 2)
    lab.taken(worker)
    lab.taken(worker)
    blocked(lab, worker, reading, seconds=100)
    lab.done(worker, reading)
    blocked(lab, worker, seconds=40)
    assert lab.status(unread) is IN_PROGRESS
    blocked(lab, worker, seconds=10)
    assert (lab.status(unread), lab.job(unread).retries) == (IN_QUEUE, 1)


def test_a_blocked_worker_whose_pings_stop_has_lost_its_jobs(crew: Crew) -> None:
    lab, worker = crew
    reading, unread = queue(lab, worker, 2)
    lab.taken(worker)
    lab.taken(worker)
    blocked(lab, worker, reading, seconds=60)
    blocked(lab, worker, seconds=60, ping=False)
    assert [lab.status(job) for job in (reading, unread)] == [IN_QUEUE, IN_QUEUE]


def test_a_poll_that_is_held_and_looked_at_again_is_no_sign_of_life(crew: Crew) -> None:
    lab, worker = crew
    reading, unread = queue(lab, worker, 2)
    lab.taken(worker)
    lab.taken(worker)
    for _ in range(6):
        blocked(lab, worker, reading, seconds=10)
        lab.do(dispatch.to_stop, lab.podd, lab.badge(worker), lab.now, again=True)
    assert lab.status(unread) is IN_PROGRESS


def test_how_long_a_worker_may_be_silent_is_a_setting(new_lab: NewLab) -> None:
    lab = new_lab(worker_silence_seconds=90)
    worker = lab.ready_worker(lab.endpoint())
    [job] = queue(lab, worker, 1)
    lab.take_one(worker)
    lab.pass_time(seconds=90)
    lab.look_at_jobs()
    assert lab.status(job) is IN_PROGRESS
    lab.pass_time(seconds=1)
    lab.look_at_jobs()
    assert lab.status(job) is IN_QUEUE


def test_an_old_sdk_gets_longer_to_note_what_it_was_given(crew: Crew) -> None:
    lab, worker = crew
    [job] = queue(lab, worker, 1)
    lab.take_one(worker)
    old = replace(lab.badge(worker), old_sdk=True)
    lab.pass_time(seconds=9)
    assert lab.do(dispatch.take, lab.podd, old, 1, True, lab.now) == []
    assert lab.status(job) is IN_PROGRESS
    lab.pass_time(seconds=2)
    assert ids(as_list(lab.do(dispatch.take, lab.podd, old, 1, True, lab.now))) == [job.id]


# A clock that jumps


@pytest.mark.parametrize("hours", [2, -2])
def test_a_clock_that_jumps_takes_no_job_from_its_worker(crew: Crew, hours: int) -> None:
    """Two minutes of ten are left to the job, before as after."""
    lab, worker = crew
    keeper = Timekeeper(lab.podd)
    [job] = queue(lab, worker, 1, executionTimeout=600_000)
    lab.take_one(worker)
    for minute in range(9):
        lab.pass_time(seconds=30)
        lab.ping(worker, job)
        if minute == 4:
            lab.clock.jump(hours=hours)
        lab.run(keeper.tick())
        lab.look_at_jobs()
        lab.pass_time(seconds=30)
        lab.ping(worker, job)
        lab.run(keeper.tick())
        lab.look_at_jobs()
        assert (lab.status(job), lab.job(job).attempt) == (IN_PROGRESS, 1)
    for seconds, status in ((59, IN_PROGRESS), (2, FAILED)):
        lab.pass_time(seconds=seconds)
        lab.ping(worker, job)
        lab.run(keeper.tick())
        lab.look_at_jobs()
        assert lab.status(job) is status


@pytest.mark.parametrize("hours", [2, -2])
def test_silence_is_measured_across_a_jump(crew: Crew, hours: int) -> None:
    lab, worker = crew
    keeper = Timekeeper(lab.podd)
    [job] = queue(lab, worker, 1)
    lab.take_one(worker)
    lab.pass_time(seconds=20)
    lab.clock.jump(hours=hours)
    for seconds, status in ((20, IN_PROGRESS), (1, IN_QUEUE)):
        lab.pass_time(seconds=seconds)
        lab.run(keeper.tick())
        lab.look_at_jobs()
        assert lab.status(job) is status


@pytest.mark.parametrize("hours", [2, -2])
def test_what_is_taken_after_the_jump_keeps_its_times(crew: Crew, hours: int) -> None:
    lab, worker = crew
    keeper = Timekeeper(lab.podd)
    before, after = queue(lab, worker, 2)
    lab.take_one(worker)
    lab.pass_time(seconds=0.4)
    lab.clock.jump(hours=hours)
    taken = lab.take_one(worker)
    lab.pass_time(seconds=0.4)
    lab.run(keeper.tick())
    assert lab.job(after).taken_at == taken.taken_at
    assert lab.now - (lab.job(before).taken_at or 0) == 800


def test_an_even_clock_moves_nothing(crew: Crew) -> None:
    lab, worker = crew
    keeper = Timekeeper(lab.podd)
    [job] = queue(lab, worker, 1)
    taken = lab.take_one(worker)
    lab.pass_time(hours=1)
    lab.run(keeper.tick())
    assert lab.job(job).taken_at == taken.taken_at


def test_84_an_orphan_that_goes_on_pinging_keeps_a_job_no_longer_than_it_may_run(crew: Crew) -> None:
    """The main process died behind a shell that did not: the container runs, its pings name the job."""
    lab, worker = crew
    [job] = queue(lab, worker, 1, executionTimeout=60_000)
    lab.take_one(worker)
    blocked(lab, worker, job, seconds=50)
    assert lab.status(job) is IN_PROGRESS
    blocked(lab, worker, job, seconds=10)
    assert (lab.status(job), lab.job(job).error) == (FAILED, "executionTimeout exceeded")
    after = lab.workload(worker.id)
    assert after is not None
    assert after.generation == worker.workload.generation + 1


# Stopping jobs


def test_a_worker_that_gets_no_more_jobs_is_still_told_to_stop_those_it_has(crew: Crew) -> None:
    lab, worker = crew
    first, second = queue(lab, worker, 2)
    lab.taken(worker, 2)
    lab.done(worker, first, refresh=True)
    lab.cancel(second)
    assert lab.stops(worker) == [second.id]
    assert lab.stops(worker) == Refused()


def test_a_worker_is_told_again_to_stop_a_job_until_it_lets_go(crew: Crew) -> None:
    lab, worker = crew
    [job] = queue(lab, worker, 1)
    lab.take_one(worker)
    lab.cancel(job)
    assert lab.stops(worker) == [job.id]
    assert lab.stops(worker) == []
    lab.pass_time(seconds=2)
    assert lab.stops(worker) == [job.id]
    lab.ping(worker, job)  # it still has it
    lab.pass_time(seconds=2)
    assert lab.stops(worker) == [job.id]
    lab.ping(worker)
    lab.pass_time(seconds=2)
    assert lab.stops(worker) == []


def test_a_late_result_of_a_cancelled_job_shows_that_it_has_stopped(crew: Crew) -> None:
    lab, worker = crew
    [job] = queue(lab, worker, 1)
    lab.take_one(worker)
    lab.cancel(job)
    lab.done(worker, job)
    lab.pass_time(seconds=2)
    assert lab.stops(worker) == []
    assert lab.status(job) is CANCELLED


def test_a_worker_that_does_not_let_go_is_restarted(crew: Crew) -> None:
    lab, worker = crew
    [job] = queue(lab, worker, 1)
    lab.take_one(worker)
    lab.cancel(job)
    lab.stops(worker)
    lab.ping(worker, job)
    lab.pass_time(seconds=10)
    lab.ping(worker, job)
    lab.look_at_jobs()
    assert look(lab, worker).workload.generation == worker.workload.generation + 1
    lab.look_at_jobs()
    assert look(lab, worker).workload.generation == worker.workload.generation + 1


def test_a_worker_with_other_jobs_is_not_restarted_for_a_cancelled_one(crew: Crew) -> None:
    lab, worker = crew
    cancelled, other = queue(lab, worker, 2)
    lab.taken(worker, 2)
    lab.cancel(cancelled)
    lab.pass_time(seconds=11)
    lab.ping(worker, cancelled, other)
    lab.look_at_jobs()
    assert look(lab, worker).workload.generation == worker.workload.generation
    assert lab.status(other) is IN_PROGRESS


def test_nobody_is_told_to_stop_a_job_that_ended_by_itself(crew: Crew) -> None:
    lab, worker = crew
    queue(lab, worker, 1)
    lab.done(worker, lab.take_one(worker))
    assert lab.stops(worker) == []


# Unfit


def test_a_worker_that_finds_itself_unfit_is_unhealthy_with_its_reason(lab: Lab) -> None:
    endpoint = lab.endpoint(workers_min=1)
    lab.settle()
    worker = lab.worker(endpoint)
    lab.do(dispatch.unfit, lab.podd, lab.badge(worker), "check_gpu", "no CUDA", lab.now)
    sick = lab.worker(endpoint)
    assert sick.state is WorkerState.UNHEALTHY
    assert "check_gpu" in sick.workload.reason
    assert "no CUDA" in sick.workload.reason
    assert lab.claims() == {}


def test_a_worker_that_is_told_to_go_and_finds_itself_unfit_goes_all_the_same(lab: Lab) -> None:
    """It was let go while it was still starting up; its check fails on the way out."""
    endpoint = lab.endpoint(workers_min=1)
    lab.settle()
    worker = lab.worker(endpoint)
    badge = lab.badge(worker)
    lab.change(endpoint, workers_min=0, workers_max=0)
    lab.scale()
    lab.do(dispatch.unfit, lab.podd, badge, "check_gpu", "no CUDA", lab.now)
    lab.settle()
    assert (lab.workers(endpoint), lab.workloads()) == ([], [])


def test_a_key_of_long_ago_is_as_good_as_none(crew: Crew) -> None:
    """Each container of a worker has a key of its own. Not all of the past are tried for every wrong one."""
    lab, worker = crew

    def age(tx: Tx) -> None:
        workloads.change(tx, worker.id, generation=100_000)

    lab.do(age)
    recent = Badge(worker.endpoint_id, worker.id, lab.podd.keys.worker(worker.id, 99_999))
    assert lab.do(dispatch.take, lab.podd, recent, 1, True, lab.now) == Refused()
    ancient = Badge(worker.endpoint_id, worker.id, lab.podd.keys.worker(worker.id, 1))
    with pytest.raises(Unauthenticated):
        lab.do(dispatch.take, lab.podd, ancient, 1, True, lab.now)


def look(lab: Lab, worker: Worker) -> Worker:
    [found] = [w for w in lab.workers_of(worker.endpoint_id) if w.id == worker.id]
    return found


def as_list(taken: list[Job] | Refused) -> list[Job]:
    assert isinstance(taken, list)
    return taken
