"""Templates: saved by their owner, read by pods and endpoints."""

from dataclasses import replace
from typing import Any

from podd import ids
from podd.domain import words
from podd.domain.account import Caller, may, require
from podd.domain.errors import Conflict, Invalid, NotFound
from podd.domain.template import Template, checked_name, needs_release
from podd.services import endpoints, registries
from podd.services.platform import Platform
from podd.store import endpoints as endpoints_rows
from podd.store import templates, workloads
from podd.store.db import Reader, Tx


def own(db: Reader, caller: Caller, template_id: str) -> Template:
    """The caller's template. Raises NotFound."""
    require(caller, "template.read")
    template = templates.get(db, template_id)
    if template is None or template.account_id != caller.account_id:
        raise NotFound("template not found")
    return template


def listed(db: Reader, caller: Caller) -> list[Template]:
    require(caller, "template.read")
    return templates.of_account(db, caller.account_id)


def readable(db: Reader, caller: Caller, template_id: str) -> Template:
    """A template of the caller's, or one that is shared with everybody. Raises NotFound."""
    require(caller, "catalogue.read")
    template = templates.get(db, template_id)
    if template is None or not (template.public or _is_own(caller, template)):
        raise NotFound("template not found")
    return template


def shared(db: Reader, caller: Caller) -> list[Template]:
    """The templates their owners share with everybody."""
    require(caller, "catalogue.read")
    return templates.public(db)


def delete(tx: Tx, caller: Caller, template_id: str) -> None:
    """Forget a template that nothing uses. Raises NotFound, Conflict."""
    require(caller, "template.delete")
    template = own(tx, caller, template_id)
    endpoint_names = [e.name for e in endpoints_rows.using_template(tx, template.id)]
    if endpoint_names:
        raise Conflict(f"This template is in use by the endpoint {endpoint_names[0]!r}; delete that first.")
    pods = [p for p in workloads.pods_of(tx, caller.account_id) if p.template_id == template.id]
    if pods:
        raise Conflict(f"This template is in use by the pod {pods[0].name!r}; terminate that first.")
    templates.delete(tx, template.id)


def by_name(db: Reader, caller: Caller, name: str) -> Template:
    """The caller's template of this name. Raises NotFound."""
    require(caller, "template.read")
    template = templates.by_name(db, caller.account_id, name)
    if template is None:
        raise NotFound("template not found")
    return template


def save(
    tx: Tx, podd: Platform, caller: Caller, template_id: str | None, values: dict[str, Any], now: int
) -> Template:
    """Make a template, or change the one with this id; what `values` leaves out stays as it is.

    A change that needs new containers releases a new version of every endpoint made from it. Raises
    Invalid, NotFound, and Conflict for a name that is taken.
    """
    require(caller, "template.save")
    before = own(tx, caller, template_id) if template_id else None
    template = checked(
        replace(before, **values)
        if before
        else Template(id=ids.new_id(10), account_id=caller.account_id, created_at=now, **_named(values))
    )
    words.check_ports(words.parse_ports(template.ports), podd.settings.limits.ports)
    namesake = templates.by_name(tx, caller.account_id, template.name)
    registries.check_own(tx, caller, template.registry_auth_id)
    if template.public and template.serverless:
        raise Invalid("isPublic: only pod templates can be shared.")
    if namesake and namesake.id != template.id:
        raise Conflict(f"There is already a template named {template.name!r}; choose another name.")
    if before is None:
        templates.insert(tx, template)
    else:
        templates.replace(tx, template)
        if needs_release(before, template):
            endpoints.release_all_with(tx, before, template, now)
    return template


def checked(template: Template) -> Template:
    """The template with its texts tidied. Raises Invalid naming the field."""
    words.parse_command(template.args)
    words.parse_ports(template.ports)
    words.checked_size(template.disk, "containerDiskInGb", 0, least=1)
    words.checked_size(template.volume, "volumeInGb", 0)
    return replace(
        template,
        name=checked_name(template.name),
        image=words.checked_image(template.image),
        env=words.checked_env(template.env.items()),
        volume_path=words.checked_mount_path(template.volume_path or "/workspace"),
    )


def _is_own(caller: Caller, template: Template) -> bool:
    return may(caller, "template.read") and template.account_id == caller.account_id


def _named(values: dict[str, Any]) -> dict[str, Any]:
    return {"name": "", "image": "", **values}
