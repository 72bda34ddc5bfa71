"""Volumes and disks: had before a container starts, kept to what there is, and gone only when nothing uses
them."""

import pytest

from podd.domain.errors import Conflict, Invalid, NoCapacity
from podd.domain.job import JobStatus
from podd.domain.pod import PodChange
from podd.domain.volume import NetworkVolume
from podd.domain.workload import Desired, Phase
from podd.services import capacity, pods, volume_files, volumes
from podd.services.capacity import DiskLeft
from podd.services.platform import GROW, Host
from podd.store import volumes as volume_rows
from tests.services.conftest import NewLab
from tests.services.lab import Lab

GIB = 2**30


def network_volume(lab: Lab, size: int = 10) -> NetworkVolume:
    return lab.do(volumes.create, lab.podd, lab.caller, "data", size, None, lab.now)


def grow(lab: Lab, volume: NetworkVolume, size: int) -> None:
    lab.do(volumes.change, lab.podd, lab.caller, volume.id, None, size)


def delete(lab: Lab, volume: NetworkVolume) -> None:
    lab.do(volumes.delete, lab.caller, volume.id, lab.now)


def size_of(lab: Lab, volume: NetworkVolume) -> int | None:
    """What its files are like."""
    return lab.volumes.sizes.get(volumes.directory(lab.podd, volume.id))


@pytest.fixture
def small(new_lab: NewLab) -> Lab:
    """A hundred GB of disk for everything."""
    return new_lab("aaaa", host=Host(vcpus=16, memory=64 * 1024, disk=100))


# Volumes of pods


def test_a_pods_volume_has_its_size_before_its_container_starts(lab: Lab) -> None:
    pod = lab.pod(volume=7)
    lab.settle()
    assert lab.volumes.sizes == {lab.podd.volumes / pod.id: 7}


def test_an_edit_lets_a_pods_volume_grow_and_not_shrink(lab: Lab) -> None:
    pod = lab.pod(volume=7)
    lab.settle()
    lab.do(pods.edit, lab.podd, lab.caller, pod.id, PodChange(volume=9), lab.now)
    lab.settle()
    assert lab.volumes.sizes == {lab.podd.volumes / pod.id: 9}
    with pytest.raises(Invalid, match="volumeInGb"):
        lab.do(pods.edit, lab.podd, lab.caller, pod.id, PodChange(volume=8), lab.now)


def test_a_volume_that_cannot_be_made_is_a_reason_and_is_tried_again_later_each_time(lab: Lab) -> None:
    lab.volumes.fails = "The disk is broken."
    pod = lab.pod(volume=7)
    lab.settle()
    seen = lab.look(pod).workload
    assert (seen.desired, seen.phase, seen.reason) == (Desired.RUNNING, Phase.NONE, "The disk is broken.")
    assert (seen.failures, seen.retry_at) == (1, lab.now + 1000)
    lab.pass_time(seconds=1)
    lab.settle()
    assert lab.look(pod).workload.retry_at == lab.now + 2000
    assert lab.events(pod.id).count("not started") == 2
    lab.volumes.fails = ""
    lab.pass_time(seconds=2)
    lab.settle()
    seen = lab.look(pod).workload
    assert (seen.phase, seen.reason) == (Phase.RUNNING, "")


def test_a_volume_that_cannot_be_removed_is_not_forgotten(lab: Lab) -> None:
    pod = lab.pod(volume=7)
    lab.settle()
    lab.terminate(pod)
    lab.volumes.fails = "target is busy"
    lab.settle()
    stuck = lab.workload(pod.id)
    assert stuck is not None
    assert (stuck.reason, stuck.retry_at) == ("target is busy", lab.now + 1000)
    assert "not removed" in lab.events(pod.id)
    assert lab.volumes.sizes
    lab.volumes.fails = ""
    lab.settle()
    assert lab.workload(pod.id) is not None  # its next try is not due
    lab.pass_time(seconds=1)
    lab.settle()
    assert lab.workload(pod.id) is None
    assert lab.volumes.sizes == {}


# Network volumes


