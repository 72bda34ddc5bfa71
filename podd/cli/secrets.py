"""podd secrets: values that pods are given and nobody is shown, and how they are kept."""

import json
from typing import Annotated

import typer

from podd.cli.registry import unseen
from podd.cli.terminal import AsJson, Config, tell
from podd.cli.things import Account, Kind, acting, add_delete, add_get, add_list, said, show
from podd.wire.operator import Nothing, RotatedKey

secrets = typer.Typer(
    help="Secrets: values that containers are given and nobody is shown.", no_args_is_help=True
)

SECRETS = Kind(
    "secret",
    "secrets",
    "/v2/account/secrets",
    "secrets",
    {
        "id": lambda one: one["id"],
        "name": lambda one: one["name"],
        "description": lambda one: one["description"],
        "value set": lambda one: one["valueLastUpdatedAt"],
    },
)

Description = Annotated[str | None, typer.Option(help="What it is for.")]

add_list(secrets, SECRETS)
add_get(secrets, SECRETS)
add_delete(secrets, SECRETS)


@secrets.command("create", epilog="Example: podd secrets create hf_token < token.txt")
def create(
    name: Annotated[str, typer.Argument(help="Containers name it as {{ RUNPOD_SECRET_name }}.")],
    description: Description = None,
    account: Account = "",
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Keep a secret; its value is asked for, or read from what is piped in."""
    wish = said(name=name, value=unseen("Value"), description=description)
    with acting(config, account) as client:
        show(client.call("POST", SECRETS.path, wish), as_json)


@secrets.command("update", epilog="Example: podd secrets update SECRET < token.txt")
def update(
    secret: Annotated[str, typer.Argument(metavar="SECRET", help="The id of the secret.")],
    description: Description = None,
    account: Account = "",
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Give a secret another value, or with --description another description."""
    wish = {"description": description} if description is not None else {"value": unseen("Value")}
    with acting(config, account, secret) as client:
        show(client.call("PATCH", SECRETS.one(secret), wish), as_json)


@secrets.command("rotate-key", epilog="Example: podd secrets rotate-key")
def rotate_key(as_json: AsJson = False, config: Config = None) -> None:
    """Seal all secrets and registry passwords with a new key. Back up sealing.keys with the database."""
    done = tell(config, "/operator/v1/secrets/rotate", Nothing(), RotatedKey)
    if as_json:
        print(json.dumps({"key": done.key, "count": done.count}))
    else:
        print(f"{done.count} sealed with the new key {done.key}")
