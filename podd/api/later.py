"""What RunPod offers and podd does not yet: newer nouns of REST v2. A good key is told so plainly."""

from litestar import HttpMethod, route

from podd.api.context import AnyRequest, known_caller_of
from podd.domain.errors import NotAvailable

_METHODS = [HttpMethod.GET, HttpMethod.POST, HttpMethod.PATCH, HttpMethod.PUT, HttpMethod.DELETE]
_NOUNS = ("sandboxes", "secrets", "tags")


@route(
    [*(f"/v2/{noun}{rest}" for noun in _NOUNS for rest in ("", "/{rest:path}"))],
    http_method=_METHODS,
    include_in_schema=False,
)
async def not_yet(request: AnyRequest) -> None:
    """Refuse with the surface's own error."""
    await known_caller_of(request)
    raise NotAvailable(
        f"{request.method} {request.url.path} is not available in this version of podd yet; "
        "pods, templates and endpoints are managed through /graphql."
    )


HANDLERS = [not_yet]