def test_a_network_volume_is_made_when_first_mounted_and_shared(lab: Lab) -> None:
    volume = network_volume(lab)
    assert size_of(lab, volume) is None
    both = [lab.pod(network_volume_id=volume.id) for _ in range(2)]
    lab.settle()
    assert size_of(lab, volume) == 10
    sources = {lab.engine.spec(f"podd-{pod.id}-1").mounts for pod in both}
    assert len(sources) == 1


def test_a_network_volume_grows_while_it_is_mounted(lab: Lab) -> None:
    volume = network_volume(lab)
    lab.pod(network_volume_id=volume.id)
    lab.settle()
    grow(lab, volume, 20)
    assert GROW in lab.rung
    lab.tend_volumes()
    assert size_of(lab, volume) == 20
    assert lab.ask(volume_rows.to_grow, lab.now) == []


def test_network_volumes_are_mounted_again_when_podd_starts(lab: Lab) -> None:
    mounted, untouched = network_volume(lab), network_volume(lab)
    lab.pod(network_volume_id=mounted.id)
    lab.settle()
    lab.volumes.sizes.clear()
    lab.run(volume_files.at_start(lab.podd, lab.volumes))
    assert (size_of(lab, mounted), size_of(lab, untouched)) == (10, None)
    lab.volumes.fails = "The image is damaged."
    lab.run(volume_files.at_start(lab.podd, lab.volumes))
    assert lab.ask(volume_rows.in_trouble) == [
        f"network volume {mounted.id} could not be mounted: The image is damaged."
    ]


def test_a_network_volume_nobody_has_mounted_yet_is_made_at_its_new_size(lab: Lab) -> None:
    volume = network_volume(lab)
    grow(lab, volume, 20)
    lab.tend_volumes()
    assert size_of(lab, volume) is None
    lab.pod(network_volume_id=volume.id)
    lab.settle()
    assert size_of(lab, volume) == 20


def test_growth_that_fails_holds_up_nobody_and_is_tried_again(lab: Lab) -> None:
    volume = network_volume(lab)
    lab.pod(network_volume_id=volume.id)
    lab.settle()
    grow(lab, volume, 20)
    lab.volumes.fails = "in use"
    lab.tend_volumes()
    lab.volumes.fails = ""
    other = lab.pod(network_volume_id=volume.id)
    lab.settle()
    assert lab.look(other).workload.phase is Phase.RUNNING
    lab.tend_volumes()
    assert size_of(lab, volume) == 20


def test_a_deleted_network_volume_stays_until_the_last_container_that_mounts_it_is_gone(lab: Lab) -> None:
    volume = network_volume(lab)
    pod = lab.pod(network_volume_id=volume.id)
    lab.settle()
    with pytest.raises(Conflict, match="in use by 1"):
        delete(lab, volume)
    lab.terminate(pod)
    delete(lab, volume)
    lab.tend_volumes()
    assert lab.engine.running()
    assert size_of(lab, volume) == 10
    lab.settle()
    lab.tend_volumes()
    assert size_of(lab, volume) is None
    assert lab.ask(volume_rows.promised) == 0


def test_a_network_volume_that_cannot_be_removed_is_not_forgotten(lab: Lab) -> None:
    volume = network_volume(lab)
    lab.terminate(lab.pod(network_volume_id=volume.id))
    lab.settle()
    delete(lab, volume)
    lab.volumes.fails = "target is busy"
    lab.tend_volumes()
    lab.volumes.fails = ""
    lab.tend_volumes()  # its next try is not due
    assert lab.ask(volume_rows.promised) == 10
    lab.pass_time(seconds=1)
    lab.tend_volumes()
    assert lab.ask(volume_rows.promised) == 0


# Container disks


def test_a_pod_that_overfills_its_container_disk_is_ended_and_says_why(lab: Lab) -> None:
    pod, other = lab.pod(disk=5), lab.pod(disk=5)
    lab.settle()
    lab.engine.written = {f"podd-{pod.id}-1": 5 * GIB + 1, f"podd-{other.id}-1": 5 * GIB}
    lab.watch_disks()
    seen = lab.look(pod).workload
    assert (seen.desired, seen.grace) == (Desired.FAILED, 0)
    assert "container disk of 5 GB" in seen.reason
    assert "failed" in lab.events(pod.id)
    lab.settle()
    assert lab.engine.running() == [f"podd-{other.id}-1"]
    assert list(lab.claims().values()) == [other.id]


