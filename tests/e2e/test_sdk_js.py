"""Jobs from the unmodified JavaScript SDK. Numbers in names are those of the conformance scenarios podd was
planned with."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.daemon import Daemon
from tests.e2e.node import NODE, install

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
    return install(tmp_path_factory.mktemp("js"), "runpod-sdk@1.1.2")


@pytest.fixture(scope="module", params=["parts", "ready"])
def endpoint(shared_daemon: Daemon, request: pytest.FixtureRequest) -> Iterator[str]:
    endpoint_id = shared_daemon.create_endpoint(request.param, workersMin=1, workersMax=1)
    first = shared_daemon.run(endpoint_id, {"count": 1})  # the SDK has no patience for a cold start
    shared_daemon.finished(endpoint_id, first, 60)
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
            [NODE, "program.js"],
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
        const quick = await endpoint.runSync({ input: { return: { a: [1, "ä", null] } } })
        const done = await endpoint.status(quick.id)
        const job = await endpoint.run({ input: { sleep: 60 } })
        const cancelled = await endpoint.cancel(job.id)
        const status = await endpoint.status(job.id)
        const health = await endpoint.health()
        return [quick, done, job, cancelled.status, status.status, health, await endpoint.purgeQueue()]
    """)
    quick, done, job, cancelled, status, health, purged = found
    assert (quick["status"], quick["output"]) == ("COMPLETED", {"a": [1, "ä", None]})
    assert {**quick, "started": True} == {**done, "started": True}
    assert job["status"] == "IN_QUEUE"
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
