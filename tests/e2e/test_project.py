"""A developer's way from an empty folder to an answered job, by podd's own command line."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import docker
import httpx
import pytest

from tests.e2e.conftest import NewDaemon
from tests.e2e.daemon import Daemon
from tests.local_ports import free_port
from tests.waiting import eventually

IMAGE = os.environ.get("PODD_TEST_WORKER_IMAGE", "podd-test/worker:latest")


# Speaks as the SDK's test API does, and starts sooner.
SERVER = """
import http.server, json, sys

class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        wish = json.loads(self.rfile.read(int(self.headers["content-length"])))
        text = json.dumps({"output": "hello " + wish["input"]["prompt"]}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

assert "--rp_serve_api" in sys.argv
port = sys.argv[sys.argv.index("--rp_api_port") + 1]
http.server.ThreadingHTTPServer(("", int(port)), Handler).serve_forever()
"""


def podd(daemon: Daemon, *words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """`podd WORDS` of the person with the daemon's key."""
    done = subprocess.run(
        [sys.executable, "-m", "podd", *words],
        env=daemon.environment(PODD_URL=daemon.url, PODD_API_KEY=daemon.key),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def begun(daemon: Daemon, place: Path, image: str, *options: str) -> Path:
    """A new project; the tests' images have the SDK, and nothing is installed from anywhere."""
    made = podd(daemon, "project", "new", "worker", "--image", image, *options, "--json", cwd=place)
    project = Path(json.loads(made.stdout)["project"])
    (project / "builder/requirements.txt").write_text("# all is there\n")
    return project


@contextmanager
def developing(daemon: Daemon, project: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`podd project dev`, ended as by Ctrl-C."""
    process = subprocess.Popen(
        [sys.executable, "-m", "podd", "project", "dev", "--project", str(project)],
        env=daemon.environment(PODD_URL=daemon.url, PODD_API_KEY=daemon.key),
        stdin=subprocess.DEVNULL,
    )
    try:
        yield process
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()


def test_what_is_changed_in_a_project_runs_in_its_development_pod_at_once(
    new_daemon: NewDaemon, tmp_path: Path
) -> None:
    daemon = new_daemon().start()
    project = begun(daemon, tmp_path, "test/none")
    handler = project / "src/handler.py"
    handler.write_text(SERVER)
    settings = project / "runpod.toml"
    settings.write_text(settings.read_text().replace("port = 8080", f"port = {free_port()}"))
    port = settings.read_text().split("port = ")[1].split()[0]

    def answer() -> str:
        assert process.poll() is None, "podd project dev has ended"
        pods = daemon.http("GET", "/v2/pods").json()["pods"]
        path = f"/proxy/{pods[0]['id']}/{port}/runsync" if pods else "/none"
        try:
            return daemon.http("POST", path, json={"input": {"prompt": "you"}}).text
        except httpx.HTTPError:
            return ""

    with developing(daemon, project) as process:
        eventually(lambda: "hello you" in answer())
        handler.write_text(handler.read_text().replace("hello", "goodbye"))
        eventually(lambda: "goodbye you" in answer())
    assert daemon.http("GET", "/v2/pods").json()["pods"] == []


@pytest.mark.docker
def test_a_project_goes_from_an_empty_folder_to_an_answered_job(
    new_daemon: NewDaemon, tmp_path: Path
) -> None:
    daemon = new_daemon().start()
    project = begun(daemon, tmp_path, IMAGE, "--pool", "AMPERE_48")
    made = json.loads(podd(daemon, "project", "deploy", "--json", cwd=project).stdout)
    try:
        words = ("jobs", "runsync", made["id"], "--input", "@test_input.json", "--json")
        job = json.loads(podd(daemon, *words, cwd=project).stdout)
        assert job["output"] == {"text": "hello podd"}
    finally:
        daemon.delete_endpoint(made["id"])
        eventually(lambda: daemon.running() == [])
        with closing(docker.from_env()) as engine:
            engine.images.remove(made["image"], force=True)
