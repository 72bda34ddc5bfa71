"""Lists, newest first, a page at a time. A cursor names the last thing that was shown, so that what comes
or goes in between neither repeats nor hides another."""

import base64
import binascii
from collections.abc import Callable, Iterable
from typing import TypeVar

from litestar import Response

from podd.api.rest_v2.operation import JSON
from podd.domain.errors import Invalid
from podd.wire.rest_v2 import PageQuery, Pagination

T = TypeVar("T")
Key = tuple[int, str]


def page(things: Iterable[T], query: PageQuery, key: Callable[[T], Key]) -> tuple[list[T], Pagination]:
    """The wanted page; `key` is when a thing was made, and its id. Raises Invalid for a foreign cursor."""
    ordered = sorted(things, key=key, reverse=True)
    if query.cursor:
        after = _key(query.cursor)
        ordered = [thing for thing in ordered if key(thing) < after]
    found, more = ordered[: query.limit], len(ordered) > query.limit
    return found, Pagination(next_cursor=_cursor(key(found[-1])) if more else None, has_next_page=more)


def page_of(name: str, shown: Iterable[bytes], pagination: Pagination) -> Response[bytes]:
    """The answer with a page of things that are JSON already, under this name."""
    parts = b",".join(shown), pagination.model_dump_json(by_alias=True).encode()
    return Response(b'{"%s":[%s],"pagination":%s}' % (name.encode(), *parts), media_type=JSON)


def _cursor(key: Key) -> str:
    return base64.urlsafe_b64encode(f"{key[0]}:{key[1]}".encode()).decode().rstrip("=")


def _key(cursor: str) -> Key:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        at, _, id = text.partition(":")
        return int(at), id
    except (ValueError, binascii.Error):
        raise Invalid("cursor: not one that podd gave; start again without it.") from None
