"""From podd's errors to the answers of each surface. The only place that knows status codes."""

import json
from collections.abc import Callable
from typing import Any

import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException

from podd.domain import errors, openai
from podd.domain.errors import Malformed, NoCapacity, PoddError, TooMany
from podd.ids import RESERVED

log = structlog.get_logger()

STATUS: dict[type[PoddError], int] = {
    errors.Invalid: 400,
    errors.Malformed: 422,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.NoCapacity: 400,
    errors.NoFunds: 400,
    errors.OverQuota: 400,
    errors.TooLarge: 400,
    errors.TooMany: 429,
    errors.NotAvailable: 501,
    errors.StorageFailed: 503,
}

TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    413: "Content Too Large",
    422: "Unprocessable Entity",
    429: "Too Many Requests",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
}

INTERNAL = "Something went wrong. Please try again later or contact support."

PROBLEM = "application/problem+json"

Shape = Callable[[int, str, str], dict[str, Any]]


def job_shape(status: int, title: str, message: str) -> dict[str, Any]:
    """The job API's error. No numeric `status` except where the gateway itself refuses: a client that
    ignores the HTTP code reads `status` as a job's state and would poll for ever."""
    body: dict[str, Any] = {"error": message, "title": title, "detail": message}
    return {**body, "status": status} if status in (401, 403) else body


def openai_shape(status: int, title: str, message: str) -> dict[str, Any]:  # noqa: ARG001 - one shape for all
    return openai.error(message, status)


def rest_v1_shape(status: int, title: str, message: str) -> dict[str, Any]:  # noqa: ARG001 - one shape for all
    return {"error": message, "message": message, "status": status}


def problem_shape(status: int, title: str, message: str) -> dict[str, Any]:
    """RFC 9457, as REST v2 and podd's own API answer."""
    return {"title": title, "status": status, "detail": message}


def shape_for(path: str) -> tuple[Shape, str]:
    """The error's shape on this path, and its media type."""
    if path.startswith("/v1"):
        return rest_v1_shape, "application/json"
    if path.startswith("/v2/") and not _is_control_plane(path):
        to_openai = path.split("/")[3:4] == ["openai"]
        return openai_shape if to_openai else job_shape, "application/json"
    return problem_shape, PROBLEM


def surface_of(path: str) -> str:
    """The name of the surface a path belongs to."""
    match path.strip("/").split("/")[:2]:
        case ["graphql", *_]:
            return "graphql"
        case ["v1", *_]:
            return "rest_v1"
        case ["v2", noun]:
            return "rest_v2" if noun in RESERVED else "jobs"
        case ["auth", *_]:
            return "sign_in"
        case ["operator", *_]:
            return "operator"
    return "other"


def _is_control_plane(path: str) -> bool:
    return path.split("/")[2] in RESERVED


def answer(request: Request[Any, Any, Any], status: int, message: str, reason: str = "") -> Response[bytes]:
    """In the shape of its path. `reason` goes beside a message whose words clients compare."""
    shape, media_type = shape_for(request.url.path)
    body = shape(status, TITLES.get(status, "Error"), message)
    if reason:
        body |= {"errors": [reason]} if shape is problem_shape else {"reason": reason}
    return Response(json.dumps(body).encode(), status_code=status, media_type=media_type)


def on_podd_error(request: Request[Any, Any, Any], error: PoddError) -> Response[bytes]:
    short = error.short if isinstance(error, NoCapacity) else ""
    response = answer(request, STATUS.get(type(error), 400), error.message, short)
    if isinstance(error, TooMany):
        response.headers["retry-after"] = str(error.retry_after)
    return response


def on_malformed(request: Request[Any, Any, Any], error: Malformed) -> Response[bytes]:  # noqa: ARG001
    """As a problem that lists what is wrong, one line for each place."""
    body = {**problem_shape(422, TITLES[422], error.message), "errors": error.problems}
    return Response(json.dumps(body).encode(), status_code=422, media_type=PROBLEM)


def on_http_exception(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
    """Litestar's own refusals: no such path, no such method, a body it could not read."""
    response = answer(request, error.status_code, _said(error))
    for name, value in (error.headers or {}).items():
        response.headers[name] = value
    return response


def on_too_deep(request: Request[Any, Any, Any], error: RecursionError) -> Response[bytes]:  # noqa: ARG001
    return answer(request, 400, "The body is nested too deeply.")


def on_exception(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    log.error("request failed", path=request.url.path, exc_info=error)
    return answer(request, 500, INTERNAL)


def _said(error: HTTPException) -> str:
    """What is wrong and where, if Litestar knows it."""
    places = error.extra if isinstance(error.extra, list) else []
    said = [f"{place['key']}: {place['message']}" for place in places if {"key", "message"} <= place.keys()]
    return "; ".join(said) or error.detail
