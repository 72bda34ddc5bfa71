"""Credit of accounts: for the operator under /operator/v1/credit, for their owners under /account/v1."""

from typing import Annotated

from litestar import MediaType, Response, get, post
from litestar.params import FromPath, JSONBody, QueryParameter

from podd.api.context import AnyRequest, Api, api_of, known_caller_of
from podd.api.gauge import VOUCHER
from podd.domain import funding as rules
from podd.domain.account import Caller
from podd.domain.ledger import Posting
from podd.domain.ledger import credit as credit_of
from podd.domain.money import exact, from_text
from podd.domain.plan import Plan
from podd.domain.statement import as_csv, as_html
from podd.services import billing, credit, funding, plans
from podd.services import statement as statements
from podd.store import halts
from podd.store.db import Reader
from podd.wire import credit as wire

Csv = Annotated[bool, QueryParameter()]
LINES = 50
VOUCHERS = 500


@post("/operator/v1/credit/deposits", status_code=201)
async def deposit(request: AnyRequest, data: JSONBody[wire.DepositWish]) -> wire.Balance:
    """Give an account credit."""
    caller, api = await known_caller_of(request), api_of(request)
    amount = from_text(data.amount)
    left = await api.podd.store.write(
        credit.deposit, api.podd, caller, data.account, amount, data.text, data.key, api.now
    )
    return wire.Balance(balance=exact(left))


@post("/operator/v1/credit/corrections", status_code=201)
async def correct(request: AnyRequest, data: JSONBody[wire.CorrectionWish]) -> wire.Balance:
    """Set right what went wrong."""
    caller, api = await known_caller_of(request), api_of(request)
    amount = from_text(data.amount)
    left = await api.podd.store.write(
        credit.correct, caller, data.account, amount, data.reason, data.key, api.now
    )
    return wire.Balance(balance=exact(left))


@get("/operator/v1/credit/{account:str}")
async def show(request: AnyRequest, account: FromPath[str]) -> wire.Credit:
    """An account's balance, where its credit comes from, and its last postings."""
    caller, api = await known_caller_of(request), api_of(request)
    return await api.podd.store.read(_credit, caller, account)


@post("/operator/v1/credit/vouchers", status_code=201)
async def create_vouchers(request: AnyRequest, data: JSONBody[wire.VoucherWish]) -> wire.NewVouchers:
    """Make vouchers, and show their codes this once."""
    caller, api = await known_caller_of(request), api_of(request)
    made = await api.podd.store.write(
        funding.create_vouchers,
        api.podd,
        caller,
        from_text(data.amount),
        data.count,
        data.expires,
        data.text,
        api.now,
    )
    return wire.NewVouchers(vouchers=[wire.NewVoucher(id=voucher.id, code=code) for voucher, code in made])


@get("/operator/v1/credit/vouchers")
async def list_vouchers(request: AnyRequest) -> wire.Vouchers:
    """The last vouchers: what they are worth, until when, and who has redeemed them."""
    caller, api = await known_caller_of(request), api_of(request)
    found = await api.podd.store.read(funding.vouchers, caller, VOUCHERS)
    return wire.Vouchers(vouchers=[_voucher(voucher) for voucher in found])


@post("/operator/v1/credit/allowances", status_code=201)
async def allow(request: AnyRequest, data: JSONBody[wire.AllowanceWish]) -> wire.Allowance:
    """Give an account credit for each week or month."""
    caller, api = await known_caller_of(request), api_of(request)
    made = await api.podd.store.write(
        funding.allow,
        api.podd,
        caller,
        data.account,
        from_text(data.amount),
        data.every,
        data.text,
        api.now,
    )
    return _allowance(made)


@post("/operator/v1/credit/allowances/{id:str}/end", status_code=200)
async def end_allowance(request: AnyRequest, id: FromPath[str]) -> wire.Done:
    """Give it no more; what was given stays."""
    caller, api = await known_caller_of(request), api_of(request)
    await api.podd.store.write(funding.end_allowance, caller, id)
    return wire.Done()


@post("/operator/v1/credit/refills", status_code=200)
async def set_refill(request: AnyRequest, data: JSONBody[wire.RefillWish]) -> wire.Refill:
    """Refill an account by itself when little is left."""
    caller, api = await known_caller_of(request), api_of(request)
    threshold, amount, cap = map(from_text, (data.threshold, data.amount, data.monthly_cap))
    kept = await api.podd.store.write(
        funding.set_refill, api.podd, caller, data.account, threshold, amount, cap
    )
    return _refill(kept)


@post("/operator/v1/credit/refills/end", status_code=200)
async def end_refill(request: AnyRequest, data: JSONBody[wire.AccountName]) -> wire.Done:
    """Refill it no more by itself."""
    caller, api = await known_caller_of(request), api_of(request)
    await api.podd.store.write(funding.end_refill, caller, data.account)
    return wire.Done()


@get("/operator/v1/credit/{account:str}/statements/{month:str}")
async def statement(
    request: AnyRequest, account: FromPath[str], month: FromPath[str], csv: Csv = False
) -> Response[str]:
    """An account's statement of a month, as in 2026-10: a page, or with `?csv=true` for spreadsheets."""
    return await _statement(api_of(request), await known_caller_of(request), account, month, csv)


