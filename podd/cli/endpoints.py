"""podd endpoints: workers that start when jobs come and stop when they don't."""

import json
from typing import Annotated, Any

import typer

from podd.cli.containers import Args, Cpu, Disk, Env, Image, Port, Registry, Template, Vcpus, container_of
from podd.cli.terminal import AsJson, Config, fail
from podd.cli.things import (
    Account,
    Json,
    Kind,
    Yes,
    acting,
    add_delete,
    add_get,
    add_list,
    confirm,
    said,
    show,
    show_table,
)

endpoints = typer.Typer(
    help="Endpoints: workers that start when jobs come and stop when they don't.", no_args_is_help=True
)

ENDPOINTS = Kind(
    "endpoint",
    "endpoints",
    "/v2/serverless",
    "endpoints",
    {
        "id": lambda one: one["id"],
        "name": lambda one: one["name"],
        "type": lambda one: one["type"],
        "workers": lambda one: f"{one['workers']['min']} to {one['workers']['max']}",
        "machine": lambda one: _machine(one),
        "image": lambda one: one["image"],
    },
)
_WORKERS = {
    "id": lambda one: one["id"],
    "status": lambda one: one["status"],
    "version": lambda one: one["version"],
    "GPUs": lambda one: f"{one['gpuCount']} x {one['gpuTypeId']}" if one["gpuTypeId"] else "-",
    "up (s)": lambda one: one["uptimeSeconds"],
    "why": lambda one: one.get("reason"),
}
_RELEASES = {
    "version": lambda one: one["version"],
    "made": lambda one: one["createdAt"],
    "workers": lambda one: one["workerCount"],
    "changed": lambda one: [entry["field"] for entry in one["diff"]],
}

Endpoint = Annotated[str, typer.Argument(metavar="ENDPOINT", help="The id of the endpoint.")]
Gpu = Annotated[
    list[str] | None,
    typer.Option(
        "--gpu", metavar="POOL", help="A pool such as AMPERE_48, the first choice first; repeatable."
    ),
]
GpuCount = Annotated[int | None, typer.Option("--count", min=1, help="GPUs for each worker.")]
Least = Annotated[int | None, typer.Option("--min", min=0, help="Workers that always run.")]
Most = Annotated[int | None, typer.Option("--max", min=0, help="The most workers at once.")]
IdleTimeout = Annotated[
    int | None, typer.Option(metavar="S", help="Stop a worker after so long without jobs.")
]
QueueDelay = Annotated[
    float | None, typer.Option(metavar="S", help="One more worker when a job has waited so long.")
]
RequestCount = Annotated[int | None, typer.Option(metavar="N", help="A worker for each N requests.")]
Timeout = Annotated[int | None, typer.Option(metavar="S", help="The longest a job may run; 0 is no limit.")]
FlashBoot = Annotated[bool | None, typer.Option(help="Keep stopped workers in memory.")]
NetworkVolume = Annotated[
    list[str] | None, typer.Option("--network-volume", metavar="ID", help="Mounted at /runpod-volume.")
]

add_list(endpoints, ENDPOINTS)
add_get(endpoints, ENDPOINTS)


