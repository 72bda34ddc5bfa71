"""Pods and workers in real containers. The images are those that tests/run makes."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import httpx
import pytest

from podd.containers.engine import DockerEngine
from tests.contract.registry import Registry
from tests.e2e.daemon import Daemon
from tests.waiting import eventually

pytestmark = pytest.mark.docker

Json = dict[str, Any]

IMAGE = os.environ.get("PODD_TEST_WORKER_IMAGE", "podd-test/worker:latest")
ECHO = """python3 -u -c 'import runpod; runpod.serverless.start({"handler": lambda job: job["input"]})'"""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """One for all: it has two GPUs, and gives up on what ends at once after the second time."""
    daemon = Daemon(tmp_path_factory.mktemp("docker"), engine="docker", limits={"pod_start_failures": 2})
    try:
        yield daemon.start()
    finally:
        daemon.close()


@pytest.fixture
def engine(daemon: Daemon) -> Iterator[DockerEngine]:
    engine = DockerEngine(daemon.instance)
    yield engine
    engine.close()


@pytest.fixture
def client() -> Iterator[docker.DockerClient]:
    client = docker.from_env()
    yield client
    client.close()


def terminate(daemon: Daemon, pod_id: str) -> None:
    daemon.graphql("mutation ($id: String!) { podTerminate(input: {podId: $id}) }", {"id": pod_id})


def inside(engine: DockerEngine, pod_id: str, *argv: str) -> str:
    """What a command prints in the pod's container."""
    (name,) = [container.name for container in engine.list() if container.workload_id == pod_id]
    result = engine.exec(name, argv)
    assert result.exit_code == 0, result.output
    return result.output


def fetched(url: str) -> str:
    """What is there; "" while the program in the pod does not listen yet."""
    try:
        return httpx.get(url).text
    except httpx.TransportError:
        return ""


def test_a_pods_life(daemon: Daemon, engine: DockerEngine, client: docker.DockerClient) -> None:
    pod_id = daemon.create_pod(
        "python3 -m http.server 8080 --directory /data",
        imageName=IMAGE,
        ports="8080/tcp,22/tcp",
        volumeInGb=1,
        volumeMountPath="/data",
        containerDiskInGb=1,
        env=[{"key": "GREETING", "value": "hello you"}],
    )
    eventually(lambda: daemon.runs(pod_id))
    pod = daemon.pod(pod_id)
    assert pod is not None

    # Its environment
    lines = inside(engine, pod_id, "env").splitlines()
    environment = dict(line.split("=", 1) for line in lines if "=" in line)
    assert environment["GREETING"] == "hello you"
    assert environment["RUNPOD_POD_ID"] == pod_id
    assert environment["NVIDIA_VISIBLE_DEVICES"] == pod["gpus"][0]["id"]
    assert environment["RUNPOD_GPU_COUNT"] == "1"

    # Its marks and limits
    facts = client.api.inspect_container(pod["dockerId"])
    labels = facts["Config"]["Labels"]
    assert labels["podd.instance"] == daemon.instance
    assert pod_id in labels.values()
    assert facts["HostConfig"]["Memory"] > 0
    assert int(environment["RUNPOD_MEM_GB"]) == facts["HostConfig"]["Memory"] // 2**30

    # Its ports
    ports = {port["privatePort"]: port["publicPort"] for port in pod["runtime"]["ports"]}
    assert environment["RUNPOD_TCP_PORT_8080"] == str(ports[8080])
    inside(engine, pod_id, "sh", "-c", "echo kept >/data/notes; echo lost >/lost")
    eventually(lambda: fetched(f"http://127.0.0.1:{ports[8080]}/notes") == "kept\n")

    # A new daemon finds it
    daemon.restart()
    again = daemon.pod(pod_id)
    assert again is not None
    assert again["dockerId"] == pod["dockerId"]
    assert again["runtime"] is not None

    # Stopped, it keeps its volume and nothing else
    stopped = daemon.graphql(
        "mutation ($id: String!) { podStop(input: {podId: $id}) { desiredStatus } }", {"id": pod_id}
    )
    assert stopped == {"podStop": {"desiredStatus": "EXITED"}}
    eventually(lambda: not any(pod_id in name for name in daemon.running()))
    daemon.graphql("mutation ($id: String!) { podResume(input: {podId: $id}) { id } }", {"id": pod_id})
    eventually(lambda: daemon.runs(pod_id))
    assert inside(engine, pod_id, "cat", "/data/notes") == "kept\n"
    assert "lost" not in inside(engine, pod_id, "ls", "/").split()

    # Terminated, it is gone with all it had
    volume = Path(daemon.data_dir) / "volumes" / pod_id
    assert volume.exists()
    terminate(daemon, pod_id)
    eventually(lambda: engine.list() == [])
    eventually(lambda: not volume.exists())


def test_two_pods_get_a_gpu_each(daemon: Daemon, engine: DockerEngine) -> None:
    pods = [daemon.create_pod("sleep 1000", imageName=IMAGE) for _ in range(2)]
    eventually(lambda: all(daemon.runs(pod_id) for pod_id in pods))
    given = {inside(engine, pod_id, "sh", "-c", "echo $NVIDIA_VISIBLE_DEVICES").strip() for pod_id in pods}
    assert len(given) == 2
    for pod_id in pods:
        terminate(daemon, pod_id)
    eventually(lambda: engine.list() == [])


