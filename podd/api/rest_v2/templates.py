"""/v2/templates, and the public ones of /v2/catalog/templates."""

from typing import Any

from litestar import HttpMethod

from podd.api.rest_v2.containers import (
    command_text,
    container_view,
    ports_text,
    refused_as_invalid,
    registry_of,
)
from podd.api.rest_v2.operation import Call, operation
from podd.api.rest_v2.pages import page
from podd.domain.template import Template
from podd.services import templates
from podd.store.db import Tx
from podd.wire import rest_v2 as wire

Wish = wire.CreateTemplateRequest | wire.UpdateTemplateRequest
_ONE = "/templates/{id}"
_MOST_PUBLIC = 100


@operation(
    HttpMethod.GET, "/templates", id="listTemplates", query=wire.PageQuery, answer=wire.ListTemplatesResponse
)
async def list_templates(call: Call, query: wire.PageQuery) -> wire.ListTemplatesResponse:
    """The account's templates, without those that are part of an endpoint."""
    every = await call.read(templates.listed, call.caller)
    return _list([template for template in every if not template.endpoint_id], query)


@operation(
    HttpMethod.POST,
    "/templates",
    id="createTemplate",
    status=201,
    body=wire.CreateTemplateRequest,
    answer=wire.Template,
)
async def create_template(call: Call, wish: wire.CreateTemplateRequest) -> wire.Template:
    """Save a template."""
    defaults = {"category": "NVIDIA", "startSsh": True, "startJupyter": True}
    values = {**template_values(wish), "extras": {**defaults, **_extras(wish)}}
    with refused_as_invalid():
        made = await call.write(templates.save, call.api.podd, call.caller, None, values, call.api.now)
    return template_view(made)


@operation(HttpMethod.GET, _ONE, id="getTemplate", answer=wire.Template)
async def get_template(call: Call, template_id: str) -> wire.Template:
    """One template, of one's own or public."""
    return template_view(await call.read(templates.readable, call.caller, template_id))


@operation(HttpMethod.PATCH, _ONE, id="updateTemplate", body=wire.UpdateTemplateRequest, answer=wire.Template)
async def update_template(call: Call, template_id: str, wish: wire.UpdateTemplateRequest) -> wire.Template:
    """Change a template; pods made from it stay as they are."""

    def change(tx: Tx) -> Template:
        before = templates.own(tx, call.caller, template_id)
        values = {**template_values(wish, before.args), "extras": {**before.extras, **_extras(wish)}}
        return templates.save(tx, call.api.podd, call.caller, template_id, values, call.api.now)

    with refused_as_invalid():
        return template_view(await call.write(change))


@operation(HttpMethod.DELETE, _ONE, id="deleteTemplate", status=204)
async def delete_template(call: Call, template_id: str) -> None:
    """Forget a template that nothing uses."""
    with refused_as_invalid():
        await call.write(templates.delete, call.caller, template_id)


@operation(
    HttpMethod.GET,
    "/catalog/templates",
    id="listPublicTemplates",
    query=wire.PublicTemplatesQuery,
    answer=wire.ListTemplatesResponse,
)
async def list_public_templates(call: Call, query: wire.PublicTemplatesQuery) -> wire.ListTemplatesResponse:
    """Templates that are shared with everybody; all of them come from the community."""
    shared = await call.read(templates.shared, call.caller) if query.source == "community" else []
    return _list(shared, wire.PageQuery(limit=_MOST_PUBLIC))


HANDLERS = [
    list_templates,
    create_template,
    get_template,
    update_template,
    delete_template,
    list_public_templates,
]


def template_view(template: Template) -> wire.Template:
    extras = template.extras
    return wire.Template(
        **container_view(
            template.image,
            template.args,
            template.disk,
            template.ports,
            template.env,
            template.registry_auth_id,
        ),
        id=template.id,
        name=template.name,
        mounts=mounts_of(template),
        serverless=template.serverless,
        public=template.public,
        category=extras.get("category") or "NVIDIA",
        start_ssh=bool(extras.get("startSsh")),
        start_jupyter=bool(extras.get("startJupyter")),
        allowed_cuda_versions=extras.get("allowedCudaVersions") or [],
    )


def mounts_of(template: Template) -> wire.TemplateMounts:
    if not template.volume:
        return wire.TemplateMounts()
    # Other surfaces allow smaller volumes than this one's bodies do.
    mount = wire.PersistentMount.model_construct(size=template.volume, path=template.volume_path)
    return wire.TemplateMounts.model_construct(persistent=mount)


def template_values(wish: wire.ContainerWish, args_before: str = "") -> dict[str, Any]:
    """What a wish says about a template, in podd's names; what it leaves out is not in it."""
    said: dict[str, Any] = {
        "image": wish.image,
        "args": command_text(wish, args_before),
        "disk": wish.disk,
        "ports": ports_text(wish.ports),
        "env": wish.env,
        "registry_auth_id": registry_of(wish),
    }
    if isinstance(wish, Wish):
        said.update(name=wish.name, serverless=wish.serverless, public=wish.public)
        if wish.mounts and wish.mounts.persistent:
            said.update(volume=wish.mounts.persistent.size, volume_path=wish.mounts.persistent.path)
    return {name: value for name, value in said.items() if value is not None}


def _extras(wish: Wish) -> dict[str, Any]:
    """What is stored and read back."""
    said = {
        "category": wish.category,
        "startSsh": wish.start_ssh,
        "startJupyter": wish.start_jupyter,
        "allowedCudaVersions": wish.allowed_cuda_versions,
        "readme": wish.readme,
    }
    return {name: value for name, value in said.items() if value is not None}


def _list(every: list[Template], query: wire.PageQuery) -> wire.ListTemplatesResponse:
    found, pagination = page(every, query, lambda template: (template.created_at, template.id))
    return wire.ListTemplatesResponse(
        templates=[template_view(template) for template in found], pagination=pagination
    )
