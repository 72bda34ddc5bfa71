"""Logs as server-sent events: an id to come back with, and a comment now and then while nothing happens."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from datetime import UTC, datetime

from litestar.response import Stream

from podd.api.rest_v2.operation import Call
from podd.domain.errors import Malformed, TooMany
from podd.domain.workload import Workload
from podd.services.log_pump import Place, end_of
from podd.services.logs import CONTAINER, SYSTEM, Entry, LogWish
from podd.store.db import Reader
from podd.wire.rest_v2 import LogQuery

EVENTS = "text/event-stream"
KEEP_ALIVE = 15.0

_ID = re.compile(r"(?P<at>[^/]+)(/(?P<number>\d{12}))?\Z")


async def follow(call: Call, query: LogQuery, find: Callable[[Reader], Workload]) -> Stream:
    """The stream of one workload's log. Raises what `find` raises, Malformed, TooMany."""
    workload = await call.read(find)
    wish = log_wish(query, call.request.headers.get("last-event-id", ""))
    if call.api.logs.full:
        raise TooMany("Too many logs are being followed; close one and try again.")
    return Stream(
        _events(call, workload, wish),
        media_type=EVENTS,
        headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
    )


def log_wish(query: LogQuery, last_id: str) -> LogWish:
    """Where to begin: after the last event the client saw, or at a time, or with the last lines."""
    sources = frozenset({query.source} if query.source else {CONTAINER, SYSTEM})
    if last_id.strip():
        return LogWish(sources, query.tail, _place(last_id.strip()))
    if query.since:
        return LogWish(sources, query.tail, end_of(millis(query.since, "query.since") - 1))
    return LogWish(sources, query.tail)


async def _events(call: Call, workload: Workload, wish: LogWish) -> AsyncIterator[bytes]:
    # The first bytes go out at once: clients take silence before the headers for a failure.
    yield b": following\n\n"
    async with aclosing(call.api.logs.follow(workload, wish)) as batches:
        said = asyncio.get_running_loop().time()
        async for batch in batches:
            now = asyncio.get_running_loop().time()
            if batch:
                yield b"".join(_event(entry) for entry in batch)
            elif now - said >= KEEP_ALIVE:
                yield b": still here\n\n"
            else:
                continue
            said = now


def _event(entry: Entry) -> bytes:
    at = _shown(entry.place.at)
    data = json.dumps({"source": entry.source, "line": entry.text, "ts": at})
    return f"id: {at}/{entry.place.number:012d}\ndata: {data}\n\n".encode()


def _shown(at: int) -> str:
    """Always to the millisecond, so that ids sort as what they name."""
    when = datetime.fromtimestamp(at / 1000, UTC)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _place(last_id: str) -> Place:
    match = _ID.match(last_id)
    if match is None:
        raise Malformed([f"Last-Event-ID: {last_id!r} is not the id of an event"])
    at = millis(match["at"], "Last-Event-ID")
    return Place(at, int(match["number"])) if match["number"] else end_of(at)


def millis(text: str, name: str) -> int:
    try:
        # In a query, an unescaped + reads as a space.
        at = datetime.fromisoformat(text.strip().replace(" ", "+"))
        return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise Malformed([f"{name}: {text!r} is not a time such as 2026-01-31T12:00:00Z"]) from None
