"""Pods: what their owners, other pods and their own containers do to them."""

from typing import Any

import pytest

from podd.domain.account import ANONYMOUS, OPERATOR, Caller, CallerKind
from podd.domain.errors import (
    NOT_ENOUGH_FREE_GPUS,
    OUT_OF_STOCK,
    Conflict,
    Forbidden,
    Invalid,
    NoCapacity,
    NotFound,
    Unauthenticated,
)
from podd.domain.pod import Pod, PodChange
from podd.domain.words import Port
from podd.domain.workload import Desired, PublishedPort
from podd.services import pods
from podd.services.platform import RECONCILE
from tests.services.conftest import NewLab
from tests.services.lab import A6000, DOLLAR, IMAGE, RTX4090, Lab

RUNNING, STOPPED, FAILED, TERMINATED = Desired.RUNNING, Desired.STOPPED, Desired.FAILED, Desired.TERMINATED
CENT = DOLLAR // 100
LOWEST = 20 * CENT
"""The lowest bid for an A6000."""


def desired(lab: Lab, pod: Pod) -> Desired:
    return lab.look(pod).workload.desired


def memory(lab: Lab) -> int:
    """MiB promised to those who run or should."""
    return sum(w.needs.memory for w in lab.workloads() if w.desired is RUNNING)


# Creating


