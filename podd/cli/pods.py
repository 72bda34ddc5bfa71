"""podd pods: containers with GPUs, on demand or spot."""

import sys
import threading
import time
from contextlib import suppress
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from podd.cli.containers import Args, Cpu, Disk, Env, Image, Port, Registry, Template, Vcpus, container_of
from podd.cli.terminal import AsJson, Config, fail
from podd.cli.things import Account, Json, Kind, acting, add_delete, add_get, add_list, said, show
from podd.client import Client, ClientError

pods = typer.Typer(help="Pods: containers with GPUs, on demand or spot.", no_args_is_help=True)

PODS = Kind(
    "pod",
    "pods",
    "/v2/pods",
    "pods",
    {
        "id": lambda pod: pod["id"],
        "name": lambda pod: pod["name"],
        "status": lambda pod: pod["status"],
        "machine": lambda pod: hardware(pod),
        "image": lambda pod: pod["image"],
        "$/h": lambda pod: pod["cost"],
    },
)

_LOOK_EVERY = 0.5

Pod = Annotated[str, typer.Argument(metavar="POD", help="The id of the pod.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Do not wait until it runs.")]
Volume = Annotated[int | None, typer.Option(metavar="GB", help="A volume of the pod's own; 10 at least.")]
MountPath = Annotated[str, typer.Option(metavar="PATH", help="Where the volume is mounted.")]
NetworkVolume = Annotated[
    str | None, typer.Option(metavar="ID", help="A network volume, as `podd volumes list` shows it.")
]

add_list(pods, PODS)
add_get(pods, PODS)


