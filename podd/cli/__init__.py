"""The command line: `podd NOUN VERB`, as docs/cli.md has it. Every command takes `--config FILE` after its
name and honours PODD_DATA_DIR; those that print facts take `--json`. Exit codes: 0 done, 1 failed, 2 wrong
use."""

import json
import os
from dataclasses import asdict
from typing import Annotated
from urllib.parse import quote

import typer
from rich.console import Console
from rich.markup import escape

from podd import __version__, log
from podd.cli.accounts import accounts
from podd.cli.audit import audit
from podd.cli.ca import ca
from podd.cli.cp import cp
from podd.cli.credit import credit
from podd.cli.endpoints import endpoints
from podd.cli.gpus import gpus
from podd.cli.jobs import jobs
from podd.cli.keys import keys
from podd.cli.login import login, logout
from podd.cli.notice import notices
from podd.cli.pods import pods
from podd.cli.project import project
from podd.cli.proxy import proxy
from podd.cli.quota import idle
from podd.cli.registry import registry
from podd.cli.secrets import secrets
from podd.cli.shell import shell
from podd.cli.teams import teams
from podd.cli.templates import templates
from podd.cli.terminal import AsJson, Config, ask, fail, settings_of
from podd.cli.volumes import volumes
from podd.installation import DaemonError
from podd.wire.operator import Explanation

app = typer.Typer(
    name="podd",
    help="A GPU rental platform for one machine: pods and serverless endpoints behind RunPod's APIs.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=True,
)
for _name, _group in {
    "pods": pods,
    "endpoints": endpoints,
    "jobs": jobs,
    "volumes": volumes,
    "templates": templates,
    "registry": registry,
    "project": project,
    "proxy": proxy,
    "secrets": secrets,
    "gpus": gpus,
    "accounts": accounts,
    "keys": keys,
    "teams": teams,
    "credit": credit,
    "notices": notices,
    "idle": idle,
}.items():
    app.add_typer(_group, name=_name)
for _name, _group in {"account": accounts, "key": keys, "team": teams, "notice": notices}.items():
    app.add_typer(_group, name=_name, hidden=True)  # as they were called before 0.2
app.command("shell", epilog="Example: podd shell POD -- sh -c 'exit 7'")(shell)
app.command("cp", epilog="Example: podd cp model.bin POD:/workspace/")(cp)
app.command("audit", epilog="Example: podd audit --since 24h --operation pod.")(audit)
app.command("login", epilog="Example: podd login https://podd.lan:8484")(login)
app.command("logout", epilog="Example: podd logout")(logout)
app.command("ca", epilog="Example: podd ca > podd-ca.pem")(ca)

MARKS = {"ok": "[green]ok[/]     ", "warning": "[yellow]warning[/]", "failure": "[red]failure[/]"}


def main() -> None:
    app()


@app.callback()
def way_in(
    url: Annotated[str, typer.Option(metavar="URL", help="Where podd is, instead of PODD_URL.")] = "",
    key: Annotated[
        str, typer.Option(metavar="KEY", help="An API key, instead of PODD_API_KEY, which nobody else sees.")
    ] = "",
) -> None:
    """A GPU rental platform for one machine: pods and serverless endpoints behind RunPod's APIs."""
    for name, value in {"PODD_URL": url, "PODD_API_KEY": key}.items():
        if value:
            os.environ[name] = value


@app.command(epilog="Example: podd serve --config /etc/podd/podd.toml")
def serve(config: Config = None) -> None:
    """Run the daemon in the foreground until it is told to stop (Ctrl-C or SIGTERM)."""
    from podd import daemon  # takes seconds, which the other commands have no need of

    settings = settings_of(config)
    log.configure(settings.log.level, settings.log.format)
    try:
        daemon.serve(settings)
    except DaemonError as error:
        fail(str(error))


@app.command("doctor", epilog="Example: podd doctor --json")
def run_doctor(config: Config = None, as_json: AsJson = False) -> None:
    """Check the machine: engine, GPUs, disk, ports, permissions. Exit code 1 if something fails."""
    from podd import doctor

    checks = doctor.run(settings_of(config))
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


@app.command(epilog="Example: podd demo --engine process")
def demo(
    engine: Annotated[str, typer.Option(help="auto, docker or process.")] = "auto",
    config: Config = None,
) -> None:
    """Show podd at work: a pod and a serverless job, from nothing to a clean machine, in about a minute."""
    from podd import demo as show

    raise typer.Exit(show.run(engine, config))


@app.command(epilog="Example: podd explain POD")
def explain(
    id: Annotated[str, typer.Argument(help="The id of a pod or an endpoint.")],
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Say why a pod runs or does not, or why an endpoint's jobs wait: what is short, and who holds it in
    counts."""
    found = ask(config, f"/operator/v1/explanations/{quote(id, safe='')}", Explanation)
    print(found.model_dump_json() if as_json else "\n".join(found.sentences))


@app.command(epilog="Example: podd version --json")
def version(as_json: AsJson = False, config: Config = None) -> None:  # noqa: ARG001 - every command takes it
    """Print the version."""
    print(json.dumps({"version": __version__}) if as_json else __version__)
