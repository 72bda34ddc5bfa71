"""What a program in a pod reaches, through the whole of podd: its API and its fellows, and nothing else."""

import os
import socket
from collections.abc import Iterator
from contextlib import suppress

import docker
import pytest

from podd.containers.engine import DockerEngine
from podd.ids import new_id
from tests.e2e.daemon import Daemon, GraphQLFailed
from tests.e2e.test_docker import IMAGE, inside, terminate
from tests.waiting import eventually

pytestmark = pytest.mark.docker

SMALL = os.environ.get("PODD_TEST_IMAGE", "podd-test/busybox:latest")
REGISTRY = os.environ.get("PODD_TEST_REGISTRY", "127.0.0.1:5000")
TERMINATE = "mutation ($id: String!) { podTerminate(input: {podId: $id}) }"
SERVE = "python3 -m http.server 80 --directory /sys/class/net"
ASK = (
    "import sys, urllib.request as u\n"
    "try: print(u.urlopen(sys.argv[1], timeout=3).status)\n"
    "except OSError as error: print(error)"
)


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    daemon = Daemon(tmp_path_factory.mktemp("isolation"), engine="docker")
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
def private_image() -> Iterator[str]:
    """In a real registry, for the user `me` with the password `secret`; not on this machine."""
    client = docker.from_env()
    repository = f"{REGISTRY}/private/{new_id(6)}"
    client.images.get(SMALL).tag(repository, "1")
    pushed = client.api.push(repository, "1", auth_config={"username": "me", "password": "secret"})
    assert "error" not in pushed, pushed
    client.images.remove(f"{repository}:1")
    yield f"{repository}:1"
    with suppress(docker.errors.ImageNotFound):
        client.images.remove(f"{repository}:1")
    client.close()


def answer(engine: DockerEngine, pod_id: str, url: str) -> str:
    """What a program in the pod gets from this URL: a status, or why it gets nothing."""
    return inside(engine, pod_id, "python3", "-c", ASK, url).strip()


def test_a_pod_reaches_podd_and_its_accounts_pods_and_nothing_else(
    daemon: Daemon, engine: DockerEngine
) -> None:
    stranger = daemon.account()
    first, second = (daemon.create_pod(SERVE, imageName=IMAGE) for _ in range(2))
    for pod_id in (first, second):
        eventually(lambda pod_id=pod_id: daemon.runs(pod_id), 30)  # type: ignore[misc]
    environment = dict(
        line.split("=", 1) for line in inside(engine, first, "env").splitlines() if "=" in line
    )
    podd = environment["RUNPOD_API_BASE_URL"]
    eventually(lambda: answer(engine, first, f"http://{second}.runpod.internal/") == "200")
    assert answer(engine, first, f"{podd}/livez") == "200"
    host = podd.removeprefix("http://").partition(":")[0]
    with socket.create_server(("0.0.0.0", 0)) as server:
        assert "refused" in answer(engine, first, f"http://{host}:{server.getsockname()[1]}/")
    assert "refused" in answer(engine, first, "http://169.254.169.254/latest/meta-data/")

    terminate(daemon, second)
    eventually(lambda: len(engine.list()) == 1)
    foreign = daemon.create_pod(SERVE, imageName=IMAGE, key=stranger)
    eventually(lambda: len(daemon.running()) == 2)
    address = next(c.address for c in engine.list() if c.workload_id == foreign)
    assert answer(engine, foreign, f"{podd}/livez") == "200"
    assert answer(engine, foreign, f"http://{first}.runpod.internal/") != "200"
    assert "timed out" in answer(engine, first, f"http://{address}/")
    terminate(daemon, first)
    daemon.graphql(TERMINATE, {"id": foreign}, key=stranger)
    eventually(lambda: engine.list() == [])


def test_a_private_image_is_for_those_who_have_its_password(
    daemon: Daemon, engine: DockerEngine, private_image: str
) -> None:
    owner, stranger = daemon.account(), daemon.account()

    def credential(name: str, password: str, key: str) -> str:
        made = daemon.graphql(
            "mutation ($input: SaveRegistryAuthInput!) { saveRegistryAuth(input: $input) { id } }",
            {"input": {"name": name, "username": "me", "password": password}},
            key=key,
        )
        return str(made["saveRegistryAuth"]["id"])

    def pod(key: str, **wish: str) -> str:
        return daemon.create_pod("sleep 1000", imageName=private_image, key=key, **wish)

    def refused(key: str, pod_id: str) -> str:
        """What the owner of a pod that podd gave up on is told."""

        def v1() -> dict[str, str]:
            found: dict[str, str] = daemon.http("GET", f"/v1/pods/{pod_id}", key=key).json()
            return found

        eventually(lambda: v1()["desiredStatus"] == "EXITED")
        assert daemon.http("GET", f"/v2/pods/{pod_id}", key=key).json()["status"] == "ERROR"
        query = "query ($id: String!) { pod(input: {podId: $id}) { lastStatusChange } }"
        told = str(daemon.graphql(query, {"id": pod_id}, key=key)["pod"]["lastStatusChange"])
        assert v1()["lastStatusChange"] == told
        daemon.graphql(TERMINATE, {"id": pod_id}, key=key)
        return told

    said = refused(owner, pod(owner, containerRegistryAuthId=credential("mistyped", "sEcret", owner)))
    assert "'mistyped'" in said
    assert "sEcret" not in said + daemon.log_text()
    right = credential("right", "secret", owner)
    running = pod(owner, containerRegistryAuthId=right)
    eventually(lambda: any(running in name for name in daemon.running()))

    assert private_image in refused(stranger, pod(stranger))
    guess = credential("guess", "wrong", stranger)
    assert "'guess'" in refused(stranger, pod(stranger, containerRegistryAuthId=guess))

    with pytest.raises(GraphQLFailed, match="in use"):
        daemon.graphql(
            "mutation ($id: String!) { deleteRegistryAuth(registryAuthId: $id) }", {"id": right}, key=owner
        )
    daemon.graphql(TERMINATE, {"id": running}, key=owner)
    eventually(lambda: engine.list() == [])
