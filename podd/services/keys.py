"""API keys: made, listed, changed and revoked by who they are for, by admins of the account, and by the
operator."""

from podd.domain import account as rules
from podd.domain.account import EVERYTHING, ApiKey, Caller, CallerKind, Role, Scope, ScopeKind
from podd.domain.errors import Invalid, NotFound
from podd.domain.template import checked_name
from podd.services import accounts
from podd.store import accounts as account_rows
from podd.store import endpoints, keys, teams, workloads
from podd.store.db import Reader, Tx


def create(
    tx: Tx,
    caller: Caller,
    name: str | None,
    now: int,
    *,
    account: str = "",
    user: str = "",
    team: str = "",
    scope: Scope = EVERYTHING,
    expires_at: int | None = None,
) -> tuple[ApiKey, str]:
    """A new key, and the key itself, which is only ever given here.

    The operator names the `account`, and the `user` in it unless it is the account's own person. Others make
    one for themselves, in the account whose key they show or, with a key of their own account, in a `team`
    they belong to. Raises Invalid, NotFound.
    """
    rules.require(caller, "key.save")
    account_id, user_id = _for_whom(tx, caller, account, user, team)
    _check_scope(tx, account_id, scope)
    _check_expiry(expires_at, now)
    return accounts.make_key(tx, account_id, user_id, checked_name(name or "key"), now, scope, expires_at)


def listed(db: Reader, caller: Caller, account: str = "") -> list[ApiKey]:
    """The account's keys, without the keys themselves: all for its admins, else the caller's own."""
    rules.require(caller, "key.read")
    found = keys.of_account(db, accounts.for_caller(db, caller, account).id)
    return [key for key in found if _is_for(caller, key)]


def change(
    tx: Tx,
    caller: Caller,
    key_id: str,
    now: int,
    *,
    name: str | None = None,
    scope: Scope | None = None,
    expires_at: int | None = None,
) -> ApiKey:
    """Give a key another name, scope or end; None: left as it is. Raises Invalid, NotFound."""
    key = own(tx, caller, key_id)
    if name is not None:
        keys.change(tx, key.id, name=checked_name(name))
    if scope is not None:
        _check_scope(tx, key.account_id, scope)
        keys.change(tx, key.id, scope=scope)
    if expires_at is not None:
        _check_expiry(expires_at, now)
        keys.change(tx, key.id, expires_at=expires_at)
    tx.tell("key changed", key=key.id, account=key.account_id)
    tx.ring(account_rows.bell(key.account_id))
    return own(tx, caller, key_id)


def revoke(tx: Tx, caller: Caller, key_id: str, now: int) -> ApiKey:
    """From now on it is nobody's. Raises NotFound."""
    key = own(tx, caller, key_id)
    keys.revoke(tx, key.id, now)
    tx.tell("key revoked", key=key.id, account=key.account_id)
    tx.ring(account_rows.bell(key.account_id))
    return key


def own(db: Reader, caller: Caller, key_id: str) -> ApiKey:
    """A key that the caller may change. Raises NotFound."""
    rules.require(caller, "key.save")
    key = keys.get(db, key_id)
    if key is None or not _is_for(caller, key):
        raise NotFound("API key not found")
    return key


# Private


def _is_for(caller: Caller, key: ApiKey) -> bool:
    if caller.kind is CallerKind.OPERATOR:
        return True
    mine = caller.role is Role.ADMIN or key.user_id == caller.user_id
    return mine and key.account_id == caller.account_id


def _for_whom(db: Reader, caller: Caller, account: str, user: str, team: str) -> tuple[str, str]:
    if caller.kind is CallerKind.OPERATOR:
        found = accounts.for_caller(db, caller, account)
        person = accounts.for_caller(db, caller, user) if user else found
        if teams.role_of(db, found.id, person.id) is None:
            raise NotFound(f"{person.email} is no member of {found.email}; `podd teams add` makes one.")
        return found.id, person.id
    if team in ("", caller.account_id):
        return caller.account_id, caller.user_id
    if caller.user_id != caller.account_id or teams.role_of(db, team, caller.user_id) is None:
        raise NotFound("team not found")
    return team, caller.user_id


def _check_scope(db: Reader, account_id: str, scope: Scope) -> None:
    for thing_id in sorted(scope.ids):
        if scope.kind is ScopeKind.ENDPOINTS:
            endpoint = endpoints.get(db, thing_id)
            if endpoint is None or endpoint.account_id != account_id:
                raise NotFound("endpoint not found")
        else:
            pod = workloads.pod(db, thing_id)
            if pod is None or pod.workload.account_id != account_id:
                raise NotFound("pod not found")


def _check_expiry(expires_at: int | None, now: int) -> None:
    if expires_at is not None and expires_at <= now:
        raise Invalid("expiresAt: a key has to expire later than now.")
