"""Applications as people run them in pods, behind the proxy of a real daemon: by path and by host name.

JupyterLab and Streamlit are large: `pytest -m applications` installs and tries them, unless
PODD_TEST_APPLICATIONS names a virtual environment that has them already.
"""

import json
import os
import re
import shlex
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psutil
import pytest
import websockets.sync.client
from websockets.typing import Origin

from tests.e2e.daemon import Daemon
from tests.local_ports import free_port
from tests.waiting import eventually

SPARSE = 2 * 2**30

SERVICE = """
import asyncio, sys, uvicorn

async def app(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message.get("text"), "bytes": message.get("bytes")})
        return
    events = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": events})
    for number in range(2):
        await send({"type": "http.response.body", "body": b"data: %d\\n\\n" % number, "more_body": True})
    if scope["path"] == "/endless":
        await asyncio.Event().wait()
    await send({"type": "http.response.body", "body": b""})

uvicorn.run(app, host="0.0.0.0", port=int(sys.argv[1]), lifespan="off", ws="websockets-sansio")
"""


class Way:
    """One way to a pod's port: below `prefix` by path, or with a host name of its own."""

    def __init__(self, daemon: Daemon, pod_id: str, port: int, way: str) -> None:
        self._address = ("127.0.0.1", daemon.port)
        by_host = way == "host"
        self.host = f"{pod_id}-{port}.proxy.runpod.net" if by_host else f"127.0.0.1:{daemon.port}"
        self.prefix = "" if by_host else f"/proxy/{pod_id}/{port}"
        self.http = httpx.Client(
            base_url=f"{daemon.url}{self.prefix}",
            headers={"Host": self.host},
            trust_env=False,
            timeout=30,
            follow_redirects=False,
        )

    def answers(self, path: str) -> bool:
        with suppress(httpx.HTTPError):
            return self.http.get(path).status_code == 200
        return False

    @contextmanager
    def websocket(self, path: str) -> Iterator[websockets.sync.client.ClientConnection]:
        """As a browser opens it from the application's own page."""
        with websockets.sync.client.connect(
            f"ws://{self.host}{self.prefix}{path}",
            sock=socket.create_connection(self._address),
            origin=Origin(f"http://{self.host}"),
            proxy=None,
        ) as connection:
            yield connection


@pytest.fixture(params=["path", "host"])
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@contextmanager
def running(daemon: Daemon, command: str, port: int, way: str) -> Iterator[Way]:
    """A pod that runs `command`, which listens on `port`."""
    pod_id = daemon.create_pod(command, ports=f"{port}/http")
    found = Way(daemon, pod_id, port, way)
    try:
        yield found
    finally:
        found.http.close()


