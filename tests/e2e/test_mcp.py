"""RunPod's unmodified MCP server in front of a real podd."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.e2e.daemon import Daemon
from tests.e2e.node import NODE, install
from tests.waiting import eventually

Json = dict[str, Any]
Ask = Callable[..., Any]


@pytest.fixture(scope="module")
def ask(shared_daemon: Daemon, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """Asks the MCP server over its standard input: the result of a method."""
    directory = install(tmp_path_factory.mktemp("mcp"), "@runpod/mcp-server@4.0.0")
    server = subprocess.Popen(
        [NODE, "node_modules/@runpod/mcp-server/dist/stdio.mjs"],
        cwd=directory,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "RUNPOD_API_KEY": shared_daemon.key,
            "RUNPOD_API_BASE_URL": shared_daemon.url,
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert server.stdin is not None
    assert server.stdout is not None
    number = 0

    def say(**message: Any) -> None:
        server.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")  # type: ignore[union-attr]
        server.stdin.flush()  # type: ignore[union-attr]

    def ask(method: str, **params: Any) -> Any:
        nonlocal number
        number += 1
        say(id=number, method=method, params=params)
        for line in server.stdout:  # type: ignore[union-attr]
            answer = json.loads(line)
            if answer.get("id") == number:
                return answer["result"]
        raise AssertionError("The MCP server ended.")

    client = {"name": "tests", "version": "1"}
    ask("initialize", protocolVersion="2025-06-18", capabilities={}, clientInfo=client)
    say(method="notifications/initialized")
    yield ask
    server.stdin.close()
    server.stdout.close()
    assert server.wait(20) is not None


@pytest.fixture
def use(ask: Ask) -> Ask:
    """Uses a tool: what it answered."""

    def use(name: str, **arguments: Any) -> Any:
        result = ask("tools/call", name=name, arguments=arguments)
        text = "".join(part["text"] for part in result["content"])
        assert not result.get("isError"), text
        return json.loads(text)

    return use


def test_its_tools_are_there(ask: Ask) -> None:
    names = {tool["name"] for tool in ask("tools/list")["tools"]}
    assert {"create-pod", "get-pod", "list-pods", "pod-action", "delete-pod", "run-endpoint"} <= names


def test_it_makes_stops_and_deletes_a_pod(use: Ask, shared_daemon: Daemon) -> None:
    wish = {"name": "by mcp", "image": "test/none", "args": "sleep 1000", "gpu": {"id": "NVIDIA RTX A6000"}}
    made = use("create-pod", body=wish)
    eventually(lambda: shared_daemon.runs(made["id"]), 30)
    assert use("get-pod", id=made["id"])["name"] == "by mcp"
    assert made["id"] in [pod["id"] for pod in use("list-pods")["pods"]]
    use("pod-action", id=made["id"], body={"action": "stop"})
    eventually(lambda: use("get-pod", id=made["id"])["status"] in ("STOPPED", "EXITED"), 30)
    use("delete-pod", id=made["id"])
    assert shared_daemon.pod(made["id"]) is None
