"""/v2/registries: credentials for private images. Delegations need RunPod's own account at AWS."""

from litestar import HttpMethod

from podd.api.rest_v2.containers import refused_as_invalid
from podd.api.rest_v2.operation import Call, operation
from podd.api.rest_v2.pages import page
from podd.domain.account import require
from podd.domain.errors import NotAvailable, NotFound
from podd.domain.registry import RegistryCredential
from podd.services import registries
from podd.wire import rest_v2 as wire


@operation(
    HttpMethod.GET,
    "/registries",
    id="listRegistries",
    query=wire.PageQuery,
    answer=wire.ListRegistriesResponse,
)
async def list_registries(call: Call, query: wire.PageQuery) -> wire.ListRegistriesResponse:
    """The account's registry credentials, without their passwords."""
    every = await call.read(registries.listed, call.caller)
    found, pagination = page(every, query, lambda credential: (credential.created_at, credential.id))
    return wire.ListRegistriesResponse(registries=[_view(one) for one in found], pagination=pagination)


@operation(
    HttpMethod.POST,
    "/registries",
    id="createRegistry",
    status=201,
    body=wire.CreateRegistryRequest,
    answer=wire.Registry,
)
async def create_registry(call: Call, wish: wire.CreateRegistryRequest) -> wire.Registry:
    """Keep a credential."""
    api = call.api
    with refused_as_invalid():
        made = await call.write(
            registries.create, api.podd, call.caller, wish.name, wish.username, wish.password, api.now
        )
    return _view(made)


@operation(HttpMethod.GET, "/registries/{id}", id="getRegistry", answer=wire.Registry)
async def get_registry(call: Call, credential_id: str) -> wire.Registry:
    """One credential, without its password."""
    return _view(await call.read(registries.own, call.caller, credential_id))


@operation(HttpMethod.DELETE, "/registries/{id}", id="deleteRegistry", status=204)
async def delete_registry(call: Call, credential_id: str) -> None:
    """Forget a credential that nothing uses."""
    with refused_as_invalid():
        await call.write(registries.delete, call.caller, credential_id)


@operation(
    HttpMethod.GET, "/registries/delegations", id="listDelegations", answer=wire.ListDelegationsResponse
)
async def list_delegations(call: Call) -> wire.ListDelegationsResponse:
    """There are none."""
    require(call.caller, "registry.read")
    return wire.ListDelegationsResponse(delegations=[])


@operation(
    HttpMethod.POST,
    "/registries/delegations",
    id="createDelegation",
    status=201,
    body=wire.CreateDelegationRequest,
    answer=wire.EcrDelegation,
)
async def create_delegation(call: Call, wish: wire.CreateDelegationRequest) -> None:  # noqa: ARG001
    """Not offered."""
    require(call.caller, "registry.save")
    raise NotAvailable("podd has no delegations; save a registry credential instead.")


@operation(HttpMethod.DELETE, "/registries/delegations/{id}", id="revokeDelegation", status=204)
async def revoke_delegation(call: Call, delegation_id: str) -> None:  # noqa: ARG001
    """There are none to revoke."""
    require(call.caller, "registry.save")
    raise NotFound("delegation not found")


HANDLERS = [
    list_registries,
    create_registry,
    get_registry,
    delete_registry,
    list_delegations,
    create_delegation,
    revoke_delegation,
]


def _view(credential: RegistryCredential) -> wire.Registry:
    return wire.Registry(id=credential.id, name=credential.name, username=credential.username)
