"""What happened to an account's credit in a month, from the ledger."""

from podd.domain import calendar
from podd.domain.account import Caller
from podd.domain.ledger import credit as credit_of
from podd.domain.statement import Statement
from podd.services import credit
from podd.services.platform import Platform
from podd.store import ledger
from podd.store.db import Reader


def of_month(db: Reader, podd: Platform, caller: Caller, account: str | None, month: str) -> Statement:
    """The statement of an account, as in `credit.of_account`, for a month as in 2026-10 in the operator's
    time zone. Raises Invalid, NotFound."""
    found = credit.of_account(db, caller, account)
    begin, end = calendar.month(month, podd.settings.billing.zone)
    own = credit_of(found.id)
    return Statement(
        account=found,
        month=month,
        begin=begin,
        end=end,
        opening=ledger.balance_at(db, found.id, own, begin),
        moved=tuple(ledger.moved(db, found.id, own, begin, end)),
        charged=tuple(ledger.charged(db, found.id, begin, end)),
    )
