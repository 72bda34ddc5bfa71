"""Signing in, under /auth. Times are milliseconds since 1970."""

from pydantic import BaseModel, ConfigDict


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SignInWish(_Body):
    email: str
    password: str


class LinkSignInWish(_Body):
    """`token` is what a link from the operator ends with."""

    token: str


class SignUpWish(_Body):
    """`name` defaults to the part of the address before the @."""

    email: str
    password: str
    name: str | None = None


class PasswordWish(_Body):
    """`current` is left out where there is none yet, or by who has just signed in with a link."""

    password: str
    current: str | None = None


class SignedIn(BaseModel):
    """`csrf_token` goes as X-CSRF-Token with every request that is no GET; `has_password` is false for who
    can only sign in with links."""

    account_id: str
    email: str
    name: str
    session_id: str
    csrf_token: str
    has_password: bool
    expires_at: int


class SessionStatus(BaseModel):
    """`current`: the one that asks. `last_used_at` may be a minute behind."""

    id: str
    current: bool
    by_link: bool
    created_at: int
    last_used_at: int
    expires_at: int
    address: str
    agent: str


class SessionList(BaseModel):
    sessions: list[SessionStatus]


class LinkWish(_Body):
    """`account` is an account's id or e-mail address."""

    account: str


class NewLink(BaseModel):
    """`token` is shown here and never again; it is good once, until `expires_at`."""

    account_id: str
    email: str
    url: str
    token: str
    expires_at: int
