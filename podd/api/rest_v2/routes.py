"""All operations of REST v2, and their description."""

from functools import cache
from typing import Any

from litestar import Router, get
from litestar.handlers import HTTPRouteHandler

from podd.api.errors import on_malformed
from podd.api.rest_v2 import account, billing, catalogue, clusters, pods, registries, serverless, templates
from podd.api.rest_v2 import volumes as network_volumes
from podd.api.rest_v2.document import document, operations_of
from podd.domain.errors import Malformed

DOCUMENTED: list[HTTPRouteHandler] = [
    *account.HANDLERS,
    *pods.HANDLERS,
    *serverless.HANDLERS,
    *templates.HANDLERS,
    *network_volumes.HANDLERS,
    *registries.HANDLERS,
    *catalogue.HANDLERS,
    *billing.HANDLERS,
    *clusters.HANDLERS,
]


@get("/openapi.json", include_in_schema=False)
async def openapi() -> dict[str, Any]:
    """The description; no key needed."""
    return _described()


@cache
def _described() -> dict[str, Any]:
    return document(operations_of(DOCUMENTED))


def router() -> Router:
    return Router(
        "/v2",
        route_handlers=[*DOCUMENTED, *serverless.UNDOCUMENTED, openapi],
        exception_handlers={Malformed: on_malformed},
    )
