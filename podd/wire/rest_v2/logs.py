"""Logs of pods and workers."""

from typing import Annotated, Literal

from pydantic import Field

from podd.wire.rest_v2.words import Query

LogSource = Literal["container", "system"]


class LogQuery(Query):
    source: LogSource | None = None
    tail: Annotated[int, Field(ge=0, le=5000)] = 100
    since: str | None = None
