"""Templates."""

import json

from podd.domain.template import Template
from podd.store.db import Reader, Row, Tx


def insert(tx: Tx, template: Template) -> None:
    tx.insert("templates", _row(template))


def replace(tx: Tx, template: Template) -> None:
    tx.update("templates", template.id, _row(template))


def get(db: Reader, template_id: str) -> Template | None:
    return _template(db.row("SELECT * FROM templates WHERE id = ?", (template_id,)))


def by_name(db: Reader, account_id: str, name: str) -> Template | None:
    return _template(db.row("SELECT * FROM templates WHERE account_id = ? AND name = ?", (account_id, name)))


def of_account(db: Reader, account_id: str) -> list[Template]:
    rows = db.rows("SELECT * FROM templates WHERE account_id = ? ORDER BY created_at, id", (account_id,))
    return [_from(row) for row in rows]


def public(db: Reader) -> list[Template]:
    """Templates their owners share with everybody."""
    return [_from(row) for row in db.rows("SELECT * FROM templates WHERE public = 1 ORDER BY created_at, id")]


def using_registry_credential(db: Reader, credential_id: str) -> list[Template]:
    rows = db.rows("SELECT * FROM templates WHERE registry_auth_id = ?", (credential_id,))
    return [_from(row) for row in rows]


def delete(tx: Tx, template_id: str) -> None:
    tx.delete("templates", template_id)


def delete_parts_of(tx: Tx, endpoint_id: str) -> None:
    """The templates that were part of an endpoint that is gone, unless another endpoint uses them."""
    tx.run(
        "DELETE FROM templates WHERE endpoint_id = ? AND id NOT IN (SELECT template_id FROM endpoints)",
        (endpoint_id,),
    )


def _row(template: Template) -> Row:
    return {
        "id": template.id,
        "account_id": template.account_id,
        "name": template.name,
        "image": template.image,
        "args": template.args,
        "disk": template.disk,
        "volume": template.volume,
        "volume_path": template.volume_path,
        "ports": template.ports,
        "env_json": json.dumps(template.env),
        "serverless": template.serverless,
        "public": template.public,
        "registry_auth_id": template.registry_auth_id,
        "endpoint_id": template.endpoint_id,
        "extras_json": json.dumps(template.extras),
        "created_at": template.created_at,
    }


def _template(row: Row | None) -> Template | None:
    return _from(row) if row else None


def _from(row: Row) -> Template:
    row = dict(row)
    env, extras = json.loads(row.pop("env_json")), json.loads(row.pop("extras_json"))
    flags = {name: bool(row[name]) for name in ("serverless", "public")}
    return Template(**{**row, **flags, "env": env, "extras": extras})