@pods.command(
    "create",
    epilog="Example: podd pods create trainer --image pytorch/pytorch --gpu 'NVIDIA RTX A6000' --volume 40",
)
def create(
    name: Annotated[str, typer.Argument(help="What to call the pod.")],
    image: Image = None,
    gpu: Annotated[str | None, typer.Option(metavar="TYPE", help="As `podd gpus types` names it.")] = None,
    count: Annotated[int, typer.Option(min=1, help="How many GPUs.")] = 1,
    cpu: Cpu = None,
    vcpus: Vcpus = 2,
    template: Template = None,
    args: Args = None,
    disk: Disk = None,
    volume: Volume = None,
    network_volume: NetworkVolume = None,
    volume_path: MountPath = "/workspace",
    port: Port = None,
    env: Env = None,
    registry: Registry = None,
    bid: Annotated[
        float | None, typer.Option(metavar="DOLLARS", help="Make a spot pod: per GPU and hour.")
    ] = None,
    jupyter: Annotated[
        bool, typer.Option("--jupyter", help="Start Jupyter, where the image has it.")
    ] = False,
    no_wait: NoWait = False,
    account: Account = "",
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Make a pod, and wait until it runs: how far its image is, is told meanwhile."""
    if bool(gpu) == bool(cpu):
        fail("Say --gpu TYPE or --cpu FLAVOR; `podd gpus types` shows what there is.", 2)
    wish = said(
        name=name,
        **container_of(image, args, disk, env, port, registry),
        templateId=template,
        bidPerGpu=bid,
        gpu={"id": gpu, "count": count} if gpu else None,
        cpu={"id": cpu, "vcpuCount": vcpus} if cpu else None,
        mounts=mounts(volume, network_volume, volume_path),
        startJupyter=True if jupyter else None,
    )
    with acting(config, account) as client:
        pod = client.call("POST", PODS.path, wish)
        _finish(client, pod, no_wait, as_json)


@pods.command("start", epilog="Example: podd pods start POD --gpus 0")
def start(
    pod: Pod,
    gpus: Annotated[
        int | None, typer.Option(min=0, help="With so many GPUs; 0 to reach the data without any.")
    ] = None,
    bid: Annotated[
        float | None, typer.Option(metavar="DOLLARS", help="Of a spot pod: per GPU and hour.")
    ] = None,
    no_wait: NoWait = False,
    account: Account = "",
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Start a stopped pod again, on its volume."""
    with acting(config, account, pod) as client:
        if gpus is None and bid is None:
            client.call("POST", f"{PODS.one(pod)}/action", {"action": "start"})
        else:
            _resume(client, said(podId=pod, gpuCount=gpus, bidPerGpu=bid))
        _finish(client, client.call("GET", PODS.one(pod)), no_wait, as_json)


@pods.command("stop", epilog="Example: podd pods stop POD")
def stop(pod: Pod, account: Account = "", as_json: AsJson = False, config: Config = None) -> None:
    """Stop a pod: its GPUs are free, its container disk is gone, its volume stays."""
    with acting(config, account, pod) as client:
        _told(client.call("POST", f"{PODS.one(pod)}/action", {"action": "stop"}), as_json)


@pods.command("restart", epilog="Example: podd pods restart POD")
def restart(
    pod: Pod, no_wait: NoWait = False, account: Account = "", as_json: AsJson = False, config: Config = None
) -> None:
    """Restart a pod's container; its disk stays."""
    with acting(config, account, pod) as client:
        _finish(
            client, client.call("POST", f"{PODS.one(pod)}/action", {"action": "restart"}), no_wait, as_json
        )


@pods.command("reset", epilog="Example: podd pods reset POD")
def reset(
    pod: Pod, no_wait: NoWait = False, account: Account = "", as_json: AsJson = False, config: Config = None
) -> None:
    """Give a pod a fresh container on the same volume."""
    with acting(config, account, pod) as client:
        client.call("POST", f"/v1/pods/{pod}/reset")
        _finish(client, client.call("GET", PODS.one(pod)), no_wait, as_json)


@pods.command("update", epilog="Example: podd pods update POD --image pytorch/pytorch:latest --env DEBUG=1")
def update(
    pod: Pod,
    name: Annotated[str | None, typer.Option(help="What to call the pod.")] = None,
    image: Image = None,
    args: Args = None,
    disk: Disk = None,
    volume: Volume = None,
    volume_path: MountPath = "/workspace",
    port: Port = None,
    env: Env = None,
    registry: Registry = None,
    locked: Annotated[
        bool | None, typer.Option("--lock/--unlock", help="Whether it may be stopped and terminated.")
    ] = None,
    account: Account = "",
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Change a pod. Name, lock and credential change in place; all else gives it a fresh container. Ports and
    variables that are given take the place of all there are."""
    wish = said(
        name=name,
        locked=locked,
        **container_of(image, args, disk, env, port, registry),
        mounts=mounts(volume, None, volume_path),
    )
    if not wish:
        fail("Say what is to change; `podd pods update --help` shows what can be.", 2)
    with acting(config, account, pod) as client:
        _told(client.call("PATCH", PODS.one(pod), wish), as_json)


add_delete(pods, PODS, "terminate", "Terminate a pod; its volume is destroyed with it.")


def mounts(volume: int | None, network_volume: str | None, path: str) -> Json | None:
    found = said(
        persistent={"size": volume, "path": path} if volume else None,
        network=[{"volumeId": network_volume, "path": path}] if network_volume else None,
    )
    return found or None


def hardware(pod: Json) -> str:
    gpu, cpu = pod.get("gpu"), pod.get("cpu")
    if gpu:
        return f"{gpu['count']} x {gpu['id']}"
    return f"{cpu['vcpuCount']} vCPU {cpu['id']}" if cpu else "-"


def await_running(client: Client, pod: Json) -> Json:
    """The pod once it runs; what podd does for it goes to stderr meanwhile, as it happens. Ends the command
    when the pod does not get there."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    with console.status(f"pod {pod['id']}: {pod['status']}") as status:
        threading.Thread(target=_tell_progress, args=(client, pod["id"], console), daemon=True).start()
        while pod["status"] in ("PROVISIONING", "STARTING"):
            time.sleep(_LOOK_EVERY)
            pod = client.call("GET", PODS.one(pod["id"]))
            status.update(f"pod {pod['id']}: {pod['status']}")
    if pod["status"] != "RUNNING":
        fail(f"pod {pod['id']} is {pod['status']}; `podd explain {pod['id']}` says why.")
    return pod


# Private


def _finish(client: Client, pod: Json, no_wait: bool, as_json: bool) -> None:
    _told(pod if no_wait else await_running(client, pod), as_json)


def _told(pod: Any, as_json: bool) -> None:
    if as_json:
        show(pod, as_json)
    else:
        print(f"pod {pod['id']} ({pod['name']}): {pod['status']}")


def _tell_progress(client: Client, pod_id: str, console: Console) -> None:
    """In a thread, until the client is closed: what podd writes into the pod's log."""
    with suppress(ClientError, RuntimeError, OSError):
        for event in client.events(f"{PODS.one(pod_id)}/logs?source=system&tail=20"):
            console.print(escape(event["line"]))
            sys.stderr.flush()


def _resume(client: Client, wish: Json) -> None:
    """Only GraphQL takes another number of GPUs, or another bid."""
    name, kind = (
        ("podBidResume", "PodBidResumeInput!") if "bidPerGpu" in wish else ("podResume", "PodResumeInput!")
    )
    document = f"mutation ($input: {kind}) {{ {name}(input: $input) {{ id }} }}"
    answer = client.call("POST", "/graphql", {"query": document, "variables": {"input": wish}})
    if answer.get("errors"):
        raise ClientError(answer["errors"][0]["message"])
