"""A command in a pod, with what it is given to read: for commands that need one, without a terminal."""

from websockets.exceptions import ConnectionClosed

from podd.client import Client, ClientError
from podd.wire.terminal import Control, Hello, Notice, TerminalToken, TerminalWish

_PIECE = 32 * 1024


def run_inside(client: Client, pod: str, command: str, given: bytes = b"") -> str:
    """What it prints. Raises ClientError, also when it does not end with 0."""
    asked = client.post("/operator/v1/terminals", TerminalWish(id=pod), TerminalToken)
    said = bytearray()
    try:
        with client.socket(asked.path) as connection:
            connection.send(Hello(token=asked.token, command=command).model_dump_json())
            for message in connection:
                if isinstance(message, bytes):
                    said += message[1:]
                    continue
                notice = Notice.model_validate_json(message)
                if notice.error is not None:
                    raise ClientError(notice.error)
                if notice.session is not None:
                    for begin in range(0, len(given), _PIECE):
                        connection.send(given[begin : begin + _PIECE])
                    connection.send(Control(eof=True).model_dump_json(exclude_none=True))
                if notice.exit is not None:
                    text = said.decode(errors="replace")
                    if notice.exit != 0:
                        raise ClientError(f"In pod {pod}, {command!r} ended with {notice.exit}: {text}")
                    return text
    except ConnectionClosed as error:
        raise ClientError(f"The connection is lost: {error}") from error
    raise ClientError("The connection is lost.")
