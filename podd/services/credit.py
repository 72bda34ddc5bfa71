"""Credit: what the operator gives and takes, and what an account has left.

Everything is a posting. Nothing is paid back through an API; a correction with its reason sets right what
went wrong.
"""

from collections.abc import Iterable
from datetime import datetime

from podd.domain import ledger as books
from podd.domain.account import Account, Caller, require
from podd.domain.arrears import CREDIT_ADDED
from podd.domain.errors import Invalid
from podd.domain.ledger import Posting
from podd.domain.money import prose
from podd.domain.spending import Spent
from podd.services import accounts
from podd.services.platform import BILLING, Platform
from podd.store import events, halts, ledger
from podd.store.db import Reader, Tx

MOST = 1_000_000_000 * 10**9
"""The most that is posted at once: a billion dollars is a slip of the finger."""


def deposit(
    tx: Tx, podd: Platform, caller: Caller, account: str, amount: int, text: str, key: str, now: int
) -> int:
    """Give an account (named by id or e-mail address) `amount` nano-dollars; its balance after that. Said
    again with the same `key` it changes nothing. Raises Invalid, NotFound."""
    require(caller, "credit.post")
    least = podd.settings.billing.min_deposit
    if not least <= amount <= MOST:
        raise Invalid(f"A deposit is at least {prose(least)}.")
    return _post(tx, account, books.DEPOSITS, amount, text or "deposit", f"deposit:{key}", now)


def correct(tx: Tx, caller: Caller, account: str, amount: int, reason: str, key: str, now: int) -> int:
    """Add `amount` nano-dollars to an account, or take them away if it is below zero; its balance after that.
    The reason stands in the books. Raises Invalid, NotFound."""
    require(caller, "credit.post")
    if not reason.strip():
        raise Invalid("A correction needs a reason; it stands in the books.")
    if not 0 < abs(amount) <= MOST:
        raise Invalid("A correction is an amount other than zero.")
    return _post(tx, account, books.CORRECTIONS, amount, reason.strip(), f"correction:{key}", now)


def give(tx: Tx, account_id: str, source: str, amount: int, text: str, key: str, at: int, now: int) -> None:
    """Post credit from `source` as of `at`, once for each key, and let its owner know."""
    before, own = balance(tx, account_id), books.credit(account_id)
    if ledger.post(tx, _posting(account_id, source, own, amount, text, key, at)):
        tx.note_change("accounts", account_id)
        halts.note_credit(tx, account_id, before)
        events.add(tx, account_id, CREDIT_ADDED, f"{prose(amount)}: {text}", now)
        tx.ring(BILLING)


def check_amount(amount: int, what: str) -> None:
    """Raise Invalid unless it can be given."""
    if not 0 < amount <= MOST:
        raise Invalid(f"{what} is an amount above zero, and at most {prose(MOST)}.")


def balance(db: Reader, account_id: str) -> int:
    """Nano-dollars an account has left; below zero is what it owes."""
    return ledger.balance(db, books.credit(account_id))


def lifetime_spending(db: Reader, account_id: str) -> int:
    """Nano-dollars the account was charged in all."""
    return ledger.spent_in_all(db, account_id, books.credit(account_id))


def statement(
    db: Reader, caller: Caller, account: str | None, limit: int
) -> tuple[Account, int, list[Posting]]:
    """An account, as in `of_account`, with its balance and its last postings, newest first."""
    found = of_account(db, caller, account)
    return found, balance(db, found.id), ledger.of_account(db, found.id, limit)


def of_account(db: Reader, caller: Caller, account: str | None) -> Account:
    """The account with this id or e-mail address, which only the operator may name; None: the caller's own.
    Raises NotFound."""
    if account is not None:
        require(caller, "credit.read")
        return accounts.named(db, account)
    require(caller, "billing.read")
    return accounts.own(db, caller)


def spent(db: Reader, caller: Caller, begin: datetime, end: datetime, items: Iterable[str]) -> list[Spent]:
    """What the caller's account was charged for these items from `begin` up to `end`, which are whole hours,
    by hour and resource."""
    require(caller, "billing.read")
    span = [round(at.timestamp() * 1000) for at in (begin, end)]
    return ledger.spent(db, caller.account_id, span[0], span[1], items)


def check_books(db: Reader) -> list[str]:
    """What is wrong with the books, as sentences: nothing, ever."""
    balances, sums = ledger.balances(db), ledger.sums(db)
    wrong = [
        f"the balance of {name} is {balances.get(name, 0)}, its postings come to {sums.get(name, 0)}"
        for name in sorted(balances.keys() | sums.keys())
        if balances.get(name, 0) != sums.get(name, 0)
    ]
    left = sum(sums.values())
    return [*wrong, f"all accounts together are {left} and not 0"] if left else wrong


# Private


def _post(tx: Tx, account: str, other: str, amount: int, text: str, key: str, now: int) -> int:
    found = accounts.named(tx, account)
    if amount > 0:
        give(tx, found.id, other, amount, text, key, now, now)
    elif ledger.post(tx, _posting(found.id, books.credit(found.id), other, -amount, text, key, now)):
        tx.note_change("accounts", found.id)
        tx.tell("credit taken", account=found.id, amount=amount, key=key)
        tx.ring(BILLING)
    return balance(tx, found.id)


def _posting(account_id: str, source: str, target: str, amount: int, text: str, key: str, at: int) -> Posting:
    return Posting(
        key=key, at=at, source=source, target=target, amount=amount, text=text, account_id=account_id
    )
