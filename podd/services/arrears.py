"""Accounts whose credit is at an end: what they run is stopped, and may run again once there is credit."""

from podd.domain import funds as rules
from podd.domain.ledger import credit
from podd.services import billing, pods, workers
from podd.services.funds import enforced
from podd.services.platform import AUTOSCALE, Platform
from podd.store import accounts, endpoints, halts, ledger, workloads
from podd.store.db import Reader, Tx


async def tick(podd: Platform, now: int) -> None:
    """Look at every account; only those whose state changes cost a transaction."""
    for account_id in await podd.store.read(_to_settle, podd):
        await podd.store.write(settle, podd, account_id, now)


def settle(tx: Tx, podd: Platform, account_id: str, now: int) -> None:
    """Halt the account, or let it go on, as its credit has it."""
    if not _is_to_change(tx, podd, account_id):
        return
    if halts.get(tx, account_id) is not None:
        halts.end(tx, account_id)
        tx.tell("account goes on", account=account_id)
    else:
        halts.begin(tx, account_id, ledger.balance(tx, credit(account_id)), now)
        tx.tell("account halted", account=account_id)
        _stop_everything(tx, podd, account_id, now)
    tx.ring(AUTOSCALE)


# Private


def _to_settle(db: Reader, podd: Platform) -> list[str]:
    return [account_id for account_id in accounts.ids(db) if _is_to_change(db, podd, account_id)]


def _is_to_change(db: Reader, podd: Platform, account_id: str) -> bool:
    balance, halted_with = ledger.balance(db, credit(account_id)), halts.get(db, account_id)
    if halted_with is not None:
        # What is stopped costs little, so its rate says nothing. Any new credit is a reason to go on.
        return not enforced(podd) or balance > halted_with
    minutes = podd.settings.billing.low_cover_minutes
    return enforced(podd) and not rules.covers(balance, billing.hourly(db, account_id), minutes)


def _stop_everything(tx: Tx, podd: Platform, account_id: str, now: int) -> None:
    minutes = podd.settings.billing.low_cover_minutes
    reason = f"The account's credit does not cover {minutes} more minutes of what it runs."
    for pod in workloads.pods_of(tx, account_id):
        pods.halt(tx, podd, pod, reason, now)
    for endpoint in endpoints.of_account(tx, account_id):
        for worker in workloads.workers_of(tx, endpoint.id):
            workers.see_off(tx, podd, worker, "its account has no credit left", now)
