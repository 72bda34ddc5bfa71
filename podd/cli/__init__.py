"""The command line. Every command takes `--config FILE` after its name and honours PODD_DATA_DIR; those
that print facts take `--json`. Exit codes: 0 done, 1 failed, 2 wrong use."""

import json
from dataclasses import asdict
from typing import Annotated
from urllib.parse import quote

import typer
from rich.console import Console
from rich.markup import escape

from podd import __version__, daemon, doctor, log
from podd.cli.audit import audit
from podd.cli.ca import ca
from podd.cli.credit import credit
from podd.cli.gpus import gpus
from podd.cli.keys import keys
from podd.cli.notice import notice
from podd.cli.proxy import proxy
from podd.cli.quota import idle, quota
from podd.cli.shell import shell
from podd.cli.teams import teams
from podd.cli.terminal import AsJson, Config, ask, fail, settings_of, tell
from podd.installation import DaemonError
from podd.wire.operator import AccountWish, Explanation, NewAccount, Nothing, RotatedKey
from podd.wire.sign_in import LinkWish, NewLink

app = typer.Typer(
    name="podd",
    help="A GPU rental platform for one machine: pods and serverless endpoints behind RunPod's APIs.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=True,
)
account = typer.Typer(help="Accounts of the people who use this machine.", no_args_is_help=True)
app.add_typer(account, name="account")
app.add_typer(keys, name="key")
app.add_typer(teams, name="team")
secrets = typer.Typer(help="How users' secrets are kept.", no_args_is_help=True)
app.add_typer(secrets, name="secrets")
app.add_typer(gpus, name="gpus")
app.add_typer(credit, name="credit")
app.add_typer(notice, name="notice")
app.add_typer(idle, name="idle")
app.add_typer(proxy, name="proxy")
account.command("quota")(quota)
app.command("shell")(shell)
app.command("audit")(audit)
app.command("ca")(ca)

MARKS = {"ok": "[green]ok[/]     ", "warning": "[yellow]warning[/]", "failure": "[red]failure[/]"}


def main() -> None:
    app()


@app.command()
def serve(config: Config = None) -> None:
    """Run the daemon in the foreground until it is told to stop (Ctrl-C or SIGTERM)."""
    settings = settings_of(config)
    log.configure(settings.log.level, settings.log.format)
    try:
        daemon.serve(settings)
    except DaemonError as error:
        fail(str(error))


@app.command("doctor")
def run_doctor(config: Config = None, as_json: AsJson = False) -> None:
    """Check the machine: engine, GPUs, disk, ports, permissions. Exit code 1 if something fails."""
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
    team: Annotated[bool, typer.Option("--team", help="Make it a team, which can have members.")] = False,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Make an account and print its first API key, which is not shown again."""
    made = tell(config, "/operator/v1/accounts", AccountWish(email=email, name=name, team=team), NewAccount)
    if as_json:
        print(json.dumps({"account_id": made.account_id, "api_key": made.api_key}))
    else:
        print(f"account {made.account_id} ({made.email})\nAPI key {made.api_key}")


@account.command("link")
def link(
    account: Annotated[str, typer.Argument(metavar="ID|EMAIL", help="Who will sign in with it.")],
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Print a link that somebody signs in with, once, and can set a password after that. Its token is for
    POST /auth/link: a page that opens it is not there yet."""
    made = tell(config, "/operator/v1/links", LinkWish(account=account), NewLink)
    if as_json:
        print(made.model_dump_json())
    else:
        print(f"account {made.account_id} ({made.email})\n{made.url}")


@secrets.command("rotate-key")
def rotate_key(as_json: AsJson = False, config: Config = None) -> None:
    """Seal all secrets and registry passwords with a new key. Back up sealing.keys with the database."""
    done = tell(config, "/operator/v1/secrets/rotate", Nothing(), RotatedKey)
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
    found = ask(config, f"/operator/v1/explanations/{quote(id, safe='')}", Explanation)
    print(found.model_dump_json() if as_json else "\n".join(found.sentences))


@app.command()
def version(config: Config = None) -> None:  # noqa: ARG001 - every command takes it
    """Print the version."""
    print(__version__)
