"""The session's cookie: how it is set and read, and why another site can change nothing with it."""

import hmac
from typing import Any

from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie

from podd.api.visits import Visit
from podd.domain.account import Caller
from podd.domain.errors import Forbidden, Unauthenticated
from podd.domain.session import COOKIES
from podd.services import sign_in
from podd.services.platform import Platform

AnyConnection = ASGIConnection[Any, Any, Any, Any]

CSRF_HEADER = "x-csrf-token"
_HARMLESS = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN_SITES = frozenset({"same-origin", "none"})
_PLAIN, _SECURE = COOKIES


async def caller_by_cookie(request: AnyConnection, podd: Platform, visit: Visit) -> Caller | None:
    """Who has signed in; None without a cookie. Raises Unauthenticated when the session is over, Forbidden
    for a change without the session's token, which only podd's own pages know."""
    token = request.cookies.get(_name(request, podd), "")
    if not token:
        return None
    visit.ends_with(token)
    caller = await podd.store.read(sign_in.caller_of, podd, token)
    if caller is None:
        raise Unauthenticated("Your session is over; sign in again.")
    if request.scope.get("method", "GET") not in _HARMLESS:
        check_site(request)
        sent = request.headers.get(CSRF_HEADER, "")
        if not hmac.compare_digest(sent.encode(), podd.keys.csrf(caller.session_id).encode()):
            raise Forbidden("The X-CSRF-Token is missing or wrong; GET /auth/session tells it.")
    return caller


def check_site(request: AnyConnection) -> None:
    """Raise Forbidden when the browser says that another site's page sends this."""
    if request.headers.get("sec-fetch-site", "none") not in _OWN_SITES:
        raise Forbidden("A page of another site cannot do this.")


def session_cookie(request: AnyConnection, podd: Platform, token: str) -> Cookie:
    """Sets the token in the browser, or with "" takes it away. It is not for scripts, nor for requests other
    sites make, and behind TLS for this host alone."""
    return Cookie(
        key=_name(request, podd),
        value=token,
        path="/",
        httponly=True,
        samesite="lax",
        secure=_is_secure(request, podd),
        max_age=podd.settings.accounts.session_most_seconds if token else 0,
    )


def _name(request: AnyConnection, podd: Platform) -> str:
    return _SECURE if _is_secure(request, podd) else _PLAIN


def _is_secure(request: AnyConnection, podd: Platform) -> bool:
    return request.scope["scheme"] == "https" or podd.settings.public_url.startswith("https:")
