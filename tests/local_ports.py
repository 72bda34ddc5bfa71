"""Ports of this machine."""

import random
import socket

_RANGE = range(10_000, 20_000)
"""Below what the kernel gives to those who ask for any: nobody gets one between its choice and its use."""


def free_port() -> int:
    """One that nobody uses now, and that hardly anybody else chooses before it is used."""
    while True:
        try:
            with socket.create_server(("127.0.0.1", random.choice(_RANGE))) as listener:
                return int(listener.getsockname()[1])
        except OSError:
            continue
