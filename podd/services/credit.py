"""Credit: what the operator gives and takes, and what an account has left.

Everything is a posting. Nothing is paid back through an API; a correction with its reason sets right what
went wrong.
"""

from collections.abc import Iterable
from datetime import datetime

from podd.domain import ledger as books
from podd.domain.account import Account, Caller, require
from podd.domain.errors import Invalid, NotFound
from podd.domain.ledger import Posting
from podd.domain.spending import Spent
from podd.services.platform import BILLING, Platform
from podd.store import accounts, ledger
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
        raise Invalid(f"A deposit is at least ${least / 10**9:g}.")
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


def balance(db: Reader, account_id: str) -> int:
    """Nano-dollars an account has left; below zero is what it owes."""
    return ledger.balance(db, books.credit(account_id))


def lifetime_spending(db: Reader, account_id: str) -> int:
    """Nano-dollars the account was charged in all."""
    return ledger.spent_in_all(db, account_id)


def statement(db: Reader, caller: Caller, account: str, limit: int) -> tuple[Account, int, list[Posting]]:
    """An account with its balance and its last postings, newest first. Raises NotFound."""
    require(caller, "credit.read")
    found = _account(db, account)
    return found, balance(db, found.id), ledger.of_account(db, found.id, limit)


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
    found = _account(tx, account)
    own = books.credit(found.id)
    source, target = (other, own) if amount > 0 else (own, other)
    posting = Posting(
        key=key, at=now, source=source, target=target, amount=abs(amount), text=text, account_id=found.id
    )
    if ledger.post(tx, posting):
        tx.note_change("accounts", found.id)
        tx.tell("credit posted", account=found.id, amount=amount, key=key)
        tx.ring(BILLING)
    return balance(tx, found.id)


def _account(db: Reader, account: str) -> Account:
    found = accounts.get(db, account) or accounts.by_email(db, account.strip().lower())
    if found is None:
        raise NotFound(f"There is no account {account!r}; `podd account create` makes one.")
    return found
