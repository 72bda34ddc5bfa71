"""What the proxy itself answers: a page for people, JSON for programs, both saying what is wrong."""

import html
import json
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import cast

from litestar.enums import ScopeType
from litestar.types import HTTPResponseBodyEvent, HTTPResponseStartEvent, Scope, Send

Headers = list[tuple[bytes, bytes]]

GUARDS: Headers = [
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
]
"""What is podd's own on an address that programs answer on: a page that loads nothing and is in no frame."""


@dataclass(eq=False)
class Refusal(Exception):
    """`retry` is after how many seconds the same request may have more luck, if ever."""

    status: int
    message: str
    retry: int | None = None
    headers: Headers = field(default_factory=list)

    def __str__(self) -> str:
        return self.message

    async def answer(self, scope: Scope, send: Send) -> None:
        """Send it, also in place of a WebSocket."""
        media_type, body = self._page() if _wants_page(scope) else ("application/json", self._json())
        headers = [
            (b"content-type", media_type.encode()),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
            *GUARDS,
            *self.headers,
        ]
        if self.retry is not None:
            headers.append((b"retry-after", str(self.retry).encode()))
        kind = "websocket.http.response" if scope["type"] == ScopeType.WEBSOCKET else "http.response"
        start = {"type": f"{kind}.start", "status": self.status, "headers": headers}
        await send(cast(HTTPResponseStartEvent, start))
        await send(cast(HTTPResponseBodyEvent, {"type": f"{kind}.body", "body": body, "more_body": False}))

    def _json(self) -> bytes:
        title = HTTPStatus(self.status).phrase
        return json.dumps({"error": self.message, "title": title, "detail": self.message}).encode()

    def _page(self) -> tuple[str, bytes]:
        title = f"{self.status} {HTTPStatus(self.status).phrase}"
        again = f'<meta http-equiv="refresh" content="{self.retry}">' if self.retry is not None else ""
        text = (
            f'<!doctype html><html lang="en"><meta charset="utf-8">{again}<title>{title}</title>'
            f"<h1>{title}</h1><p>{html.escape(self.message)}</p></html>\n"
        )
        return "text/html; charset=utf-8", text.encode()


def _wants_page(scope: Scope) -> bool:
    return any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])