def test_a_two_gigabyte_file_passes_in_constant_memory(daemon: Daemon, tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    with (files / "big").open("wb") as file:
        file.truncate(SPARSE)
    port = free_port()
    assert daemon.process is not None
    podd = psutil.Process(daemon.process.pid)
    command = f"{sys.executable} -m http.server {port} --directory {files}"
    with running(daemon, command, port, "path") as found:
        eventually(lambda: found.answers("/"), 30)
        before, most, size = podd.memory_info().rss, 0, 0
        with found.http.stream("GET", "/big") as response:
            for number, part in enumerate(response.iter_raw(2**20)):
                size += len(part)
                if number % 64 == 0:
                    most = max(most, podd.memory_info().rss)
    assert size == SPARSE
    assert most - before < 48 * 2**20


def test_websockets_and_events_of_an_asgi_server(daemon: Daemon, way: str) -> None:
    port = free_port()
    command = f"{sys.executable} -c {shlex.quote(SERVICE)} {port}"
    with running(daemon, command, port, way) as found:
        eventually(lambda: found.answers("/"), 30)
        with found.websocket("/ws") as connection:
            for message in ("text", b"\x00bytes"):
                connection.send(message)
                assert connection.recv(10) == message
        with found.http.stream("GET", "/endless") as response:
            assert response.headers["content-type"] == "text/event-stream"
            lines = (line for line in response.iter_lines() if line)
            assert [next(lines), next(lines)] == ["data: 0", "data: 1"]


# The large ones


@pytest.fixture(scope="session")
def applications(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a virtual environment that has JupyterLab and Streamlit."""
    wanted = os.environ.get("PODD_TEST_APPLICATIONS", "install")
    if wanted != "install":
        return Path(wanted) / "bin"
    place = tmp_path_factory.mktemp("applications")
    uv = str(Path(sys.executable).with_name("uv"))
    python = str(place / "bin" / "python")
    subprocess.run([uv, "venv", "-q", "--python", sys.executable, str(place)], check=True)
    subprocess.run(
        [uv, "pip", "install", "-q", "--python", python, "jupyterlab", "ipykernel", "streamlit"], check=True
    )
    return place / "bin"


@pytest.mark.applications
def test_a_jupyter_kernel_computes(daemon: Daemon, applications: Path, tmp_path: Path, way: str) -> None:
    """With the command line of RunPod's own images, which know nothing of a prefix."""
    port = free_port()
    command = (
        f"{applications}/jupyter lab --allow-root --no-browser --port={port} --ip=* --ServerApp.token=secret"
        f" --ServerApp.allow_origin=* --ServerApp.root_dir={tmp_path}"
    )
    with running(daemon, command, port, way) as found:
        eventually(lambda: found.answers("/api"), 60)
        page = found.http.get("/lab", params={"token": "secret"})
        assert page.status_code == 200
        assert "JupyterLab" in page.text
        if way == "host":  # its page names what it loads by absolute paths, so a prefix is not enough for it
            script = re.search(r'src="(/static/lab/[^"]+)"', page.text)
            assert script, page.text
            assert found.http.get(script.group(1)).status_code == 200
        headers = {"Authorization": "token secret"}
        kernel = found.http.post("/api/kernels", headers=headers).json()["id"]
        with found.websocket(f"/api/kernels/{kernel}/channels?token=secret") as connection:
            session = uuid.uuid4().hex
            connection.send(json.dumps(execute("1 + 1", session)))
            result = None
            while result is None:
                said = connection.recv(60)
                if isinstance(said, str) and (message := json.loads(said))["msg_type"] == "execute_result":
                    result = message["content"]["data"]["text/plain"]
        assert result == "2"
        assert found.http.delete(f"/api/kernels/{kernel}", headers=headers).status_code == 204


def execute(code: str, session: str) -> dict[str, object]:
    header = {
        "msg_id": uuid.uuid4().hex, "username": "", "session": session, "msg_type": "execute_request",
        "version": "5.3", "date": "2026-01-01T00:00:00Z",
    }  # fmt: skip
    content = {"code": code, "silent": False, "store_history": False, "user_expressions": {}}
    content["allow_stdin"] = False
    return {
        "header": header,
        "parent_header": {},
        "metadata": {},
        "content": content,
        "channel": "shell",
        "buffers": [],
    }


@pytest.mark.applications
def test_a_streamlit_page_lives(daemon: Daemon, applications: Path, tmp_path: Path, way: str) -> None:
    script = tmp_path / "app.py"
    script.write_text("import streamlit\nstreamlit.write('the answer is', 40 + 2)\n")
    port = free_port()
    command = (
        f"{applications}/streamlit run {script} --server.port {port} --server.headless true"
        " --browser.gatherUsageStats false"
    )
    with running(daemon, command, port, way) as found:
        eventually(lambda: found.answers("/_stcore/health"), 60)
        page = found.http.get("/")
        loaded = re.search(r'src="\./(static/js/[^"]+)"', page.text)
        assert loaded, page.text
        assert found.http.get(f"/{loaded.group(1)}").status_code == 200
        with found.websocket("/_stcore/stream") as connection:
            connection.send(b"\x5a\x00")  # a BackMsg: rerun the script, with nothing changed
            seen = b""
            while b"the answer is" not in seen:
                said = connection.recv(30)
                seen += said if isinstance(said, bytes) else said.encode()
