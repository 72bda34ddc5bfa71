"""Accounts, and who a presented key belongs to."""

import hmac
from collections.abc import Mapping
from typing import Any

from podd import ids
from podd.domain import account as rules
from podd.domain.account import EVERYTHING, Account, AccountKind, ApiKey, Caller, CallerKind, Scope
from podd.domain.errors import Conflict, Forbidden, Invalid, NotFound
from podd.ids import DerivedKeys
from podd.store import accounts, keys, workloads
from podd.store.db import Reader, Tx


def create(
    tx: Tx,
    caller: Caller,
    email: str,
    name: str | None,
    now: int,
    kind: AccountKind = AccountKind.PERSONAL,
) -> tuple[Account, ApiKey, str]:
    """A new account with its first API key; the key itself is only ever given here. Raises Conflict."""
    rules.require(caller, "account.create")
    account = _new(tx, email, name, now, kind)
    key, secret = make_key(tx, account.id, account.id, "first key", now)
    return account, key, secret


def sign_up(tx: Tx, caller: Caller, email: str, name: str | None, now: int) -> Account:
    """A new personal account that somebody makes for themselves. Raises Conflict."""
    rules.require(caller, "account.sign_up")
    return _new(tx, email, name, now, AccountKind.PERSONAL)


def make_key(
    tx: Tx,
    account_id: str,
    user_id: str,
    name: str,
    now: int,
    scope: Scope = EVERYTHING,
    expires_at: int | None = None,
) -> tuple[ApiKey, str]:
    """A key of a person in an account, and the key itself, which is only ever given here."""
    secret = ids.api_key()
    key = ApiKey(
        id=ids.new_id(),
        account_id=account_id,
        user_id=user_id,
        name=name,
        created_at=now,
        scope=scope,
        expires_at=expires_at,
    )
    keys.insert(tx, key, ids.key_hash(secret))
    tx.tell("key created", key=key.id, account=account_id, user=user_id, scope=scope.kind.value)
    return key, secret


def set_ssh_keys(tx: Tx, caller: Caller, pub_key: str) -> Account:
    """Replace the account's SSH public keys, one in a line. Raises Invalid for a line that is none."""
    rules.require(caller, "account.change")
    keys = rules.checked_ssh_keys(pub_key)
    accounts.change(tx, caller.account_id, pub_key="\n\n".join(keys))
    return own(tx, caller)


def change_extras(tx: Tx, caller: Caller, extras: Mapping[str, Any]) -> Account:
    """Keep settings that are only stored and read back; what is not named stays as it is."""
    rules.require(caller, "account.change")
    known = own(tx, caller).extras
    accounts.change(tx, caller.account_id, extras={**known, **extras})
    return own(tx, caller)


def named(db: Reader, account: str) -> Account:
    """The account with this id or e-mail address, for the operator. Raises NotFound."""
    found = accounts.get(db, account) or accounts.by_email(db, account.strip().lower())
    if found is None:
        raise NotFound(f"There is no account {account!r}; `podd accounts create` makes one.")
    return found


def own(db: Reader, caller: Caller) -> Account:
    """The caller's account."""
    rules.require(caller, "account.read")
    account = accounts.get(db, caller.account_id)
    assert account is not None, "a key belongs to an account"
    return account


def for_caller(db: Reader, caller: Caller, account: str) -> Account:
    """The account an operation is about: for the operator the one named by id or e-mail address, else the
    caller's own, which need not be named. Raises NotFound."""
    if caller.kind is not CallerKind.OPERATOR:
        mine = own(db, caller)
        if account.strip().lower() not in ("", mine.id, mine.email):
            raise NotFound("account not found")
        return mine
    if not account:
        raise Invalid("account: name it by its id or e-mail address.")
    return named(db, account)


def listed(db: Reader, caller: Caller) -> list[Account]:
    """All accounts, for the operator, the oldest first."""
    rules.require(caller, "account.list")
    return accounts.every(db)


def owner_of(db: Reader, caller: Caller, thing_id: str) -> tuple[str, Account]:
    """What a thing is, in one word, and whose, for the operator. Raises NotFound."""
    rules.require(caller, "account.list")
    for kind, account_id in accounts.owners(db, thing_id):
        account = accounts.get(db, account_id)
        if account is not None:
            return kind, account
    raise NotFound(f"Nothing here has the id {thing_id!r}.")


def in_place_of(db: Reader, caller: Caller, account: str) -> Caller:
    """The operator in the place of the account with this id or e-mail address: allowed what its admin is, and
    written down as the operator. Raises Forbidden for anybody else, NotFound."""
    if caller.kind is not CallerKind.OPERATOR:
        raise Forbidden("Only the operator acts in the place of an account.")
    return Caller(CallerKind.ACCOUNT, named(db, account).id, in_place=True, origin=caller.origin)


def caller_of(
    db: Reader, presented: str, derived: DerivedKeys, operator_key_hash: str, now: int
) -> Caller | None:
    """Whose key this is; None for one podd does not know (any more)."""
    caller = caller_by_hash(db, ids.key_hash(presented), operator_key_hash, now)
    if caller is not None:
        return caller
    workload_id = derived.pod_of(presented)
    workload = workloads.get(db, workload_id) if workload_id else None
    if workload is None:
        return None
    return Caller(CallerKind.WORKLOAD, account_id=workload.account_id, workload_id=workload.id)


def caller_by_hash(db: Reader, key_hash: str, operator_key_hash: str, now: int) -> Caller | None:
    """Whose key has this hash: the operator's, or one of an account."""
    if hmac.compare_digest(key_hash, operator_key_hash):
        return rules.OPERATOR
    found = keys.by_hash(db, key_hash, now)
    if found is not None:
        key, role = found
        return Caller(
            CallerKind.ACCOUNT,
            account_id=key.account_id,
            key_id=key.id,
            user_id=key.user_id,
            role=role,
            scope=key.scope,
        )
    return None


# Private


def _new(tx: Tx, email: str, name: str | None, now: int, kind: AccountKind) -> Account:
    email = rules.checked_email(email)
    if accounts.by_email(tx, email):
        raise Conflict(f"There is already an account for {email}.")
    account = Account(
        id=ids.account_id(),
        email=email,
        name=name or email.partition("@")[0],
        pub_key="",
        created_at=now,
        kind=kind,
    )
    accounts.insert(tx, account)
    tx.tell("account created", account=account.id)
    return account
