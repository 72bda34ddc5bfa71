"""As much of systemd as podd talks to: it hears what podd says, and keeps listening sockets over restarts."""

import array
import os
import socket
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

# The sockets to 3, 4, ..., by way of numbers that are out of the way; then the program, as the same process.
_HAND_OVER = """
import os, sys
fds = [int(fd) for fd in sys.argv[1].split(",") if fd]
aside = [os.dup2(fd, 100 + n) for n, fd in enumerate(fds)]
for n, fd in enumerate(aside):
    os.dup2(fd, 3 + n)
    os.close(fd)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])
"""


class Manager:
    """`said` is all that was told, in its order."""

    def __init__(self, directory: Path, watchdog_seconds: float = 0) -> None:
        self.said: list[dict[str, str]] = []
        self.kept: dict[str, int] = {}
        self._watchdog_seconds = watchdog_seconds
        self._address = directory / "notify.sock"
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._line.bind(str(self._address))
        self._thread = threading.Thread(target=self._hear)
        self._thread.start()

    def environment(self) -> dict[str, str]:
        env = {"NOTIFY_SOCKET": str(self._address)}
        if self._watchdog_seconds:
            env["WATCHDOG_USEC"] = str(int(self._watchdog_seconds * 1_000_000))
        if self.kept:
            env |= {"LISTEN_FDS": str(len(self.kept)), "LISTEN_FDNAMES": ":".join(self.kept)}
        return env

    @property
    def file_descriptors(self) -> Sequence[int]:
        """For `pass_fds` of whoever starts `command`."""
        return tuple(self.kept.values())

    def command(self, *argv: str) -> list[str]:
        """`argv`, with the sockets handed over."""
        listed = ",".join(str(fd) for fd in self.kept.values())
        return [sys.executable, "-c", _HAND_OVER, listed, *argv]

    def heard(self, **facts: str) -> bool:
        return any(facts.items() <= message.items() for message in self.said)

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            line.sendto(b"END", str(self._address))
        self._thread.join()
        self._line.close()
        for fd in self.kept.values():
            os.close(fd)

    def _hear(self) -> None:
        space = socket.CMSG_SPACE(array.array("i").itemsize)
        while True:
            data, more, _, _ = self._line.recvmsg(4096, space)
            if data == b"END":
                return
            message = dict(line.split("=", 1) for line in data.decode().splitlines())
            for _, _, numbers in more:
                self._keep(message.get("FDNAME", "stored"), array.array("i", numbers)[0])
            if message.get("FDSTOREREMOVE") == "1":
                with suppress(KeyError):
                    os.close(self.kept.pop(message["FDNAME"]))
            self.said.append(message)

    def _keep(self, name: str, fd: int) -> None:
        assert name not in self.kept, f"{name} is kept already"
        self.kept[name] = fd
