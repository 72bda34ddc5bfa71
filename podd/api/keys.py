"""The operator's API: keys of accounts, under /operator/v1/keys. Accounts use it for their own."""

from litestar import get, post
from litestar.params import FromPath, JSONBody

from podd.api.context import AnyRequest, api_of, known_caller_of
from podd.api.shown import instant, moment
from podd.domain.account import ApiKey, ScopeKind, checked_scope
from podd.services import keys
from podd.wire.keys import Key, KeyChange, KeyList, KeyWish, NewKey
from podd.wire.operator import Nothing


@get("/operator/v1/keys")
async def list_keys(request: AnyRequest) -> KeyList:
    """The keys of `?account=`, oldest first, without the keys themselves."""
    caller, api = await known_caller_of(request), api_of(request)
    found = await api.podd.store.read(keys.listed, caller, request.query_params.get("account", ""))
    return KeyList(keys=[_shown(key) for key in found])


@post("/operator/v1/keys", status_code=201)
async def create_key(request: AnyRequest, data: JSONBody[KeyWish]) -> NewKey:
    """Make one more API key for an account."""
    caller, api = await known_caller_of(request), api_of(request)
    key, secret = await api.podd.store.write(
        keys.create,
        caller,
        data.name,
        api.now,
        account=data.account,
        user=data.user,
        scope=checked_scope(ScopeKind(data.scope), data.ids),
        expires_at=moment(data.expires_at, "expires_at"),
    )
    return NewKey(**_shown(key).model_dump(), api_key=secret)


@post("/operator/v1/keys/{key_id:str}/change", status_code=200)
async def change_key(request: AnyRequest, key_id: FromPath[str], data: JSONBody[KeyChange]) -> Key:
    """Give a key another name, scope or end."""
    caller, api = await known_caller_of(request), api_of(request)
    scope = checked_scope(ScopeKind(data.scope), data.ids) if data.scope else None
    changed = await api.podd.store.write(
        keys.change,
        caller,
        key_id,
        api.now,
        name=data.name,
        scope=scope,
        expires_at=moment(data.expires_at, "expires_at"),
    )
    return _shown(changed)


@post("/operator/v1/keys/{key_id:str}/revoke", status_code=200)
async def revoke_key(request: AnyRequest, key_id: FromPath[str], data: JSONBody[Nothing]) -> Key:  # noqa: ARG001
    """From now on it is nobody's."""
    caller, api = await known_caller_of(request), api_of(request)
    return _shown(await api.podd.store.write(keys.revoke, caller, key_id, api.now))


HANDLERS = [list_keys, create_key, change_key, revoke_key]


# Private


def _shown(key: ApiKey) -> Key:
    return Key(
        key_id=key.id,
        account_id=key.account_id,
        user_id=key.user_id,
        name=key.name,
        scope=key.scope.kind.value,
        ids=sorted(key.scope.ids),
        created_at=instant(key.created_at) or "",
        expires_at=instant(key.expires_at),
    )
