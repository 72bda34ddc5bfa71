"""podd credit: what accounts have to spend."""

from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import quote
from uuid import uuid4

import typer
from rich.markup import escape
from rich.table import Table

from podd.cli.funding import Account, allowance, money, plan, plan_text, refill, refill_text, voucher
from podd.cli.terminal import AsJson, Config, ask, print_table, read, tell
from podd.cli.things import Account as InPlace
from podd.cli.things import acting
from podd.wire.credit import Balance, CorrectionWish, Credit, DepositWish, VoucherCode

credit = typer.Typer(help="What accounts have to spend, and what it went for.", no_args_is_help=True)

credit.add_typer(voucher, name="voucher")
credit.add_typer(allowance, name="allowance")
credit.add_typer(refill, name="refill")
credit.add_typer(plan, name="plan")

Key = Annotated[
    str, typer.Option(help="A name for this posting, which counts once however often it is sent.")
]


OwnAccount = Annotated[
    str, typer.Argument(metavar="[ID|EMAIL]", help="The account; with an account's key, its own.")
]


@credit.command("add", epilog="Example: podd credit add ada@example.org 25")
def add(
    account: Account,
    dollars: Annotated[str, typer.Argument(metavar="DOLLARS", help="For example 25 or 12.50.")],
    text: Annotated[str, typer.Option(help="What stands in the books.")] = "",
    key: Key = "",
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Deposit credit for an account."""
    wish = DepositWish.model_construct(account=account, amount=dollars, text=text, key=key or str(uuid4()))
    _show_balance(tell(config, "/operator/v1/credit/deposits", wish, Balance), as_json)


@credit.command(
    "correct", epilog="Example: podd credit correct ada@example.org --reason 'charged twice' -- -3.20"
)
def correct(
    account: Account,
    dollars: Annotated[str, typer.Argument(metavar="DOLLARS", help="Below zero to take: -- -3.20")],
    reason: Annotated[str, typer.Option(help="Why; it stands in the books.")],
    key: Key = "",
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Add or take credit to set right what went wrong."""
    wish = CorrectionWish.model_construct(
        account=account, amount=dollars, reason=reason, key=key or str(uuid4())
    )
    _show_balance(tell(config, "/operator/v1/credit/corrections", wish, Balance), as_json)


@credit.command("show", epilog="Example: podd credit show ada@example.org")
def show(account: OwnAccount = "", as_json: AsJson = False, config: Config = None) -> None:
    """Show an account's balance, what it is charged per hour now, and its last postings."""
    place = f"/operator/v1/credit/{quote(account, safe='')}" if account else "/account/v1/credit"
    found = ask(config, place, Credit)
    if as_json:
        print(found.model_dump_json())
        return
    halted = ", halted for want of credit" if found.halted else ""
    print(f"{found.email}: {money(found.balance)}, {money(found.hourly)} an hour{halted}")
    for one in found.allowances:
        print(f"allowance {one.id}: {money(one.amount)} each {one.every}, {one.text}")
    if found.refill:
        print(f"refill: {refill_text(found.refill)}")
    for bought in found.plans:
        print(plan_text(bought))
    table = Table("time (UTC)", "dollars", "for", box=None, pad_edge=False)
    for line in found.lines:
        when = f"{datetime.fromtimestamp(line.at / 1000, UTC):%Y-%m-%d %H:%M}"
        table.add_row(when, line.amount, escape(line.text or f"{line.item} of {line.resource}"))
    print_table(table)


@credit.command("statement", epilog="Example: podd credit statement ada@example.org --month 2026-01 --csv")
def statement(
    month: Annotated[str, typer.Option(metavar="YYYY-MM", help="Which month.")],
    account: OwnAccount = "",
    csv: Annotated[bool, typer.Option("--csv", help="For spreadsheets, instead of a page.")] = False,
    config: Config = None,
) -> None:
    """Print an account's statement of a month, as HTML or CSV: what came, what was charged, what is left."""
    whose = f"/operator/v1/credit/{quote(account, safe='')}" if account else "/account/v1"
    place = f"{whose}/statements/{quote(month, safe='')}"
    print(read(config, f"{place}?csv=true" if csv else place), end="")


@credit.command("redeem", epilog="Example: podd credit redeem CODE")
def redeem(
    code: Annotated[str, typer.Argument(help="The voucher's code.")],
    account: InPlace = "",
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Redeem a voucher; its code is worth credit once."""
    with acting(config, account) as client:
        found = client.post("/account/v1/vouchers", VoucherCode(code=code), Balance)
    _show_balance(found, as_json)


# Private


def _show_balance(found: Balance, as_json: bool) -> None:
    print(found.model_dump_json() if as_json else f"balance {money(found.balance)}")
