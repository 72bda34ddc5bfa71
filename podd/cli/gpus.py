"""podd gpus: how the GPUs are, who holds them, and putting them in and out of service."""

import json
from typing import Annotated
from urllib.parse import quote

import typer
from rich.markup import escape

from podd.cli.terminal import AsJson, Config, ask, columns, print_table, speaking, tell
from podd.cli.things import show_table
from podd.wire.operator import DrainWish, GpuList, GpuStatus, Nothing

gpus = typer.Typer(help="The GPUs of this machine: how they are, who holds them; in and out of service.")

_TYPES = {
    "id": lambda one: one["id"],
    "memory": lambda one: f"{one['memory']} GB" if "memory" in one else f"{one['ramGbPerVcpu']} GB a vCPU",
    "pool": lambda one: one.get("pool"),
    "pod $/h": lambda one: one["price"].get("secure", one["price"].get("securePerVcpu")),
    "worker $/s": lambda one: one["price"].get("serverless", one["price"].get("serverlessPerVcpu")),
    "free": lambda one: (one.get("availability") or "").lower(),
}

GpuUuid = Annotated[str, typer.Argument(metavar="UUID", help="The GPU's UUID, as `podd gpus` shows it.")]


@gpus.callback(invoke_without_command=True)
def list_gpus(context: typer.Context, as_json: AsJson = False, config: Config = None) -> None:
    """The GPUs of this machine: how they are, who holds them; in and out of service."""
    if context.invoked_subcommand is not None:
        return
    _show_gpus(ask(config, "/operator/v1/gpus", GpuList), as_json)


@gpus.command("list", epilog="Example: podd gpus list --json")
def list_again(as_json: AsJson = False, config: Config = None) -> None:
    """List the GPUs of this machine, for its operator: how they are, who holds them."""
    _show_gpus(ask(config, "/operator/v1/gpus", GpuList), as_json)


@gpus.command("types", epilog="Example: podd gpus types --json")
def types(as_json: AsJson = False, config: Config = None) -> None:
    """List what can be had here: GPU types and CPU flavors with their prices, and how much is free."""
    with speaking(config) as client:
        found = {
            "gpus": client.call("GET", "/v2/catalog/gpus?include=AVAILABILITY")["gpus"],
            "cpus": client.call("GET", "/v2/catalog/cpus?include=AVAILABILITY")["cpus"],
        }
    if as_json:
        print(json.dumps(found))
        return
    show_table(_TYPES, [*found["gpus"], *found["cpus"]])


@gpus.command("cordon", epilog="Example: podd gpus cordon GPU-...")
def cordon_gpu(uuid: GpuUuid, as_json: AsJson = False, config: Config = None) -> None:
    """Give a GPU to nobody new. Who holds it keeps it."""
    _show_gpus(tell(config, f"{_gpu_path(uuid)}/cordon", Nothing(), GpuList), as_json)


@gpus.command("drain", epilog="Example: podd gpus drain GPU-... --force")
def drain_gpu(
    uuid: GpuUuid,
    force: Annotated[
        bool, typer.Option("--force", help="Stop on-demand pods and busy workers on it as well.")
    ] = False,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Cordon a GPU and move away who can be moved: spot pods now, workers when their jobs are done."""
    _show_gpus(tell(config, f"{_gpu_path(uuid)}/drain", DrainWish(force=force), GpuList), as_json)


@gpus.command("return", epilog="Example: podd gpus return GPU-...")
def return_gpu(uuid: GpuUuid, as_json: AsJson = False, config: Config = None) -> None:
    """Put a GPU back into service after a cordon, a drain or a fault."""
    _show_gpus(tell(config, f"{_gpu_path(uuid)}/return", Nothing(), GpuList), as_json)


# Private


def _gpu_path(uuid: str) -> str:
    return f"/operator/v1/gpus/{quote(uuid, safe='')}"


def _show_gpus(found: GpuList, as_json: bool) -> None:
    if as_json:
        print(found.model_dump_json())
        return
    table = columns("GPU", "type", "state", "use", "memory", "held by", "UUID")
    for gpu in found.gpus:
        holder = gpu.held_by
        table.add_row(
            str(gpu.index),
            escape(gpu.type) + (" (simulated)" if gpu.simulated else ""),
            escape(_gpu_state(gpu)),
            "-" if gpu.gpu_percent is None else f"{gpu.gpu_percent} %",
            "-" if gpu.memory_percent is None else f"{gpu.memory_percent} %",
            f"{holder.kind} {holder.workload} of {holder.account}" if holder else "-",
            gpu.uuid,
        )
    print_table(table)


def _gpu_state(gpu: GpuStatus) -> str:
    state = gpu.state if gpu.duty == "serving" else f"{gpu.state}, {gpu.duty}"
    return f"{state}: {gpu.reason}" if gpu.reason else state
