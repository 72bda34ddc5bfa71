"""podd jobs: what endpoints are given to do."""

import json
import sys
import time
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from podd.cli.terminal import AsJson, Config, fail
from podd.cli.things import Account, Json, acting, show, show_table
from podd.client import Client

jobs = typer.Typer(help="Jobs: what endpoints are given to do.", no_args_is_help=True)

_COLUMNS = {
    "id": lambda job: job["id"],
    "status": lambda job: job["status"],
    "waited (ms)": lambda job: job.get("delayTime"),
    "ran (ms)": lambda job: job.get("executionTime"),
    "worker": lambda job: job.get("workerId"),
    "error": lambda job: job.get("error"),
}
_FINAL = ("COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT")
_LOOK_EVERY = 0.5

Endpoint = Annotated[str, typer.Argument(metavar="ENDPOINT", help="The id of the endpoint.")]
Job = Annotated[str, typer.Argument(metavar="JOB", help="The id of the job.")]
Input = Annotated[
    str,
    typer.Option("--input", "-i", metavar="JSON", help="The input; @FILE reads a file, - what is piped in."),
]


@jobs.command("list", epilog="Example: podd jobs list ENDPOINT --status FAILED")
def list_jobs(
    endpoint: Endpoint,
    status: Annotated[str, typer.Option(help="Only those, such as IN_QUEUE or FAILED.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 100,
    account: Account = "",
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """List the jobs of an endpoint, the youngest first."""
    query = f"limit={limit}" + (f"&status={quote(status.upper(), safe='')}" if status else "")
    with acting(config, account, endpoint) as client:
        found = client.call("GET", f"/v2/{endpoint}/requests?{query}")["requests"]
    if as_json:
        print(json.dumps({"jobs": found}))
    else:
        show_table(_COLUMNS, found)


@jobs.command("run", epilog="""Example: podd jobs run ENDPOINT --input '{"prompt": "hello"}'""")
def run(
    endpoint: Endpoint,
    input: Input = "{}",
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the result, however long it takes.")] = False,
    account: Account = "",
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Queue a job."""
    body = {"input": _input(input)}
    with acting(config, account, endpoint) as client:
        job = client.call("POST", f"/v2/{endpoint}/run", body)
        if wait:
            _ended(_awaited(client, endpoint, job), as_json)
        else:
            show(job, as_json)


@jobs.command("runsync", epilog="Example: podd jobs runsync ENDPOINT --input @test_input.json")
def runsync(
    endpoint: Endpoint,
    input: Input = "{}",
    account: Account = "",
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Queue a job before all others and wait for its result. Exit code 1 unless it is COMPLETED."""
    body = {"input": _input(input)}
    with acting(config, account, endpoint) as client:
        # Held shorter than the client waits for an answer; a job that takes longer is asked about.
        job = client.call("POST", f"/v2/{endpoint}/runsync?wait=20000", body)
        _ended(_awaited(client, endpoint, job), as_json)


@jobs.command("status", epilog="Example: podd jobs status ENDPOINT JOB --json")
def status(
    endpoint: Endpoint, job: Job, account: Account = "", as_json: AsJson = False, config: Config = None
) -> None:
    """Show a job, and its output when it has one."""
    with acting(config, account, endpoint) as client:
        show(client.call("GET", _path(endpoint, "status", job)), as_json)


@jobs.command("cancel", epilog="Example: podd jobs cancel ENDPOINT JOB")
def cancel(
    endpoint: Endpoint, job: Job, account: Account = "", as_json: AsJson = False, config: Config = None
) -> None:
    """Cancel a job, whether it waits or runs."""
    with acting(config, account, endpoint) as client:
        show(client.call("POST", _path(endpoint, "cancel", job)), as_json)


@jobs.command("retry", epilog="Example: podd jobs retry ENDPOINT JOB")
def retry(
    endpoint: Endpoint, job: Job, account: Account = "", as_json: AsJson = False, config: Config = None
) -> None:
    """Queue a job that failed or timed out again."""
    with acting(config, account, endpoint) as client:
        show(client.call("POST", _path(endpoint, "retry", job)), as_json)


@jobs.command("stream", epilog="Example: podd jobs stream ENDPOINT JOB --json")
def stream(
    endpoint: Endpoint, job: Job, account: Account = "", as_json: AsJson = False, config: Config = None
) -> None:
    """Print what a job streams, as it comes, until the job ends; with --json a line of JSON for each piece.
    Exit code 1 unless it is COMPLETED."""
    with acting(config, account, endpoint) as client:
        while True:
            found = client.call("GET", _path(endpoint, "stream", job))
            for piece in found.get("stream") or []:
                _print_piece(piece.get("output"), as_json)
            if found["status"] in _FINAL and not found.get("stream"):
                break
        if not as_json:
            print()
    if found["status"] != "COMPLETED":
        fail(f"job {job} is {found['status']}.")


# Private


def _path(endpoint: str, verb: str, job: str) -> str:
    return f"/v2/{endpoint}/{verb}/{quote(job, safe='')}"


def _input(given: str) -> Any:
    """What `--input` says. A test input of the worker SDK, `{"input": ...}`, is taken for what is in it."""
    try:
        if given == "-":
            given = sys.stdin.read()
        elif given.startswith("@"):
            given = Path(given[1:]).read_text()
        value = json.loads(given)
    except (OSError, ValueError) as error:
        fail(f"--input: {error}", 2)
    return value["input"] if isinstance(value, dict) and set(value) == {"input"} else value


def _awaited(client: Client, endpoint: str, job: Json) -> Json:
    while job["status"] not in _FINAL:
        time.sleep(_LOOK_EVERY)
        job = client.call("GET", _path(endpoint, "status", job["id"]))
    return job


def _ended(job: Json, as_json: bool) -> None:
    show(job, as_json)
    if job["status"] != "COMPLETED":
        raise typer.Exit(1)


def _print_piece(piece: Any, as_json: bool) -> None:
    if as_json:
        print(json.dumps(piece), flush=True)
    else:
        print(piece if isinstance(piece, str) else json.dumps(piece), end="", flush=True)
