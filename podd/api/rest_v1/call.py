"""What every operation of REST v1 works with: who calls, the books, and how a refusal reads."""

import re
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from litestar import Request, Response
from litestar.datastructures import State
from litestar.di import Provide
from litestar.exceptions import ClientException, ValidationException
from litestar.openapi import ResponseSpec
from litestar.types import ExceptionHandlersMap
from pydantic import BaseModel
from pydantic.alias_generators import to_camel

from podd.api.context import AnyRequest, Call, api_of, known_caller_of
from podd.api.errors import answer, on_http_exception
from podd.domain.errors import Conflict, NoCapacity
from podd.wire import rest_v1 as wire

P = ParamSpec("P")
T = TypeVar("T")


async def provide_call(request: Request[object, object, State]) -> Call:
    """The call, by somebody podd knows. Raises Unauthenticated before anything else is looked at."""
    return Call(api_of(request), await known_caller_of(request))


DEPENDENCIES = {"call": Provide(provide_call)}


def written(model: BaseModel) -> dict[str, Any]:
    """A model as it goes over the wire: what nobody set is left out."""
    return model.model_dump(exclude_unset=True)


TYPE_ENCODERS: dict[Any, Callable[[Any], Any]] = {BaseModel: written}

_REASONS = {
    400: "The request makes no sense as sent, or the thing's state forbids it",
    401: "No key, or a key nobody has",
    403: "The key may not do this",
    404: "No such thing among the caller's",
    500: "The machine has no room for this now, or something broke",
    501: "Known, but not offered by this version of podd",
}


def errors(*statuses: int) -> dict[int, ResponseSpec]:
    """For the description of an operation: how it can fail."""
    return {
        status: ResponseSpec(wire.Error, description=_REASONS[status], generate_examples=False)
        for status in sorted({400, 401, 403, *statuses})
    }


# How refusals read


def on_no_capacity(request: AnyRequest, error: NoCapacity) -> Response[bytes]:
    """500 with the operation in front, as scripts expect: `create pod: There are no longer any ...`."""
    return answer(request, 500, f"{_operation(request)}: {error.message}", error.short)


def on_conflict(request: AnyRequest, error: Conflict) -> Response[bytes]:
    """REST v1 knows no 409."""
    return answer(request, 400, error.message)


def on_invalid(request: AnyRequest, error: ValidationException) -> Response[bytes]:
    """A body or query that does not fit, with the field's name."""
    problems = error.extra if isinstance(error.extra, list) else []
    return answer(request, 400, "; ".join(_problem(problem) for problem in problems) or error.detail)


def on_refused(request: AnyRequest, error: ClientException) -> Response[bytes]:
    """Litestar's other refusals. The plain one is for a body that is no JSON."""
    if type(error) is ClientException:
        return answer(request, 400, f"The body is not JSON: {error.detail}.")
    return on_http_exception(request, error)


EXCEPTION_HANDLERS: ExceptionHandlersMap = {
    NoCapacity: on_no_capacity,
    Conflict: on_conflict,
    ValidationException: on_invalid,
    ClientException: on_refused,
}


def _operation(request: AnyRequest) -> str:
    """`CreatePod` as `create pod`."""
    name = str(request.route_handler.operation_id)
    return re.sub(r"(?<!^)(?=[A-Z])", " ", name).lower()


def _problem(problem: dict[str, Any]) -> str:
    name = str(problem.get("key", ""))
    if problem.get("source") == "query":
        name = to_camel(name)
    message = str(problem["message"]).removeprefix("Value error, ")
    return f"{name}: {message}" if name else message
