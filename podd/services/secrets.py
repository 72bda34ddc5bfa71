"""Secrets: kept for their owner, filled into the environments of containers, never shown again."""

from collections.abc import Mapping

from podd import ids
from podd.domain import secret as rules
from podd.domain.account import Caller, require
from podd.domain.errors import Conflict, Invalid, NotFound
from podd.domain.secret import Secret
from podd.services.platform import Platform
from podd.store import secrets
from podd.store.db import Reader, Tx

MAX_VALUE = 64 * 1024


def listed(db: Reader, caller: Caller) -> list[Secret]:
    require(caller, "secret.read")
    return secrets.of_account(db, caller.account_id)


def own(db: Reader, caller: Caller, secret_id: str, operation: str = "read") -> Secret:
    """The caller's secret, without its value. Raises NotFound."""
    require(caller, f"secret.{operation}")
    found = secrets.get(db, secret_id)
    if found is None or found.account_id != caller.account_id:
        raise NotFound("secret not found")
    return found


def create(
    tx: Tx, podd: Platform, caller: Caller, name: str, value: str, description: str, now: int
) -> Secret:
    """Keep a secret. Raises Conflict for a name that is taken."""
    require(caller, "secret.save")
    name = rules.checked_name(name)
    if secrets.by_name(tx, caller.account_id, name):
        raise Conflict(f"There is already a secret named {name!r}; choose another name.")
    secret = Secret(
        id=ids.new_id(25),
        account_id=caller.account_id,
        name=name,
        description=description,
        created_at=now,
        updated_at=now,
    )
    secrets.insert(tx, secret, _sealed(podd, secret.id, value))
    return secret


def change(
    tx: Tx,
    podd: Platform,
    caller: Caller,
    secret_id: str,
    value: str | None,
    description: str | None,
    now: int,
) -> Secret:
    """Give a secret another value or description; None: left as it is. Raises NotFound."""
    found = own(tx, caller, secret_id, "save")
    if value is not None:
        secrets.change(tx, found.id, sealed_value=_sealed(podd, found.id, value), updated_at=now)
    if description is not None:
        secrets.change(tx, found.id, description=description)
    return own(tx, caller, secret_id)


def delete(tx: Tx, caller: Caller, secret_id: str) -> None:
    """Forget a secret. Containers that were started with it keep its value until they end."""
    secrets.delete(tx, own(tx, caller, secret_id, "save").id)


def check_known(db: Reader, account_id: str, env: Mapping[str, str]) -> None:
    """Raise Invalid when the environment names a secret the account does not have."""
    for name in sorted(rules.named_in(env)):
        if secrets.by_name(db, account_id, name) is None:
            raise Invalid(f"env: there is no secret named {name!r}; create it first.")


def filled_env(db: Reader, podd: Platform, account_id: str, env: Mapping[str, str]) -> dict[str, str]:
    """The environment with the account's secrets filled in. Raises Invalid for one that is gone."""
    check_known(db, account_id, env)

    def value_of(name: str) -> str:
        secret = secrets.by_name(db, account_id, name)
        assert secret is not None, "checked above, in the same snapshot"
        return podd.sealer.open(secrets.sealed_value(db, secret.id), _purpose(secret.id))

    return rules.filled(env, value_of)


def _sealed(podd: Platform, secret_id: str, value: str) -> str:
    if not value or len(value.encode()) > MAX_VALUE or "\0" in value:
        raise Invalid("value must be a text of 1 to 65536 bytes.")
    return podd.sealer.seal(value, _purpose(secret_id))


def _purpose(secret_id: str) -> str:
    return f"secret:{secret_id}"
