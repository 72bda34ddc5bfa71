"""podd credit voucher | allowance | refill | plan: where credit comes from by itself, and what is
paid in advance."""

from datetime import datetime
from typing import Annotated
from urllib.parse import quote
from uuid import uuid4

import typer
from rich.markup import escape

from podd.cli.terminal import AsJson, Config, ask, columns, print_table, tell
from podd.domain.calendar import Every
from podd.domain.money import prose_time
from podd.wire.credit import (
    AccountName,
    Allowance,
    AllowanceWish,
    Done,
    NewVouchers,
    Plan,
    PlanWishFor,
    Refill,
    RefillWish,
    Vouchers,
    VoucherWish,
)
from podd.wire.operator import Nothing

voucher = typer.Typer(help="Codes that are worth credit, once each.", no_args_is_help=True)
allowance = typer.Typer(help="Credit for each week or month.", no_args_is_help=True)
refill = typer.Typer(help="Credit that is added when little is left.", no_args_is_help=True)

plan = typer.Typer(help="GPUs that are paid for in advance.", no_args_is_help=True)

Account = Annotated[str, typer.Argument(metavar="ID|EMAIL", help="The account.")]
Dollars = Annotated[str, typer.Option(metavar="DOLLARS", help="For example 25 or 12.50.")]
Text = Annotated[str, typer.Option(help="What stands in the books.")]


@voucher.command("create", epilog="Example: podd credit voucher create --amount 25 --count 10")
def create_vouchers(
    amount: Dollars,
    count: Annotated[int, typer.Option(help="How many.")] = 1,
    expires: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The last day they are good for.")
    ] = None,
    text: Text = "",
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Make vouchers and print their codes, which are not shown again."""
    last_day = expires.date() if expires else None
    wish = VoucherWish.model_construct(amount=amount, count=count, expires=last_day, text=text)
    made = tell(config, "/operator/v1/credit/vouchers", wish, NewVouchers)
    print(made.model_dump_json() if as_json else "\n".join(one.code for one in made.vouchers))


@voucher.command("list", epilog="Example: podd credit voucher list")
def list_vouchers(as_json: AsJson = False, config: Config = None) -> None:
    """Show the last vouchers and who has redeemed them; never their codes."""
    found = ask(config, "/operator/v1/credit/vouchers", Vouchers)
    if as_json:
        print(found.model_dump_json())
        return
    table = columns("id", "dollars", "good until", "redeemed", "for")
    for one in found.vouchers:
        until = prose_time(one.expires_at) if one.expires_at else ""
        redeemed = f"{prose_time(one.redeemed_at)} {one.account}" if one.redeemed_at else ""
        table.add_row(one.id, one.amount, until, redeemed, escape(one.text))
    print_table(table)


@allowance.command(
    "add", epilog="Example: podd credit allowance add ada@example.org --amount 10 --every week"
)
def add_allowance(
    account: Account,
    amount: Dollars,
    every: Annotated[Every, typer.Option(help="Each begins at midnight.")],
    text: Text = "",
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Give an account credit for each week or month, beginning with the present one."""
    wish = AllowanceWish.model_construct(account=account, amount=amount, every=every, text=text)
    made = tell(config, "/operator/v1/credit/allowances", wish, Allowance)
    print(
        made.model_dump_json() if as_json else f"allowance {made.id}: {money(made.amount)} each {made.every}"
    )


@allowance.command("end", epilog="Example: podd credit allowance end ALLOWANCE")
def end_allowance(
    id: Annotated[str, typer.Argument(help="As `podd credit show ACCOUNT` lists it.")],
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Give it no more; what was given stays."""
    done = tell(config, f"/operator/v1/credit/allowances/{quote(id, safe='')}/end", Nothing(), Done)
    print(done.model_dump_json() if as_json else "ended")


@refill.command(
    "set", epilog="Example: podd credit refill set ada@example.org --below 5 --amount 20 --cap 100"
)
def set_refill(
    account: Account,
    below: Annotated[str, typer.Option(metavar="DOLLARS", help="Refill when there is less than this.")],
    amount: Dollars,
    cap: Annotated[str, typer.Option(metavar="DOLLARS", help="The most in one month.")],
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Refill an account by itself, at most once an hour."""
    wish = RefillWish.model_construct(account=account, threshold=below, amount=amount, monthly_cap=cap)
    kept = tell(config, "/operator/v1/credit/refills", wish, Refill)
    print(kept.model_dump_json() if as_json else refill_text(kept))


@refill.command("end", epilog="Example: podd credit refill end ada@example.org")
def end_refill(account: Account, as_json: AsJson = False, config: Config = None) -> None:
    """Refill it no more by itself."""
    done = tell(config, "/operator/v1/credit/refills/end", AccountName(account=account), Done)
    print(done.model_dump_json() if as_json else "ended")


@plan.command(
    "buy", epilog="Example: podd credit plan buy ada@example.org --gpu 'NVIDIA RTX A6000' --months 1"
)
def buy_plan(
    account: Account,
    gpu: Annotated[str, typer.Option(metavar="TYPE", help="As `podd gpus` names it.")],
    months: Annotated[int, typer.Option(help="1, 3 or 6.")],
    count: Annotated[int, typer.Option(help="How many GPUs.")] = 1,
    key: Annotated[str, typer.Option(help="A name for this purchase, which counts once.")] = "",
    as_json: AsJson = False,
    config: Config = None,
) -> None:
    """Pay GPUs of an account a term in advance, out of its credit."""
    wish = PlanWishFor(account=account, gpu_type=gpu, count=count, months=months, key=key or str(uuid4()))
    bought = tell(config, "/operator/v1/credit/plans", wish, Plan)
    print(bought.model_dump_json() if as_json else plan_text(bought))


def plan_text(plan: Plan) -> str:
    until = prose_time(plan.ends_at)
    return f"plan {plan.id}: {plan.count} x {plan.gpu_type} until {until}, {money(plan.price)}"


def refill_text(refill: Refill) -> str:
    added = f", {money(refill.added)} in {refill.month}" if refill.month else ""
    return (
        f"{money(refill.amount)} when there is less than {money(refill.threshold)}, "
        f"at most {money(refill.monthly_cap)} a month{added}"
    )


def money(dollars: str) -> str:
    """An exact amount as people write it."""
    return f"-${dollars[1:]}" if dollars.startswith("-") else f"${dollars}"
