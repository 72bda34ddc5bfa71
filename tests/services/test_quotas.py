"""Quotas, lifetimes: no way of asking gets an account, or a member of it, more than it may have."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from podd.domain.account import OPERATOR, Caller
from podd.domain.endpoint import Endpoint
from podd.domain.errors import Invalid, NotFound, OverQuota, PoddError
from podd.domain.pod import Pod, PodChange
from podd.domain.workload import Desired
from podd.services import lifetime, pods, quotas, volumes
from podd.store import quotas as rows
from podd.store import workloads
from tests.services.lab import Lab

NewLab = Callable[..., Lab]


def limited(new_lab: NewLab, machine: str = "aaaa", /, **allowed: int) -> Lab:
    return new_lab(machine, more_settings={"quotas": allowed})


def member(lab: Lab, name: str) -> Caller:
    return replace(lab.caller, user_id=name)


def volume(lab: Lab, size: int, caller: Caller | None = None) -> str:
    made = lab.do(volumes.create, lab.podd, caller or lab.caller, f"of {size}", size, None, lab.now)
    return made.id


def test_a_pod_above_the_quota_of_gpus_is_refused_and_leaves_no_trace(new_lab: NewLab) -> None:
    lab = limited(new_lab, gpus=2)
    first = lab.pod(gpu_count=2)
    with pytest.raises(OverQuota, match="may have 2 GPUs; 2 are in use and 1 more are wanted"):
        lab.pod()
    lab.stop(first)
    second = lab.pod()
    with pytest.raises(OverQuota):
        lab.resume(first)
    assert lab.resume(first, gpu_count=1).gpu_count == 1
    assert {pod.id for pod in lab.ask(pods.listed, lab.caller)} == {first.id, second.id}


def test_another_accounts_use_counts_nothing(new_lab: NewLab) -> None:
    lab = limited(new_lab, gpus=1)
    lab.pod()
    lab.pod(lab.account("bob@example.org"))


def test_what_one_member_has_does_not_count_for_another(new_lab: NewLab) -> None:
    lab = limited(new_lab, gpus=3, member_pods=1)
    lab.pod(member(lab, "u1"))
    with pytest.raises(OverQuota, match="Each member of this account may have 1 running pods"):
        lab.pod(member(lab, "u1"))
    lab.pod(member(lab, "u2"))
    lab.pod()  # whoever is the account itself


def test_volumes_of_pods_and_network_volumes_count_together_also_when_they_grow(new_lab: NewLab) -> None:
    lab = limited(new_lab, volume_gb=100)
    pod = lab.pod(volume=60)
    lab.stop(pod)
    with pytest.raises(OverQuota, match="100 GB of volumes; 60 are in use and 50 more"):
        volume(lab, 50)
    network = volume(lab, 30)
    with pytest.raises(OverQuota):
        lab.do(volumes.change, lab.podd, lab.caller, network, None, 41)
    with pytest.raises(OverQuota):
        lab.do(pods.edit, lab.podd, lab.caller, pod.id, PodChange(volume=71), lab.now)
    lab.do(volumes.change, lab.podd, lab.caller, network, None, 40)


def test_an_endpoint_gets_no_more_workers_than_the_quota_and_nobody_gives_way(new_lab: NewLab) -> None:
    lab = limited(new_lab, "aa", workers=1)
    other = lab.endpoint(workers_min=1, workers_max=1)
    lab.scale()
    endpoint = lab.endpoint(workers_min=2, workers_max=2)
    for _ in range(3):
        lab.scale()
    assert len(lab.workers(other)) + len(lab.workers(endpoint)) == 1
    assert not any(worker.leaving for worker in lab.workers(other))
    lab.do(quotas.change, lab.podd, OPERATOR, "ada@example.org", {"workers": 2})
    lab.scale()
    assert len(lab.workers(endpoint)) == 1


def test_the_operator_sets_quotas_of_one_account_and_takes_them_back(new_lab: NewLab) -> None:
    lab = limited(new_lab, pods=1)
    bob = lab.account("bob@example.org")

    def change(**amounts: int | None) -> None:
        lab.do(quotas.change, lab.podd, OPERATOR, "bob@example.org", amounts)

    change(pods=2, lifetime_hours=5)
    lab.pod(bob)
    lab.pod(bob)
    shown = {quota.name: quota for quota in lab.ask(quotas.own, lab.podd, bob)}
    assert (shown["pods"].used, shown["pods"].allowed, shown["pods"].own) == (2, 2, True)
    assert (shown["member_pods"].used, shown["lifetime_hours"].allowed) == (2, 5)
    change(pods=None)
    with pytest.raises(OverQuota, match="may have 1 running pods; 2 are in use"):
        lab.pod(bob)
    change(pods=0)
    lab.pod(bob)
    for wrong in ({"pods": -1}, {"cats": 1}, {"idle_percent": 101}):
        with pytest.raises(Invalid):
            change(**wrong)
    with pytest.raises(NotFound):
        lab.do(quotas.change, lab.podd, OPERATOR, "nobody@example.org", {"pods": 1})


# No sequence

Step = tuple[str, int, int]
steps = some.lists(
    some.tuples(
        some.sampled_from(["create", "stop", "resume", "terminate", "volume", "grow", "scale", "unscale"]),
        some.integers(0, 3),
        some.integers(0, 2),
    ),
    max_size=14,
)
ALLOWED = {"gpus": 3, "pods": 2, "workers": 2, "volume_gb": 50, "member_gpus": 2, "member_volume_gb": 30}


@settings(max_examples=25, deadline=None)
@given(steps=steps)
def test_no_sequence_of_creates_resumes_and_scale_ups_exceeds_a_quota(steps: list[Step]) -> None:
    with TemporaryDirectory() as directory:
        lab = Lab(Path(directory), "aaaaaa", more_settings={"quotas": ALLOWED})
        try:
            _play(lab, steps)
        finally:
            lab.close()


def _play(lab: Lab, steps: list[Step]) -> None:
    made: list[Pod] = []
    networks: list[str] = []
    endpoint = lab.endpoint(workers_min=0, workers_max=3)
    for what, number, who in steps:
        caller = member(lab, f"u{who}")
        pod = made[number % len(made)] if made else None
        with suppress(PoddError):
            _do(lab, what, number, caller, pod, made, networks, endpoint)
        _check(lab)


def _do(
    lab: Lab,
    what: str,
    number: int,
    caller: Caller,
    pod: Pod | None,
    made: list[Pod],
    networks: list[str],
    on: Endpoint,
) -> None:
    match what:
        case "create":
            made.append(lab.pod(caller, gpu_count=number, volume=10 * number))
        case "stop" if pod:
            lab.stop(pod)
        case "resume" if pod:
            lab.resume(pod, gpu_count=number)
        case "terminate" if pod:
            lab.terminate(pod)
        case "volume":
            networks.append(volume(lab, 10 + number, caller))
        case "grow" if networks:
            lab.do(volumes.change, lab.podd, caller, networks[0], None, 20 + 10 * number)
        case "scale":
            lab.change(on, workers_min=number)
            lab.scale()
        case "unscale":
            lab.change(on, workers_min=0)
            lab.scale()


def _check(lab: Lab) -> None:
    of_account = lab.ask(rows.use, lab.caller.account_id)
    assert of_account.gpus <= ALLOWED["gpus"]
    assert of_account.pods <= ALLOWED["pods"]
    assert of_account.workers <= ALLOWED["workers"]
    assert of_account.volume_gb <= ALLOWED["volume_gb"]
    for name in ("u0", "u1", "u2", lab.caller.account_id):
        used = lab.ask(rows.use, lab.caller.account_id, name)
        assert used.gpus <= ALLOWED["member_gpus"]
        assert used.volume_gb <= ALLOWED["member_volume_gb"]
    held = [w for w in lab.workloads() if w.desired is Desired.RUNNING]
    assert sum(len(w.gpus) for w in held) == of_account.gpus


# Lifetimes


def test_a_pod_is_warned_before_its_time_is_over_then_stopped_and_its_volume_stays(new_lab: NewLab) -> None:
    lab = limited(new_lab, lifetime_hours=24)
    pod = lab.pod(volume=10)

    def look() -> Desired:
        lab.run(lifetime.tick(lab.podd, lab.now))
        return lab.look(pod).workload.desired

    lab.pass_time(hours=22.9)
    look()
    assert "lifetime warning" not in lab.events(pod.id)
    lab.pass_time(hours=0.2)
    look()
    look()
    assert lab.events(pod.id).count("lifetime warning") == 1
    lab.pass_time(hours=1)
    assert look() is Desired.STOPPED
    assert lab.look(pod).workload.reason == "It ran for 24 hours, as long as pods of this account may."
    assert lab.events(pod.id)[-1] == "lifetime stop"
    assert lab.look(pod).workload.needs.volume == 10
    lab.resume(pod)
    assert look() is Desired.RUNNING
    assert lab.ask(lifetime.end_of, lab.podd, lab.look(pod)) == lab.now + 24 * 3_600_000


def test_who_could_not_be_warned_in_time_is_warned_before_the_end(new_lab: NewLab) -> None:
    lab = limited(new_lab, lifetime_hours=1)
    pod = lab.pod()
    lab.pass_time(days=2)  # podd was down
    lab.run(lifetime.tick(lab.podd, lab.now))
    assert lab.look(pod).workload.desired is Desired.RUNNING
    assert lab.events(pod.id)[-1] == "lifetime warning"
    lab.run(lifetime.tick(lab.podd, lab.now))
    assert lab.look(pod).workload.desired is Desired.STOPPED


def test_without_a_lifetime_pods_run_for_ever(lab: Lab) -> None:
    pod = lab.pod()
    lab.pass_time(days=400)
    lab.run(lifetime.tick(lab.podd, lab.now))
    assert lab.look(pod).workload.desired is Desired.RUNNING
    assert lab.ask(workloads.pods_outliving, 0, 0, lab.now) == []
