"""podd registry: credentials for private images."""

import sys
from typing import Annotated

import typer

from podd.cli.terminal import AsJson, Config
from podd.cli.things import Account, Kind, acting, add_delete, add_get, add_list, show

registry = typer.Typer(help="Credentials for private images.", no_args_is_help=True)

CREDENTIALS = Kind(
    "credential",
    "registry",
    "/v2/registries",
    "registries",
    {
        "id": lambda one: one["id"],
        "name": lambda one: one["name"],
        "user": lambda one: one.get("username"),
    },
)

add_list(registry, CREDENTIALS)
add_get(registry, CREDENTIALS)
add_delete(registry, CREDENTIALS)


@registry.command("create", epilog="Example: podd registry create hub --username ada < password.txt")
def create(
    name: Annotated[str, typer.Argument(help="What to call the credential.")],
    username: Annotated[str, typer.Option(help="The name to log in with.")],
    account: Account = "",
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Keep a credential; its password is asked for, or read from what is piped in."""
    wish = {"name": name, "username": username, "password": unseen("Password")}
    with acting(config, account) as client:
        show(client.call("POST", CREDENTIALS.path, wish), as_json)


def unseen(what: str) -> str:
    """What is typed without being shown, or piped in: a command line would be seen by all users of the
    machine."""
    if sys.stdin.isatty():
        return str(typer.prompt(what, hide_input=True, err=True))
    return sys.stdin.read().rstrip("\r\n")
