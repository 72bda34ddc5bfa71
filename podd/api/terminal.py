"""Terminals: a call that gives a token, and the WebSocket that it opens."""

import asyncio
from contextlib import aclosing
from typing import TypeVar
from urllib.parse import urlsplit

from litestar import WebSocket, post, websocket
from litestar.datastructures import State
from litestar.exceptions import WebSocketDisconnect
from litestar.params import JSONBody
from pydantic import BaseModel, ValidationError

from podd.api.context import AnyRequest, Api, api_of, known_caller_of
from podd.domain import shell as rules
from podd.domain.errors import Invalid, PoddError
from podd.ports import Window
from podd.services import entry
from podd.services.entry import Entering
from podd.services.terminals import Errand, Terminal
from podd.wire.terminal import SOCKET, Control, Hello, Notice, Size, TerminalToken, TerminalWish

Socket = WebSocket[object, object, State]
T = TypeVar("T", bound=BaseModel)

_HELLO_SECONDS = 10
_NORMAL, _GOING_WRONG, _NOT_ALLOWED = 1000, 1011, 1008


@post("/operator/v1/terminals", status_code=201)
async def ask_for_terminal(request: AnyRequest, data: JSONBody[TerminalWish]) -> TerminalToken:
    """A token for a shell in a pod or worker, for its owner and the operator."""
    caller, api = await known_caller_of(request), api_of(request)
    admitted = await api.podd.store.read(entry.by_caller, caller, data.id)
    token = api.terminals.promise(admitted)
    await api.podd.store.write(entry.note, api.podd, admitted, Entering.TOKEN)
    return TerminalToken(token=token, seconds=api.podd.settings.terminal.token_seconds, path=SOCKET)


@websocket(SOCKET)
async def terminal(socket: Socket) -> None:
    """The terminal itself. What is said over it is in `podd.wire.terminal`."""
    api: Api = socket.app.state.api
    if not is_welcome(api, socket.headers.get("origin", ""), socket.headers.get("host", "")):
        await socket.close(code=_NOT_ALLOWED, reason="This page may not open terminals.")
        return
    await socket.accept()
    try:
        async with asyncio.timeout(_HELLO_SECONDS):
            hello = _understood(Hello, await socket.receive_data(mode="text"))
        found = await _find(api, hello, socket.client.host if socket.client else "")
    except TimeoutError:
        await _say_goodbye(socket, Notice(error="No word came in time."), _NOT_ALLOWED)
    except PoddError as error:
        await _say_goodbye(socket, Notice(error=error.message), _NOT_ALLOWED)
    except WebSocketDisconnect:
        pass
    else:
        await _serve(socket, found, hello.received)


def is_welcome(api: Api, origin: str, host: str) -> bool:
    """Whether a page from there may open terminals. Programs send no Origin."""
    settings = api.podd.settings
    own = {settings.public_url, *settings.terminal.origins}
    return not origin or origin in own or urlsplit(origin).netloc.lower() == host.lower()


# Private


async def _find(api: Api, hello: Hello, address: str) -> Terminal:
    if hello.session:
        return api.terminals.again(hello.session)
    return await api.terminals.open(hello.token, _errand(hello), _window(hello.size), address)


def _errand(hello: Hello) -> Errand:
    files = hello.files
    if files is None:
        return Errand.shell(hello.command)
    if hello.command is not None or hello.size is not None:
        raise Invalid("Copying files goes without a command and without a terminal.")
    if files.direction == "get":
        return Errand.files(rules.pack(files.path))
    return Errand.files(rules.unpack(files.path, files.name, directory=files.kind == "directory"))


async def _serve(socket: Socket, found: Terminal, received: int) -> None:
    receiving = asyncio.create_task(_receive(socket, found))
    sending = asyncio.create_task(_send(socket, found, received))
    try:
        await asyncio.wait([receiving, sending], return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (receiving, sending):
            task.cancel()
        await asyncio.gather(receiving, sending, return_exceptions=True)


async def _send(socket: Socket, found: Terminal, received: int) -> None:
    await socket.send_text(Notice(session=found.name).model_dump_json(exclude_none=True))
    async with aclosing(found.output(received)) as output:
        async for stream, data in output:
            await socket.send_bytes(bytes([stream]) + data)
    if found.exit_code is not None:
        await found.close("It has ended.")
        await _say_goodbye(socket, Notice(exit=found.exit_code), _NORMAL)
    else:
        reason = found.reason or "It was opened somewhere else."
        await _say_goodbye(socket, Notice(error=reason), _GOING_WRONG)


async def _receive(socket: Socket, found: Terminal) -> None:
    while True:
        message = await socket.receive()
        if message["type"] != "websocket.receive":
            return
        data = message.get("bytes")
        if data is not None:
            await found.write(data)
            continue
        try:
            control = _understood(Control, message.get("text") or "")
        except Invalid:
            return
        if control.size is not None:
            await found.resize(Window(control.size.columns, control.size.rows))
        if control.eof:
            await found.end_input()


async def _say_goodbye(socket: Socket, notice: Notice, code: int) -> None:
    await socket.send_text(notice.model_dump_json(exclude_none=True))
    await socket.close(code=code)


def _understood(kind: type[T], text: str) -> T:
    try:
        return kind.model_validate_json(text)
    except ValidationError as error:
        raise Invalid("That is not understood here: see the documentation of the terminal.") from error


def _window(size: Size | None) -> Window | None:
    return Window(size.columns, size.rows) if size else None


HANDLERS = [ask_for_terminal, terminal]
