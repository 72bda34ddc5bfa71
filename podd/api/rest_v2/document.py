"""The description of REST v2 that podd serves: made from the same operations and models that answer."""

from functools import cache
from typing import Any

from litestar.handlers import HTTPRouteHandler
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from podd import __version__
from podd.api.rest_v2.operation import JSON, Operation
from podd.wire.rest_v2 import Problem, Query

Json = dict[str, Any]

_REF = "#/components/schemas/{model}"
_ERRORS = {
    "400": "It makes no sense, or there is no room for it",
    "401": "No key, or an unknown one",
    "403": "The key may not do this",
    "422": "Not of the documented shape",
    "default": "Any other problem",
}


def operations_of(handlers: list[HTTPRouteHandler]) -> list[Operation]:
    return [handler.opt["operation"] for handler in handlers]


def document(operations: list[Operation]) -> Json:
    """OpenAPI 3.1."""
    schemas = _Schemas(operations)
    paths: dict[str, Json] = {}
    for operation in operations:
        for path in operation.paths:
            entry = _entry(operation, path, schemas, alias=path != operation.paths[0])
            paths.setdefault(f"/v2{path}", {})[operation.method.lower()] = entry
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "podd: REST v2",
            "version": __version__,
            "description": "The control plane of one machine, in the words of RunPod's REST API v2.",
        },
        "servers": [{"url": "/"}],
        "security": [{"apiKey": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"apiKey": {"type": "http", "scheme": "bearer"}},
            "schemas": schemas.definitions,
        },
    }


# Private


class _Schemas:
    """The models of all operations: what is sent by its validation, what is answered by its serialisation."""

    def __init__(self, operations: list[Operation]) -> None:
        bodies = {o.body for o in operations if o.body}
        answers = {o.answer for o in operations if isinstance(o.answer, type)} | {Problem}
        wanted: list[tuple[type[BaseModel], JsonSchemaMode]] = [
            *((model, "validation") for model in sorted(bodies, key=lambda model: model.__name__)),
            *((model, "serialization") for model in sorted(answers, key=lambda model: model.__name__)),
        ]
        self._refs, defs = models_json_schema(wanted, by_alias=True, ref_template=_REF)
        self.definitions: Json = defs["$defs"]

    def body(self, model: type[BaseModel]) -> Json:
        return self._refs[(model, "validation")]

    def answer(self, model: type[BaseModel]) -> Json:
        return self._refs[(model, "serialization")]


def _entry(operation: Operation, path: str, schemas: _Schemas, *, alias: bool) -> Json:
    problem = {"application/problem+json": {"schema": schemas.answer(Problem)}}
    errors = {**_ERRORS, **({"404": "No such thing"} if "{" in path else {})}
    entry: Json = {
        "operationId": f"{operation.id}Alias" if alias else operation.id,
        "summary": operation.summary,
        "tags": [path.split("/")[1]],
        "parameters": [*_path_parameters(path), *_query_parameters(operation.query)],
        "responses": {
            **_success(operation, schemas),
            **{code: {"description": text, "content": problem} for code, text in errors.items()},
        },
    }
    if operation.body is not None:
        content = {JSON: {"schema": schemas.body(operation.body)}}
        entry["requestBody"] = {"required": True, "content": content}
    return entry


def _success(operation: Operation, schemas: _Schemas) -> Json:
    if operation.answer is None:
        return {str(operation.status): {"description": "Done"}}
    media, schema = JSON, {"type": "string"}
    if isinstance(operation.answer, str):
        media = operation.answer
    else:
        schema = schemas.answer(operation.answer)
    done = {str(operation.status): {"description": "Done", "content": {media: {"schema": schema}}}}
    # The one operation that may leave nothing to show.
    return {**done, "204": {"description": "Terminated"}} if operation.id == "podAction" else done


def _path_parameters(path: str) -> list[Json]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


@cache
def _query_parameters(model: type[Query] | None) -> list[Json]:
    if model is None:
        return []
    schema = model.model_json_schema(by_alias=True)
    return [_query_parameter(name, shape) for name, shape in schema["properties"].items()]


def _query_parameter(name: str, shape: Json) -> Json:
    shape = {key: value for key, value in shape.items() if key != "title"}
    # Nothing stands for null in a query: the parameter is left out.
    choices = [choice for choice in shape.pop("anyOf", []) if choice != {"type": "null"}]
    shape = {**shape, **(choices[0] if choices else {})}
    if shape.get("default", 0) is None:
        del shape["default"]
    parameter = {"name": name, "in": "query", "required": False, "schema": shape}
    return {**parameter, "style": "form", "explode": False} if shape.get("type") == "array" else parameter
