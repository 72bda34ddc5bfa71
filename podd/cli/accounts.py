"""podd accounts: those of the people who use this machine."""

from typing import Annotated

import typer

from podd.cli.funding import money
from podd.cli.quota import quota
from podd.cli.terminal import AsJson, Config, ask, tell
from podd.cli.things import show_table
from podd.wire.operator import AccountList, AccountWish, NewAccount
from podd.wire.sign_in import LinkWish, NewLink

accounts = typer.Typer(help="Accounts of the people who use this machine.", no_args_is_help=True)


@accounts.command("list", epilog="Example: podd accounts list --json")
def list_accounts(as_json: AsJson = False, config: Config = None) -> None:
    """List all accounts, the oldest first: what each has to spend and to run."""
    found = ask(config, "/operator/v1/accounts", AccountList)
    if as_json:
        print(found.model_dump_json())
        return
    columns = {
        "id": lambda one: one["account_id"],
        "e-mail": lambda one: one["email"],
        "kind": lambda one: one["kind"],
        "balance": lambda one: money(one["balance"]),
        "pods": lambda one: one["pods"],
        "endpoints": lambda one: one["endpoints"],
        "workers": lambda one: one["workers"],
    }
    show_table(columns, [one.model_dump() for one in found.accounts])


@accounts.command("create", epilog="Example: podd accounts create ada@example.org")
def create(
    email: Annotated[str, typer.Argument(help="The person's e-mail address.")],
    name: Annotated[str | None, typer.Option(help="What to call the account.")] = None,
    team: Annotated[bool, typer.Option("--team", help="Make it a team, which can have members.")] = False,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Make an account and print its first API key, which is not shown again."""
    made = tell(config, "/operator/v1/accounts", AccountWish(email=email, name=name, team=team), NewAccount)
    if as_json:
        print(made.model_dump_json())
    else:
        print(f"account {made.account_id} ({made.email})\nAPI key {made.api_key}")


@accounts.command("link", epilog="Example: podd accounts link ada@example.org")
def link(
    account: Annotated[str, typer.Argument(metavar="ID|EMAIL", help="Who will sign in with it.")],
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Print a link that somebody signs in with, once, and can set a password and make a key after that."""
    made = tell(config, "/operator/v1/links", LinkWish(account=account), NewLink)
    if as_json:
        print(made.model_dump_json())
    else:
        print(f"account {made.account_id} ({made.email})\n{made.url}")


accounts.command("quota", epilog="Example: podd accounts quota ada@example.org --gpus 4")(quota)
