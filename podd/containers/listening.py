"""Which ports something listens at inside a container, read from the kernel's tables of its main process: no
program notices that somebody looked."""

import socket
import sys
from ipaddress import ip_address
from pathlib import Path

from podd.ports import Listening

_TABLES = ("tcp", "tcp6", "udp", "udp6")
_WAITS = {"tcp": "0A", "udp": "07"}  # LISTEN, and a UDP socket that is connected to nobody


def inside(pid: int, container_id: str, proc: Path = Path("/proc")) -> Listening | None:
    """Ports that can be reached from outside the container, so none at its loopback addresses. None where the
    tables cannot be read, as where the engine counts processes differently than podd does."""
    try:
        if container_id not in (proc / str(pid) / "cgroup").read_text():
            return None
        tables = {name: (proc / str(pid) / "net" / name).read_text() for name in _TABLES}
    except OSError:
        return None
    return frozenset(port for name, text in tables.items() for port in _listeners(name[:3], text))


def _listeners(protocol: str, table: str) -> Listening:
    rows = (line.split() for line in table.splitlines()[1:])
    ends = (row[1].split(":") for row in rows if row[3] == _WAITS[protocol])
    return frozenset((protocol, int(port, 16)) for address, port in ends if not _is_loopback(address))


def _is_loopback(text: str) -> bool:
    """Addresses stand there as words of the machine's own byte order."""
    words = [bytes.fromhex(text[at : at + 8]) for at in range(0, len(text), 8)]
    raw = b"".join(word[::-1] if sys.byteorder == "little" else word for word in words)
    family = socket.AF_INET if len(raw) == 4 else socket.AF_INET6
    address = ip_address(socket.inet_ntop(family, raw))
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
