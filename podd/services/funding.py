"""Credit that comes without the operator's doing each time: vouchers people redeem, allowances for each week
or month, and refills when little is left. Each is a posting that is made once, whatever happens to podd."""

from dataclasses import replace
from datetime import date

from podd import ids
from podd.domain import calendar
from podd.domain import funding as rules
from podd.domain import ledger as books
from podd.domain.account import Caller, require
from podd.domain.calendar import Every
from podd.domain.errors import Invalid, NotFound
from podd.domain.funding import Allowance, Refill, Voucher
from podd.domain.money import prose
from podd.services import accounts, credit
from podd.services.platform import BILLING, Platform
from podd.store import funding, ledger
from podd.store.db import Reader, Tx

MOST_VOUCHERS = 1000
NO_VOUCHER = "There is no such voucher: look for a slip of the pen, or it was redeemed or has expired."


async def tick(podd: Platform, now: int) -> None:
    """Give what is due: all weeks and months that have begun since the last time."""
    for allowance_id in await podd.store.read(_allowances_due, podd, now):
        await podd.store.write(give_allowance, podd, allowance_id, now)
    for account_id in await podd.store.read(_refills_due, podd, now):
        await podd.store.write(refill, podd, account_id, now)


# Vouchers


def create_vouchers(
    tx: Tx,
    podd: Platform,
    caller: Caller,
    amount: int,
    count: int,
    last_day: date | None,
    text: str,
    now: int,
) -> list[tuple[Voucher, str]]:
    """Vouchers with their codes, which are only ever given here. They can be redeemed up to the end of
    `last_day`. Raises Invalid."""
    require(caller, "credit.post")
    credit.check_amount(amount, "A voucher")
    if not 1 <= count <= MOST_VOUCHERS:
        raise Invalid(f"count: 1 to {MOST_VOUCHERS} vouchers can be made at once.")
    zone = podd.settings.billing.zone
    expires_at = None if last_day is None else calendar.begin_of(calendar.next_day(last_day), zone)
    if expires_at is not None and expires_at <= now:
        raise Invalid("expires: this day is over.")
    return [_voucher(tx, amount, text.strip(), expires_at, now) for _ in range(count)]


def vouchers(db: Reader, caller: Caller, limit: int) -> list[Voucher]:
    """The last ones, youngest first."""
    require(caller, "credit.read")
    return funding.vouchers(db, limit)


def redeem(tx: Tx, caller: Caller, code: str, now: int) -> int:
    """Add what a voucher is worth to the caller's account; its balance after that. Raises NotFound for a code
    that is wrong, used or too old: the three are not told apart."""
    require(caller, "voucher.redeem")
    found = funding.voucher_by_hash(tx, ids.voucher_hash(code))
    if found is None or (found.expires_at is not None and found.expires_at <= now):
        raise NotFound(NO_VOUCHER)
    if not funding.note_redeemed(tx, found.id, caller.account_id, now):
        raise NotFound(NO_VOUCHER)
    text = f"voucher {found.id}" + (f": {found.text}" if found.text else "")
    credit.give(tx, caller.account_id, books.GRANTS, found.amount, text, f"voucher:{found.id}", now, now)
    return credit.balance(tx, caller.account_id)


# Allowances


def allow(
    tx: Tx, podd: Platform, caller: Caller, account: str, amount: int, every: Every, text: str, now: int
) -> Allowance:
    """Give an account credit for each week or month, beginning with the present one. Raises Invalid,
    NotFound."""
    require(caller, "credit.post")
    credit.check_amount(amount, "An allowance")
    today = calendar.day_of(now, podd.settings.billing.zone)
    made = Allowance(
        id=ids.new_id(),
        account_id=accounts.named(tx, account).id,
        amount=amount,
        every=every,
        text=text.strip() or f"allowance for the {every}",
        last_day=calendar.floor(every, today),
        created_at=now,
    )
    funding.insert_allowance(tx, made)
    _give(tx, made, made.last_day, now, now)
    return made


def end_allowance(tx: Tx, caller: Caller, allowance_id: str) -> None:
    """What was given stays. Raises NotFound."""
    require(caller, "credit.post")
    if not funding.delete_allowance(tx, allowance_id):
        raise NotFound("There is no such allowance; `podd credit show ACCOUNT` lists them.")
    tx.tell("allowance ended", allowance=allowance_id)


