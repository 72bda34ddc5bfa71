"""The login before a port of a pod: a key, the session of who has signed in, or a pass from a link."""

from collections.abc import Iterator
from urllib.parse import parse_qsl, urlencode

from litestar.types import Scope

from podd.api.context import presented_keys
from podd.api.visits import visit_of
from podd.domain.account import Caller
from podd.domain.errors import PoddError
from podd.domain.session import COOKIES, PORT_COOKIE
from podd.ids import key_hash
from podd.proxy.refusal import Refusal
from podd.proxy.routes import PodPort
from podd.services import port_logins
from podd.services.platform import Platform
from podd.services.port_logins import COOKIE, LINK, Door

PARAMETER = "podd_login"
SIGNS_IN = frozenset({b"authorization"})
"""What is not passed on when it was meant for podd."""

_ASKED = (
    "This port asks for a login. Open it by a link from `podd proxy link`, "
    "or send an API key of its account: Authorization: Bearer KEY."
)


class Logins:
    def __init__(self, podd: Platform) -> None:
        self._podd = podd

    async def let_in(self, scope: Scope, route: PodPort) -> frozenset[bytes]:
        """Names of the headers that were for podd and not for the program. Raises Refusal."""
        door = Door(route.pod_id, route.port)
        self._take_pass(scope, route, door)
        for shown_hash in self._without_key(scope, door):
            if await self._is_good(scope, shown_hash, door):
                return frozenset()
        for key in presented_keys(scope["headers"]):
            if await self._is_good(scope, key_hash(key), door):
                return SIGNS_IN
        raise Refusal(401, _ASKED, headers=[(b"www-authenticate", b"Bearer")])

    # Private

    def _take_pass(self, scope: Scope, route: PodPort, door: Door) -> None:
        """From the address into the browser. Raises Refusal, which leads there."""
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        given = next((value for name, value in query if name == PARAMETER), "")
        shown_hash = port_logins.shown_in(self._podd, LINK, door, given) if given else ""
        if not shown_hash:
            return
        seconds = self._podd.settings.proxy.login_seconds
        kept = port_logins.make_pass(self._podd, COOKIE, door, shown_hash, seconds)
        secure = "; Secure" if scope["scheme"] in ("https", "wss") else ""
        cookie = (
            f"{PORT_COOKIE}={kept}; Path={route.prefix}/; Max-Age={round(seconds)}; HttpOnly; SameSite=Lax"
        )
        rest = urlencode([(name, value) for name, value in query if name != PARAMETER])
        # Never another host's: two slashes would name one.
        location = f"{route.prefix}/{route.path.lstrip('/')}{'?' + rest if rest else ''}"
        headers = [
            (b"location", location.encode("latin-1")),
            (b"set-cookie", f"{cookie}{secure}".encode()),
        ]
        raise Refusal(303, "Come in.", headers=headers)

    def _without_key(self, scope: Scope, door: Door) -> Iterator[str]:
        for name, value in _cookies(scope):
            if name == PORT_COOKIE and (shown := port_logins.shown_in(self._podd, COOKIE, door, value)):
                yield shown
            elif name in COOKIES:
                yield key_hash(value)

    async def _is_good(self, scope: Scope, shown_hash: str, door: Door) -> bool:
        visit = visit_of(scope)
        visit.ends_with_hash(shown_hash)
        try:
            caller: Caller = await self._podd.store.read(port_logins.visitor, self._podd, shown_hash, door)
        except PoddError:
            return False
        visit.note(caller)
        return True


def _cookies(scope: Scope) -> Iterator[tuple[str, str]]:
    for name, value in scope["headers"]:
        if name == b"cookie":
            for part in value.decode("latin-1").split(";"):
                key, _, text = part.strip().partition("=")
                yield key, text
