"""Volumes and container disks in real containers: their sizes hold, and what is on them lasts. Only
for where mounts are private, as in tests/run."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from podd.containers.engine import DockerEngine
from podd.volumes.host import Host
from tests.e2e.daemon import Daemon, GraphQLFailed
from tests.waiting import eventually

pytestmark = pytest.mark.docker

IMAGE = os.environ.get("PODD_TEST_IMAGE", "podd-test/busybox:latest")
FILL = "dd if=/dev/zero of={} bs=1M count=3000 2>&1; echo status $?"
MIB = 2**20


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    directory = tmp_path_factory.mktemp("storage")
    daemon = Daemon(directory, engine="docker", gpus=4, limits={"container_disk_check_seconds": 0.5})
    try:
        yield daemon.start()
    finally:
        daemon.close()
        Host().unmount_below(directory)


@pytest.fixture
def engine(daemon: Daemon) -> Iterator[DockerEngine]:
    engine = DockerEngine(daemon.instance)
    yield engine
    engine.close()


@pytest.fixture(autouse=True)
def nothing_left(daemon: Daemon) -> Iterator[None]:
    yield
    answer = daemon.graphql("query { myself { pods { id } networkVolumes { id } } }")["myself"]
    for pod in answer["pods"]:
        terminate(daemon, pod["id"])
    for volume in answer["networkVolumes"]:
        delete(daemon, volume["id"])
    eventually(lambda: volumes_left(daemon) == [])


def volumes_left(daemon: Daemon) -> list[str]:
    """What is still on the disk, or mounted, of pods and network volumes."""
    groups = [daemon.data_dir / "volumes", daemon.data_dir / "network-volumes"]
    files = [str(path) for group in groups if group.exists() for path in group.iterdir()]
    return files + [mount.path for mount in Host().mounts() if str(daemon.data_dir) in mount.path]


def a_pod(daemon: Daemon, **wish: Any) -> str:
    wish = {"volumeInGb": 1, "volumeMountPath": "/data", "containerDiskInGb": 1, **wish}
    pod_id = daemon.create_pod("sleep 100000", imageName=IMAGE, **wish)
    eventually(lambda: daemon.runs(pod_id))
    return pod_id


def sh(engine: DockerEngine, pod_id: str, script: str) -> str:
    (name,) = [container.name for container in engine.list() if container.workload_id == pod_id]
    result = engine.exec(name, ["sh", "-c", script])
    assert result.exit_code == 0, result.output
    return result.output


def terminate(daemon: Daemon, pod_id: str) -> None:
    daemon.graphql("mutation ($id: String!) { podTerminate(input: {podId: $id}) }", {"id": pod_id})


def stop(daemon: Daemon, pod_id: str) -> None:
    daemon.graphql("mutation ($id: String!) { podStop(input: {podId: $id}) { id } }", {"id": pod_id})
    eventually(lambda: not any(pod_id in name for name in daemon.running()))


def resume(daemon: Daemon, pod_id: str) -> None:
    daemon.graphql("mutation ($id: String!) { podResume(input: {podId: $id}) { id } }", {"id": pod_id})
    eventually(lambda: daemon.runs(pod_id))


def network_volume(daemon: Daemon, size: int) -> str:
    query = "mutation ($in: CreateNetworkVolumeInput!) { createNetworkVolume(input: $in) { id } }"
    wish = {"name": "data", "size": size, "dataCenterId": "LOCAL-1"}
    return str(daemon.graphql(query, {"in": wish})["createNetworkVolume"]["id"])


def grow(daemon: Daemon, volume_id: str, size: int) -> None:
    query = "mutation ($in: UpdateNetworkVolumeInput!) { updateNetworkVolume(input: $in) { size } }"
    changed = daemon.graphql(query, {"in": {"id": volume_id, "size": size}})
    assert changed["updateNetworkVolume"]["size"] == size


def delete(daemon: Daemon, volume_id: str) -> None:
    query = "mutation ($id: String!) { deleteNetworkVolume(input: {id: $id}) }"
    daemon.graphql(query, {"id": volume_id})


def test_writing_past_a_volume_finds_no_space_and_the_host_has_some(
    daemon: Daemon, engine: DockerEngine
) -> None:
    pod_id = a_pod(daemon)
    assert sh(engine, pod_id, "ls -A /data") == ""
    said = sh(engine, pod_id, FILL.format("/data/big"))
    assert "No space left on device" in said
    assert "status 1" in said
    written = int(sh(engine, pod_id, "stat -c %s /data/big"))
    assert 800 * MIB < written < 1024 * MIB
    sh(engine, pod_id, "echo fine >/elsewhere && rm /data/big && echo fine >/data/again")
    stop(daemon, pod_id)


def test_what_is_on_a_volume_outlives_stop_reset_crash_and_reboot(
    daemon: Daemon, engine: DockerEngine
) -> None:
    pod_id = a_pod(daemon)
    sh(engine, pod_id, "echo kept >/data/notes")
    stop(daemon, pod_id)
    resume(daemon, pod_id)
    assert sh(engine, pod_id, "cat /data/notes") == "kept\n"

    daemon.kill()
    daemon.start()
    assert sh(engine, pod_id, "cat /data/notes") == "kept\n"

    edit = "mutation ($in: PodEditJobInput!) { podEditJob(input: $in) { volumeInGb } }"
    wish = {"podId": pod_id, "imageName": IMAGE, "volumeInGb": 2, "containerDiskInGb": 1}
    wish |= {"volumeMountPath": "/data", "dockerArgs": "sleep 100000"}
    daemon.graphql(edit, {"in": wish})
    eventually(lambda: any(name.endswith("-3") for name in daemon.running()) and daemon.runs(pod_id))
    assert sh(engine, pod_id, "cat /data/notes") == "kept\n"
    kilobytes = int(sh(engine, pod_id, "df -k /data | tail -n 1").split()[1])
    assert kilobytes > 1.8 * MIB

    # A reboot: no container runs and nothing is mounted.
    daemon.kill()
    for container in engine.list():
        engine.stop(container.name, 0)
        engine.remove(container.name)
    Host().unmount_below(daemon.data_dir)
    daemon.start()
    eventually(lambda: any(pod_id in name for name in daemon.running()) and daemon.runs(pod_id))
    assert sh(engine, pod_id, "cat /data/notes") == "kept\n"


def test_a_network_volume_is_shared_limited_and_protected(daemon: Daemon, engine: DockerEngine) -> None:
    volume_id = network_volume(daemon, 1)
    one, other = (a_pod(daemon, networkVolumeId=volume_id) for _ in range(2))
    sh(engine, one, "echo hello >/data/message")
    assert sh(engine, other, "cat /data/message") == "hello\n"
    assert "No space left on device" in sh(engine, other, FILL.format("/data/big"))
    sh(engine, other, "rm /data/big")
    grow(daemon, volume_id, 2)
    assert sh(engine, other, "cat /data/message") == "hello\n"
    terminate(daemon, one)
    with pytest.raises(GraphQLFailed, match="in use"):
        delete(daemon, volume_id)
    with pytest.raises(GraphQLFailed, match="shrink"):
        grow(daemon, volume_id, 1)
    terminate(daemon, other)
    delete(daemon, volume_id)


def test_a_network_volume_grows(daemon: Daemon, engine: DockerEngine) -> None:
    volume_id = network_volume(daemon, 1)
    pod_id = a_pod(daemon, networkVolumeId=volume_id)
    sh(engine, pod_id, "echo hello >/data/message")
    stop(daemon, pod_id)
    grow(daemon, volume_id, 3)
    image = daemon.data_dir / "network-volumes" / f"{volume_id}.img"
    eventually(lambda: image.stat().st_size == 3 * 2**30)
    resume(daemon, pod_id)
    assert sh(engine, pod_id, "cat /data/message") == "hello\n"
    eventually(lambda: int(sh(engine, pod_id, "df -k /data | tail -n 1").split()[1]) > 2.8 * MIB)


def test_a_pod_that_overfills_its_container_disk_is_ended_and_says_why(
    daemon: Daemon, engine: DockerEngine
) -> None:
    if engine.info().disk_limits:
        pod_id = a_pod(daemon)
        assert "status 1" in sh(engine, pod_id, FILL.format("/big"))
        return
    script = "dd if=/dev/zero of=/big bs=1M count=1100; sleep 100000"
    pod_id = daemon.create_pod(f"sh -c '{script}'", imageName=IMAGE, containerDiskInGb=1)

    def ended() -> bool:
        pod = daemon.pod(pod_id)
        assert pod is not None
        return str(pod["desiredStatus"]) == "EXITED"

    eventually(ended)
    pod = daemon.pod(pod_id)
    assert pod is not None
    assert "container disk of 1 GB" in pod["lastStatusChange"]
    eventually(lambda: not any(pod_id in name for name in daemon.running()))


def test_a_volume_of_before_there_were_limits_is_kept_as_it_is(daemon: Daemon, engine: DockerEngine) -> None:
    pod_id = a_pod(daemon)
    stop(daemon, pod_id)
    Host().unmount_below(daemon.data_dir)
    (daemon.data_dir / "volumes" / f"{pod_id}.img").unlink()
    directory: Path = daemon.data_dir / "volumes" / pod_id
    (directory / "notes").write_text("from before\n")
    resume(daemon, pod_id)
    assert sh(engine, pod_id, "cat /data/notes") == "from before\n"
