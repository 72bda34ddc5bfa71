"""Signing in: sessions, how long they last, and what can be a password."""

from dataclasses import dataclass

from podd.domain.errors import Invalid

LONGEST_PASSWORD = 1024


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who has signed in, with a password or (`by_link`) with a link from the operator; where and
    with what is shown to them."""

    id: str
    account_id: str
    by_link: bool
    created_at: int
    last_used_at: int
    address: str
    agent: str


@dataclass(frozen=True, slots=True)
class Lasts:
    """Milliseconds a session lasts without being used, and in all."""

    unused: int
    most: int

    def ends_at(self, session: Session) -> int:
        return min(session.last_used_at + self.unused, session.created_at + self.most)


def checked_password(password: str, least: int) -> str:
    """Raises Invalid for one that is too short to be safe, or too long to be a password."""
    if not least <= len(password) <= LONGEST_PASSWORD:
        raise Invalid(f"A password has {least} to {LONGEST_PASSWORD} characters.")
    return password


COOKIES = ("podd_session", "__Host-podd_session")
"""What the cookie with a session's token is called, without and behind TLS."""


PORT_COOKIE = "podd_port"
"""The cookie that opens a port which asks for a login."""


def without_session(cookies: bytes) -> bytes:
    """A `Cookie` header without podd's own: no program behind the proxy is to see it."""
    parts = [part.strip() for part in cookies.split(b";")]
    own = tuple(f"{name}=".encode() for name in (*COOKIES, PORT_COOKIE))
    return b"; ".join(part for part in parts if part and not part.startswith(own))