@endpoints.command(
    "create", epilog="Example: podd endpoints create echo --image me/worker:1 --gpu AMPERE_48 --max 2"
)
def create(
    name: Annotated[str, typer.Argument(help="What to call the endpoint.")],
    image: Image = None,
    template: Template = None,
    load_balancer: Annotated[
        bool, typer.Option("--load-balancer", help="Requests go straight to workers, without a queue.")
    ] = False,
    gpu: Gpu = None,
    count: GpuCount = None,
    cpu: Cpu = None,
    vcpus: Vcpus = 2,
    least: Least = None,
    most: Most = None,
    idle_timeout: IdleTimeout = None,
    queue_delay: QueueDelay = None,
    request_count: RequestCount = None,
    timeout: Timeout = None,
    flashboot: FlashBoot = None,
    network_volume: NetworkVolume = None,
    args: Args = None,
    disk: Disk = None,
    port: Port = None,
    env: Env = None,
    registry: Registry = None,
    account: Account = "",
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Make an endpoint."""
    if bool(gpu) == bool(cpu):
        fail("Say --gpu POOL or --cpu FLAVOR; `podd gpus types` shows what there is.", 2)
    if request_count is None and queue_delay is None:
        queue_delay, request_count = (None, 1) if load_balancer else (4, None)
    wish = said(
        name=name,
        type="LOAD_BALANCER" if load_balancer else "QUEUE",
        templateId=template,
        cpu=[{"id": cpu, "vcpuCount": vcpus}] if cpu else None,
        **container_of(image, args, disk, env, port, registry),
        **_limits(gpu, count, least, most, idle_timeout, queue_delay, request_count, timeout),
        flashboot=flashboot,
        networkVolumes=network_volume or None,
    )
    with acting(config, account) as client:
        _told(client.call("POST", ENDPOINTS.path, wish), as_json)


@endpoints.command("update", epilog="Example: podd endpoints update ENDPOINT --image me/worker:2")
def update(
    endpoint: Endpoint,
    name: Annotated[str | None, typer.Option(help="What to call the endpoint.")] = None,
    image: Image = None,
    template: Template = None,
    gpu: Gpu = None,
    count: GpuCount = None,
    least: Least = None,
    most: Most = None,
    idle_timeout: IdleTimeout = None,
    queue_delay: QueueDelay = None,
    request_count: RequestCount = None,
    timeout: Timeout = None,
    flashboot: FlashBoot = None,
    network_volume: NetworkVolume = None,
    args: Args = None,
    disk: Disk = None,
    port: Port = None,
    env: Env = None,
    registry: Registry = None,
    account: Account = "",
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Change an endpoint. How it scales counts at once; what its containers are made of is a release, and no
    accepted job is lost on the way. Variables that are given take the place of all there are."""
    wish = said(
        name=name,
        templateId=template,
        **container_of(image, args, disk, env, port, registry),
        **_limits(gpu, count, least, most, idle_timeout, queue_delay, request_count, timeout),
        flashboot=flashboot,
        networkVolumes=network_volume or None,
    )
    if not wish:
        fail("Say what is to change; `podd endpoints update --help` shows what can be.", 2)
    with acting(config, account, endpoint) as client:
        _told(client.call("PATCH", ENDPOINTS.one(endpoint), wish), as_json)


@endpoints.command("scale", epilog="Example: podd endpoints scale ENDPOINT --min 1 --max 4")
def scale(
    endpoint: Endpoint,
    least: Least = None,
    most: Most = None,
    account: Account = "",
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Say how many workers an endpoint may have."""
    workers = said(min=least, max=most)
    if not workers:
        fail("Say --min, --max or both.", 2)
    with acting(config, account, endpoint) as client:
        _told(client.call("PATCH", ENDPOINTS.one(endpoint), {"workers": workers}), as_json)


@endpoints.command("workers", epilog="Example: podd endpoints workers ENDPOINT")
def workers(
    endpoint: Endpoint, account: Account = "", as_json: AsJson = False, config: Config = None
) -> None:
    """List an endpoint's workers."""
    _list(endpoint, "workers", _WORKERS, account, as_json, config)


@endpoints.command("releases", epilog="Example: podd endpoints releases ENDPOINT")
def releases(
    endpoint: Endpoint, account: Account = "", as_json: AsJson = False, config: Config = None
) -> None:
    """List an endpoint's versions, the newest first, and what each has changed."""
    _list(endpoint, "releases", _RELEASES, account, as_json, config)


@endpoints.command("health", epilog="Example: podd endpoints health ENDPOINT --json")
def health(endpoint: Endpoint, account: Account = "", as_json: AsJson = False, config: Config = None) -> None:
    """Show how many of an endpoint's jobs and workers are in which state."""
    with acting(config, account, endpoint) as client:
        show(client.call("GET", f"/v2/{endpoint}/health"), as_json)


@endpoints.command("purge", epilog="Example: podd endpoints purge ENDPOINT --yes")
def purge(
    endpoint: Endpoint,
    yes: Yes = False,
    account: Account = "",
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Cancel all jobs of an endpoint that are waiting."""
    confirm(f"Cancel all waiting jobs of {endpoint}?", yes)
    with acting(config, account, endpoint) as client:
        done = client.call("POST", f"/v2/{endpoint}/purge-queue")
    print(json.dumps(done) if as_json else f"{done['removed']} jobs cancelled")


add_delete(endpoints, ENDPOINTS, what="Delete an endpoint with its jobs; its workers stop.")


# Private


def _limits(
    gpu: list[str] | None,
    count: int | None,
    least: int | None,
    most: int | None,
    idle_timeout: int | None,
    queue_delay: float | None,
    request_count: int | None,
    timeout: int | None,
) -> Json:
    if queue_delay is not None and request_count is not None:
        fail("An endpoint scales by --queue-delay or by --request-count: give one of them.", 2)
    scaling: Json | None = None
    if queue_delay is not None:
        scaling = {"type": "QUEUE_DELAY", "queueDelay": queue_delay}
    elif request_count is not None:
        scaling = {"type": "REQUEST_COUNT", "requestCount": request_count}
    return said(
        gpu=said(pools=gpu or None, count=count) or None,
        workers=said(min=least, max=most, idleTimeout=idle_timeout) or None,
        scaling=scaling,
        timeout=timeout * 1000 if timeout is not None else None,
    )


def _list(endpoint: str, what: str, columns: Any, account: str, as_json: bool, config: Any) -> None:
    with acting(config, account, endpoint) as client:
        found = client.call("GET", f"{ENDPOINTS.one(endpoint)}/{what}")
    if as_json:
        print(json.dumps(found))
    else:
        show_table(columns, found[what])


def _machine(one: Json) -> str:
    gpu, cpu = one.get("gpu"), one.get("cpu")
    if gpu:
        return f"{gpu['count']} x {', '.join(gpu['pools'])}"
    return ", ".join(f"{each['vcpuCount']} vCPU {each['id']}" for each in cpu or []) or "-"


def _told(endpoint: Json, as_json: bool) -> None:
    if as_json:
        show(endpoint, as_json)
        return
    print(f"endpoint {endpoint['id']} ({endpoint['name']})")
    for name, url in endpoint["requestUrls"].items():
        print(f"  {name}: {url}")