def allowances(db: Reader, account_id: str) -> list[Allowance]:
    return funding.allowances(db, account_id)


def give_allowance(tx: Tx, podd: Platform, allowance_id: str, now: int) -> None:
    """Give an allowance for all weeks or months that have begun since the last one."""
    found = funding.allowance(tx, allowance_id)
    zone = podd.settings.billing.zone
    for first in _due(podd, found, now) if found else ():
        assert found is not None
        _give(tx, found, first, calendar.begin_of(first, zone), now)
        funding.note_given(tx, found.id, first)


# Refills


def set_refill(
    tx: Tx, podd: Platform, caller: Caller, account: str, threshold: int, amount: int, monthly_cap: int
) -> Refill:
    """Add `amount` to an account whenever it has less than `threshold`, within the cap. What was added in
    this month still counts. Raises Invalid, NotFound."""
    require(caller, "credit.post")
    least = podd.settings.billing.min_deposit
    if not least <= amount <= monthly_cap <= credit.MOST or not 0 <= threshold <= credit.MOST:
        raise Invalid(
            f"A refill is at least {prose(least)} and at most the monthly cap, its threshold not below zero."
        )
    account_id = accounts.named(tx, account).id
    before = funding.refill(tx, account_id) or Refill(
        account_id=account_id, threshold=0, amount=amount, monthly_cap=0
    )
    wanted = replace(before, threshold=threshold, amount=amount, monthly_cap=monthly_cap)
    funding.put_refill(tx, wanted)
    tx.tell("refill set", account=account_id)
    tx.ring(BILLING)
    return wanted


def end_refill(tx: Tx, caller: Caller, account: str) -> None:
    """Raises NotFound."""
    require(caller, "credit.post")
    account_id = accounts.named(tx, account).id
    if not funding.delete_refill(tx, account_id):
        raise NotFound("This account has no automatic refill.")
    tx.tell("refill ended", account=account_id)


def refill_of(db: Reader, account_id: str) -> Refill | None:
    return funding.refill(db, account_id)


def refill(tx: Tx, podd: Platform, account_id: str, now: int) -> None:
    """Add an account's refill, if it is due."""
    found = funding.refill(tx, account_id)
    if found is None or not _is_due(tx, podd, found, now):
        return
    month = calendar.month_of(now, podd.settings.billing.zone)
    key = f"refill:{account_id}:{now}"
    credit.give(tx, account_id, books.REFILLS, found.amount, "automatic refill", key, now, now)
    added = found.added_in(month) + found.amount
    funding.put_refill(tx, replace(found, last_at=now, month=month, month_sum=added))


# Private


def _voucher(tx: Tx, amount: int, text: str, expires_at: int | None, now: int) -> tuple[Voucher, str]:
    code = ids.voucher_code()
    made = Voucher(id=ids.new_id(), amount=amount, text=text, created_at=now, expires_at=expires_at)
    funding.insert_voucher(tx, made, ids.voucher_hash(code))
    tx.tell("voucher made", voucher=made.id, amount=amount)
    return made, code


def _allowances_due(db: Reader, podd: Platform, now: int) -> list[str]:
    return [one.id for one in funding.allowances(db) if _due(podd, one, now)]


def _due(podd: Platform, allowance: Allowance, now: int) -> list[date]:
    zone = podd.settings.billing.zone
    return list(calendar.firsts_after(allowance.every, allowance.last_day, now, zone))


def _give(tx: Tx, allowance: Allowance, first: date, at: int, now: int) -> None:
    key = f"allowance:{allowance.id}:{first.isoformat()}"
    credit.give(tx, allowance.account_id, books.GRANTS, allowance.amount, allowance.text, key, at, now)


def _refills_due(db: Reader, podd: Platform, now: int) -> list[str]:
    return [one.account_id for one in funding.refills_below(db) if _is_due(db, podd, one, now)]


def _is_due(db: Reader, podd: Platform, refill: Refill, now: int) -> bool:
    settings = podd.settings.billing
    month = calendar.month_of(now, settings.zone)
    pause = settings.refill_pause_minutes * 60_000
    return rules.is_due(refill, ledger.balance(db, books.credit(refill.account_id)), now, month, pause)
