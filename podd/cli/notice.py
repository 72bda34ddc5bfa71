"""podd notices: what people are told by mail and other channels."""

from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import urlencode

import typer
from rich.markup import escape
from rich.table import Table

from podd.cli.terminal import AsJson, Config, ask, print_table, tell
from podd.wire.notice import NoticeList, TestWish

notices = typer.Typer(help="What people are told by mail and other channels.", no_args_is_help=True)


@notices.command("list", epilog="Example: podd notices list ada@example.org --limit 10")
def list_notices(
    account: Annotated[str, typer.Argument(metavar="[ID|EMAIL]", help="Only those to this account.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 50,
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Show the last notices, newest first, and whether they were sent."""
    query = urlencode({"account": account, "limit": limit})
    found = ask(config, f"/operator/v1/notices?{query}", NoticeList)
    if as_json:
        print(found.model_dump_json())
        return
    table = Table("time (UTC)", "to", "about", "kind", "state", box=None, pad_edge=False)
    for one in found.notices:
        when = f"{datetime.fromtimestamp(one.at / 1000, UTC):%Y-%m-%d %H:%M}"
        state = f"{one.state} ({one.reason}; {one.tries} tries)" if one.reason else one.state
        to = one.address or one.account or "operator"
        table.add_row(when, escape(to), escape(one.subject), one.kind, escape(state))
    print_table(table)


@notices.command("test", epilog="Example: podd notices test ada@example.org")
def send_test(
    account: Annotated[
        str, typer.Argument(metavar="[ID|EMAIL]", help="Whom to send it; without, the operator.")
    ] = "",
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Send a notice to see whether they arrive; `podd notices list` shows what became of it."""
    made = tell(config, "/operator/v1/notices/test", TestWish(account=account), NoticeList)
    if as_json:
        print(made.model_dump_json())
    else:
        print(f"notice {made.notices[0].number} is on its way; `podd notices list` shows what becomes of it")
