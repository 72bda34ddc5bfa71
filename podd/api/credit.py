"""The operator's API: credit of accounts, under /operator/v1/credit."""

from litestar import get, post
from litestar.params import FromPath, JSONBody

from podd.api.context import AnyRequest, api_of, known_caller_of
from podd.domain.account import Caller
from podd.domain.ledger import Posting
from podd.domain.ledger import credit as credit_of
from podd.domain.money import exact, from_text
from podd.services import billing, credit
from podd.store import halts
from podd.store.db import Reader
from podd.wire.credit import Balance, CorrectionWish, DepositWish, Line, Statement

LINES = 50


@post("/operator/v1/credit/deposits", status_code=201)
async def deposit(request: AnyRequest, data: JSONBody[DepositWish]) -> Balance:
    """Give an account credit."""
    caller, api = await known_caller_of(request), api_of(request)
    amount = from_text(data.amount)
    left = await api.podd.store.write(
        credit.deposit, api.podd, caller, data.account, amount, data.text, data.key, api.now
    )
    return Balance(balance=exact(left))


@post("/operator/v1/credit/corrections", status_code=201)
async def correct(request: AnyRequest, data: JSONBody[CorrectionWish]) -> Balance:
    """Set right what went wrong."""
    caller, api = await known_caller_of(request), api_of(request)
    amount = from_text(data.amount)
    left = await api.podd.store.write(
        credit.correct, caller, data.account, amount, data.reason, data.key, api.now
    )
    return Balance(balance=exact(left))


@get("/operator/v1/credit/{account:str}")
async def statement(request: AnyRequest, account: FromPath[str]) -> Statement:
    """An account's balance and its last postings."""
    caller, api = await known_caller_of(request), api_of(request)
    return await api.podd.store.read(_statement, caller, account)


HANDLERS = [deposit, correct, statement]


# Private


def _statement(db: Reader, caller: Caller, account: str) -> Statement:
    found, balance, postings = credit.statement(db, caller, account, LINES)
    return Statement(
        account=found.id,
        email=found.email,
        balance=exact(balance),
        hourly=exact(billing.hourly(db, found.id)),
        halted=halts.get(db, found.id) is not None,
        lines=[_line(posting, credit_of(found.id)) for posting in postings],
    )


def _line(posting: Posting, own: str) -> Line:
    amount = posting.amount if posting.target == own else -posting.amount
    return Line(
        at=posting.at,
        amount=exact(amount),
        text=posting.text,
        resource=posting.resource,
        item=posting.item,
    )
