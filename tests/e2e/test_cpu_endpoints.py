"""Endpoints on CPUs with a network volume, with the unmodified worker SDK: what a pod left there a worker
finds at /runpod-volume, and the other way round."""

import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.daemon import Daemon
from tests.waiting import eventually

IMAGE = os.environ.get("PODD_TEST_WORKER_IMAGE", "podd-test/worker:latest")
# The engine of processes has no root directories of their own: there, mounts are in the working directory.
WORKER = """
import os, runpod
from pathlib import Path
root = Path("/runpod-volume") if os.path.isdir("/runpod-volume") else Path("runpod-volume")
def exchange(job):
    (root / "from-worker").write_text(job["input"])
    return {"read": (root / "from-pod").read_text(), "volume": os.environ["RUNPOD_VOLUME_ID"],
            "gpus": os.environ["RUNPOD_GPU_COUNT"], "cpus": os.environ["RUNPOD_CPU_COUNT"]}
runpod.serverless.start({"handler": exchange})
"""
POD = """
import os, time
from pathlib import Path
root = Path("/workspace") if os.path.isdir("/workspace") else Path("workspace")
(root / "from-pod").write_text("models")
print("written", flush=True)
while not (root / "from-worker").exists():
    time.sleep(0.05)
print((root / "from-worker").read_text(), flush=True)
time.sleep(600)
"""


@pytest.fixture(params=["process", pytest.param("docker", marks=pytest.mark.docker)])
def daemon(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Daemon]:
    """On a machine without GPUs."""
    daemon = Daemon(tmp_path, engine=request.param, gpus=0, settings={"volumes": "directory"})
    try:
        yield daemon.start()
    finally:
        daemon.close()


def python(program: str) -> str:
    return f"python3 -u -c {shlex.quote(program)}"


def a_cpu_pod(daemon: Daemon, program: str, **wish: Any) -> str:
    document = "mutation ($input: deployCpuPodInput!) { deployCpuPod(input: $input) { id } }"
    wish = {"instanceId": "cpu3c-2-4", "imageName": IMAGE, "dockerArgs": python(program), **wish}
    return str(daemon.graphql(document, {"input": wish})["deployCpuPod"]["id"])


def lines_of(daemon: Daemon) -> list[str]:
    return [line for container in daemon.running() for line in daemon.written_by(container)]


def test_102_a_cpu_worker_and_a_pod_share_a_network_volume(daemon: Daemon) -> None:
    document = 'mutation { createNetworkVolume(input: {name: "shared", size: 10}) { id } }'
    volume = daemon.graphql(document)["createNetworkVolume"]["id"]
    a_cpu_pod(daemon, POD, networkVolumeId=volume, volumeMountPath="/workspace")
    eventually(lambda: "written" in lines_of(daemon), 60)
    template = daemon.create_template(python(WORKER), image=IMAGE)
    endpoint = daemon.save_endpoint(
        templateId=template, gpuIds="", instanceIds=["cpu3c-2-4"], networkVolumeId=volume
    )
    done = daemon.finished(endpoint, daemon.run(endpoint, "results"), 60)
    assert done["output"] == {"read": "models", "volume": volume, "gpus": "0", "cpus": "2"}
    eventually(lambda: "results" in lines_of(daemon), 30)
