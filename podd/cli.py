"""The command line. Every command takes `--config FILE` after its name and honours PODD_DATA_DIR; those
that print facts take `--json`. Exit codes: 0 done, 1 failed, 2 wrong use."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, NoReturn, TypeVar
from urllib.parse import quote

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from podd import __version__, daemon, doctor, log
from podd.client import Client, ClientError
from podd.config import ConfigError, Settings, load
from podd.installation import DaemonError
from podd.wire.operator import (
    AccountWish,
    DrainWish,
    Explanation,
    GpuList,
    GpuStatus,
    KeyWish,
    NewAccount,
    NewKey,
    Nothing,
    RotatedKey,
)

A = TypeVar("A", bound=BaseModel)

app = typer.Typer(
    name="podd",
    help="A GPU rental platform for one machine: pods and serverless endpoints behind RunPod's APIs.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=True,
)
account = typer.Typer(help="Accounts of the people who use this machine.", no_args_is_help=True)
key = typer.Typer(help="API keys of accounts.", no_args_is_help=True)
app.add_typer(account, name="account")
app.add_typer(key, name="key")
secrets = typer.Typer(help="How users' secrets are kept.", no_args_is_help=True)
app.add_typer(secrets, name="secrets")
gpus = typer.Typer(help="The GPUs of this machine: how they are, who holds them; in and out of service.")
app.add_typer(gpus, name="gpus")

Config = Annotated[
    Path | None,
    typer.Option(
        "--config", metavar="FILE", help="Settings file (default: /etc/podd/podd.toml if it is there)."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]

GpuUuid = Annotated[str, typer.Argument(metavar="UUID", help="The GPU's UUID, as `podd gpus` shows it.")]

MARKS = {"ok": "[green]ok[/]     ", "warning": "[yellow]warning[/]", "failure": "[red]failure[/]"}


def main() -> None:
    app()


@app.command()
def serve(config: Config = None) -> None:
    """Run the daemon in the foreground until it is told to stop (Ctrl-C or SIGTERM)."""
    settings = _settings(config)
    log.configure(settings.log.level, settings.log.format)
    try:
        daemon.serve(settings)
    except DaemonError as error:
        _fail(str(error))


@app.command("doctor")
def run_doctor(config: Config = None, as_json: AsJson = False) -> None:
    """Check the machine: engine, GPUs, disk, ports, permissions. Exit code 1 if something fails."""
    checks = doctor.run(_settings(config))
    if as_json:
        print(json.dumps([asdict(check) for check in checks], indent=2))
    else:
        console = Console(highlight=False)
        for check in checks:
            name, detail = escape(check.name), escape(check.detail)
            console.print(f"{MARKS[check.status]} [bold]{name}[/]: {detail}", soft_wrap=True)
            if check.advice:
                console.print(f"        -> {escape(check.advice)}", soft_wrap=True)
    raise typer.Exit(doctor.exit_code(checks))


@app.command()
def demo(
    engine: Annotated[str, typer.Option(help="auto, docker or process.")] = "auto",
    config: Config = None,
) -> None:
    """Show podd at work: a pod and a serverless job, from nothing to a clean machine, in about a minute."""
    from podd import demo as show

    raise typer.Exit(show.run(engine, config))


@account.command("create")
def create_account(
    email: Annotated[str, typer.Argument(help="The person's e-mail address.")],
    name: Annotated[str | None, typer.Option(help="What to call the account.")] = None,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Make an account and print its first API key, which is not shown again."""
    made = _ask(config, "/operator/v1/accounts", AccountWish(email=email, name=name), NewAccount)
    if as_json:
        print(json.dumps({"account_id": made.account_id, "api_key": made.api_key}))
    else:
        print(f"account {made.account_id} ({made.email})\nAPI key {made.api_key}")


