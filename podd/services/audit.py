"""Keeping the audit log, and reading it.

No verb writes to it. Each passes `require` and runs in a transaction that knows which rows it changed; what
follows from both is written at the end of that transaction. Who was not allowed to is noted by the edge,
after the request: nothing was changed, so there is no transaction to be part of.
"""

from collections.abc import Sequence
from dataclasses import replace

from podd.domain.account import Caller, CallerKind, Origin, require
from podd.domain.audit import Entry, Outcome, Wish, is_recorded
from podd.domain.errors import NotFound
from podd.services.platform import Platform
from podd.store import accounts, audit
from podd.store.db import Reader, Tx

_TABLES = {
    "pod": "workloads",
    "endpoint": "endpoints",
    "template": "templates",
    "registry": "registry_credentials",
    "secret": "secrets",
    "volume": "network_volumes",
    "account": "accounts",
    "credit": "accounts",
    "voucher": "accounts",
    "quota": "accounts",
    "plan": "savings_plans",
    "team": "accounts",
    "key": "api_keys",
    "session": "sessions",
    "gpu": "gpus",
    "job": "jobs",
}
"""Whose rows an operation is about, by its first word; for others it is the first row that was changed."""

_ABOUT_ALL = frozenset({"secret.rotate"})
_NOWHERE = Origin()


def keep_up(tx: Tx, podd: Platform) -> None:
    """Write down what this verb was allowed to do and did. Where no row was changed, nothing was done."""
    changed = list(tx.changed)
    for caller, operation in list(tx.allowed) if changed else ():
        if is_recorded(operation, jobs=podd.settings.audit.jobs):
            table, thing = ("", "") if operation in _ABOUT_ALL else _about(operation, changed)
            account_id = audit.owner_of(tx, table, thing) or caller.account_id
            entry = _entry(caller, operation, podd.clock.now(), Outcome.DONE)
            audit.add(tx, replace(entry, account_id=account_id, thing=thing))


def note_refused(tx: Tx, podd: Platform, caller: Caller, operations: Sequence[str]) -> None:
    """Write down what the caller tried without being allowed to."""
    for operation in dict.fromkeys(operations):
        if is_recorded(operation, jobs=podd.settings.audit.jobs):
            audit.add(tx, _entry(caller, operation, podd.clock.now(), Outcome.REFUSED))


def note_done(tx: Tx, podd: Platform, caller: Caller, operation: str, account_id: str, thing: str) -> None:
    """Write down what was done to a thing of that account without changing a row of it."""
    entry = _entry(caller, operation, podd.clock.now(), Outcome.DONE)
    audit.add(tx, replace(entry, account_id=account_id, thing=thing))


def some(db: Reader, caller: Caller, wish: Wish, limit: int, before: int | None = None) -> list[Entry]:
    """The newest entries the caller may see, newest first. Raises NotFound for an account nobody knows."""
    return audit.some(db, _seen_by(db, caller, wish), limit, before)


def after(db: Reader, caller: Caller, wish: Wish, limit: int, number: int) -> list[Entry]:
    """The entries the caller may see after that number, oldest first. Raises NotFound."""
    return audit.after(db, _seen_by(db, caller, wish), limit, number)


# Private


def _about(operation: str, changed: Sequence[tuple[str, str]]) -> tuple[str, str]:
    """The row an operation is about: the first it changed, if it can be, of its own table."""
    table = _TABLES.get(operation.partition(".")[0])
    return next((row for row in changed if row[0] == table), changed[0])


def _entry(caller: Caller, operation: str, now: int, outcome: Outcome) -> Entry:
    origin = caller.origin or _NOWHERE
    return Entry(
        at=now,
        account_id=caller.account_id,
        actor=caller.actor.value,
        user_id=caller.user_id,
        key_id=caller.key_id,
        session_id=caller.session_id,
        workload_id=caller.workload_id,
        address=origin.address,
        surface=origin.surface,
        agent=origin.agent,
        operation=operation,
        thing="",
        outcome=outcome,
    )


def _seen_by(db: Reader, caller: Caller, wish: Wish) -> Wish:
    """Accounts see their own; the operator all, or those of the account named by id or e-mail address."""
    require(caller, "audit.read")
    if caller.kind is not CallerKind.OPERATOR:
        return replace(wish, account_id=caller.account_id)
    if not wish.account_id:
        return wish
    found = accounts.get(db, wish.account_id) or accounts.by_email(db, wish.account_id.strip().lower())
    if found is None:
        raise NotFound(f"There is no account {wish.account_id!r}.")
    return replace(wish, account_id=found.id)
