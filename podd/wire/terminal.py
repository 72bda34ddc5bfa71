"""Terminals: how one is asked for, and what goes over its WebSocket beside the bytes."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

SOCKET = "/operator/v1/terminals/socket"


class TerminalWish(BaseModel):
    """`id` is that of a pod or a worker."""

    model_config = ConfigDict(extra="forbid")

    id: str


class TerminalToken(BaseModel):
    """`token` is good once, for `seconds`, and goes into the first message over the WebSocket at `path`."""

    token: str
    seconds: float
    path: str


class Size(BaseModel):
    columns: int = Field(ge=1, le=10_000)
    rows: int = Field(ge=1, le=10_000)


class Transfer(BaseModel):
    """A file or a directory that is copied, as a tar archive over the pipes. From the pod (`get`): the first
    line is `directory` or `file`, then comes what is at `path`. Into the pod (`put`): what is `kind` and has
    this `name` goes to `path`, as soon as a line has said `inside` (the directory at `path`, by that name) or
    `as` (the last name of `path`). Relative paths begin at home."""

    direction: Literal["get", "put"]
    path: str
    kind: Literal["file", "directory"] = "file"
    name: str = "."


class Hello(BaseModel):
    """The first message of a client: a `token` to open a terminal (of a `size`; without one, the command has
    pipes; `files` copies instead of running a command, and has pipes always), or the `session` of one that is
    open, with how many bytes it has `received` so far."""

    token: str = ""
    command: str | None = None
    files: Transfer | None = None
    size: Size | None = None
    session: str = ""
    received: int = Field(default=0, ge=0)


class Control(BaseModel):
    """A text message of a client after that. Its binary messages are input."""

    size: Size | None = None
    eof: bool = False


class Notice(BaseModel):
    """A text message of podd: the `session` at the start, the `exit` code at the end, or what went wrong. Its
    binary messages are output, behind one byte: 1 for stdout, 2 for stderr."""

    session: str | None = None
    exit: int | None = None
    error: str | None = None
