"""POST /graphql: documents in, `data` and `errors` out, with the status codes RunPod's clients rely on.

A failed operation is still HTTP 200; only a document or variables that make no sense are 400, and a key
nobody has is 401. `errors` is left out when there are none: the SDK tests for the key alone.
"""

import json
from hashlib import sha256
from typing import Any

import msgspec
import structlog
from ariadne import graphql
from graphql import DocumentNode, GraphQLError, GraphQLSchema, parse
from litestar import Response, post

from podd.api.context import AnyRequest, api_of, caller_of, read_body
from podd.api.errors import INTERNAL
from podd.api.graphql.at_rest import Question, Remembering
from podd.api.graphql.resolvers import mutation, query
from podd.api.graphql.schema import build
from podd.api.graphql.stubs import NO_SUCH_CLUSTER
from podd.api.visits import visit_of
from podd.domain import errors
from podd.domain.errors import OUT_OF_STOCK, Invalid, NoCapacity, NotFound, PoddError

log = structlog.get_logger()

MAX_BODY = 1024 * 1024
MAX_TOKENS = 10_000
"""A document with more is an attack, not a question."""

_schema: GraphQLSchema = build(query, mutation)


@post("/graphql", status_code=200, request_max_body_size=None)
async def graphql_endpoint(request: AnyRequest) -> Response[bytes]:
    """Run a GraphQL document."""
    caller = await caller_of(request)
    try:
        raw = await read_body(request, MAX_BODY, "1MiB")
        data = _parse_body(raw)
    except PoddError as error:
        return _answer(400, {"errors": [_plain_error(error.message)]})
    api = api_of(request)
    visit = visit_of(request.scope)
    context = Question(api, caller, visit, digest=sha256(raw).digest(), kept=api.kept)
    understood, result = await graphql(
        _schema,
        data,
        context_value=context,
        error_formatter=_format,
        query_parser=_parse,
        logger="podd.graphql",
        execution_context_class=Remembering,
    )
    found = result.get("errors") or []
    if understood and _variables_do_not_fit(result, found):
        return _answer(400, {"errors": [_with_code(error, "BAD_USER_INPUT") for error in found]})
    return _answer(200 if understood else 400, result)


def _parse_body(raw: bytes) -> dict[str, Any]:
    """Query, variables and the operation's name. Raises Invalid."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        raise Invalid("The body must be a JSON object with a query.") from None
    if not isinstance(body, dict) or not isinstance(body.get("query"), str):
        raise Invalid("The body must be a JSON object with a query.")
    variables = body.get("variables")
    if not isinstance(variables, dict | None):
        raise Invalid("The variables must be a JSON object.")
    if b"\\ud" in raw.lower() and not _is_text(variables):
        raise Invalid("The variables have half of a surrogate pair, which is no character.")
    operation = body.get("operationName")
    return {
        "query": body["query"],
        "variables": variables or {},
        "operationName": operation if isinstance(operation, str) and operation else None,
    }


def _is_text(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _parse(_context: object, data: dict[str, Any]) -> DocumentNode:
    return parse(data["query"], max_tokens=MAX_TOKENS)


def _variables_do_not_fit(result: dict[str, Any], found: list[dict[str, Any]]) -> bool:
    """Nothing was executed: no data, and errors that belong to no field."""
    return bool(found) and result.get("data") is None and not any(error["path"] for error in found)


def _format(error: GraphQLError, _debug: bool = False) -> dict[str, Any]:
    cause = error.original_error
    path = list(error.path or [])
    if cause is None:
        code = "GRAPHQL_PARSE_FAILED" if "Syntax Error" in error.message else "GRAPHQL_VALIDATION_FAILED"
        return {"message": error.message, "path": path, "extensions": {"code": code}}
    if isinstance(cause, PoddError):
        extensions = {"code": _code(cause)}
        if isinstance(cause, NoCapacity) and cause.short:
            extensions["reason"] = cause.short
        return {"message": cause.message, "path": path, "extensions": extensions}
    if isinstance(cause, GraphQLError):
        return {"message": error.message, "path": path, "extensions": {"code": "BAD_USER_INPUT"}}
    log.error("graphql operation failed", path=path, exc_info=cause)
    return {"message": INTERNAL, "path": path, "extensions": {"code": "INTERNAL_SERVER_ERROR"}}


# Codes that clients compare, by the message they come with.
_CODES = {OUT_OF_STOCK: "SUPPLY_CONSTRAINT", NO_SUCH_CLUSTER: NO_SUCH_CLUSTER}


def _code(error: PoddError) -> str:
    if error.message in _CODES:
        return _CODES[error.message]
    if isinstance(error, NotFound) and error.message.startswith("pod not found"):
        return "POD_NOT_FOUND"
    if isinstance(error, errors.NoFunds):
        return "INSUFFICIENT_BALANCE"
    if isinstance(error, errors.OverQuota):
        return "QUOTA_EXCEEDED"
    if isinstance(error, Invalid):
        return "BAD_USER_INPUT"
    if isinstance(error, errors.StorageFailed):
        return "INTERNAL_SERVER_ERROR"
    return "RUNPOD"


def _plain_error(message: str) -> dict[str, Any]:
    return {"message": message, "path": [], "extensions": {"code": "BAD_REQUEST"}}


def _with_code(error: dict[str, Any], code: str) -> dict[str, Any]:
    return {**error, "extensions": {"code": code}}


def _answer(status: int, body: dict[str, Any]) -> Response[bytes]:
    return Response(_json(body), status_code=status, media_type="application/json")


def _json(body: dict[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(body)
    except UnicodeEncodeError:  # a message quotes half of a surrogate pair, which only escapes can write
        return json.dumps(body, default=json.loads).encode()
