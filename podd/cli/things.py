"""What the commands on things of an account share: in whose place they act, and the verbs that are the same
for every kind of thing.

Whoever shows an account's key acts for that account. The operator acts in the place of the account that
`--account` names, or whose the named thing is, or the only one there is.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer
from rich.markup import escape
from rich.table import Table

from podd.cli.terminal import AsJson, Config, columns, fail, print_table, speaking
from podd.client import Client
from podd.wire.operator import AccountList, Owner

Json = dict[str, Any]
Cell = Callable[[Json], object]

Account = Annotated[
    str,
    typer.Option(
        "--account",
        metavar="ID|EMAIL",
        help="For the operator: in the place of this account (whose the thing is, or the only one).",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@dataclass(frozen=True)
class Kind:
    """Things of one kind: what they are called, where they are in REST v2 (`rows` is the list in its
    answer), and the columns of their table."""

    word: str
    noun: str
    path: str
    rows: str
    columns: Mapping[str, Cell]

    def one(self, id: str) -> str:
        return f"{self.path}/{quote(id, safe='')}"


@contextmanager
def acting(config: Path | None, account: str = "", thing: str = "") -> Iterator[Client]:
    """A client that acts for one account; ends the command when something does not go well."""
    with speaking(config) as client:
        if not client.is_operator:
            if account:
                fail("--account is for the operator; a key acts for its own account.", 2)
        elif account:
            client.in_place_of(account)
        elif thing:
            owner = client.get(f"/operator/v1/owners/{quote(thing, safe='')}", Owner)
            client.in_place_of(owner.account_id)
        else:
            client.in_place_of(_only_account(client))
        yield client


def listed(config: Path | None, kind: Kind, account: str) -> list[Json]:
    """All things of a kind: those of the account, or for the operator of all accounts, with `account`, the
    owner's e-mail address, in each."""
    with speaking(config) as client:
        if account or not client.is_operator:
            if account and not client.is_operator:
                fail("--account is for the operator; a key lists its own account's.", 2)
            client.in_place_of(account)
            return pages(client, kind)
        found: list[Json] = []
        for one in client.get("/operator/v1/accounts", AccountList).accounts:
            client.in_place_of(one.account_id)
            found += [{"account": one.email, **thing} for thing in pages(client, kind)]
        return found


def pages(client: Client, kind: Kind) -> list[Json]:
    """The account's things of a kind, of as many pages as there are."""
    found: list[Json] = []
    cursor = ""
    while True:
        answer = client.call("GET", f"{kind.path}?cursor={quote(cursor, safe='')}" if cursor else kind.path)
        found += answer[kind.rows]
        cursor = (answer.get("pagination") or {}).get("nextCursor") or ""
        if not cursor:
            return found


def add_list(app: typer.Typer, kind: Kind) -> None:
    """Give `app` the command `list`."""

    @app.command("list", help=f"List {kind.noun}.", epilog=f"Example: podd {kind.noun} list --json")
    def list_things(account: Account = "", as_json: AsJson = False, config: Config = None) -> None:
        found = listed(config, kind, account)
        if as_json:
            print(json.dumps({kind.noun: found}))
        else:
            whose = {"account": lambda one: one["account"]} if found and "account" in found[0] else {}
            show_table({**kind.columns, **whose}, found)


def add_get(app: typer.Typer, kind: Kind) -> None:
    """Give `app` the command `get`."""

    @app.command("get", help=f"Show one {kind.word}.", epilog=f"Example: podd {kind.noun} get ID --json")
    def get_thing(
        id: Annotated[str, typer.Argument(help=f"The {kind.word}'s id.")],
        account: Account = "",
        as_json: AsJson = False,
        config: Config = None,
    ) -> None:
        with acting(config, account, id) as client:
            show(client.call("GET", kind.one(id)), as_json)


def add_delete(app: typer.Typer, kind: Kind, name: str = "delete", what: str = "") -> None:
    """Give `app` the command that makes an end of a thing, after asking."""
    about = what or f"Delete a {kind.word}."

    @app.command(name, help=about, epilog=f"Example: podd {kind.noun} {name} ID --yes")
    def delete_thing(
        id: Annotated[str, typer.Argument(help=f"The {kind.word}'s id.")],
        yes: Yes = False,
        account: Account = "",
        as_json: AsJson = False,
        config: Config = None,
    ) -> None:
        confirm(f"{about[:-1]}: {id}?", yes)
        with acting(config, account, id) as client:
            client.call("DELETE", kind.one(id))
        print(json.dumps({"id": id, "done": name}) if as_json else f"{kind.word} {id}: {name} done")


def confirm(question: str, yes: bool) -> None:
    """Ends the command, as one that has failed, unless it is agreed to."""
    if not yes and not typer.confirm(question, err=True):
        fail("Nothing was changed.")


def show(thing: Any, as_json: bool) -> None:
    """One answer: as it came, or a line for each of its fields."""
    if as_json or not isinstance(thing, dict):
        print(json.dumps(thing))
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, value in thing.items():
        table.add_row(f"[bold]{escape(name)}[/]", escape(text(value)))
    print_table(table)


def show_table(cells: Mapping[str, Cell], rows: Sequence[Json]) -> None:
    table = columns(*cells)
    for row in rows:
        table.add_row(*(escape(text(cell(row))) for cell in cells.values()))
    print_table(table)


def text(value: object) -> str:
    """A value as people read it."""
    match value:
        case None | [] | {}:
            return "-"
        case bool():
            return "yes" if value else "no"
        case str() | int() | float():
            return str(value)
        case list() if all(isinstance(item, str) for item in value):
            return ", ".join(value)
    return json.dumps(value)


def said(**fields: Any) -> Json:
    """The fields somebody gave; what is None or an empty list was not given."""
    return {name: value for name, value in fields.items() if value is not None and value != []}


def _only_account(client: Client) -> str:
    found = client.get("/operator/v1/accounts", AccountList).accounts
    if not found:
        fail("There is no account yet; `podd accounts create EMAIL` makes one.")
    if len(found) > 1:
        fail("There is more than one account: name it by --account ID|EMAIL.", 2)
    return found[0].account_id
