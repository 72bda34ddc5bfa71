"""What podd and the service manager (systemd) tell each other: that podd is ready, alive, or leaving, and the
listening sockets, which the manager keeps over a restart so that no connection is refused meanwhile.

The protocol is that of sd_notify(3) and sd_listen_fds(3). Without a service manager nothing is said and kept.
"""

import array
import os
import socket
from collections.abc import Mapping, MutableMapping

import structlog

log = structlog.get_logger()

_FIRST = 3
_PATIENCE = 5.0
_OURS = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES")


class ServiceManager:
    """`watchdog_seconds` is how long podd may be silent before it is started anew; 0 is for ever."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        told = environment or {}
        self._address = told.get("NOTIFY_SOCKET", "")
        ours = told.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog_seconds = int(told.get("WATCHDOG_USEC", "0")) / 1_000_000 if ours else 0.0
        self._kept = _handed_over(told) if told.get("LISTEN_PID") == str(os.getpid()) else []

    @classmethod
    def found(cls, environment: MutableMapping[str, str]) -> "ServiceManager":
        """The one of this process. Its variables are taken out: what podd starts is not meant by them."""
        told = {name: environment.pop(name) for name in _OURS if name in environment}
        return cls(told)

    def tell(self, **facts: str) -> None:
        """READY="1", STATUS="...", WATCHDOG="1", STOPPING="1" and others of sd_notify(3)."""
        self._send(facts)

    def kept(self, address: object) -> socket.socket | None:
        """The listening socket with this address (`getsockname`) that was handed over, once."""
        for index, (_, listener) in enumerate(self._kept):
            if listener.getsockname() == address:
                del self._kept[index]
                return listener
        return None

    def keep(self, listener: socket.socket) -> None:
        """Have the manager hold it open until it is asked for, or podd is stopped for good."""
        self._send({"FDSTORE": "1", "FDNAME": _name_of(listener)}, listener)

    def drop_others(self) -> None:
        """Let go of what was handed over and nobody asked for: the settings have changed."""
        for name, listener in self._kept:
            log.info("no longer listening", address=listener.getsockname())
            listener.close()
            self._send({"FDSTOREREMOVE": "1", "FDNAME": name})
        self._kept = []

    def _send(self, facts: Mapping[str, str], listener: socket.socket | None = None) -> None:
        if not self._address:
            return
        text = "".join(f"{name}={value}\n" for name, value in facts.items()).encode()
        with_it = []
        if listener is not None:
            with_it.append((socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [listener.fileno()])))
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
                line.settimeout(_PATIENCE)
                line.sendmsg([text], with_it, 0, address)
        except OSError as error:
            log.warning("the service manager does not listen", reason=str(error))


def _handed_over(told: Mapping[str, str]) -> list[tuple[str, socket.socket]]:
    count = int(told.get("LISTEN_FDS", "0"))
    names = told.get("LISTEN_FDNAMES", "").split(":")
    listeners = []
    for index in range(count):
        listener = socket.socket(fileno=_FIRST + index)
        listener.set_inheritable(False)
        listeners.append((names[index] if index < len(names) else "", listener))
    return listeners


def _name_of(listener: socket.socket) -> str:
    """As short and plain as names of kept sockets have to be."""
    address = listener.getsockname()
    text = "local" if isinstance(address, str) else f"{address[0]}-{address[1]}"
    return text.replace(":", "_").replace("%", "_")
