"""/v2/account: SSH keys and secrets."""

from litestar import HttpMethod

from podd.api.rest_v2.operation import Call, operation
from podd.api.rest_v2.pages import page
from podd.api.shown import instant
from podd.domain.secret import Secret
from podd.services import accounts, secrets
from podd.wire import rest_v2 as wire

_SECRETS = "/account/secrets"


@operation(HttpMethod.GET, "/account/ssh-keys", id="getSshKeys", answer=wire.SshKeys)
async def get_ssh_keys(call: Call) -> wire.SshKeys:
    """The public keys that may log in to the account's pods."""
    account = await call.read(accounts.own, call.caller)
    return _keys(account.pub_key)


@operation(
    HttpMethod.PUT,
    "/account/ssh-keys",
    id="updateSshKeys",
    body=wire.UpdateSshKeysRequest,
    answer=wire.SshKeys,
)
async def update_ssh_keys(call: Call, wish: wire.UpdateSshKeysRequest) -> wire.SshKeys:
    """Replace all of the account's public keys."""
    account = await call.write(accounts.set_ssh_keys, call.caller, "\n".join(wish.keys))
    return _keys(account.pub_key)


@operation(
    HttpMethod.GET, _SECRETS, id="listSecrets", query=wire.SecretsQuery, answer=wire.ListSecretsResponse
)
async def list_secrets(call: Call, query: wire.SecretsQuery) -> wire.ListSecretsResponse:
    """The account's secrets, without their values."""
    every = await call.read(secrets.listed, call.caller)
    named = [secret for secret in every if query.name in (None, secret.name)]
    found, pagination = page(named, query, lambda secret: (secret.created_at, secret.id))
    return wire.ListSecretsResponse(secrets=[_view(secret) for secret in found], pagination=pagination)


@operation(
    HttpMethod.POST,
    _SECRETS,
    id="createSecret",
    status=201,
    body=wire.CreateSecretRequest,
    answer=wire.Secret,
)
async def create_secret(call: Call, wish: wire.CreateSecretRequest) -> wire.Secret:
    """Keep a secret; `{{ RUNPOD_SECRET_<name> }}` in an environment stands for its value."""
    api = call.api
    made = await call.write(
        secrets.create, api.podd, call.caller, wish.name, wish.value, wish.description or "", api.now
    )
    return _view(made)


@operation(HttpMethod.GET, _SECRETS + "/{id}", id="getSecret", answer=wire.Secret)
async def get_secret(call: Call, secret_id: str) -> wire.Secret:
    """One secret, without its value."""
    return _view(await call.read(secrets.own, call.caller, secret_id))


@operation(
    HttpMethod.PATCH,
    _SECRETS + "/{id}",
    id="updateSecret",
    body=wire.UpdateSecretRequest,
    answer=wire.Secret,
)
async def update_secret(call: Call, secret_id: str, wish: wire.UpdateSecretRequest) -> wire.Secret:
    """Give a secret another value or description; containers see it at their next start."""
    api = call.api
    changed = await call.write(
        secrets.change, api.podd, call.caller, secret_id, wish.value, wish.description, api.now
    )
    return _view(changed)


@operation(HttpMethod.DELETE, _SECRETS + "/{id}", id="deleteSecret", status=204)
async def delete_secret(call: Call, secret_id: str) -> None:
    """Forget a secret."""
    await call.write(secrets.delete, call.caller, secret_id)


HANDLERS = [
    get_ssh_keys,
    update_ssh_keys,
    list_secrets,
    create_secret,
    get_secret,
    update_secret,
    delete_secret,
]


def _keys(pub_key: str) -> wire.SshKeys:
    return wire.SshKeys(keys=[line for line in pub_key.splitlines() if line])


def _view(secret: Secret) -> wire.Secret:
    return wire.Secret(
        id=secret.id,
        name=secret.name,
        description=secret.description,
        created_at=instant(secret.created_at) or "",
        value_last_updated_at=instant(secret.updated_at) or "",
    )
