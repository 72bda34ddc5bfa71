"""What stands before the application: tidies paths that known clients get wrong, and marks what comes
through the operator's own socket."""

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from podd.api.context import LOCAL


class Door:
    """One way in. `local` is the operator's socket: whoever can open it needs no key."""

    def __init__(self, app: ASGIApp, *, local: bool) -> None:
        self._app = app
        self._local = local

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            scope[LOCAL] = self._local  # type: ignore[literal-required]
            # The SDK with a base URL that ends in a slash posts to //graphql.
            if scope["path"].strip("/") == "graphql":
                scope["path"] = "/graphql"
                scope["raw_path"] = b"/graphql"
        await self._app(scope, receive, send)
