"""Stands before all else where http is only the way to https."""

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from podd.proxy.routes import host_name


class ToHttps:
    """Sends everybody on to `port`, but those who come to `inside`: where containers reach podd, which go by
    http."""

    def __init__(self, app: ASGIApp, port: int, inside: str) -> None:
        self._app = app
        self._port = port
        self._inside = inside

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        server = scope["server"]
        if server is not None and server[0] == self._inside:
            await self._app(scope, receive, send)
        elif scope["type"] == ScopeType.WEBSOCKET:
            await send({"type": "websocket.close", "code": 1008, "reason": "Use wss."})
        else:
            await _send_on(scope, send, self._port)


async def _send_on(scope: Scope, send: Send, port: int) -> None:
    host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
    target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
    at = "" if port == 443 else f":{port}"
    location = f"https://{host_name(host)}{at}".encode("latin-1") + target
    text = b"Use https."
    headers = [
        (b"location", location),
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(text)),
    ]
    await send({"type": "http.response.start", "status": 308, "headers": headers})
    await send({"type": "http.response.body", "body": text, "more_body": False})
