"""An endpoint with the template that is part of it: saved together, and gone together."""

from dataclasses import replace
from typing import Any

from podd.domain.account import Caller
from podd.domain.endpoint import Endpoint, EndpointChange
from podd.domain.errors import Invalid
from podd.domain.template import Template
from podd.services import endpoints, templates
from podd.services.platform import Platform
from podd.store import templates as rows
from podd.store.db import Reader, Tx


def save(
    tx: Tx,
    podd: Platform,
    caller: Caller,
    endpoint_id: str | None,
    change: EndpointChange,
    values: dict[str, Any],
    now: int,
) -> Endpoint:
    """Make or change an endpoint whose template is given by its `values`, as `templates.save` takes them.

    An endpoint that used a template of somebody's own choice gets one of its own. Raises Invalid, NotFound.
    """
    if change.template_id:
        raise Invalid("templateId and template exclude each other; send one of them.")
    endpoint = endpoints.own(tx, caller, endpoint_id, "save") if endpoint_id else None
    before = own_template(tx, endpoint) if endpoint else None
    name = values.get("name") or change.name or (endpoint.name if endpoint else "")
    values = {**values, "serverless": True, "name": _free_name(tx, caller, name, before)}
    template = templates.save(tx, podd, caller, before.id if before else None, values, now)
    saved = endpoints.save(tx, podd, caller, endpoint_id, replace(change, template_id=template.id), now)
    rows.replace(tx, replace(template, endpoint_id=saved.id))
    return saved


def own_template(db: Reader, endpoint: Endpoint) -> Template | None:
    """The template that is part of this endpoint; None if it uses another."""
    template = rows.get(db, endpoint.template_id)
    return template if template and template.endpoint_id == endpoint.id else None


def _free_name(db: Reader, caller: Caller, name: str, before: Template | None) -> str:
    """Nobody chose this name to tell templates apart, so a taken one is no error."""
    if before and name == before.name:
        return before.name
    name, number = name.strip(), 2
    free = name
    while rows.by_name(db, caller.account_id, free) is not None:
        free, number = f"{name} ({number})", number + 1
    return free
