"""/v1/templates."""

from typing import Annotated

from litestar import delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter

from podd.api.context import Call
from podd.api.rest_v1.call import errors
from podd.api.rest_v1.inputs import new_template_values, template_extras, template_values
from podd.api.rest_v1.views import template_view
from podd.domain.template import Template
from podd.services import endpoints, templates
from podd.store.db import Reader, Tx
from podd.wire import rest_v1 as wire

ALL = "/templates"
ONE = ALL + "/{template_id:str}"
Change = JSONBody[wire.TemplateUpdateInput | None]
WithBound = Annotated[bool, QueryParameter(name="includeEndpointBoundTemplates")]
WithPublic = Annotated[bool, QueryParameter(name="includePublicTemplates")]
WithRunpod = Annotated[bool, QueryParameter(name="includeRunpodTemplates")]


@post(ALL, status_code=200, operation_id="CreateTemplate", responses=errors())
async def create(
    call: NamedDependency[Call], data: JSONBody[wire.TemplateCreateInput | None] = None
) -> wire.Template:
    """Save a template."""
    values = new_template_values(data or wire.TemplateCreateInput())
    return _view(
        call, await call.write(templates.save, call.api.podd, call.caller, None, values, call.api.now)
    )


@get(ALL, operation_id="ListTemplates", responses=errors())
async def list_all(
    call: NamedDependency[Call],
    include_endpoint_bound_templates: WithBound = False,
    include_public_templates: WithPublic = False,
    include_runpod_templates: WithRunpod = False,  # noqa: ARG001 - podd ships none
) -> list[wire.Template]:
    """The account's templates that no endpoint uses, and the others that are asked for."""

    def find(db: Reader) -> list[Template]:
        own = templates.listed(db, call.caller)
        if not include_endpoint_bound_templates:
            bound = {endpoint.template_id for endpoint in endpoints.listed(db, call.caller)}
            own = [template for template in own if template.id not in bound]
        shared = templates.shared(db, call.caller) if include_public_templates else []
        return [*own, *(template for template in shared if template.account_id != call.caller.account_id)]

    return [_view(call, template) for template in await call.read(find)]


@get(ONE, operation_id="GetTemplate", responses=errors(404))
async def get_one(
    call: NamedDependency[Call],
    template_id: FromPath[str],
    include_endpoint_bound_templates: WithBound = False,  # noqa: ARG001 - who names it, gets it
    include_public_templates: WithPublic = False,  # noqa: ARG001
    include_runpod_templates: WithRunpod = False,  # noqa: ARG001
) -> wire.Template:
    """One template, of one's own or public."""
    return _view(call, await call.read(templates.readable, call.caller, template_id))


@patch(ONE, operation_id="UpdateTemplate", responses=errors(404))
async def update(
    call: NamedDependency[Call], template_id: FromPath[str], data: Change = None
) -> wire.Template:
    """Change a template. Endpoints made from it get a new release, unless only its name, readme, volume or
    visibility changed."""
    return await _change(call, template_id, data)


@post(ONE + "/update", status_code=200, operation_id="UpdateTemplateViaPost", responses=errors(404))
async def update_by_post(
    call: NamedDependency[Call], template_id: FromPath[str], data: Change = None
) -> wire.Template:
    """The same as PATCH."""
    return await _change(call, template_id, data)


@delete(ONE, operation_id="DeleteTemplate", responses=errors(404))
async def delete_one(call: NamedDependency[Call], template_id: FromPath[str]) -> None:
    """Forget a template that nothing uses."""
    await call.write(templates.delete, call.caller, template_id)


HANDLERS = [create, list_all, get_one, update, update_by_post, delete_one]


async def _change(call: Call, template_id: str, data: wire.TemplateUpdateInput | None) -> wire.Template:
    wish = data or wire.TemplateUpdateInput()

    def change(tx: Tx) -> Template:
        before = templates.own(tx, call.caller, template_id)
        values = template_values(wish, before.args)
        extras = {**before.extras, **template_extras(wish)}
        return templates.save(
            tx, call.api.podd, call.caller, template_id, {**values, "extras": extras}, call.api.now
        )

    return _view(call, await call.write(change))


def _view(call: Call, template: Template) -> wire.Template:
    return template_view(template, call.caller.account_id)
