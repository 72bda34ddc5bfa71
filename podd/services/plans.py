"""Savings plans: bought by their owner, or by the operator for an account. Meters go by them
(`services/billing.py`)."""

from podd import ids
from podd.domain import ledger as books
from podd.domain import plan as rules
from podd.domain.account import Caller, require
from podd.domain.billing import DAY_MS, SAVINGS_PLAN
from podd.domain.errors import Invalid, NoFunds
from podd.domain.ledger import Posting
from podd.domain.money import prose, prose_time
from podd.domain.plan import Plan
from podd.services import accounts, credit, funds
from podd.services.platform import BILLING, Platform
from podd.store import events, gpus, ledger, plans
from podd.store.db import Reader, Tx


def buy(
    tx: Tx,
    podd: Platform,
    caller: Caller,
    account: str | None,
    gpu_type_id: str,
    count: int,
    months: int,
    key: str,
    now: int,
) -> Plan:
    """Pay `count` GPUs of a type for a term in advance, out of the credit of the caller's account, or of the
    one the operator names. Said again with the same `key` it buys nothing more. Raises Invalid, NoFunds,
    NotFound."""
    require(caller, "plan.buy")
    if account is not None:
        require(caller, "credit.post")
    account_id = (accounts.named(tx, account) if account is not None else accounts.own(tx, caller)).id
    if before := plans.by_key(tx, account_id, key):
        return before
    plan = _plan(tx, podd, account_id, gpu_type_id, count, months, key, now)
    left = credit.balance(tx, account_id)
    if funds.enforced(podd) and left < plan.price:
        raise NoFunds(f"The plan costs {prose(plan.price)} in advance, and the balance is {prose(left)}.")
    plans.insert(tx, plan)
    tx.note_change("savings_plans", plan.id)
    ledger.post(tx, _payment(plan))
    text = f"{count} x {gpu_type_id} until {prose_time(plan.ends_at)} for {prose(plan.price)}"
    events.add(tx, account_id, "plan bought", text, now)
    tx.ring(BILLING)
    return plan


def of_account(db: Reader, account_id: str) -> list[Plan]:
    """Also those that are over, oldest first."""
    return plans.of_account(db, account_id)


# Private


def _plan(
    tx: Tx, podd: Platform, account_id: str, gpu_type_id: str, count: int, months: int, key: str, now: int
) -> Plan:
    settings = podd.settings
    if settings.billing.mode == "off":
        raise Invalid("Nothing is charged here, so there is nothing to save.")
    discounts = settings.billing.plan_discounts
    if months not in discounts:
        raise Invalid(f"months: a savings plan lasts {' or '.join(map(str, sorted(discounts)))} months.")
    gpu_type = podd.gpu_types(tx).get(gpu_type_id)
    if gpu_type is None:
        raise Invalid(f"This machine has no {gpu_type_id!r}; it has {', '.join(podd.gpu_types(tx))}.")
    there = sum(podd.catalogue.type_of(gpu).id == gpu_type.id for gpu in gpus.all_present(tx))
    if not 1 <= count <= there:
        raise Invalid(f"count: this machine has {there} x {gpu_type.id}.")
    lasts = months * settings.prices.month_days * DAY_MS
    hourly = gpu_type.hourly(settings.machine.cloud_type)
    return Plan(
        id=ids.new_id(),
        account_id=account_id,
        key=key,
        gpu_type_id=gpu_type.id,
        gpu_count=count,
        months=months,
        price=rules.price(hourly, gpus=count, lasts=lasts, discount=discounts[months]),
        begins_at=now,
        ends_at=now + lasts,
    )


def _payment(plan: Plan) -> Posting:
    return Posting(
        key=f"plan:{plan.id}",
        at=plan.begins_at,
        source=books.credit(plan.account_id),
        target=books.PLANS,
        amount=plan.price,
        text=f"savings plan: {plan.gpu_count} x {plan.gpu_type_id} for {plan.months} months",
        account_id=plan.account_id,
        resource=plan.id,
        item=SAVINGS_PLAN,
        gpu_type_id=plan.gpu_type_id,
    )
