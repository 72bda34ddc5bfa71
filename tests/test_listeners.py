"""Where podd listens."""

import socket
from pathlib import Path

from structlog.testing import capture_logs

from podd.config import Settings
from podd.listeners import ssh_sockets
from podd.service_manager import ServiceManager


def test_a_taken_ssh_port_is_said_and_stops_nothing_else(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        settings = Settings(data_dir=tmp_path, listen=["127.0.0.1:0"], gateway={"ssh_port": port})
        with capture_logs() as said:
            assert ssh_sockets(settings, ServiceManager()) == []
    assert f"Cannot listen on 127.0.0.1:{port}" in said[0]["reason"]
