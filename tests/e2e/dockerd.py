"""A Docker Engine of a test's own, beside the one that there is: one that may be stopped and killed."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from contextlib import closing, suppress
from pathlib import Path

import docker
import psutil

from tests.waiting import eventually

BRIDGE = "podd-second"


class Dockerd:
    """Not started yet; `close` leaves nothing behind."""

    def __init__(self, *, live_restore: bool) -> None:
        # Not below pytest's directory: the names of sockets have to be short.
        directory = self._directory = Path(tempfile.mkdtemp(prefix="podd-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._pid_file = directory / "dockerd.pid"
        self.host = f"unix://{directory}/docker.sock"
        self._options = [
            f"--host={self.host}",
            f"--pidfile={self._pid_file}",
            f"--exec-root={directory}/exec",
            f"--data-root={directory}/data",
            # What the other engine has set up stays as it is.
            "--iptables=false",
            "--ip6tables=false",
            f"--bridge={BRIDGE}",
            "--exec-opt=native.cgroupdriver=cgroupfs",
            "--cgroup-parent=/podd-tests/second",
            *(["--live-restore"] if live_restore else []),
        ]

    def start(self) -> None:
        if BRIDGE not in psutil.net_if_addrs():
            _ip("link", "add", BRIDGE, "type", "bridge")
            _ip("address", "add", "10.199.0.1/24", "dev", BRIDGE)
            _ip("link", "set", BRIDGE, "up")
        with (self._directory / "dockerd.log").open("ab") as log:
            self._process = subprocess.Popen(
                ["dockerd", *self._options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        eventually(self._answers, 40)

    def stop(self) -> None:
        """As the service manager does."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)
        self._pid_file.unlink(missing_ok=True)

    def take_image(self, name: str) -> None:
        """From the engine that the tests have anyhow."""
        with closing(docker.from_env()) as theirs, closing(docker.DockerClient(self.host)) as own:
            own.images.load(b"".join(theirs.images.get(name).save(named=True)))

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._remove_containers()
            self.stop()
        for process in psutil.process_iter(["cmdline"]):
            if any(str(self._directory / "exec") in word for word in process.info["cmdline"] or ()):
                with suppress(psutil.Error):
                    process.kill()
                    process.wait()
        shutil.rmtree(self._directory, ignore_errors=True)
        _ip("link", "delete", BRIDGE)

    # Private

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._directory / "dockerd.log").read_text()[-2000:]
        with suppress(OSError), socket.socket(socket.AF_UNIX) as asked:
            asked.connect(self.host.removeprefix("unix://"))
            asked.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
            return asked.recv(100).startswith(b"HTTP/1.0 200")
        return False

    def _remove_containers(self) -> None:
        with closing(docker.DockerClient(self.host)) as client:
            for container in client.containers.list(all=True):
                container.remove(force=True)

    def _end(self, how: signal.Signals) -> None:
        assert self._process is not None, "it does not run"
        process, self._process = self._process, None
        os.kill(process.pid, how)
        process.wait(60)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)
