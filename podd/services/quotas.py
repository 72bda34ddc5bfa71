"""Quotas of accounts and their members: the machine's settings, or what the operator has set for one."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from podd.domain import idle
from podd.domain import quota as rules
from podd.domain.account import Caller, require
from podd.domain.errors import Invalid
from podd.domain.idle import Policy
from podd.domain.quota import MEMBER, NAMES, Use
from podd.services.accounts import named
from podd.services.platform import Platform
from podd.store import quotas
from podd.store.db import Reader, Tx


@dataclass(frozen=True, slots=True)
class Quota:
    """`allowed` 0 is no limit; `used` is None where nothing is counted. `own`: set for this account."""

    name: str
    used: int | None
    allowed: int
    own: bool


def check(db: Reader, podd: Platform, account_id: str, member: str, more: Use) -> None:
    """Raise OverQuota unless the account, and its member who wants it, may have more."""
    allowed = _allowed(db, podd, account_id)
    if any(allowed[name] for name in NAMES):
        rules.check(quotas.use(db, account_id), more, allowed)
        rules.check(quotas.use(db, account_id, member), more, allowed, member=True)


def lifetime_hours(db: Reader, podd: Platform, account_id: str) -> int:
    return _allowed(db, podd, account_id)[rules.LIFETIME]


def idle_policy(db: Reader, podd: Platform, account_id: str) -> Policy:
    values = _allowed(db, podd, account_id)
    return Policy(*(values[name] for name in idle.NAMES))


def own(db: Reader, podd: Platform, caller: Caller) -> list[Quota]:
    """The quotas that the caller is held to."""
    require(caller, "account.read")
    return _listed(db, podd, caller.account_id, caller.member)


def of_account(db: Reader, podd: Platform, caller: Caller, account: str) -> list[Quota]:
    """Those of an account, named by id or e-mail address, for the operator; what single members use is not
    said. Raises NotFound."""
    require(caller, "quota.change")
    return _listed(db, podd, named(db, account).id, None)


def change(
    tx: Tx, podd: Platform, caller: Caller, account: str, amounts: Mapping[str, int | None]
) -> list[Quota]:
    """Set quotas of one account; None: the machine's setting counts again. Raises Invalid, NotFound."""
    require(caller, "quota.change")
    found = named(tx, account)
    tx.note_change("accounts", found.id)
    for name, amount in amounts.items():
        if name not in (*NAMES, *idle.NAMES):
            raise Invalid(f"There is no quota {name!r}; there are {', '.join((*NAMES, *idle.NAMES))}.")
        if amount is None:
            quotas.drop(tx, found.id, name)
        else:
            check_one = idle.checked if name in idle.NAMES else rules.checked
            quotas.put(tx, found.id, name, check_one(name, amount))
        tx.tell("quota changed", account=found.id, quota=name, amount=amount)
    return of_account(tx, podd, caller, found.id)


def sentences(db: Reader, podd: Platform, account_id: str, kind: str) -> list[str]:
    """What an account has reached of the quotas that a `kind` of workload (pods, workers) counts in."""
    allowed, used = _allowed(db, podd, account_id), asdict(quotas.use(db, account_id))
    return [
        f"The account uses {used[name]} of the {allowed[name]} {rules.KINDS[name]} that it may have."
        for name in ("gpus", kind)
        if allowed[name]
    ]


# Private


def _allowed(db: Reader, podd: Platform, account_id: str) -> dict[str, int]:
    settings = podd.settings
    machine = {name: int(getattr(settings.quotas, name)) for name in NAMES}
    policy = (settings.idle.percent, settings.idle.window_minutes, settings.idle.grace_minutes)
    return {**machine, **dict(zip(idle.NAMES, policy, strict=True)), **quotas.of_account(db, account_id)}


def _listed(db: Reader, podd: Platform, account_id: str, member: str | None) -> list[Quota]:
    allowed, set_here = _allowed(db, podd, account_id), quotas.of_account(db, account_id)
    used: dict[str, int] = asdict(quotas.use(db, account_id))
    if member is not None:
        mine = asdict(quotas.use(db, account_id, member))
        used |= {MEMBER + kind: count for kind, count in mine.items()}
    names = (*NAMES, *idle.NAMES)
    return [Quota(name, used.get(name), allowed[name], name in set_here) for name in names]
