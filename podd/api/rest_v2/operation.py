"""What every operation of REST v2 has in common: the caller is known first, then the query and the body are
held to their models, and the result is written in the names of the wire."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from litestar import HttpMethod, Response, route
from litestar.handlers import HTTPRouteHandler
from pydantic import BaseModel, ValidationError

from podd.api import context
from podd.api.context import AnyRequest, api_of, known_caller_of, mebibytes, read_body
from podd.api.rest_v2.problems import body_problems, not_json, query_problems
from podd.domain.errors import Invalid, Malformed
from podd.wire.rest_v2 import Body, Query

P = ParamSpec("P")
T = TypeVar("T")
B = TypeVar("B", bound=Body)
Q = TypeVar("Q", bound=Query)
Answer = BaseModel | Response[Any] | None
Handler = Callable[..., Awaitable[Answer]]

MAX_BODY = 1024 * 1024
JSON = "application/json"


@dataclass(frozen=True)
class Call(context.Call):
    """A call, and the request it came in: logs are streamed to it."""

    request: AnyRequest


@dataclass(frozen=True, kw_only=True)
class Operation:
    """An operation as its description needs it. `answer` None: no content; a str: that media type."""

    method: str
    paths: tuple[str, ...]
    id: str
    summary: str
    status: int
    body: type[Body] | None
    query: type[Query] | None
    answer: type[BaseModel] | str | None


def operation(
    method: HttpMethod,
    *paths: str,
    id: str,
    answer: type[BaseModel] | str | None = None,
    status: int = 200,
    body: type[Body] | None = None,
    query: type[Query] | None = None,
) -> Callable[[Handler], HTTPRouteHandler]:
    """Make an operation of a function `(call, *ids of the path, query, body)`; what it has no model for is
    not passed to it."""

    def made(function: Handler) -> HTTPRouteHandler:
        async def handler(request: AnyRequest) -> Response[Any]:
            call = Call(api_of(request), await known_caller_of(request), request)
            given: list[Any] = list(request.path_params.values())
            if query is not None:
                given.append(read_query(request, query))
            if body is not None:
                given.append(await read_model(request, body))
            return shown(await function(call, *given), status)

        facts = Operation(
            method=method.value,
            paths=paths,
            id=id,
            summary=(function.__doc__ or "").split("\n\n")[0].strip(),
            status=status,
            body=body,
            query=query,
            answer=answer,
        )
        typed = [path.replace("}", ":str}") for path in paths]
        return route(
            typed,
            http_method=method,
            status_code=200,  # what the response itself says counts
            include_in_schema=False,
            opt={"operation": facts},
        )(handler)

    return made


def shown(answer: Answer, status: int) -> Response[Any]:
    if isinstance(answer, Response):
        return answer
    if answer is None:
        return Response(None, status_code=204)
    return Response(answer.model_dump_json(by_alias=True).encode(), status_code=status, media_type=JSON)


async def read_model(request: AnyRequest, model: type[B]) -> B:
    """The body. Nothing at all is an empty object. Raises Invalid, Malformed."""
    raw = await read_body(request, MAX_BODY, mebibytes(MAX_BODY))
    try:
        return model.model_validate_json(raw.strip() or b"{}")
    except ValidationError as error:
        if not_json(error):
            raise Invalid(f"The body is not JSON: {error.errors()[0]['msg']}.") from None
        raise Malformed(body_problems(error)) from None


def read_query(request: AnyRequest, model: type[Q]) -> Q:
    """The query; a parameter that is given twice counts as a list. Raises Malformed."""
    given: dict[str, Any] = {}
    for name, value in request.query_params.multi_items():
        given[name] = [*given[name], value] if name in given else [value]
    try:
        return model.model_validate(
            {name: values if len(values) > 1 else values[0] for name, values in given.items()}
        )
    except ValidationError as error:
        raise Malformed(query_problems(error)) from None
