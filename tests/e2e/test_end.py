"""How the daemon ends, and what its service manager hears of it."""

import subprocess
import sys

from tests.e2e.conftest import NewDaemon

SERVER_THAT_LEAVES = """
from podd import listeners
from podd.cli import main

async def leave(self, counter):
    return counter > 0

listeners._Uvicorn.on_tick = leave
main()
"""


def test_a_daemon_whose_server_ends_by_itself_fails(new_daemon: NewDaemon) -> None:
    daemon = new_daemon()
    ended = subprocess.run(
        [sys.executable, "-c", SERVER_THAT_LEAVES, "serve", "--config", str(daemon.config)],
        env=daemon.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 1, ended.stderr
    assert "a server ended by itself" in ended.stderr
    assert '"event": "left"' in ended.stderr
