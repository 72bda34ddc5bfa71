"""The worker image that is built without a registry runs what a worker needs."""

import os
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from podd import demo_image

pytestmark = pytest.mark.docker

HANDLER = """
import os
import runpod

def handler(job):
    return {"doubled": job["input"]["number"] * 2, "uid": os.getuid()}

runpod.serverless.start({"handler": handler})
"""


@pytest.fixture(scope="module")
def client() -> Iterator[docker.DockerClient]:
    client = docker.from_env()
    yield client
    client.close()


@pytest.fixture(scope="module")
def image(client: docker.DockerClient) -> str:
    tag = os.environ.get("PODD_TEST_WORKER_IMAGE", "podd-test/worker:latest")
    demo_image.build(client, tag, progress=print)
    return tag


def run(client: docker.DockerClient, image: str, *command: str, **volumes: str) -> str:
    """What the command prints; `volumes` are directories of this machine, by their name under / there."""
    binds = {host: {"bind": f"/{name}", "mode": "ro"} for name, host in volumes.items()}
    output = client.containers.run(
        image, list(command), hostname="pod", volumes=binds, remove=True, stderr=True
    )
    return output.decode()


def test_building_the_same_image_again_does_nothing(client: docker.DockerClient, image: str) -> None:
    before = client.images.get(image).id
    said: list[str] = []

    demo_image.build(client, image, progress=said.append)

    assert said == [f"{image} is there already"]
    assert client.images.get(image).id == before


def test_its_python_imports_runpod_and_runs_as_root(client: docker.DockerClient, image: str) -> None:
    code = "import os, ssl, sqlite3, runpod; print(os.getuid(), os.path.basename(runpod.__path__[0]))"

    assert run(client, image, "python3", "-c", code).split() == ["0", "runpod"]


def test_a_handler_answers_its_test_input(client: docker.DockerClient, image: str, tmp_path: Path) -> None:
    (tmp_path / "handler.py").write_text(HANDLER)

    given = '{"input": {"number": 21}}'
    output = run(client, image, "python", "/work/handler.py", "--test_input", given, work=str(tmp_path))

    assert "'doubled': 42, 'uid': 0" in output
    assert "completed successfully" in output


def test_a_shell_and_the_usual_commands_are_there(client: docker.DockerClient, image: str) -> None:
    script = (
        "id -u; hostname; df / | tail -n 1 | wc -l; cd /workspace && mkdir a && ls; touch /tmp/x; rm -r a"
    )

    assert run(client, image, "/bin/sh", "-c", script).split() == ["0", "pod", "1", "a"]


def test_it_resolves_names_and_trusts_the_authorities_of_this_machine(
    client: docker.DockerClient, image: str
) -> None:
    code = (
        "import socket, ssl; socket.getaddrinfo('localhost', 80);"
        "print(len(ssl.create_default_context().get_ca_certs()))"
    )

    assert int(run(client, image, "python3", "-c", code)) > 10
