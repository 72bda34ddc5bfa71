"""By which names podd may be called.

A page of anybody's whose name is made to lead to this machine (DNS rebinding) is of one origin with podd in
the eyes of a browser inside the network. Its requests still bear the page's own name.
"""

import ipaddress
import socket
from urllib.parse import urlsplit

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from podd.config import Settings
from podd.proxy.routes import RUNPOD_ENDPOINTS, RUNPOD_PODS, host_name

_TEXT = b"This machine is not called so. Its operator can add the name to `allowed_hosts`."


def names_of(settings: Settings) -> frozenset[str]:
    """What this machine is called, `allowed_hosts` included; `*.` stands for everything below a name."""
    domain = settings.proxy.domain
    names = {
        "localhost",
        socket.gethostname(),
        settings.machine.host_name,
        urlsplit(settings.public_url).hostname or "",
        *settings.allowed_hosts,
        *settings.tls.names,
        f"*.{RUNPOD_PODS}",
        f"*.{RUNPOD_ENDPOINTS}",
        "*.runpod.io",
        "*.runpod.ai",
        *((domain, f"*.{domain}") if domain else ()),
    }
    return frozenset(name.lower() for name in names if name)


class KnownHosts:
    """Lets those requests through to `app` that are for one of these names, or for an address: that cannot be
    made to lead elsewhere."""

    def __init__(self, app: ASGIApp, names: frozenset[str]) -> None:
        self._app = app
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
        if self._knows(host_name(host)):
            await self._app(scope, receive, send)
        elif scope["type"] == ScopeType.WEBSOCKET:
            await send({"type": "websocket.close", "code": 1008, "reason": _TEXT.decode()})
        else:
            headers = [
                (b"content-type", b"text/plain; charset=utf-8"),
                (b"content-length", b"%d" % len(_TEXT)),
            ]
            await send({"type": "http.response.start", "status": 421, "headers": headers})
            await send({"type": "http.response.body", "body": _TEXT, "more_body": False})

    def _knows(self, name: str) -> bool:
        if not name or name in self._names or _is_address(name):
            return True
        parts = name.split(".")
        return any("*." + ".".join(parts[first:]) in self._names for first in range(1, len(parts)))


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True
