"""https and wss beside http, with clients that trust podd's CA and nothing else."""

import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from podd.certificates import facts
from tests.e2e.daemon import Daemon
from tests.local_ports import free_port
from tests.waiting import eventually

pytestmark = pytest.mark.e2e

ECHO = """python3 -c "
import asyncio, websockets
async def echo(ws):
    async for message in ws: await ws.send(message)
async def main():
    async with websockets.serve(echo, '0.0.0.0', {port}): await asyncio.Future()
asyncio.run(main())"
"""


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def daemon(port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    settings = {"tls": {"port": port, "runpod_names": True, "look_seconds": 0.1}}
    daemon = Daemon(tmp_path_factory.mktemp("tls"), settings=settings).start()
    yield daemon
    daemon.close()


@pytest.fixture(scope="module")
def ca(daemon: Daemon, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As an operator hands it out."""
    file = tmp_path_factory.mktemp("ca") / "podd-ca.pem"
    told = daemon.cli("ca")
    assert told.returncode == 0, told.stderr
    assert "SSL_CERT_FILE" in told.stderr
    file.write_text(told.stdout)
    return file


def test_httpx_with_the_ca_gets_in_and_without_it_does_not(daemon: Daemon, port: int, ca: Path) -> None:
    trusting = ssl.create_default_context(cafile=str(ca))
    answer = httpx.get(f"https://localhost:{port}/readyz", verify=trusting, trust_env=False)
    assert answer.status_code == 200
    with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
        httpx.get(f"https://127.0.0.1:{port}/readyz", trust_env=False)
    assert daemon.http("GET", "/readyz").status_code == 200  # http goes on beside it


def test_runpods_own_names_are_believed(port: int, ca: Path) -> None:
    curl = shutil.which("curl")
    assert curl
    there = ["--cacert", str(ca), "--connect-to", f"::127.0.0.1:{port}"]
    asked = [curl, "-sS", "--noproxy", "*", *there, "-w", "%{http_code}"]
    for name in ("api.runpod.io", "rest.runpod.io", "abc-8888.proxy.runpod.net"):
        told = subprocess.run(
            [*asked, f"https://{name}/readyz"],
            capture_output=True,
            text=True,
        )
        assert told.returncode == 0, told.stderr
        assert told.stdout.endswith("404" if "proxy" in name else "200")


def test_the_sdk_runs_over_https(daemon: Daemon, port: int, ca: Path) -> None:
    asked = "import os, runpod; runpod.api_key = os.environ['KEY']; print(runpod.get_user()['id'])"
    env = daemon.environment(
        KEY=daemon.key,
        RUNPOD_API_BASE_URL=f"https://localhost:{port}",
        REQUESTS_CA_BUNDLE=str(ca),
        SSL_CERT_FILE=str(ca),
    )
    told = subprocess.run([sys.executable, "-c", asked], env=env, capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    assert told.stdout.strip()


def test_a_websocket_goes_through_the_proxy_over_tls(daemon: Daemon, port: int, ca: Path) -> None:
    inside = free_port()
    pod_id = daemon.create_pod(ECHO.format(port=inside), ports=f"{inside}/http")
    trusting = ssl.create_default_context(cafile=str(ca))
    url = f"wss://localhost:{port}/proxy/{pod_id}/{inside}/"

    def answers() -> bool:
        try:
            with connect(url, ssl=trusting, proxy=None) as socket:
                socket.send("hello " * 10_000)
                return socket.recv() == "hello " * 10_000
        except InvalidStatus:
            return False

    eventually(answers)


def test_a_certificate_is_changed_without_a_restart(daemon: Daemon, port: int, ca: Path) -> None:
    def serial() -> str:
        pem = ssl.get_server_certificate(("127.0.0.1", port))
        file = ca.with_name("seen.pem")
        file.write_text(pem)
        assert "*.runpod.io" in facts(file).names
        return pem

    before = serial()
    (daemon.data_dir / "tls" / "server.pem").unlink()
    eventually(lambda: serial() != before)
    trusting = ssl.create_default_context(cafile=str(ca))
    assert httpx.get(f"https://localhost:{port}/readyz", verify=trusting, trust_env=False).status_code == 200
