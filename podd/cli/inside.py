"""A command or a file transfer in a pod, without a terminal: what it is given to read, and what it says."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from podd.client import Client, ClientError
from podd.ports import STDERR
from podd.wire.terminal import Control, Hello, Notice, TerminalToken, TerminalWish

_PIECE = 256 * 1024
_MOST_SAID = 4096


class Inside:
    """What runs there, as a file to read from and to write to."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._said = bytearray()
        self._unread = bytearray()
        self._exit: int | None = None

    def read(self, most: int) -> bytes:
        """Up to so many bytes of its output; b"" when it has ended. Raises ClientError."""
        while not self._unread and self._hear():
            pass
        data = bytes(self._unread[:most])
        del self._unread[:most]
        return data

    def line(self) -> str:
        """The next line of its output. Raises ClientError, also when it has ended without one."""
        while b"\n" not in self._unread:
            if not self._hear():
                raise self._failure()
        line, _, rest = bytes(self._unread).partition(b"\n")
        self._unread[:] = rest
        return line.decode(errors="replace")

    def write(self, data: bytes) -> int:
        """Give it that to read. Raises ClientError when it has ended."""
        view = memoryview(data)
        try:
            for begin in range(0, len(view), _PIECE):
                self._connection.send(bytes(view[begin : begin + _PIECE]))
        except ConnectionClosed:
            while self._hear():
                pass
            raise self._failure() from None
        return len(data)

    def end(self) -> bytes:
        """Give it no more; the rest of its output. Raises ClientError when it does not end with 0."""
        with suppress(ConnectionClosed):  # it has ended, and has said how
            self._connection.send(Control(eof=True).model_dump_json(exclude_none=True))
        while self._hear():
            pass
        if self._exit != 0:
            raise self._failure()
        return bytes(self._unread)

    def _hear(self) -> bool:
        """Take what comes next; False when it has ended."""
        if self._exit is not None:
            return False
        try:
            message = self._connection.recv()
        except ConnectionClosed as error:
            raise ClientError(f"The connection is lost: {error}") from error
        if isinstance(message, bytes):
            if message[0] == STDERR:
                self._said = (self._said + message[1:])[-_MOST_SAID:]
            else:
                self._unread += message[1:]
            return True
        notice = Notice.model_validate_json(message)
        if notice.error is not None:
            raise ClientError(notice.error)
        self._exit = notice.exit
        return notice.exit is None

    def _failure(self) -> ClientError:
        said = (self._said or self._unread[-_MOST_SAID:]).decode(errors="replace").strip()
        return ClientError(said.removeprefix("podd: ") or f"It ended with {self._exit}.")


@contextmanager
def inside(client: Client, pod: str, hello: Hello) -> Iterator[Inside]:
    """Begin what `hello` asks for; it ends at the latest with the block. Raises ClientError."""
    asked = client.post("/operator/v1/terminals", TerminalWish(id=pod), TerminalToken)
    with client.socket(asked.path) as connection:
        connection.send(hello.model_copy(update={"token": asked.token}).model_dump_json(exclude_none=True))
        yield Inside(connection)


def run_inside(client: Client, pod: str, command: str, given: bytes = b"") -> str:
    """What a command line prints. Raises ClientError, also when it does not end with 0."""
    try:
        with inside(client, pod, Hello(command=command)) as there:
            there.write(given)
            return there.end().decode(errors="replace")
    except ClientError as error:
        raise ClientError(f"In pod {pod}, {command!r}: {error}") from error