def test_a_new_pod_has_its_gpu_its_share_and_its_price_at_once(lab: Lab) -> None:
    pod = lab.pod(name="mine", gpu_count=1, volume=5)
    assert (pod.name, pod.gpu_type_id, pod.gpu_count, pod.spot) == ("mine", A6000, 1, False)
    assert pod.workload.desired is RUNNING
    assert pod.workload.gpu_uuids == ("g0",)
    assert (pod.workload.needs.cpus, pod.workload.needs.memory) == (16 // 3, (64 - 4) * 1024 // 3)
    assert pod.price == 49 * CENT
    assert lab.look(pod) == pod
    assert RECONCILE in lab.rung


def test_a_pod_gets_whole_gpus_of_one_type(lab: Lab) -> None:
    assert lab.pod(gpu_count=2).workload.gpu_uuids == ("g0", "g1")
    assert lab.pod(gpu_type_ids=(A6000, RTX4090)).workload.gpu_uuids == ("g2",)


def test_a_pod_without_wishes_gets_any_type_the_machine_has(lab: Lab) -> None:
    assert lab.pod(gpu_type_ids=()).gpu_type_id == A6000


def test_a_pod_without_gpus_claims_none(lab: Lab) -> None:
    pod = lab.pod(gpu_type_ids=(), gpu_count=0)
    assert (pod.gpu_count, pod.price, pod.workload.gpus) == (0, 0, ())
    assert lab.claims() == {}


@pytest.mark.parametrize("count", [0, -1, 65])
def test_a_count_of_gpus_that_makes_no_sense_is_refused(lab: Lab, count: int) -> None:
    with pytest.raises(Invalid, match="gpuCount"):
        lab.pod(gpu_count=count)
    assert lab.workloads() == []


@pytest.mark.parametrize(
    "wish",
    [
        {"gpu_type_ids": ("NVIDIA H100 PCIe",)},
        {"gpu_type_ids": ("no such card",)},
        {"gpu_count": 3},
        {"cloud_type": "COMMUNITY"},
        {"data_center_ids": ("EU-RO-1",)},
        {"min_memory": 65},
        {"min_vcpus": 17},
        {"cuda_versions": ("11.8",)},
        {"max_price": 48 * CENT},
    ],
)
def test_what_the_machine_cannot_give_is_out_of_stock_in_runpods_words(
    lab: Lab, wish: dict[str, Any]
) -> None:
    with pytest.raises(NoCapacity) as refusal:
        lab.pod(**wish)
    assert refusal.value.message == OUT_OF_STOCK
    assert (lab.workloads(), lab.claims()) == ([], {})


def test_a_refused_pod_takes_nothing_from_anybody(new_lab: NewLab) -> None:
    """The last host port is gone: neither the GPU nor the spot pod on it are touched."""
    lab = new_lab(machine_settings={"port_range": (40000, 40000)})
    spot = lab.pod(gpu_count=2, bid=LOWEST)
    with pytest.raises(NoCapacity, match="host ports"):
        lab.pod(ports="22/tcp,23/tcp")
    assert desired(lab, spot) is RUNNING
    assert lab.claims() == {"g0": spot.id, "g1": spot.id}
    assert len(lab.workloads()) == 1


def test_an_unhealthy_gpu_is_given_to_nobody(new_lab: NewLab) -> None:
    lab = new_lab("Aa")
    assert lab.pod().workload.gpu_uuids == ("g1",)
    with pytest.raises(NoCapacity):
        lab.pod()


def test_a_gpu_that_is_gone_is_given_to_nobody(lab: Lab) -> None:
    lab.plug_in("a")
    with pytest.raises(NoCapacity):
        lab.pod(gpu_count=2)


def test_a_template_is_used_and_remembered(lab: Lab) -> None:
    template = lab.template(serverless=False, args="run it", ports="80/http", env={"A": "1"})
    pod = lab.pod(image=None, template_id=template.id, env=(("B", "2"),))
    assert pod.template_id == template.id
    assert pod.workload.needs.command == ("run", "it")
    assert pod.workload.needs.env == {"A": "1", "B": "2"}


def test_somebody_elses_template_looks_like_missing(lab: Lab) -> None:
    template = lab.template(serverless=False)
    other = lab.account("eve@example.org")
    for template_id in (template.id, "nosuch"):
        with pytest.raises(NotFound, match="template not found"):
            lab.pod(other, image=None, template_id=template_id)
        assert lab.pod(other, template_id=template_id, gpu_count=0, gpu_type_ids=()).template_id == ""


# Whose pod it is


def test_a_foreign_pod_looks_like_a_missing_one(lab: Lab) -> None:
    pod = lab.pod()
    other = lab.account("eve@example.org")
    for verb, word in ((lab.stop, "stop"), (lab.resume, "resume"), (lab.terminate, "terminate")):
        with pytest.raises(NotFound) as foreign:
            verb(pod, caller=other)
        assert foreign.value.message == f"pod not found to {word}"
    with pytest.raises(NotFound) as foreign:
        lab.ask(pods.own, other, pod.id)
    with pytest.raises(NotFound) as missing:
        lab.ask(pods.own, other, "nosuchpod")
    assert foreign.value.message == missing.value.message
    assert lab.ask(pods.listed, other) == []
    assert lab.look(pod) == pod


def test_the_key_inside_a_pod_stops_and_ends_it_but_no_other(lab: Lab) -> None:
    pod, other = lab.pod(), lab.pod()
    inside = Caller(CallerKind.WORKLOAD, account_id=lab.caller.account_id, workload_id=pod.id)
    with pytest.raises(NotFound):
        lab.stop(other, caller=inside)
    lab.stop(pod, caller=inside)
    assert desired(lab, pod) is STOPPED
    with pytest.raises(Forbidden):
        lab.resume(pod, caller=inside)
    with pytest.raises(Forbidden):
        lab.pod(inside)
    lab.terminate(pod, caller=inside)


def test_nobody_and_the_operator_create_no_pods(lab: Lab) -> None:
    with pytest.raises(Unauthenticated):
        lab.pod(ANONYMOUS)
    with pytest.raises(Forbidden):
        lab.pod(OPERATOR)


# Stopping, resuming, terminating


def test_a_stopped_pod_gives_its_gpus_back_at_once_and_keeps_its_facts(lab: Lab) -> None:
    pod = lab.pod(gpu_count=2, name="mine")
    lab.settle()
    stopped = lab.stop(pod)
    assert stopped.workload.desired is STOPPED
    assert (stopped.name, stopped.gpu_count, stopped.workload.gpus) == ("mine", 2, ())
    assert lab.claims() == {}
    assert lab.pod(gpu_count=2).workload.gpu_uuids == ("g0", "g1")


def test_stopping_twice_changes_nothing(lab: Lab) -> None:
    pod = lab.pod()
    first = lab.stop(pod)
    lab.pass_time(seconds=5)
    assert lab.stop(pod) == first
    assert lab.events(pod.id).count("stopped") == 1


def test_a_pod_resumes_with_what_it_had(lab: Lab) -> None:
    pod = lab.pod(gpu_count=2, ports="22/tcp")
    lab.stop(pod)
    again = lab.resume(pod)
    assert again.workload.desired is RUNNING
    assert again.workload.generation == pod.workload.generation + 1
    assert again.workload.gpu_uuids == ("g0", "g1")
    assert (again.price, again.workload.needs) == (pod.price, pod.workload.needs)


def test_a_pod_resumes_with_fewer_gpus_at_a_lower_price(lab: Lab) -> None:
    pod = lab.pod(gpu_count=2)
    lab.stop(pod)
    again = lab.resume(pod, gpu_count=1)
    assert (again.gpu_count, again.price, again.workload.gpu_uuids) == (1, 49 * CENT, ("g0",))


def test_only_a_stopped_pod_resumes(lab: Lab) -> None:
    pod = lab.pod()
    with pytest.raises(Conflict, match="not in exited state"):
        lab.resume(pod)


def test_a_pod_whose_gpus_are_taken_cannot_resume(lab: Lab) -> None:
    pod = lab.pod(gpu_count=2)
    lab.stop(pod)
    other = lab.pod()
    with pytest.raises(NoCapacity) as refusal:
        lab.resume(pod)
    assert refusal.value.message == NOT_ENOUGH_FREE_GPUS
    assert desired(lab, pod) is STOPPED
    assert lab.claims() == {"g0": other.id}


def test_a_pod_whose_gpus_are_taken_resumes_without_any_to_reach_its_data(lab: Lab) -> None:
    pod = lab.pod(gpu_count=2)
    lab.stop(pod)
    lab.pod(gpu_count=2)
    lab.pod(gpu_type_ids=(RTX4090,))
    again = lab.resume(pod, gpu_count=0)
    assert (again.workload.desired, again.gpu_count, again.price) == (RUNNING, 0, 0)


def test_a_pod_that_ran_without_gpus_comes_back_with_its_own_number(lab: Lab) -> None:
    pod = lab.pod(gpu_count=2)
    lab.stop(pod)
    lab.resume(pod, gpu_count=0)
    lab.settle()
    assert lab.stop(pod).gpu_count == 0
    again = lab.resume(pod)
    assert (again.gpu_count, again.price, len(again.workload.gpus)) == (2, 98 * CENT, 2)


def test_a_pod_comes_back_with_the_least_it_was_made_with_unless_it_has_no_gpu(lab: Lab) -> None:
    pod = lab.pod(min_vcpus=12, min_memory=40)
    lab.stop(pod)
    lab.pod(gpu_type_ids=(RTX4090,), min_memory=40)
    with pytest.raises(NoCapacity):
        lab.resume(pod)
    assert lab.resume(pod, gpu_count=0).workload.needs.memory < 40 * 1024
    lab.stop(pod)
    for other in lab.ask(pods.listed, lab.caller):
        lab.stop(other)
    needs = lab.resume(pod).workload.needs
    assert (needs.cpus, needs.memory) == (pod.workload.needs.cpus, pod.workload.needs.memory)


def test_a_stopped_pod_keeps_when_it_last_started(lab: Lab) -> None:
    pod = lab.pod()
    lab.settle()
    started = lab.look(pod).workload.started_at
    lab.stop(pod)
    lab.settle()
    now = lab.look(pod).workload
    assert started is not None
    assert (now.started_at, now.last_started_at) == (None, started)


def test_a_pod_whose_card_was_taken_out_cannot_resume(lab: Lab) -> None:
    pod = lab.pod(gpu_type_ids=(RTX4090,))
    lab.stop(pod)
    lab.plug_in("aa")
    with pytest.raises(NoCapacity):
        lab.resume(pod)
    assert lab.resume(pod, gpu_count=0).gpu_count == 0


def test_a_terminated_pod_is_gone_for_its_owner_at_once(lab: Lab) -> None:
    pod = lab.pod(ports="22/tcp")
    lab.settle()
    lab.terminate(pod)
    with pytest.raises(NotFound):
        lab.look(pod)
    for verb in (lab.stop, lab.resume, lab.terminate):
        with pytest.raises(NotFound):
            verb(pod)
    assert lab.ask(pods.listed, lab.caller) == []
    assert lab.claims() == {}


def test_a_stopped_pod_can_be_terminated(lab: Lab) -> None:
    pod = lab.pod()
    lab.stop(pod)
    lab.terminate(pod)
    with pytest.raises(NotFound):
        lab.look(pod)


def test_a_cpu_pod_resumes_at_its_size_and_price(lab: Lab) -> None:
    flavour = lab.podd.catalogue.cpus[0]
    pod = lab.pod(gpu_type_ids=(), cpu_flavor_ids=(flavour.id,), vcpus=flavour.min_vcpu)
    assert pod.price == flavour.hourly * flavour.min_vcpu
    assert pod.workload.needs.memory == flavour.min_vcpu * flavour.gb_per_vcpu * 1024
    lab.stop(pod)
    again = lab.resume(pod)
    assert (again.price, again.workload.needs) == (pod.price, pod.workload.needs)


# Changing


def test_a_reset_pod_gets_a_fresh_container_and_keeps_its_gpu(lab: Lab) -> None:
    pod = lab.pod()
    lab.settle()
    lab.do(pods.reset, lab.podd, lab.caller, pod.id, lab.now)
    lab.settle()
    assert lab.engine.running() == [f"podd-{pod.id}-2"]
    assert lab.look(pod).workload.restarts == 0
    assert lab.claims() == {"g0": pod.id}


def test_a_restarted_pod_keeps_its_container(lab: Lab) -> None:
    pod = lab.pod()
    lab.settle()
    before = lab.look(pod).workload
    lab.pass_time(seconds=60)
    lab.do(pods.restart, lab.podd, lab.caller, pod.id, lab.now)
    lab.settle()
    after = lab.look(pod).workload
    assert lab.engine.running() == [pod.workload.container_name]
    assert (after.container_id, after.restarts) == (before.container_id, 0)
    assert after.started_at == lab.now


def test_a_clock_that_is_set_back_after_a_restart_causes_no_other(lab: Lab) -> None:
    pod = lab.pod()
    lab.settle()
    lab.pass_time(hours=2)
    lab.do(pods.restart, lab.podd, lab.caller, pod.id, lab.now)
    lab.pass_time(hours=-1)
    lab.engine.calls.clear()
    lab.settle()
    asked = [call[0] for call in lab.engine.calls if call[0] in ("stop", "start", "remove")]
    assert asked == ["stop", "start"]
    assert lab.look(pod).workload.started_at == lab.now
    lab.settle()
    assert [call[0] for call in lab.engine.calls if call[0] in ("stop", "start", "remove")] == asked


def test_a_wish_for_a_restart_while_the_container_starts_again_is_kept(lab: Lab) -> None:
    """Its container is halted and on its way up: who asks now asks for another run than that one."""
    pod = lab.pod()
    lab.settle()
    lab.pass_time(seconds=60)
    lab.do(pods.restart, lab.podd, lab.caller, pod.id, lab.now)
    lab.settle()
    lab.pass_time(seconds=60)
    lab.do(pods.restart, lab.podd, lab.caller, pod.id, lab.now)
    lab.settle()
    assert lab.look(pod).workload.started_at == lab.now
    assert lab.engine.asked.count("start") == 3


def test_an_edited_pod_runs_its_new_image(lab: Lab) -> None:
    pod = lab.pod(ports="22/tcp,80/http", volume=5)
    lab.settle()
    lab.engine.images.add("other/image")
    change = PodChange(image="other/image", ports="22/tcp,23/tcp", env={"A": "1"}, volume=6)
    edited = lab.do(pods.edit, lab.podd, lab.caller, pod.id, change, lab.now)
    lab.settle()
    assert lab.engine.spec(f"podd-{pod.id}-2").image == "other/image"
    assert edited.workload.published[0] == pod.workload.published[0]
    assert [p.container for p in edited.workload.published] == [22, 23]
    assert (edited.workload.needs.env, edited.workload.needs.volume) == ({"A": "1"}, 6)
    assert edited.workload.needs.memory == pod.workload.needs.memory


def test_renaming_a_pod_does_not_touch_its_container(lab: Lab) -> None:
    pod = lab.pod()
    lab.settle()
    lab.do(pods.edit, lab.podd, lab.caller, pod.id, PodChange(name="new name"), lab.now)
    lab.settle()
    assert lab.look(pod).name == "new name"
    assert lab.engine.running() == [pod.workload.container_name]


def test_a_volume_does_not_shrink(lab: Lab) -> None:
    pod = lab.pod(volume=5)
    with pytest.raises(Invalid, match="volumeInGb"):
        lab.do(pods.edit, lab.podd, lab.caller, pod.id, PodChange(volume=4), lab.now)
    assert lab.look(pod) == pod


def test_a_locked_pod_is_neither_stopped_nor_reset(lab: Lab) -> None:
    pod = lab.pod(locked=True)
    with pytest.raises(Conflict, match="locked"):
        lab.stop(pod)
    with pytest.raises(Conflict, match="locked"):
        lab.do(pods.reset, lab.podd, lab.caller, pod.id, lab.now)
    lab.do(pods.edit, lab.podd, lab.caller, pod.id, PodChange(locked=False), lab.now)
    assert lab.stop(pod).workload.desired is STOPPED


def test_a_refused_change_changes_nothing(lab: Lab) -> None:
    """Its name is fine, but the rest would reset a locked pod."""
    pod = lab.pod(locked=True)
    change = PodChange(name="new name", image="other/image")
    with pytest.raises(Conflict, match="locked"):
        lab.do(pods.edit, lab.podd, lab.caller, pod.id, change, lab.now)
    assert lab.look(pod) == pod


def test_a_pod_stops_and_ends_when_its_time_has_come(lab: Lab) -> None:
    pod = lab.pod(stop_after=lab.now + 60_000, terminate_after=lab.now + 120_000)
    lab.pass_time(seconds=59)
    lab.do(pods.tick, lab.podd, lab.now)
    assert desired(lab, pod) is RUNNING
    lab.pass_time(seconds=1)
    lab.do(pods.tick, lab.podd, lab.now)
    assert desired(lab, pod) is STOPPED
    lab.resume(pod)
    lab.do(pods.tick, lab.podd, lab.now)
    assert desired(lab, pod) is RUNNING  # it was stopped once; its owner wants it again
    lab.pass_time(seconds=60)
    lab.do(pods.tick, lab.podd, lab.now)
    with pytest.raises(NotFound):
        lab.look(pod)


# Spot


def test_a_bid_below_the_lowest_is_refused_and_says_outbid(lab: Lab) -> None:
    for bid in (0, -1, LOWEST - 1):
        with pytest.raises(Invalid, match="outbid"):
            lab.pod(bid=bid)
    assert lab.pod(bid=LOWEST).price == LOWEST


def test_a_bid_is_for_those_types_it_is_enough_for(lab: Lab) -> None:
    lab.pod(gpu_count=2)
    assert lab.pod(gpu_type_ids=(A6000, RTX4090), bid=LOWEST).gpu_type_id == RTX4090


def test_a_displaced_pod_says_why_and_the_winner_has_its_gpus_in_the_same_moment(lab: Lab) -> None:
    lab.pod(gpu_type_ids=(RTX4090,))
    victim = lab.pod(gpu_count=2, bid=LOWEST, volume=5, ports="22/tcp")
    lab.settle()
    winner = lab.pod(gpu_count=2)
    lost = lab.look(victim)
    assert lost.workload.desired is STOPPED
    assert "higher bid" in lost.workload.reason
    assert "Outbid" in lost.workload.changed_by
    assert lost.workload.grace == lab.settings.limits.spot_grace_seconds
    assert lab.events(victim.id)[-1] == "outbid"
    assert lost.workload.published == victim.workload.published
    assert set(lab.claims().items()) >= {("g0", winner.id), ("g1", winner.id)}


def test_the_winner_starts_when_the_loser_is_gone(lab: Lab) -> None:
    loser = lab.pod(gpu_count=2, bid=LOWEST)
    lab.settle()
    winner = lab.pod(gpu_count=2)
    lab.settle()
    assert lab.engine.running() == [winner.workload.container_name]
    asked = [call for call in lab.engine.calls if call[0] in ("stop", "remove", "start")]
    assert [(call[0], call[1].split("-")[1]) for call in asked[-3:]] == [
        ("stop", loser.id),
        ("remove", loser.id),
        ("start", winner.id),
    ]
    assert asked[-3][2] == "5.0"


def test_an_on_demand_pod_is_never_displaced(lab: Lab) -> None:
    pod = lab.pod(gpu_count=2)
    for bid in (None, 100 * DOLLAR):
        with pytest.raises(NoCapacity):
            lab.pod(bid=bid)
    assert desired(lab, pod) is RUNNING


def test_only_a_strictly_higher_bid_displaces(lab: Lab) -> None:
    pod = lab.pod(gpu_count=2, bid=LOWEST + 1)
    for bid in (LOWEST, LOWEST + 1):
        with pytest.raises(NoCapacity):
            lab.pod(bid=bid)
    assert desired(lab, pod) is RUNNING
    lab.pod(bid=LOWEST + 2)
    assert desired(lab, pod) is STOPPED


def test_nobody_is_displaced_while_a_gpu_is_free(lab: Lab) -> None:
    spot = lab.pod(bid=LOWEST)
    lab.pod()
    assert desired(lab, spot) is RUNNING


def test_a_displaced_pod_resumes_by_bidding_more(lab: Lab) -> None:
    first = lab.pod(gpu_count=2, bid=LOWEST)
    second = lab.pod(gpu_count=2, bid=LOWEST + 1)
    with pytest.raises(NoCapacity):
        lab.resume(first)
    assert lab.resume(first, bid=LOWEST + 2).bid == LOWEST + 2
    assert desired(lab, second) is STOPPED


def test_a_resume_with_a_senseless_bid_is_refused(lab: Lab) -> None:
    spot, firm = lab.pod(bid=LOWEST), lab.pod()
    lab.stop(spot)
    lab.stop(firm)
    with pytest.raises(Invalid, match="outbid"):
        lab.resume(spot, bid=LOWEST - 1)
    with pytest.raises(Invalid, match="not a spot pod"):
        lab.resume(firm, bid=LOWEST)


# Memory


def test_memory_is_never_promised_twice(new_lab: NewLab) -> None:
    lab = new_lab("aaaa")
    for wish in (30, 30, 3):
        lab.pod(min_memory=wish)
        assert memory(lab) <= lab.host.memory
    with pytest.raises(NoCapacity):
        lab.pod(min_memory=2)
    assert memory(lab) <= lab.host.memory


def test_a_stopped_pod_gives_its_memory_back(lab: Lab) -> None:
    pod = lab.pod(min_memory=60)
    with pytest.raises(NoCapacity):
        lab.pod(min_memory=60)
    lab.stop(pod)
    lab.pod(min_memory=60)
    assert memory(lab) <= lab.host.memory


def test_the_memory_of_those_who_yield_goes_to_the_winner(lab: Lab) -> None:
    lab.pod(gpu_count=2, bid=LOWEST, min_memory=60)
    assert lab.pod(gpu_count=2, min_memory=60).workload.needs.memory >= 60 * 1024
    assert memory(lab) <= lab.host.memory


# Ports


def test_each_public_port_has_a_host_port_of_its_own(lab: Lab) -> None:
    one, other = lab.pod(ports="22/tcp,53/udp,80/http"), lab.pod(ports="22/tcp")
    assert [(p.container, p.protocol) for p in one.workload.published] == [(22, "tcp"), (53, "udp")]
    used = [p.host for p in (*one.workload.published, *other.workload.published)]
    assert len(set(used)) == 3
    first, last = lab.settings.machine.port_range
    assert all(first <= port <= last for port in used)


def test_ports_are_the_same_after_stop_and_resume(lab: Lab) -> None:
    pod = lab.pod(ports="22/tcp,23/tcp")
    lab.stop(pod)
    lab.pod(ports="22/tcp")
    assert lab.resume(pod).workload.published == pod.workload.published


def test_the_ports_of_a_terminated_pod_are_given_again(new_lab: NewLab) -> None:
    lab = new_lab(machine_settings={"port_range": (40000, 40000)})
    pod = lab.pod(ports="22/tcp")
    with pytest.raises(NoCapacity, match="host ports"):
        lab.pod(ports="22/tcp")
    lab.terminate(pod)
    assert lab.pod(ports="22/tcp").workload.published == (PublishedPort(22, 40000, "tcp"),)


def test_an_edited_pod_finds_a_port_even_when_all_others_are_used(new_lab: NewLab) -> None:
    lab = new_lab(machine_settings={"port_range": (40000, 40001)})
    pod = lab.pod(ports="22/tcp")
    change = PodChange(ports="22/tcp,23/tcp")
    edited = lab.do(pods.edit, lab.podd, lab.caller, pod.id, change, lab.now)
    assert edited.workload.published == (PublishedPort(22, 40000), PublishedPort(23, 40001))
    assert edited.workload.needs.ports == (Port(22, "tcp"), Port(23, "tcp"))


# Ends of containers


def test_a_main_process_that_ends_is_started_again_later_each_time(lab: Lab) -> None:
    pod = lab.pod()
    lab.settle()
    for n, wait in ((1, 1), (2, 2), (3, 4)):
        lab.engine.crash(pod.workload.container_name, 7, log="first\nlast words\n")
        lab.settle()
        seen = lab.look(pod).workload
        assert (seen.restarts, seen.exit_code, seen.failures) == (n, 7, n)
        assert "exit code 7" in seen.reason
        assert "last words" in seen.reason
        lab.pass_time(seconds=wait - 0.001)
        lab.settle()
        assert lab.engine.running() == []
        lab.pass_time(seconds=0.001)
        lab.settle()
        assert lab.engine.running() == [pod.workload.container_name]
        assert lab.look(pod).workload.reason == ""


def crash_quickly(lab: Lab, pod: Pod, times: int) -> None:
    for _ in range(times):
        lab.engine.crash(pod.workload.container_name, 1, log="boom")
        lab.settle()
        lab.pass_time(seconds=300)
        lab.settle()


def test_a_pod_that_never_gets_going_is_given_up_with_its_reason_and_frees_its_gpu(lab: Lab) -> None:
    pod = lab.pod()
    lab.settle()
    for _ in range(lab.settings.limits.pod_start_failures):
        assert desired(lab, pod) is RUNNING
        # Quick ends: it comes up at its time, and ends at once.
        lab.engine.crash(pod.workload.container_name, 1, log="boom")
        lab.settle()
        retry_at = lab.look(pod).workload.retry_at
        lab.clock.set(max(retry_at, lab.now))
        lab.settle()
    seen = lab.look(pod).workload
    assert seen.desired is FAILED
    assert "gave up after 5 quick ends" in seen.reason
    assert "boom" in seen.reason
    assert (lab.claims(), lab.engine.list()) == ({}, [])
    assert lab.pod().workload.gpu_uuids == ("g0",)


def test_a_pod_that_ran_steadily_is_never_given_up(lab: Lab) -> None:
    pod = lab.pod()
    lab.settle()
    for _ in range(10):
        lab.pass_time(seconds=60)
        lab.engine.crash(pod.workload.container_name, 1)
        lab.settle()
        lab.pass_time(seconds=1)
        lab.settle()
    assert desired(lab, pod) is RUNNING
    assert lab.look(pod).workload.restarts == 10
    assert lab.engine.running() == [pod.workload.container_name]


def test_a_failed_pod_can_be_resumed_with_a_clean_slate(lab: Lab) -> None:
    pod = lab.pod(image="missing/image")
    lab.settle()
    assert desired(lab, pod) is FAILED
    lab.engine.images.add("missing/image")
    again = lab.resume(pod)
    assert (again.workload.reason, again.workload.failures) == ("", 0)
    lab.settle()
    assert lab.engine.running() == [again.workload.container_name]


def test_an_image_nobody_has_fails_the_pod_with_the_registrys_reason_and_frees_its_gpu(lab: Lab) -> None:
    pod = lab.pod(image="missing/image")
    lab.settle()
    seen = lab.look(pod).workload
    assert seen.desired is FAILED
    assert "missing/image cannot be had: manifest unknown" in seen.reason
    assert lab.claims() == {}


def test_a_command_that_cannot_start_fails_the_pod_with_the_reason(lab: Lab) -> None:
    lab.engine.refusals[("nonsense",)] = "executable file not found: nonsense"
    pod = lab.pod(args="nonsense")
    lab.settle()
    seen = lab.look(pod).workload
    assert (seen.desired, seen.reason) == (FAILED, "executable file not found: nonsense")
    assert lab.claims() == {}


def test_stopping_a_pod_in_a_crash_loop_stops_it_for_good(lab: Lab) -> None:
    pod = lab.pod()
    lab.settle()
    crash_quickly(lab, pod, 2)
    lab.engine.crash(pod.workload.container_name)
    lab.settle()
    lab.stop(pod)
    lab.settle()
    lab.pass_time(hours=1)
    lab.settle()
    assert lab.engine.list() == []
    assert desired(lab, pod) is STOPPED


def test_what_a_container_wrote_is_for_its_owner_and_not_for_podds_log(lab: Lab) -> None:
    told: list[str] = []
    lab.podd.store._on_told = lambda what, facts: told.append(f"{what} {facts}")
    pod = lab.pod()
    lab.settle()
    lab.engine.crash(pod.workload.container_name, 1, log="password is hunter2")
    lab.settle()
    assert "hunter2" in lab.look(pod).workload.reason
    assert told
    assert not any("hunter2" in line for line in told)


# A new generation


@pytest.mark.parametrize("how", ["stop and resume", "reset", "edit"])
def test_a_fresh_container_is_no_crash_of_the_old_one(lab: Lab, how: str) -> None:
    """The wish for a new container comes before anybody has seen the old one go."""
    pod = lab.pod(args="old")
    lab.settle()
    match how:
        case "stop and resume":
            lab.stop(pod)
            lab.resume(pod)
        case "reset":
            lab.do(pods.reset, lab.podd, lab.caller, pod.id, lab.now)
        case "edit":
            change = PodChange(args="new")
            lab.do(pods.edit, lab.podd, lab.caller, pod.id, change, lab.now)
    lab.settle()
    seen = lab.look(pod).workload
    assert lab.engine.running() == [f"podd-{pod.id}-2"]
    assert (seen.restarts, seen.failures, seen.reason) == (0, 0, "")
    assert "exited" not in lab.events(pod.id)


def test_stopping_and_resuming_again_and_again_never_runs_two_containers(lab: Lab) -> None:
    pod = lab.pod()
    for _ in range(5):
        lab.reconcile()
        lab.stop(pod)
        lab.resume(pod)
        assert len(lab.engine.running()) <= 1
    lab.settle()
    assert lab.engine.running() == [f"podd-{pod.id}-6"]
    assert [c.name for c in lab.engine.list()] == [f"podd-{pod.id}-6"]


def test_the_image_of_the_lab_is_there(lab: Lab) -> None:
    assert lab.engine.has_image(IMAGE)
