"""podd project: a developer's way from an empty folder to an endpoint, as with RunPod's own command line."""

import json
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from podd.cli.endpoints import ENDPOINTS
from podd.cli.inside import run_inside
from podd.cli.pods import PODS, await_running
from podd.cli.project import image as images
from podd.cli.project.folder import (
    ProjectError,
    ProjectSettings,
    archive_of,
    begin,
    settings_of_project,
    state_of,
)
from podd.cli.terminal import AsJson, Config, fail, settings_of
from podd.cli.things import Account, Json, acting, pages, said
from podd.client import Client, ClientError

project = typer.Typer(help="Projects: from an empty folder to an endpoint.", no_args_is_help=True)

INSIDE = Path(__file__).with_name("inside") / "dev_pod.py"
_LOOK_EVERY = 0.3

Folder = Annotated[
    Path, typer.Option("--project", metavar="FOLDER", file_okay=False, help="The project (this folder).")
]


@project.command("new", epilog="Example: podd project new worker --gpu 'NVIDIA RTX A6000' --pool AMPERE_48")
def new(
    name: Annotated[str, typer.Argument(help="The project's name; a folder of that name is made.")],
    image: Annotated[str, typer.Option(help="What its image is made from.")] = "python:3.12-slim",
    gpu: Annotated[str, typer.Option(metavar="TYPE", help="For the development pod; none is CPUs.")] = "",
    pool: Annotated[str, typer.Option(metavar="POOL", help="For the endpoint's workers; none is CPUs.")] = "",
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Write a project into a new folder: a handler, its requirements, a Dockerfile and a test input."""
    settings_of(config)
    place = Path(name).absolute()
    try:
        begin(place, secrets.token_hex(4), image, gpu, pool)
    except (ProjectError, OSError) as error:
        fail(str(error))
    if as_json:
        print(json.dumps({"project": str(place)}))
    else:
        print(f"{place}\nnext: cd {name}; podd project dev --local; podd project dev; podd project deploy")


@project.command("dev", epilog="Example: podd project dev --project my-worker")
def dev(
    folder: Folder = Path(),
    local: Annotated[
        bool, typer.Option("--local", help="Run the handler here, once, with test_input.json.")
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the pod running at the end.")] = False,
    account: Account = "",
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Run the handler in a development pod, with the worker SDK's test API behind podd's proxy: what changes
    here is there at once. Prints the pod's log until Ctrl-C, which terminates the pod."""
    with _projects(folder) as settings:
        if local:
            raise typer.Exit(_run_here(folder, settings))
        with acting(config, account) as client:
            pod = _dev_pod(client, settings)
            try:
                await_running(client, pod)
                where = settings_of(config).public_url if client.is_local else client.where
                api = f"{where}/proxy/{pod['id']}/{settings.project.port}"
                print(f"test API: {api}/runsync; its description: {api}/docs", file=sys.stderr)
                threading.Thread(target=_follow, args=(client, pod["id"], as_json), daemon=True).start()
                _keep_in_step(client, pod["id"], folder)
            except KeyboardInterrupt:
                print(file=sys.stderr)
            finally:
                if not keep:
                    client.call("DELETE", PODS.one(pod["id"]))
                    print(f"pod {pod['id']} is terminated", file=sys.stderr)


@project.command("deploy", epilog="Example: podd project deploy --project my-worker")
def deploy(
    folder: Folder = Path(),
    image: Annotated[
        str, typer.Option(help="What to call the image; with a registry in its name it is pushed there.")
    ] = "",
    build: Annotated[bool, typer.Option(help="Build the image here, or take it as it is.")] = True,
    account: Account = "",
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Build the project's image with this machine's Docker Engine, and make or update its endpoint. On podd's
    own machine the image is where it is needed; elsewhere give --image REGISTRY/NAME:TAG."""
    with _projects(folder) as settings:
        tag = image or f"podd-project/{settings.full_name.lower()}:{time.strftime('%Y%m%d-%H%M%S')}"
        if build:
            console = Console(stderr=True, highlight=False)
            images.build(folder, tag, settings.project.base_image, console.out)
            if "/" in tag and ("." in tag.split("/")[0] or ":" in tag.split("/")[0]):
                images.push(tag, console.out)
        elif not image:
            fail("--no-build needs --image NAME.", 2)
        with acting(config, account) as client:
            endpoint = _deployed(client, settings, tag)
    if as_json:
        print(json.dumps({"image": tag, **endpoint}))
        return
    run_sync = endpoint["requestUrls"]["runSync"]
    print(f"endpoint {endpoint['id']} ({endpoint['name']}) runs {tag}\n")
    print(f"curl -H 'Authorization: Bearer KEY' -d @test_input.json {run_sync}\n")
    print(f'runpod.Endpoint("{endpoint["id"]}").run_sync({{"input": {{"prompt": "podd"}}}})')


# Private


@contextmanager
def _projects(folder: Path) -> Iterator[ProjectSettings]:
    try:
        yield settings_of_project(folder.absolute())
    except ProjectError as error:
        fail(str(error))


def _run_here(folder: Path, settings: ProjectSettings) -> int:
    """With this Python's packages: the SDK reads test_input.json by itself."""
    command = [sys.executable, "-u", settings.runtime.handler_path]
    return subprocess.run(command, cwd=folder, check=False).returncode  # noqa: S603 - the project's own


def _dev_pod(client: Client, settings: ProjectSettings) -> Json:
    """The project's development pod: the one that was kept, or a new one."""
    name = f"{settings.full_name}-dev"
    kept = [pod for pod in pages(client, PODS) if pod["name"] == name]
    if kept:
        if "start" in kept[0]["actions"]:
            client.call("POST", f"{PODS.one(kept[0]['id'])}/action", {"action": "start"})
        found: Json = client.call("GET", PODS.one(kept[0]["id"]))
        return found
    wanted, runtime = settings.project, settings.runtime
    program = ["python3", "-u", "-c", INSIDE.read_text()]
    wish: Json = {
        "name": name,
        "image": wanted.base_image,
        "cmd": [*program, runtime.handler_path, runtime.requirements_path, str(wanted.port)],
        "disk": wanted.container_disk_size_gb,
        "ports": [f"{wanted.port}/http"],
        "env": {"RUNPOD_PROJECT_ID": wanted.uuid, **wanted.env_vars},
    }
    refused: ClientError | None = None
    for hardware in [{"gpu": {"id": type, "count": wanted.gpu_count}} for type in wanted.gpu_types] or [
        {"cpu": _some_cpu(client)}
    ]:
        try:
            made: Json = client.call("POST", PODS.path, {**wish, **hardware})
            return made
        except ClientError as error:
            refused = error
    assert refused is not None, "something was tried"
    raise refused


def _some_cpu(client: Client) -> Json:
    flavors = client.call("GET", "/v2/catalog/cpus")["cpus"]
    if not flavors:
        raise ProjectError("There are no CPUs to be had; name gpu_types and gpu_pools in runpod.toml.")
    return {"id": flavors[0]["id"], "vcpuCount": max(flavors[0]["vcpu"]["min"], 2)}


def _keep_in_step(client: Client, pod: str, folder: Path) -> None:
    """Send the project whenever it changes, until somebody has had enough."""
    sent: Any = None
    while True:
        now = state_of(folder)
        if now != sent:
            run_inside(
                client,
                pod,
                "mkdir -p podd-project && cat > podd-project/incoming.new "
                "&& mv podd-project/incoming.new podd-project/incoming.tar.gz",
                archive_of(folder),
            )
            sent = now
        time.sleep(_LOOK_EVERY)


def _follow(client: Client, pod: str, as_json: bool) -> None:
    """In a thread, until the client is closed."""
    with suppress(ClientError, RuntimeError, OSError):
        for event in client.events(f"{PODS.one(pod)}/logs?tail=0"):
            print(json.dumps(event) if as_json else event["line"], flush=True)


def _deployed(client: Client, settings: ProjectSettings, image: str) -> Json:
    """The project's endpoint with this image."""
    known = [one for one in pages(client, ENDPOINTS) if one["name"].startswith(settings.full_name)]
    wanted = settings.endpoint
    wish: Json = {
        "image": image,
        "env": settings.project.env_vars,
        "disk": settings.project.container_disk_size_gb,
        "workers": {"min": wanted.active_workers, "max": wanted.max_workers},
        "flashboot": wanted.flashboot,
    }
    answer: Json
    if known:
        answer = client.call("PATCH", ENDPOINTS.one(known[0]["id"]), wish)
        return answer
    hardware = said(
        gpu={"pools": wanted.gpu_pools, "count": settings.project.gpu_count} if wanted.gpu_pools else None,
        cpu=None if wanted.gpu_pools else [_some_cpu(client)],
    )
    scaling = {"type": "QUEUE_DELAY", "queueDelay": 4}
    new = {"name": settings.full_name, "type": "QUEUE", "scaling": scaling, **hardware}
    answer = client.call("POST", ENDPOINTS.path, {**wish, **new})
    return answer
