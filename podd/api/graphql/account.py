"""The account: what it has, its settings, its registry credentials and its secrets."""

from graphql import GraphQLResolveInfo

from podd.api.context import Call
from podd.api.graphql import billing, catalogue, endpoints, inputs, keys, pods, templates, volumes
from podd.api.graphql.roots import Input, mutation, query
from podd.api.graphql.views import View
from podd.api.graphql.views import account as views
from podd.api.shown import dollars
from podd.domain.account import Account, CallerKind, require
from podd.domain.billing import COMPUTE, NETWORK_VOLUME, POD_DISK, POD_VOLUME
from podd.services import accounts, credit, registries, secrets, teams
from podd.services import billing as charges
from podd.store.db import Tx


@query.field("myself")
async def myself(_root: object, info: GraphQLResolveInfo) -> View | None:
    context: Call = info.context
    if context.caller.kind is CallerKind.ANONYMOUS:
        return None
    return show(context, await context.read(accounts.own, context.caller))


@mutation.field("updateUserSettings")
async def update_user_settings(_root: object, info: GraphQLResolveInfo, input: Input | None = None) -> View:
    context: Call = info.context
    data = inputs.required(input)

    def update(tx: Tx) -> Account:
        if data.get("pubKey") is not None:
            accounts.set_ssh_keys(tx, context.caller, data["pubKey"])
        return accounts.change_extras(tx, context.caller, inputs.account_extras(data))

    return show(context, await context.write(update))


# Registry credentials


@mutation.field("saveRegistryAuth")
async def save_registry_auth(_root: object, info: GraphQLResolveInfo, input: Input | None = None) -> View:
    context: Call = info.context
    data = inputs.required(input)
    saved = await context.write(
        registries.create,
        context.podd,
        context.caller,
        data["name"],
        data["username"],
        data["password"],
        context.now,
    )
    return views.registry_credential_view(saved)


@mutation.field("updateRegistryAuth")
async def update_registry_auth(_root: object, info: GraphQLResolveInfo, input: Input | None = None) -> View:
    context: Call = info.context
    data = inputs.required(input)
    changed = await context.write(
        registries.change, context.podd, context.caller, data["id"], data["username"], data["password"]
    )
    return views.registry_credential_view(changed)


@mutation.field("deleteRegistryAuth")
async def delete_registry_auth(
    _root: object,
    info: GraphQLResolveInfo,
    registryAuthId: str | None = None,  # noqa: N803 - the schema's name
) -> None:
    """Refused while in use: dstack deletes all it finds, until one is."""
    context: Call = info.context
    await context.write(registries.delete, context.caller, registryAuthId or "")


# Secrets


@mutation.field("secretCreate")
async def secret_create(_root: object, info: GraphQLResolveInfo, input: Input | None = None) -> View:
    context: Call = info.context
    data = inputs.required(input)
    made = await context.write(
        secrets.create,
        context.podd,
        context.caller,
        data["name"],
        data["value"],
        data.get("description") or "",
        context.now,
    )
    return views.secret_view(made)


@mutation.field("secretDelete")
async def secret_delete(_root: object, info: GraphQLResolveInfo, id: str | None = None) -> None:
    context: Call = info.context
    await context.write(secrets.delete, context.caller, id or "")


def show(context: Call, account: Account) -> View:
    """The account with what it has."""
    settings = context.podd.settings
    return {
        **views.user_view(account),
        "pods": pods.mine,
        "endpoints": endpoints.mine,
        "endpoint": endpoints.one_of_mine,
        "podTemplates": templates.mine,
        "networkVolumes": volumes.mine,
        "containerRegistryCreds": _my_registry_credentials,
        "secrets": _my_secrets,
        "apiKeys": keys.mine,
        "teamMembers": _my_members,
        "teamInvitations": _my_invitations,
        "teamMemberships": _my_memberships,
        "datacenters": catalogue.data_centers,
        "billing": billing.mine,
        "clientBalance": _my_balance,
        "clientLifetimeSpend": _my_lifetime_spending,
        "underBalance": _am_i_under_balance,
        "currentSpendPerHr": _my_spending,
        "spendDetails": _my_spending_by_kind,
        "spendLimit": _my_spending_limit,
        "maxServerlessConcurrency": settings.limits.workers_quota,
    }


# Private


async def _my_registry_credentials(info: GraphQLResolveInfo) -> list[View]:
    """Oldest first: dstack relies on the order."""
    context: Call = info.context
    found = await context.read(registries.listed, context.caller)
    return [views.registry_credential_view(credential) for credential in found]


async def _my_secrets(info: GraphQLResolveInfo) -> list[View]:
    context: Call = info.context
    return [views.secret_view(secret) for secret in await context.read(secrets.listed, context.caller)]


async def _my_members(info: GraphQLResolveInfo) -> list[View]:
    context: Call = info.context
    return [views.member_view(member) for member in await context.read(teams.members, context.caller)]


async def _my_invitations(info: GraphQLResolveInfo) -> list[View]:
    context: Call = info.context
    found = await context.read(teams.invitations, context.caller, "", context.now)
    return [views.invitation_view(invitation) for invitation in found]


async def _my_memberships(info: GraphQLResolveInfo) -> list[View]:
    context: Call = info.context
    found = await context.read(teams.memberships, context.caller)
    return [views.membership_view(membership) for membership in found]


async def _my_balance(info: GraphQLResolveInfo) -> float:
    context = _who_sees_money(info)
    return dollars(await context.read(credit.balance, context.caller.account_id))


async def _my_lifetime_spending(info: GraphQLResolveInfo) -> float:
    context = _who_sees_money(info)
    return dollars(await context.read(credit.lifetime_spending, context.caller.account_id))


async def _am_i_under_balance(info: GraphQLResolveInfo) -> bool:
    """Only where accounts have to pay in advance."""
    context = _who_sees_money(info)
    enforced = context.podd.settings.billing.mode == "enforce"
    return enforced and await context.read(credit.balance, context.caller.account_id) <= 0


async def _my_spending(info: GraphQLResolveInfo) -> float:
    context = _who_sees_money(info)
    return dollars(await context.read(charges.hourly, context.caller.account_id))


async def _my_spending_by_kind(info: GraphQLResolveInfo) -> View:
    context = _who_sees_money(info)
    spent = await context.read(charges.hourly_by_item, context.caller.account_id)
    kinds = {
        "gpuComputePerHour": COMPUTE,
        "localStoragePerHour": (POD_DISK, POD_VOLUME),
        "networkStoragePerHour": (NETWORK_VOLUME,),
    }
    return {kind: dollars(sum(spent.get(item, 0) for item in items)) for kind, items in kinds.items()}


def _my_spending_limit(info: GraphQLResolveInfo) -> float:
    return dollars(_who_sees_money(info).podd.settings.billing.spending_limit_hour)


def _who_sees_money(info: GraphQLResolveInfo) -> Call:
    """The call, if its sender may see what the account has and spends. Raises Forbidden."""
    context: Call = info.context
    require(context.caller, "billing.read")
    return context