@get("/account/v1/statements/{month:str}")
async def own_statement(request: AnyRequest, month: FromPath[str], csv: Csv = False) -> Response[str]:
    """The caller's own."""
    return await _statement(api_of(request), await known_caller_of(request), None, month, csv)


@post("/operator/v1/credit/plans", status_code=201)
async def buy_plan(request: AnyRequest, data: JSONBody[wire.PlanWishFor]) -> wire.Plan:
    """Pay GPUs of an account a term in advance, out of its credit."""
    return await _buy(api_of(request), await known_caller_of(request), data.account, data)


@post("/account/v1/plans", status_code=201)
async def buy_own_plan(request: AnyRequest, data: JSONBody[wire.PlanWish]) -> wire.Plan:
    """The same for the caller's own account."""
    return await _buy(api_of(request), await known_caller_of(request), None, data)


@get("/account/v1/credit")
async def show_own(request: AnyRequest) -> wire.Credit:
    """The caller's own."""
    caller, api = await known_caller_of(request), api_of(request)
    return await api.podd.store.read(_credit, caller, None)


@post("/account/v1/vouchers", status_code=201)
async def redeem_own(request: AnyRequest, data: JSONBody[wire.VoucherCode]) -> wire.Balance:
    """Redeem a voucher for the caller's account."""
    left = await redeem(api_of(request), await known_caller_of(request), data.code)
    return wire.Balance(balance=exact(left))


HANDLERS = [
    deposit,
    correct,
    show,
    create_vouchers,
    list_vouchers,
    allow,
    end_allowance,
    set_refill,
    end_refill,
    statement,
    own_statement,
    buy_plan,
    buy_own_plan,
    show_own,
    redeem_own,
]


async def redeem(api: Api, caller: Caller, code: str) -> int:
    """The balance after it, in nano-dollars. Raises NotFound, and TooMany for whoever tries too often."""
    key = (VOUCHER, "", caller.account_id)
    api.gauge.begin(key)
    try:
        return await api.podd.store.write(funding.redeem, caller, code, api.now)
    finally:
        api.gauge.end(key)


# Private


async def _statement(api: Api, caller: Caller, account: str | None, month: str, csv: bool) -> Response[str]:
    found = await api.podd.store.read(statements.of_month, api.podd, caller, account, month)
    if csv:
        name = f"statement-{found.month}.csv"
        headers = {"content-disposition": f'attachment; filename="{name}"'}
        return Response(as_csv(found), media_type="text/csv", headers=headers)
    return Response(as_html(found), media_type=MediaType.HTML)


async def _buy(api: Api, caller: Caller, account: str | None, data: wire.PlanWish) -> wire.Plan:
    bought = await api.podd.store.write(
        plans.buy, api.podd, caller, account, data.gpu_type, data.count, data.months, data.key, api.now
    )
    return _plan(bought)


def _credit(db: Reader, caller: Caller, account: str | None) -> wire.Credit:
    found, balance, postings = credit.statement(db, caller, account, LINES)
    refill = funding.refill_of(db, found.id)
    return wire.Credit(
        account=found.id,
        email=found.email,
        balance=exact(balance),
        hourly=exact(billing.hourly(db, found.id)),
        halted=halts.get(db, found.id) is not None,
        allowances=[_allowance(allowance) for allowance in funding.allowances(db, found.id)],
        refill=_refill(refill) if refill else None,
        plans=[_plan(plan) for plan in plans.of_account(db, found.id)],
        lines=[_line(posting, credit_of(found.id)) for posting in postings],
    )


def _line(posting: Posting, own: str) -> wire.Line:
    amount = posting.amount if posting.target == own else -posting.amount
    return wire.Line(
        at=posting.at,
        amount=exact(amount),
        text=posting.text,
        resource=posting.resource,
        item=posting.item,
    )


def _voucher(voucher: rules.Voucher) -> wire.Voucher:
    return wire.Voucher(
        id=voucher.id,
        amount=exact(voucher.amount),
        text=voucher.text,
        created_at=voucher.created_at,
        expires_at=voucher.expires_at,
        account=voucher.account_id,
        redeemed_at=voucher.redeemed_at,
    )


def _allowance(allowance: rules.Allowance) -> wire.Allowance:
    return wire.Allowance(
        id=allowance.id,
        amount=exact(allowance.amount),
        every=allowance.every,
        text=allowance.text,
        last_day=allowance.last_day,
    )


def _plan(plan: Plan) -> wire.Plan:
    return wire.Plan(
        id=plan.id,
        gpu_type=plan.gpu_type_id,
        count=plan.gpu_count,
        months=plan.months,
        price=exact(plan.price),
        begins_at=plan.begins_at,
        ends_at=plan.ends_at,
    )


def _refill(refill: rules.Refill) -> wire.Refill:
    return wire.Refill(
        threshold=exact(refill.threshold),
        amount=exact(refill.amount),
        monthly_cap=exact(refill.monthly_cap),
        month=refill.month,
        added=exact(refill.month_sum),
    )