def test_a_worker_that_overfills_its_container_disk_starts_afresh_and_its_job_goes_back(lab: Lab) -> None:
    endpoint = lab.endpoint()
    worker = lab.ready_worker(endpoint)
    job = lab.submit(endpoint)
    assert lab.taken(worker) == [job.id]
    name = lab.engine.running()[0]
    lab.engine.written = {name: 10_000 * GIB}
    lab.watch_disks()
    assert lab.status(job) is JobStatus.IN_QUEUE
    assert lab.job(job).retries == 1
    lab.settle()
    assert lab.engine.running() != [name]
    assert len(lab.engine.running()) == 1


# Promises


def test_disk_is_never_promised_twice(small: Lab) -> None:
    first = small.pod(disk=40, volume=20)
    with pytest.raises(NoCapacity, match="no longer any instances"):
        small.pod(disk=21, volume=20)
    small.pod(disk=20, volume=20)
    small.stop(first)  # its volume stays
    network_volume(small, 40)
    with pytest.raises(NoCapacity, match="not enough free GPUs"):
        small.resume(first)
    with pytest.raises(NoCapacity, match="not enough disk"):
        network_volume(small, 1)
    small.terminate(first)
    assert small.ask(capacity.disk_left, small.podd) == DiskLeft(0)  # until its files are gone
    small.settle()
    assert small.ask(capacity.disk_left, small.podd) == DiskLeft(20)


def test_growing_takes_room_as_well(small: Lab) -> None:
    volume = network_volume(small, 50)
    pod = small.pod(disk=20, volume=20)
    with pytest.raises(NoCapacity, match="21 GB more are wanted, 10 GB are free"):
        grow(small, volume, 71)
    with pytest.raises(NoCapacity, match="11 GB more are wanted"):
        small.do(pods.edit, small.podd, small.caller, pod.id, PodChange(volume=31), small.now)
    small.do(pods.edit, small.podd, small.caller, pod.id, PodChange(volume=30), small.now)
    with pytest.raises(NoCapacity):
        grow(small, volume, 51)
    small.do(pods.edit, small.podd, small.caller, pod.id, PodChange(disk=10), small.now)
    grow(small, volume, 60)


def test_a_deleted_network_volume_takes_room_until_its_files_are_gone(small: Lab) -> None:
    delete(small, network_volume(small, 100))
    with pytest.raises(NoCapacity):
        network_volume(small, 1)
    small.tend_volumes()
    network_volume(small, 100)


def test_container_disks_have_their_own_room_where_the_engine_is_elsewhere(new_lab: NewLab) -> None:
    lab = new_lab("aaaa", host=Host(vcpus=16, memory=64 * 1024, disk=100, container_disk=30))
    lab.pod(disk=20, volume=90)
    with pytest.raises(NoCapacity):
        lab.pod(disk=11)
    lab.pod(disk=10)
    with pytest.raises(NoCapacity):
        network_volume(lab, 11)
    network_volume(lab, 10)


def test_workers_wait_for_disk_as_for_gpus(small: Lab) -> None:
    network_volume(small, 95)
    endpoint = small.endpoint(template_id=small.template(disk=10).id)
    small.submit(endpoint)
    small.settle()
    assert small.workers(endpoint) == []


def test_more_disk_than_the_machine_has_is_out_of_stock(small: Lab) -> None:
    with pytest.raises(NoCapacity, match="no longer any instances"):
        small.pod(disk=1, min_disk=101)
    assert small.pod(disk=1, min_disk=100)


def test_a_spot_pod_that_is_displaced_makes_room_on_the_disk(small: Lab) -> None:
    for _ in range(4):
        small.pod(disk=25, bid=10**9)
    assert small.pod(disk=25).workload.desired is Desired.RUNNING


def test_a_network_volume_in_a_pods_own_volumes_place_is_counted_once(small: Lab) -> None:
    volume = network_volume(small, 50)
    small.pod(disk=10, volume=50, network_volume_id=volume.id)
    assert small.ask(capacity.disk_left, small.podd) == DiskLeft(40)
