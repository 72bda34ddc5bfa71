"""GPUs up to the boundary of what a machine without one can show: an NVML library of the tests' own says
which there are, and a real engine whose GPU hook knows the same ones hands them out."""

import os
import subprocess
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from podd.containers.engine import DockerEngine
from tests.e2e.conftest import NewDaemon
from tests.e2e.daemon import Daemon, GraphQLFailed
from tests.waiting import eventually

pytestmark = pytest.mark.docker

IMAGE = os.environ.get("PODD_TEST_WORKER_IMAGE", "podd-test/worker:latest")
TESTBED = Path(__file__).parents[1] / "testbed"


def inventory() -> list[str]:
    """What the engine's hook hands out."""
    return Path(os.environ["PODD_FAKE_GPUS"]).read_text().split()


@pytest.fixture
def hardware(tmp_path: Path) -> Path:
    """The NVML stand-in's list of GPUs: those that the engine's hook knows."""
    uuids = [uuid for uuid in inventory() if uuid.startswith("GPU-")]
    path = tmp_path / "nvml.conf"
    path.write_text("".join(f"gpu uuid={uuid} name=NVIDIA_RTX_A6000 mem=51539607552\n" for uuid in uuids))
    return path


@pytest.fixture
def library(tmp_path: Path) -> Path:
    """A directory with the NVML stand-in."""
    if found := os.environ.get("PODD_TEST_NVML"):
        return Path(found)
    target = tmp_path / "libnvidia-ml.so.1"
    source = TESTBED / "fake_nvml.c"
    subprocess.run(
        ["gcc", "-shared", "-fPIC", "-w", "-Wl,-soname,libnvidia-ml.so.1", "-o", target, source, "-lpthread"],
        check=True,
    )
    return tmp_path


@pytest.fixture
def daemon(new_daemon: NewDaemon, hardware: Path, library: Path) -> Daemon:
    """A daemon on a machine with two GPUs, as far as it can tell."""
    env = {
        "LD_LIBRARY_PATH": str(library),
        "FAKE_NVML_CONFIG": str(hardware),
        "PODD_GPUS__CONTAINER_CHECK_SECONDS": "0.5",
        "PODD_GPUS__RESTART_PODS_WITHOUT_GPUS": "true",
    }
    return new_daemon(gpus=0, env=env).start()


@pytest.fixture
def engine(daemon: Daemon) -> Iterator[DockerEngine]:
    engine = DockerEngine(daemon.instance)
    yield engine
    engine.close()


def attached(engine: DockerEngine, pod_id: str) -> set[str]:
    """The GPUs the engine's hook put into the pod's container."""
    (name,) = [container.name for container in engine.list() if container.workload_id == pod_id]
    result = engine.exec(name, ["cat", "/.fake-gpus"])
    assert result.exit_code == 0, result.output
    return set(result.output.split())


def test_each_pod_sees_exactly_its_gpus_and_no_two_share_one(
    daemon: Daemon, engine: DockerEngine, hardware: Path
) -> None:
    there = {line.split("uuid=")[1].split()[0] for line in hardware.read_text().splitlines()}
    assert len(there) == 2
    pods = [daemon.create_pod("sleep 1000", imageName=IMAGE) for _ in range(2)]
    eventually(lambda: all(daemon.runs(pod_id) for pod_id in pods))

    seen = [attached(engine, pod_id) for pod_id in pods]
    assert [len(gpus) for gpus in seen] == [1, 1]
    assert set.union(*seen) == there
    with pytest.raises(GraphQLFailed) as refused:
        daemon.create_pod("sleep 1000", imageName=IMAGE)
    assert refused.value.code == "SUPPLY_CONSTRAINT"


def test_a_gpu_goes_from_one_pod_to_the_next_when_the_first_has_let_it_go(
    daemon: Daemon, engine: DockerEngine
) -> None:
    first = daemon.create_pod("sleep 1000", imageName=IMAGE, gpuCount=2)
    eventually(lambda: daemon.runs(first))
    both = attached(engine, first)
    daemon.graphql(f'mutation {{ podStop(input: {{podId: "{first}"}}) {{ id }} }}')
    second = daemon.create_pod("sleep 1000", imageName=IMAGE, gpuCount=2)
    eventually(lambda: daemon.runs(second))

    assert attached(engine, second) == both
    assert [container.workload_id for container in engine.list()] == [second]


def test_a_mig_instance_is_handed_out_by_its_own_uuid(
    daemon: Daemon, engine: DockerEngine, hardware: Path
) -> None:
    card, *_ = inventory()
    (instance,) = [uuid for uuid in inventory() if uuid.startswith("MIG-")]
    cut = (
        f"gpu uuid={card} name=NVIDIA_RTX_A6000 mem=51539607552 mig=1\n"
        f"mig card={card} uuid={instance} gi=1 slices=1 compute=1 mem=12884901888\n"
    )
    new = hardware.with_suffix(".new")
    new.write_text(cut)
    new.replace(hardware)
    daemon.restart()

    type_id = "NVIDIA RTX A6000 MIG 1g.12gb"
    pod_id = daemon.create_pod("sleep 1000", imageName=IMAGE, gpuTypeId=type_id)
    eventually(lambda: daemon.runs(pod_id))
    assert attached(engine, pod_id) == {instance}


def test_a_gpu_that_the_driver_reports_faulty_goes_to_nobody_else(daemon: Daemon, hardware: Path) -> None:
    first, *_ = inventory()
    pod_id = daemon.create_pod("sleep 1000", imageName=IMAGE)
    eventually(lambda: daemon.runs(pod_id))

    numbers, healthy = count(1), hardware.read_text()

    def affected() -> bool:
        new = hardware.with_suffix(".new")
        new.write_text(f"{healthy}event {next(numbers)} uuid={first} xid=79\n")
        new.replace(hardware)
        fields = "lastStatusChange desiredStatus"
        pod = daemon.graphql(f'{{ pod(input: {{podId: "{pod_id}"}}) {{ {fields} }} }}')["pod"]
        assert pod["desiredStatus"] == "RUNNING"
        return "Xid 79" in pod["lastStatusChange"]

    eventually(affected)
    daemon.create_pod("sleep 1000", imageName=IMAGE)
    with pytest.raises(GraphQLFailed) as refused:
        daemon.create_pod("sleep 1000", imageName=IMAGE)
    assert refused.value.code == "SUPPLY_CONSTRAINT"


LOSES_ITS_GPUS_ONCE = r"""sh -c '
tool=/usr/bin/nvidia-smi
printf "#!/bin/sh\n" >$tool
[ -e /lost ] || printf "echo Failed to initialize NVML: Unknown Error\nexit 255\n" >>$tool
chmod +x $tool; touch /lost; exec sleep 1000'"""


def test_a_container_that_loses_its_gpus_is_noticed_and_restarted_if_wished(daemon: Daemon) -> None:
    pod_id = daemon.create_pod(LOSES_ITS_GPUS_ONCE, imageName=IMAGE)
    told: list[str] = []

    def restarted_and_well() -> bool:
        explained = daemon.cli("explain", pod_id).stdout
        told.append(explained)
        return (
            "gpus lost" in explained and "lost its GPUs; a restart" not in explained and daemon.runs(pod_id)
        )

    eventually(restarted_and_well)
