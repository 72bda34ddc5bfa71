"""The description of REST v1: the part of podd's own OpenAPI document that lies under /v1. No key needed."""

import re
from functools import cache
from html import escape
from typing import Any

from litestar import Litestar, MediaType, get
from pydantic.alias_generators import to_camel

from podd import __version__
from podd.api.context import AnyRequest

Json = dict[str, Any]

_PREFIX = "/v1"
_REF = "#/components/schemas/"
_PARAMETER = re.compile(r"\{(\w+)\}")


@get("/openapi.json", operation_id="GetOpenAPI")
async def openapi(request: AnyRequest) -> Json:
    """This description."""
    return _described(request.app)


@get("/docs", media_type=MediaType.HTML, operation_id="GetDocs")
async def page(request: AnyRequest) -> str:
    """The operations, for people."""
    rows = "".join(
        f"<tr><td>{method.upper()}</td><td><code>{_PREFIX}{escape(path)}</code></td>"
        f"<td>{escape(entry.get('description', ''))}</td></tr>"
        for path, entries in _described(request.app)["paths"].items()
        for method, entry in entries.items()
    )
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>podd: REST v1</title>"
        "<h1>podd: REST v1</h1><p>Bodies and answers are described in "
        '<a href="/v1/openapi.json">openapi.json</a>, all of podd in <a href="/docs">/docs</a>.</p>'
        f"<table>{rows}</table></html>"
    )


HANDLERS = [openapi, page]


# Private


@cache
def _described(app: Litestar) -> Json:
    whole = app.openapi_schema.to_schema()
    paths = {
        _in_camel_case(path.removeprefix(_PREFIX)): _renamed(entries)
        for path, entries in whole["paths"].items()
        if path.startswith(_PREFIX + "/")
    }
    schemas = whole["components"]["schemas"]
    return {
        "openapi": whole["openapi"],
        "info": {
            "title": "podd: REST v1",
            "version": __version__,
            "description": "The control plane of one machine, in the words of RunPod's REST API v1.",
        },
        "servers": [{"url": _PREFIX}],
        "security": [{"apiKey": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"apiKey": {"type": "http", "scheme": "bearer"}},
            "schemas": {name: schemas[name] for name in sorted(_used(paths, schemas))},
        },
    }


def _in_camel_case(path: str) -> str:
    return _PARAMETER.sub(lambda match: "{" + to_camel(match.group(1)) + "}", path)


def _renamed(entries: Json) -> Json:
    """The operations of a path, with its parameters named as RunPod names them."""
    for entry in entries.values():
        for parameter in entry.get("parameters", []):
            if parameter["in"] == "path":
                parameter["name"] = to_camel(parameter["name"])
    return entries


def _used(part: object, schemas: Json) -> set[str]:
    """The names of the schemas that are referred to, also by one another."""
    found: set[str] = set()
    waiting = [part]
    while waiting:
        match waiting.pop():
            case {"$ref": str(ref)} if (name := ref.removeprefix(_REF)) not in found:
                found.add(name)
                waiting.append(schemas[name])
            case dict() as entries:
                waiting += entries.values()
            case list() as entries:
                waiting += entries
    return found