@key.command("create")
def create_key(
    account: Annotated[str, typer.Option(metavar="ID|EMAIL", help="Whose key it will be.")],
    name: Annotated[str | None, typer.Option(help="What to call the key.")] = None,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Make one more API key for an account and print it; it is not shown again."""
    made = _ask(config, "/operator/v1/keys", KeyWish(account=account, name=name), NewKey)
    if as_json:
        print(json.dumps({"key_id": made.key_id, "api_key": made.api_key}))
    else:
        print(f"key {made.key_id}\nAPI key {made.api_key}")


@secrets.command("rotate-key")
def rotate_key(as_json: AsJson = False, config: Config = None) -> None:
    """Seal all secrets and registry passwords with a new key. Back up sealing.keys with the database."""
    done = _ask(config, "/operator/v1/secrets/rotate", Nothing(), RotatedKey)
    if as_json:
        print(json.dumps({"key": done.key, "count": done.count}))
    else:
        print(f"{done.count} sealed with the new key {done.key}")


@app.command()
def explain(
    id: Annotated[str, typer.Argument(help="The id of a pod or an endpoint.")],
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Say why a pod runs or does not, or why an endpoint's jobs wait: what is short, and who holds it in
    counts."""
    try:
        with Client.find(_settings(config).data_dir) as client:
            found = client.get(f"/operator/v1/explanations/{quote(id, safe='')}", Explanation)
    except ClientError as error:
        _fail(str(error))
    print(found.model_dump_json() if as_json else "\n".join(found.sentences))


@gpus.callback(invoke_without_command=True)
def list_gpus(context: typer.Context, as_json: AsJson = False, config: Config = None) -> None:
    """The GPUs of this machine: how they are, who holds them; in and out of service."""
    if context.invoked_subcommand is not None:
        return
    try:
        with Client.find(_settings(config).data_dir) as client:
            _show_gpus(client.get("/operator/v1/gpus", GpuList), as_json)
    except ClientError as error:
        _fail(str(error))


@gpus.command("cordon")
def cordon_gpu(uuid: GpuUuid, as_json: AsJson = False, config: Config = None) -> None:
    """Give a GPU to nobody new. Who holds it keeps it."""
    _show_gpus(_ask(config, f"{_gpu_path(uuid)}/cordon", Nothing(), GpuList), as_json)


@gpus.command("drain")
def drain_gpu(
    uuid: GpuUuid,
    force: Annotated[
        bool, typer.Option("--force", help="Stop on-demand pods and busy workers on it as well.")
    ] = False,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Cordon a GPU and move away who can be moved: spot pods now, workers when their jobs are done."""
    _show_gpus(_ask(config, f"{_gpu_path(uuid)}/drain", DrainWish(force=force), GpuList), as_json)


@gpus.command("return")
def return_gpu(uuid: GpuUuid, as_json: AsJson = False, config: Config = None) -> None:
    """Put a GPU back into service after a cordon, a drain or a fault."""
    _show_gpus(_ask(config, f"{_gpu_path(uuid)}/return", Nothing(), GpuList), as_json)


@app.command()
def version(config: Config = None) -> None:  # noqa: ARG001 - every command takes it
    """Print the version."""
    print(__version__)


# Private


def _settings(config: Path | None) -> Settings:
    try:
        return load(config)
    except ConfigError as error:
        _fail(str(error), 2)


def _ask(config: Path | None, path: str, wish: BaseModel, answer: type[A]) -> A:
    try:
        with Client.find(_settings(config).data_dir) as client:
            return client.post(path, wish, answer)
    except ClientError as error:
        _fail(str(error))


def _gpu_path(uuid: str) -> str:
    return f"/operator/v1/gpus/{quote(uuid, safe='')}"


def _show_gpus(found: GpuList, as_json: bool) -> None:
    if as_json:
        print(found.model_dump_json())
        return
    table = Table("GPU", "type", "state", "use", "memory", "held by", "UUID", box=None, pad_edge=False)
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
    # As wide as it takes, also through a pipe: an UUID that is cut off is of no use.
    Console(highlight=False, width=1000).print(table)


def _gpu_state(gpu: GpuStatus) -> str:
    state = gpu.state if gpu.duty == "serving" else f"{gpu.state}, {gpu.duty}"
    return f"{state}: {gpu.reason}" if gpu.reason else state


def _fail(message: str, code: int = 1) -> NoReturn:
    print(f"podd: {message}", file=sys.stderr)
    raise typer.Exit(code)
