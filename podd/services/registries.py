"""Registry credentials: saved by their owner, used for pulls, never shown."""

from podd import ids
from podd.domain.account import Caller, require
from podd.domain.container import ImageUse, RegistryAuth
from podd.domain.errors import Conflict, Invalid, NotFound
from podd.domain.registry import RegistryCredential
from podd.domain.template import checked_name
from podd.services.platform import Platform
from podd.store import registries, templates, workloads
from podd.store.db import Reader, Tx


def listed(db: Reader, caller: Caller) -> list[RegistryCredential]:
    require(caller, "registry.read")
    return registries.of_account(db, caller.account_id)


def own(db: Reader, caller: Caller, credential_id: str, operation: str = "read") -> RegistryCredential:
    """The caller's credential. Raises NotFound."""
    require(caller, f"registry.{operation}")
    found = registries.get(db, credential_id)
    if found is None or found.account_id != caller.account_id:
        raise NotFound("registry credential not found")
    return found


def create(
    tx: Tx, podd: Platform, caller: Caller, name: str, username: str, password: str, now: int
) -> RegistryCredential:
    """Keep a credential. Raises Conflict for a name that is taken."""
    require(caller, "registry.save")
    name = checked_name(name)
    _check_complete(username, password)
    if registries.by_name(tx, caller.account_id, name):
        raise Conflict(f"There is already a registry credential named {name!r}; choose another name.")
    credential = RegistryCredential(
        id=ids.new_id(25), account_id=caller.account_id, name=name, username=username, created_at=now
    )
    registries.insert(tx, credential, podd.sealer.seal(password, _purpose(credential.id)))
    return credential


def change(
    tx: Tx, podd: Platform, caller: Caller, credential_id: str, username: str, password: str
) -> RegistryCredential:
    """Give a credential another user name and password. Raises NotFound, Invalid."""
    found = own(tx, caller, credential_id, "save")
    _check_complete(username, password)
    sealed = podd.sealer.seal(password, _purpose(found.id))
    registries.change(tx, found.id, username=username, sealed_password=sealed)
    return own(tx, caller, credential_id)


def delete(tx: Tx, caller: Caller, credential_id: str) -> None:
    """Forget a credential that nothing uses. Raises NotFound, Conflict."""
    found = own(tx, caller, credential_id, "save")
    if workloads.using_registry_credential(tx, found.id) or templates.using_registry_credential(tx, found.id):
        raise Conflict("This registry credential is in use by a pod, template or endpoint.")
    registries.delete(tx, found.id)


def check_own(db: Reader, caller: Caller, credential_id: str) -> None:
    """Raise NotFound unless the id is empty or a credential of the caller's."""
    if credential_id:
        own(db, caller, credential_id)


def auth_for(db: Reader, podd: Platform, use: ImageUse) -> RegistryAuth | None:
    """What to pull the image with."""
    credential = registries.get(db, use.credential_id)
    if credential is None or credential.account_id != use.account_id:
        return None
    password = podd.sealer.open(registries.sealed_password(db, credential.id), _purpose(credential.id))
    return RegistryAuth(credential.username, password, credential.name)


def _check_complete(username: str, password: str) -> None:
    if not username or not password:
        raise Invalid("username and password are required.")


def _purpose(credential_id: str) -> str:
    return f"registry:{credential_id}"
