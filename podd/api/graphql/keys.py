"""API keys: made, changed and revoked."""

from graphql import GraphQLResolveInfo

from podd.api.context import Call
from podd.api.graphql import inputs
from podd.api.graphql.roots import Input, mutation
from podd.api.graphql.views import View
from podd.api.graphql.views import account as views
from podd.api.shown import moment
from podd.domain.account import EVERYTHING, Scope, ScopeKind, checked_scope
from podd.domain.errors import Invalid
from podd.services import keys


@mutation.field("createApiKey")
async def create_api_key(_root: object, info: GraphQLResolveInfo, input: Input | None = None) -> View:
    context: Call = info.context
    data = inputs.required(input)
    key, secret = await context.write(
        keys.create,
        context.caller,
        data.get("name"),
        context.now,
        team=data.get("teamId") or "",
        scope=_scope(data) or EVERYTHING,
        expires_at=moment(data.get("expiresAt"), "expiresAt"),
    )
    return {"key": secret, "apiKey": views.key_view(key)}


@mutation.field("updateApiKey")
async def update_api_key(_root: object, info: GraphQLResolveInfo, input: Input | None = None) -> View:
    context: Call = info.context
    data = inputs.required(input)
    changed = await context.write(
        keys.change,
        context.caller,
        data["id"],
        context.now,
        name=data.get("name"),
        scope=_scope(data),
        expires_at=moment(data.get("expiresAt"), "expiresAt"),
    )
    return views.key_view(changed)


@mutation.field("deleteApiKey")
async def delete_api_key(_root: object, info: GraphQLResolveInfo, id: str | None = None) -> None:
    context: Call = info.context
    await context.write(keys.revoke, context.caller, id or "", context.now)


async def mine(info: GraphQLResolveInfo) -> list[View]:
    """Those the caller may change; never the keys themselves."""
    context: Call = info.context
    return [views.key_view(key) for key in await context.read(keys.listed, context.caller)]


# Private


def _scope(data: Input) -> Scope | None:
    """What a key is for; None when nothing is said. Raises Invalid."""
    endpoint_ids, pod_id = data.get("endpointIds") or [], data.get("podId")
    said = data.get("permissions") or ("RESTRICTED" if endpoint_ids or pod_id else None)
    if said is None:
        return None
    if said == "RESTRICTED":
        if endpoint_ids and pod_id:
            raise Invalid("permissions: a key is for endpoints or for a pod, not for both.")
        if pod_id:
            return checked_scope(ScopeKind.POD, [pod_id])
        return checked_scope(ScopeKind.ENDPOINTS, endpoint_ids)
    kinds = {"ALL": ScopeKind.ALL, "READ_ONLY": ScopeKind.READ_ONLY}
    if said not in kinds:
        raise Invalid("permissions must be ALL, READ_ONLY or RESTRICTED.")
    return checked_scope(kinds[said], [*endpoint_ids, *([pod_id] if pod_id else [])])
