"""Releases of the worker SDK in real containers: jobs, streams, cancelling, refreshing, and the cached model.

The images are the tests' own worker image with the handlers in it, and in one of them an older release.
"""

import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import docker
import pytest

from tests.e2e.daemon import HANDLERS, Daemon
from tests.waiting import eventually

pytestmark = pytest.mark.docker

IMAGE = os.environ.get("PODD_TEST_WORKER_IMAGE", "podd-test/worker:latest")
INSTALLED = version("runpod")
OLDER = "1.7.13"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    daemon = Daemon(tmp_path_factory.mktemp("sdk"), engine="docker")
    try:
        yield daemon.start()
    finally:
        daemon.close()


@pytest.fixture(scope="module", params=[INSTALLED, OLDER])
def sdk(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def image(sdk: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An image with the handlers and this release of the SDK."""
    place = tmp_path_factory.mktemp("image")
    (place / "handlers.py").write_text(HANDLERS.read_text())
    if sdk != INSTALLED:
        uv = Path(sys.executable).with_name("uv")
        install = [
            str(uv),
            "pip",
            "install",
            "-q",
            "--python",
            sys.executable,
            "--target",
            str(place / "sdk"),
        ]
        subprocess.run([*install, f"runpod=={sdk}"], check=True, timeout=110)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.add(place, arcname="worker")
    client = docker.from_env()
    made = client.containers.create(IMAGE)
    try:
        made.put_archive("/", packed.getvalue())
        tag = f"podd-test/sdk:{sdk}"
        made.commit("podd-test/sdk", tag=sdk)
    finally:
        made.remove()
    yield tag
    client.images.remove(tag, force=True)
    client.close()


def endpoint_of(daemon: Daemon, image: str, handler: str, **wish: Any) -> str:
    template = daemon.create_template(
        f"python3 -u /worker/handlers.py {handler}",
        image=image,
        env=[{"key": "PYTHONPATH", "value": "/worker/sdk"}],
    )
    return daemon.save_endpoint(templateId=template, workersMin=1, workersMax=1, **wish)


def ended(daemon: Daemon, endpoint_id: str, *inputs: Any) -> list[dict[str, Any]]:
    ids = [daemon.run(endpoint_id, input) for input in inputs]
    return [daemon.finished(endpoint_id, job_id) for job_id in ids]


def test_78_43_44_45_jobs_and_cancelling_in_a_container(daemon: Daemon, image: str, sdk: str) -> None:
    endpoint = endpoint_of(daemon, image, "single")
    told, echo, broken = ended(daemon, endpoint, {"tell sdk": True}, {"return": "h\u00e9"}, {"raise": "no"})
    assert (told["output"]["version"], told["output"]["accelerated"]) == (sdk, True)
    assert (echo["status"], echo["output"]) == ("COMPLETED", "h\u00e9")
    assert (broken["status"], "ValueError" in broken["error"]) == ("FAILED", True)
    running = daemon.run(endpoint, {"sleep": 60})
    eventually(lambda: daemon.status(endpoint, running)["status"] == "IN_PROGRESS")
    daemon.http("POST", f"/v2/{endpoint}/cancel/{running}")
    (after,) = ended(daemon, endpoint, {"return": 1})
    assert (after["status"], daemon.status(endpoint, running)["status"]) == ("COMPLETED", "CANCELLED")
    daemon.delete_endpoint(endpoint)


def test_78_31_89_90_a_stream_and_a_fresh_container_for_each_job(daemon: Daemon, image: str) -> None:
    streaming = endpoint_of(daemon, image, "aggregate")
    (job,) = ended(daemon, streaming, {"parts": [1, 2, 3]})
    assert (job["status"], job["output"]) == ("COMPLETED", [1, 2, 3])
    read = daemon.http("GET", f"/v2/{streaming}/stream/{job['id']}").json()
    assert [part["output"] for part in read["stream"]] == [1, 2, 3]
    daemon.delete_endpoint(streaming)
    fresh = endpoint_of(daemon, image, "fresh")
    jobs = ended(daemon, fresh, {"tell process": True}, {"tell process": True})
    assert [job["output"]["jobs"] for job in jobs] == [1, 1]
    daemon.delete_endpoint(fresh)


def test_102_a_cached_model_is_found_by_its_snapshot_in_later_containers(daemon: Daemon) -> None:
    """Also where a network volume is mounted around the cache, and then not on that volume."""
    hub = "/runpod-volume/huggingface-cache/hub/models--a--b"
    load = f"mkdir -p {hub}/refs {hub}/snapshots/c0ffee && printf c0ffee >{hub}/refs/main"
    look = 'import os, runpod; hub = os.environ["HF_HUB_CACHE"] + "/models--a--b"\n'
    look += 'main = open(hub + "/refs/main").read()\n'
    look += 'runpod.serverless.start({"handler": lambda job: os.path.isdir(hub + "/snapshots/" + main)})'
    volume = daemon.graphql(
        "mutation ($input: CreateNetworkVolumeInput!) { createNetworkVolume(input: $input) { id } }",
        {"input": {"name": "data", "size": 1, "dataCenterId": "LOCAL-1"}},
    )["createNetworkVolume"]["id"]
    for number, wish in enumerate(({}, {"networkVolumeId": volume})):
        command = 'sh -c \'eval "$FIRST"; exec python3 -u -c "$LOOK"\''
        env = [{"key": "LOOK", "value": look}, {"key": "FIRST", "value": ":" if number else load}]
        template = daemon.create_template(command, image=IMAGE, env=env)
        endpoint = daemon.save_endpoint(
            templateId=template, workersMin=1, workersMax=1, modelReferences=["a/b"], **wish
        )
        (job,) = ended(daemon, endpoint, {"look": True})
        assert (job["status"], job.get("output")) == ("COMPLETED", True), job
        daemon.delete_endpoint(endpoint)
    files = daemon.data_dir / "network-volumes" / volume / "huggingface-cache"
    assert list(files.rglob("*")) == []
