"""Signing in, under /auth: what podd's own pages speak, as JSON, with a session's cookie."""

from typing import Any

from litestar import Response, delete, get, post
from litestar.params import FromPath, JSONBody
from pydantic import BaseModel

from podd.api.context import AnyRequest, api_of, known_caller_of
from podd.api.cookies import check_site, session_cookie
from podd.api.visits import visit_of
from podd.domain.account import Caller, CallerKind, Origin
from podd.domain.session import Session
from podd.services import sign_in
from podd.services.platform import Platform
from podd.store import accounts, sessions
from podd.store.db import Reader
from podd.wire.sign_in import (
    LinkSignInWish,
    LinkWish,
    NewLink,
    PasswordWish,
    SessionList,
    SessionStatus,
    SignedIn,
    SignInWish,
    SignUpWish,
)

NO_STORE = {"cache-control": "no-store"}


@post("/auth/sign-in", status_code=200)
async def sign_in_with_password(request: AnyRequest, data: JSONBody[SignInWish]) -> Response[Any]:
    """Sign in with a password: sets the session's cookie."""
    api, origin = api_of(request), _stranger(request, data.email)
    opened = await sign_in.with_password(api.podd, api.passwords, data.email, data.password, origin)
    return await _welcome(request, opened)


@post("/auth/link", status_code=200)
async def sign_in_with_link(request: AnyRequest, data: JSONBody[LinkSignInWish]) -> Response[Any]:
    """Sign in with a link from the operator, which is used up by it."""
    api, origin = api_of(request), _stranger(request)
    opened = await api.podd.store.write(sign_in.with_link, api.podd, data.token, origin)
    return await _welcome(request, opened)


@post("/auth/sign-up", status_code=201)
async def sign_up(request: AnyRequest, data: JSONBody[SignUpWish]) -> Response[Any]:
    """Make an account of one's own and sign in, where that is open to anybody."""
    api, origin = api_of(request), _stranger(request, data.email)
    opened = await sign_in.sign_up(api.podd, api.passwords, data.email, data.name, data.password, origin)
    return await _welcome(request, opened)


@post("/auth/sign-out", status_code=204)
async def sign_out(request: AnyRequest) -> Response[None]:
    """End this session."""
    caller, api = await known_caller_of(request), api_of(request)
    visit_of(request.scope).stay()
    session = await api.podd.store.read(sign_in.own, caller)
    await api.podd.store.write(sign_in.end, api.podd, caller, session.id)
    return Response(None, status_code=204, cookies=[session_cookie(request, api.podd, "")])


@post("/auth/password", status_code=204)
async def change_password(request: AnyRequest, data: JSONBody[PasswordWish]) -> None:
    """Set or change the password; all other sessions end."""
    caller, api = await known_caller_of(request), api_of(request)
    api.attempts.count(account=caller.user_id)
    await sign_in.change_password(api.podd, api.passwords, caller, data.current, data.password)


@get("/auth/session")
async def show_session(request: AnyRequest) -> Response[SignedIn]:
    """Who has signed in, and the token that goes with each change."""
    caller, api = await known_caller_of(request), api_of(request)
    return Response(await api.podd.store.read(_signed_in, api.podd, caller), headers=NO_STORE)


@get("/auth/sessions")
async def list_sessions(request: AnyRequest) -> SessionList:
    """All sessions of the person who has signed in."""
    caller, api = await known_caller_of(request), api_of(request)
    found = await api.podd.store.read(sign_in.listed, api.podd, caller)
    return SessionList(sessions=[_status(api.podd, one, caller) for one in found])


@delete("/auth/sessions/{id:str}", status_code=204)
async def end_session(request: AnyRequest, id: FromPath[str]) -> None:
    """End a session, and all it has open."""
    caller, api = await known_caller_of(request), api_of(request)
    if id == caller.session_id:
        visit_of(request.scope).stay()
    await api.podd.store.write(sign_in.end, api.podd, caller, id)


@post("/operator/v1/links", status_code=201)
async def create_link(request: AnyRequest, data: JSONBody[LinkWish]) -> NewLink:
    """Make a link that somebody signs in with, once."""
    caller, api = await known_caller_of(request), api_of(request)
    account, token, expires_at = await api.podd.store.write(sign_in.make_link, api.podd, caller, data.account)
    return NewLink(
        account_id=account.id,
        email=account.email,
        # What stands behind the # is never sent to a server, and so in nobody's log.
        url=f"{api.podd.settings.public_url}/sign-in#token={token}",
        token=token,
        expires_at=expires_at,
    )


HANDLERS = [
    sign_in_with_password,
    sign_in_with_link,
    sign_up,
    sign_out,
    change_password,
    show_session,
    list_sessions,
    end_session,
    create_link,
]


# Private


def _stranger(request: AnyRequest, account: str = "") -> Origin:
    """Where somebody who is yet to sign in comes from. Raises Forbidden, TooMany."""
    check_site(request)
    origin = visit_of(request.scope).origin
    api_of(request).attempts.count(address=origin.address, **({"account": account} if account else {}))
    return origin


async def _welcome(request: AnyRequest, opened: sign_in.Opened) -> Response[Any]:
    session, token = opened
    podd = api_of(request).podd
    caller = Caller(kind=CallerKind.ACCOUNT, session_id=session.id)
    shown: BaseModel = await podd.store.read(_signed_in, podd, caller)
    return Response(shown, headers=NO_STORE, cookies=[session_cookie(request, podd, token)])


def _signed_in(db: Reader, podd: Platform, caller: Caller) -> SignedIn:
    session = sign_in.own(db, caller)
    account = accounts.get(db, session.account_id)
    assert account is not None, "a session belongs to an account"
    return SignedIn(
        account_id=account.id,
        email=account.email,
        name=account.name,
        session_id=session.id,
        csrf_token=podd.keys.csrf(session.id),
        has_password=sessions.password_hash(db, account.id) is not None,
        expires_at=sign_in.session_lasts(podd).ends_at(session),
    )


def _status(podd: Platform, session: Session, caller: Caller) -> SessionStatus:
    return SessionStatus(
        id=session.id,
        current=session.id == caller.session_id,
        by_link=session.by_link,
        created_at=session.created_at,
        last_used_at=session.last_used_at,
        expires_at=sign_in.session_lasts(podd).ends_at(session),
        address=session.address,
        agent=session.agent,
    )
