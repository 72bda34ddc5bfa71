"""Templates."""

from graphql import GraphQLResolveInfo

from podd.api.context import Call
from podd.api.graphql import inputs
from podd.api.graphql.roots import Input, mutation, query
from podd.api.graphql.views import View
from podd.api.graphql.views.serverless import template_view
from podd.domain import account as who
from podd.domain.errors import NotFound
from podd.services import templates
from podd.store.db import Tx


@mutation.field("saveTemplate")
async def save_template(_root: object, info: GraphQLResolveInfo, input: Input | None = None) -> View:
    context: Call = info.context
    who.require(context.caller, "template.save")
    data = inputs.required(input)

    def save(tx: Tx) -> View:
        template_id = data.get("id") or None
        known = templates.own(tx, context.caller, template_id).extras if template_id else {}
        values = inputs.template_values(data, known)
        return template_view(
            templates.save(tx, context.podd, context.caller, template_id, values, context.now)
        )

    return await context.write(save)


@mutation.field("deleteTemplate")
async def delete_template(
    _root: object,
    info: GraphQLResolveInfo,
    templateName: str | None = None,  # noqa: N803 - the schema's name
) -> None:
    """By name: ids are not accepted upstream either."""
    context: Call = info.context

    def delete(tx: Tx) -> None:
        template = templates.by_name(tx, context.caller, templateName or "")
        templates.delete(tx, context.caller, template.id)

    await context.write(delete)


@query.field("podTemplate")
async def pod_template(_root: object, info: GraphQLResolveInfo, id: str | None = None) -> View | None:
    context: Call = info.context
    try:
        template = await context.read(templates.readable, context.caller, id or "")
    except NotFound:
        return None
    return template_view(template, context.caller.account_id)


@query.field("podTemplates")
async def pod_templates(_root: object, info: GraphQLResolveInfo, input: Input | None = None) -> list[View]:
    """The shared ones. podd has no official templates yet."""
    context: Call = info.context
    if (input or {}).get("isRunpod"):
        return []
    shared = await context.read(templates.shared, context.caller)
    return [template_view(template, context.caller.account_id) for template in shared]


async def mine(info: GraphQLResolveInfo) -> list[View]:
    """`myself.podTemplates`."""
    context: Call = info.context
    return [template_view(t) for t in await context.read(templates.listed, context.caller)]
