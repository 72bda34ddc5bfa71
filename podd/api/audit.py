"""The audit log: a page at a time, or all of it as CSV or JSON Lines. The operator sees everything,
an account its own."""

import csv
import io
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict, fields
from typing import Any

from litestar import Response, get
from litestar.response import Stream

from podd.api.context import AnyRequest, Api, api_of, known_caller_of
from podd.domain.account import Caller
from podd.domain.audit import Entry, Wish
from podd.domain.errors import Invalid
from podd.services import audit
from podd.wire.audit import AuditPage

PAGE = 100
MOST = 1000
_COLUMNS = tuple(field.name for field in fields(Entry))
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@get("/operator/v1/audit")
async def read_audit(request: AnyRequest) -> Response[Any]:
    """Who changed what. `since` and `until` (milliseconds since 1970), `who` (a user, key, session, workload
    or address), `operation` (`pod.stop`, or `pod.` for all of pods), `thing` and, for the operator, `account`
    narrow it down; `limit` and `before` go through the pages; `format` is json, jsonl or csv."""
    caller, api = await known_caller_of(request), api_of(request)
    wish = _wish(request)
    match request.query_params.get("format", "json"):
        case "json":
            return await _page(request, api, caller, wish)
        case "jsonl":
            return await _export(api, caller, wish, _lines, "application/jsonl")
        case "csv":
            return await _export(api, caller, wish, _rows, "text/csv; charset=utf-8", _written([_COLUMNS]))
        case other:
            raise Invalid(f"format: {other!r} is not one of json, jsonl, csv.")


HANDLERS = [read_audit]


# Private


def _wish(request: AnyRequest) -> Wish:
    query = request.query_params
    return Wish(
        account_id=query.get("account", ""),
        since=_number(request, "since"),
        until=_number(request, "until"),
        who=query.get("who", ""),
        operation=query.get("operation", ""),
        thing=query.get("thing", ""),
    )


def _number(request: AnyRequest, name: str) -> int | None:
    text = request.query_params.get(name)
    if not text:
        return None
    number = int(text) if text.isdecimal() and len(text) < 16 else None
    if number is None:
        raise Invalid(f"{name}: {text!r} is not a whole number.")
    return number


async def _page(request: AnyRequest, api: Api, caller: Caller, wish: Wish) -> Response[AuditPage]:
    limit = _number(request, "limit")
    limit = PAGE if limit is None else limit
    if not 1 <= limit <= MOST:
        raise Invalid(f"limit must be between 1 and {MOST}.")
    before = _number(request, "before")
    found = await api.podd.store.read(audit.some, caller, wish, limit + 1, before)
    shown = found[:limit]
    return Response(AuditPage(entries=shown, before=shown[-1].number if len(found) > limit else None))


async def _export(
    api: Api,
    caller: Caller,
    wish: Wish,
    written: Callable[[Sequence[Entry]], bytes],
    media_type: str,
    head: bytes = b"",
) -> Stream:
    """All that fits, oldest first, a thousand at a time. What is refused is so before anything is sent."""
    first = await api.podd.store.read(audit.after, caller, wish, MOST, 0)

    async def parts() -> AsyncIterator[bytes]:
        yield head
        found = first
        while found:
            yield written(found)
            found = await api.podd.store.read(audit.after, caller, wish, MOST, found[-1].number)

    return Stream(parts(), media_type=media_type, headers={"cache-control": "no-store"})


def _lines(entries: Sequence[Entry]) -> bytes:
    return "".join(f"{json.dumps(asdict(entry))}\n" for entry in entries).encode()


def _rows(entries: Sequence[Entry]) -> bytes:
    return _written([[_harmless(getattr(entry, name)) for name in _COLUMNS] for entry in entries])


def _harmless(value: object) -> object:
    """A client calls itself what it likes, and tables take some texts for formulas."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _written(rows: Sequence[Sequence[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
