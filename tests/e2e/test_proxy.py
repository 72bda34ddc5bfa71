"""The proxy of a real daemon, to programs as people run them."""

import hashlib
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.e2e.conftest import NewDaemon
from tests.e2e.daemon import Daemon
from tests.local_ports import free_port
from tests.waiting import eventually

SIZE = 256 * 2**20

SERVICE = """
import os, http.server
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = (self.path + " " + os.environ["RUNPOD_POD_ID"]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Handler).serve_forever()
"""


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    directory = tmp_path / "files"
    directory.mkdir()
    with (directory / "big").open("wb") as file:
        for _ in range(SIZE // 2**20):
            file.write(os.urandom(2**20))
    yield directory
    (directory / "big").unlink()


def test_a_large_file_of_a_plain_http_server(daemon: Daemon, directory: Path) -> None:
    port = free_port()
    command = f"{sys.executable} -m http.server {port} --directory {directory}"
    pod_id = daemon.create_pod(command, ports=f"{port}/http")
    url = f"/proxy/{pod_id}/{port}"
    eventually(lambda: daemon.http("GET", f"{url}/", key="").status_code == 200)
    expected = hashlib.sha256()
    with (directory / "big").open("rb") as file:
        while part := file.read(2**20):
            expected.update(part)
    got = hashlib.sha256()
    with httpx.stream("GET", f"{daemon.url}{url}/big", trust_env=False, timeout=60) as response:
        assert response.headers["content-length"] == str(SIZE)
        for part in response.iter_raw():
            got.update(part)
    assert got.hexdigest() == expected.hexdigest()


def test_a_load_balancing_endpoint_from_nothing_to_nothing(new_daemon: NewDaemon) -> None:
    daemon = new_daemon(settings={"load_balancer": {"health_interval_seconds": 0.2}}).start()
    port = free_port()
    template = daemon.create_template(
        f"{sys.executable} -u -c {shlex.quote(SERVICE)}", env=[{"key": "PORT", "value": str(port)}]
    )
    endpoint_id = daemon.save_endpoint(templateId=template, type="LB", workersMax=1, scalerValue=1)
    response = daemon.http("GET", f"/lb/{endpoint_id}/generate", timeout=60)
    assert response.status_code == 200, response.text
    assert response.text == f"/generate {response.headers['x-runpod-worker-id']}"
    daemon.restart()
    assert daemon.http("GET", f"/lb/{endpoint_id}/again", timeout=60).status_code == 200
    eventually(lambda: daemon.workers(endpoint_id) == [])