@pytest.fixture
def registry() -> Iterator[Registry]:
    registry = Registry("test/image")
    yield registry
    registry.stop()


def given_up(daemon: Daemon, pod_id: str) -> str:
    """Why podd does not start the pod any more, once that is so."""

    def exited() -> bool:
        pod = daemon.pod(pod_id)
        return pod is not None and pod["desiredStatus"] == "EXITED"

    eventually(exited)
    pod = daemon.pod(pod_id)
    assert pod is not None
    assert pod["runtime"] is None
    return str(pod["lastStatusChange"])


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        (
            {"imageName": IMAGE, "dockerArgs": "sh -c 'echo out of luck >&2; exit 3'"},
            ["exit code 3", "out of luck"],
        ),
        ({"imageName": IMAGE, "dockerArgs": "no-such-command --now"}, ["no-such-command"]),
        ({"imageName": "REGISTRY/no/such:image"}, ["/no/such:image"]),
    ],
    ids="exits no-command no-image".split(),
)
def test_a_pod_that_cannot_run_says_why_and_frees_its_gpus(
    daemon: Daemon, engine: DockerEngine, registry: Registry, wish: Json, said: list[str]
) -> None:
    wish = {**wish, "imageName": wish["imageName"].replace("REGISTRY", registry.address)}
    pod_id = daemon.create_pod(wish.pop("dockerArgs", "sleep 1000"), gpuCount=2, **wish)
    reason = given_up(daemon, pod_id)
    for words in said:
        assert words in reason
    other = daemon.create_pod("sleep 1000", imageName=IMAGE, gpuCount=2)
    eventually(lambda: daemon.runs(other))
    for each in (pod_id, other):
        terminate(daemon, each)
    eventually(lambda: engine.list() == [])


def test_a_registry_that_is_away_is_told_while_podd_tries_again(daemon: Daemon, engine: DockerEngine) -> None:
    pod_id = daemon.create_pod("sleep 1000", imageName="127.0.0.1:1/some/image:1")

    def told() -> bool:
        pod = daemon.pod(pod_id)
        assert pod is not None
        assert pod["desiredStatus"] == "RUNNING"
        return "127.0.0.1:1/some/image:1" in pod["lastStatusChange"]

    eventually(told)
    terminate(daemon, pod_id)
    eventually(lambda: daemon.pod(pod_id) is None)
    assert engine.list() == []


def test_an_endpoint_goes_from_nothing_to_a_worker_and_back(daemon: Daemon, engine: DockerEngine) -> None:
    template = daemon.create_template(ECHO, image=IMAGE)
    endpoint = daemon.save_endpoint(templateId=template, workersMax=1, idleTimeout=2)
    assert engine.list() == []
    job = daemon.finished(endpoint, daemon.run(endpoint, {"text": "Grüße"}), 60)
    assert (job["status"], job["output"]) == ("COMPLETED", {"text": "Grüße"})
    (container,) = engine.list()
    assert container.workload_id == job["workerId"]
    warm = daemon.finished(endpoint, daemon.run(endpoint, {"n": 2}))
    assert warm["workerId"] == job["workerId"]
    eventually(lambda: engine.list() == [])
    health = daemon.health(endpoint)
    assert health["jobs"] == {"completed": 2, "failed": 0, "inProgress": 0, "inQueue": 0, "retried": 0}
    assert health["workers"]["running"] == 0
    assert health["workers"]["idle"] >= 1
    daemon.delete_endpoint(endpoint)


TELL = """python3 -u -c 'import os, runpod, runpod.serverless.modules.rp_scale as loop
def tell(job):
    hook = "/opt/podd/accelerator"
    accelerated = any(name.startswith("_podd") for name in vars(loop))
    path, writable = os.environ["PYTHONPATH"], os.access(hook, os.W_OK)
    return {"accelerated": accelerated, "path": path, "writable": writable}
runpod.serverless.start({"handler": tell})'"""


@pytest.mark.parametrize("accelerated", [True, False])
def test_a_worker_in_a_container_has_the_accelerator_unless_it_goes_without(
    daemon: Daemon, accelerated: bool
) -> None:
    """In front of the python path that the endpoint has, and not to be written to, not even by root."""
    env = {"PYTHONPATH": "/own"} | ({} if accelerated else {"PODD_ACCELERATE": "0"})
    template = daemon.create_template(
        TELL, image=IMAGE, env=[{"key": name, "value": value} for name, value in env.items()]
    )
    endpoint_id = daemon.save_endpoint(templateId=template, workersMax=1)
    job = daemon.finished(endpoint_id, daemon.run(endpoint_id, {}), 60)
    path = "/opt/podd/accelerator:/own" if accelerated else "/own"
    assert job["output"] == {"accelerated": accelerated, "path": path, "writable": False}
    daemon.delete_endpoint(endpoint_id)


def test_an_http_port_of_a_container_is_reached_through_podd(daemon: Daemon) -> None:
    pod_id = daemon.create_pod(
        "python3 -m http.server 8080 --directory /etc", imageName=IMAGE, ports="8080/http", gpuCount=1
    )
    path = f"/proxy/{pod_id}/8080/hostname"
    eventually(lambda: daemon.http("GET", path, key="").status_code == 200)
    assert daemon.http("GET", path, key="").text.strip()
    terminate(daemon, pod_id)
    assert daemon.http("GET", path, key="").status_code == 404
