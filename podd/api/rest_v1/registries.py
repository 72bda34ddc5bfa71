"""/v1/containerregistryauth: credentials that private images are pulled with."""

from litestar import delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from podd.api.context import Call
from podd.api.rest_v1.call import errors
from podd.domain.registry import RegistryCredential
from podd.services import registries
from podd.wire import rest_v1 as wire

ALL = "/containerregistryauth"
ONE = ALL + "/{container_registry_auth_id:str}"


@post(ALL, status_code=200, operation_id="CreateContainerRegistryAuth", responses=errors())
async def create(
    call: NamedDependency[Call], data: JSONBody[wire.ContainerRegistryAuthCreateInput | None] = None
) -> wire.ContainerRegistryAuth:
    """Keep a credential."""
    wish = data or wire.ContainerRegistryAuthCreateInput()
    made = await call.write(
        registries.create,
        call.api.podd,
        call.caller,
        wish.name or "",
        wish.username or "",
        wish.password or "",
        call.api.now,
    )
    return _view(made)


@get(ALL, operation_id="ListContainerRegistryAuths", responses=errors())
async def list_all(call: NamedDependency[Call]) -> list[wire.ContainerRegistryAuth]:
    """The account's credentials, without their passwords."""
    return [_view(credential) for credential in await call.read(registries.listed, call.caller)]


@get(ONE, operation_id="GetContainerRegistryAuth", responses=errors(404))
async def get_one(
    call: NamedDependency[Call], container_registry_auth_id: FromPath[str]
) -> wire.ContainerRegistryAuth:
    """One credential, without its password."""
    return _view(await call.read(registries.own, call.caller, container_registry_auth_id))


@delete(ONE, operation_id="DeleteContainerRegistryAuth", responses=errors(404))
async def delete_one(call: NamedDependency[Call], container_registry_auth_id: FromPath[str]) -> None:
    """Forget a credential that nothing uses."""
    await call.write(registries.delete, call.caller, container_registry_auth_id)


HANDLERS = [create, list_all, get_one, delete_one]


def _view(credential: RegistryCredential) -> wire.ContainerRegistryAuth:
    return wire.ContainerRegistryAuth(id=credential.id, name=credential.name, username=credential.username)
