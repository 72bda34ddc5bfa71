"""podd keys: API keys of accounts."""

from datetime import UTC, datetime, timedelta
from typing import Annotated
from urllib.parse import quote, urlencode

import typer
from rich.markup import escape

from podd.cli.terminal import AsJson, Config, ask, columns, fail, print_table, tell
from podd.wire.keys import Key, KeyList, KeyWish, NewKey
from podd.wire.operator import Nothing

keys = typer.Typer(help="API keys of accounts.", no_args_is_help=True)

Account = Annotated[
    str, typer.Option(metavar="ID|EMAIL", help="The account; with a key of an account, that account.")
]


@keys.command("create", epilog="Example: podd keys create --account ada@example.org --read-only --days 30")
def create(
    account: Account = "",
    name: Annotated[str | None, typer.Option(help="What to call the key.")] = None,
    user: Annotated[str, typer.Option(metavar="ID|EMAIL", help="The member of the team it is for.")] = "",
    read_only: Annotated[bool, typer.Option("--read-only", help="For looking only.")] = False,
    endpoint: Annotated[list[str], typer.Option(metavar="ID", help="For this endpoint; repeatable.")] = [],  # noqa: B006
    pod: Annotated[str, typer.Option(metavar="ID", help="For this pod.")] = "",
    days: Annotated[int | None, typer.Option(min=1, help="How long it is good (for ever).")] = None,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Make one more API key for an account and print it; it is not shown again."""
    if read_only + bool(endpoint) + bool(pod) > 1:
        fail("A key is read-only, or for endpoints, or for a pod: give one of them.", 2)
    wish = KeyWish(account=account, user=user, name=name)
    if read_only:
        wish.scope = "read_only"
    elif endpoint:
        wish.scope, wish.ids = "endpoints", endpoint
    elif pod:
        wish.scope, wish.ids = "pod", [pod]
    if days is not None:
        wish.expires_at = (datetime.now(UTC) + timedelta(days=days)).isoformat()
    made = tell(config, "/operator/v1/keys", wish, NewKey)
    print(made.model_dump_json() if as_json else f"key {made.key_id}\nAPI key {made.api_key}")


@keys.command("list", epilog="Example: podd keys list --account ada@example.org")
def list_keys(account: Account = "", as_json: AsJson = False, config: Config = None) -> None:
    """List the keys of an account: what each is for and until when; never the keys themselves."""
    found = ask(config, f"/operator/v1/keys?{urlencode({'account': account})}", KeyList)
    if as_json:
        print(found.model_dump_json())
        return
    table = columns("id", "name", "for", "of", "expires")
    for key in found.keys:
        table.add_row(key.key_id, escape(key.name), _scope(key), key.user_id, key.expires_at or "never")
    print_table(table)


@keys.command("revoke", epilog="Example: podd keys revoke KEY")
def revoke(
    key: Annotated[str, typer.Argument(metavar="ID", help="The key's id, as `podd keys list` shows it.")],
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Make a key worthless, at once."""
    gone = tell(config, f"/operator/v1/keys/{quote(key, safe='')}/revoke", Nothing(), Key)
    print(gone.model_dump_json() if as_json else f"key {gone.key_id} revoked")


# Private


def _scope(key: Key) -> str:
    return " ".join([{"all": "everything", "read_only": "reading"}.get(key.scope, key.scope), *key.ids])
