"""Rate limits of the job API: middleware that answers 429 before anything else is done."""

from litestar.types import ASGIApp, Receive, Scope, Send

from podd.api.context import Api, presented_keys
from podd.api.gauge import OPERATIONS
from podd.ids import key_hash


def rate_limits(app: ASGIApp) -> ASGIApp:
    """Middleware for the router of the job API."""

    async def limited(scope: Scope, receive: Receive, send: Send) -> None:
        _, _, endpoint_id, name, *_ = f"{scope['path']}//".split("/")
        operation = OPERATIONS.get(name)
        if operation is None:
            return await app(scope, receive, send)
        api: Api = scope["litestar_app"].state.api
        shown = next(iter(presented_keys(scope["headers"], scope["query_string"])), "")
        key = (operation, endpoint_id, key_hash(shown))
        api.gauge.begin(key)
        try:
            await app(scope, receive, send)
        finally:
            api.gauge.end(key)

    return limited
