"""Accounts, API keys, and who a presented key belongs to."""

import hmac
from collections.abc import Mapping
from typing import Any

from podd import ids
from podd.domain import account as rules
from podd.domain.account import Account, ApiKey, Caller, CallerKind
from podd.domain.errors import Conflict, NotFound
from podd.domain.template import checked_name
from podd.ids import DerivedKeys
from podd.store import accounts, workloads
from podd.store.db import Reader, Tx


def create(tx: Tx, caller: Caller, email: str, name: str | None, now: int) -> tuple[Account, ApiKey, str]:
    """A new account with its first API key; the key itself is only ever given here. Raises Conflict."""
    rules.require(caller, "account.create")
    account = _new(tx, email, name, now)
    key, secret = _new_key(tx, account, "first key", now)
    return account, key, secret


def sign_up(tx: Tx, caller: Caller, email: str, name: str | None, now: int) -> Account:
    """A new account that somebody makes for themselves. Raises Conflict."""
    rules.require(caller, "account.sign_up")
    return _new(tx, email, name, now)


def create_key(tx: Tx, caller: Caller, account: str, name: str | None, now: int) -> tuple[ApiKey, str]:
    """One more API key for an account named by id or e-mail address."""
    rules.require(caller, "key.create")
    found = accounts.get(tx, account) or accounts.by_email(tx, account.strip().lower())
    if found is None:
        raise NotFound(f"There is no account {account!r}; `podd account create` makes one.")
    return _new_key(tx, found, checked_name(name or "key"), now)


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


def own(db: Reader, caller: Caller) -> Account:
    """The caller's account."""
    rules.require(caller, "account.read")
    account = accounts.get(db, caller.account_id)
    assert account is not None, "a key belongs to an account"
    return account


def keys_of(db: Reader, caller: Caller) -> list[ApiKey]:
    """The account's API keys, without the keys themselves."""
    rules.require(caller, "account.read")
    return accounts.keys_of(db, caller.account_id)


def caller_of(db: Reader, presented: str, keys: DerivedKeys, operator_key_hash: str) -> Caller | None:
    """Whose key this is; None for one podd does not know."""
    key_hash = ids.key_hash(presented)
    if hmac.compare_digest(key_hash, operator_key_hash):
        return rules.OPERATOR
    key = accounts.key_by_hash(db, key_hash)
    if key is not None:
        return Caller(CallerKind.ACCOUNT, account_id=key.account_id, key_id=key.id)
    workload_id = keys.pod_of(presented)
    workload = workloads.get(db, workload_id) if workload_id else None
    if workload is None:
        return None
    return Caller(CallerKind.WORKLOAD, account_id=workload.account_id, workload_id=workload.id)


def _new(tx: Tx, email: str, name: str | None, now: int) -> Account:
    email = rules.checked_email(email)
    if accounts.by_email(tx, email):
        raise Conflict(f"There is already an account for {email}.")
    account = Account(
        id=ids.account_id(), email=email, name=name or email.partition("@")[0], pub_key="", created_at=now
    )
    accounts.insert(tx, account)
    tx.tell("account created", account=account.id)
    return account


def _new_key(tx: Tx, account: Account, name: str, now: int) -> tuple[ApiKey, str]:
    secret = ids.api_key()
    key = ApiKey(id=ids.new_id(), account_id=account.id, name=name, created_at=now)
    accounts.insert_key(tx, key, ids.key_hash(secret))
    tx.tell("key created", key=key.id, account=account.id)
    return key, secret
