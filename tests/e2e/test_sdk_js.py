"""Jobs from the unmodified JavaScript SDK. Numbers in names are those of the conformance scenarios podd was
planned with."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.daemon import Daemon

pytestmark = pytest.mark.skipif(
    not (shutil.which("node") and shutil.which("npm")), reason="needs node and npm"
)

Js = Callable[..., Any]

PROGRAM = """
import runpodSdk from "runpod-sdk"
let requests = 0
const real = globalThis.fetch
globalThis.fetch = (...how) => { requests += 1; return real(...how) }
const { url, key, id } = JSON.parse(process.env.TEST_TARGET)
const endpoint = runpodSdk(key, { baseUrl: `${url}/v2` }).endpoint(id)
const result = await (async () => { %s })()
console.log("RESULT " + JSON.stringify({ result, requests }))
"""


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the SDK in it."""
    directory = tmp_path_factory.mktemp("js")
    (directory / "package.json").write_text('{"type": "module"}')
    install = ["npm", "install", "--no-audit", "--no-fund", "runpod-sdk@1.1.2"]
    subprocess.run(install, cwd=directory, check=True, capture_output=True, timeout=100)
    return directory


@pytest.fixture(scope="module", params=["parts", "ready"])
def endpoint(shared_daemon: Daemon, request: pytest.FixtureRequest) -> Iterator[str]:
    endpoint_id = shared_daemon.create_endpoint(request.param, workersMin=1, workersMax=1)
    yield endpoint_id
    shared_daemon.delete_endpoint(endpoint_id)


@pytest.fixture
def js(shared_daemon: Daemon, endpoint: str, packages: Path) -> Js:
    """Runs lines of JavaScript that see `endpoint` and `return` something: that, and how many requests it
    took."""

    def run(lines: str) -> tuple[Any, int]:
        (packages / "program.js").write_text(PROGRAM % lines)
        target = {"url": shared_daemon.url, "key": shared_daemon.key, "id": endpoint}
        done = subprocess.run(
            ["node", "program.js"],
            cwd=packages,
            env={"PATH": os.environ["PATH"], "TEST_TARGET": json.dumps(target)},
            capture_output=True,
            text=True,
            timeout=100,
        )
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout.split("RESULT ", 1)[1])
        return answer["result"], answer["requests"]

    return run


@pytest.mark.parametrize("endpoint", ["ready"], indirect=True)
def test_25_run_sync_goes_on_asking_after_the_wait_is_over(js: Js) -> None:
    job, requests = js("return await endpoint.runSync({ input: { sleep: 5, return: 'late' } }, 3000)")
    assert (job["status"], job["output"]) == ("COMPLETED", "late")
    assert 2 <= requests <= 6


@pytest.mark.parametrize("endpoint", ["ready"], indirect=True)
def test_25_run_sync_is_one_round_trip_when_the_wait_is_long_enough(js: Js) -> None:
    job, requests = js("return await endpoint.runSync({ input: { sleep: 3, return: 'done' } }, 20000)")
    assert (job["status"], job["output"], requests) == ("COMPLETED", "done", 1)


@pytest.mark.parametrize("endpoint", ["ready"], indirect=True)
def test_the_other_calls_work(js: Js) -> None:
    found, _ = js("""
        const job = await endpoint.run({ input: { sleep: 60 } })
        const cancelled = await endpoint.cancel(job.id)
        const status = await endpoint.status(job.id)
        return [cancelled.status, status.status, await endpoint.health(), await endpoint.purgeQueue()]
    """)
    cancelled, status, health, purged = found
    assert (cancelled, status) == ("CANCELLED", "CANCELLED")
    assert health["workers"].keys() >= {"idle", "running"}
    assert purged == {"removed": 0, "status": "completed"}


@pytest.mark.parametrize("endpoint", ["parts"], indirect=True)
def test_33_a_stream_has_every_part_once_and_does_not_spin(js: Js) -> None:
    parts, requests = js("""
        const job = await endpoint.run({ input: { count: 20, pause: 0.05 } })
        const parts = []
        for await (const part of endpoint.stream(job.id)) parts.push(part.output)
        return parts
    """)
    assert parts == list(range(20))
    assert requests <= 25
