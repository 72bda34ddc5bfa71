"""What podd's proxy costs: `python -m tests.bench.proxy NGINX WRK [seconds]`, with the programs' paths.

Behind is an nginx that serves a small and a large file; in front, in turn, nobody, nginx as a proxy, and a
daemon of podd (process engine). One run measures all three, three times over, and prints medians with their
ratios. No test: nothing here passes or fails.
"""

import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.e2e.daemon import Daemon
from tests.local_ports import free_port
from tests.waiting import eventually

ROUNDS = 3
CONNECTIONS = 32
LARGE = 512 * 2**20

CONFIG = """
daemon off; worker_processes 1; pid {dir}/{name}.pid; error_log {dir}/{name}.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; client_body_temp_path {dir}/body; proxy_temp_path {dir}/proxy;
  fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
  keepalive_requests 100000000; sendfile on;
  upstream behind {{ server 127.0.0.1:{behind}; keepalive 64; }}
  server {{ listen 127.0.0.1:{port}; location / {{ {what} }} }}
}}
"""
SERVE = "root {dir}/files;"
PASS = (
    'proxy_pass http://behind; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;'
)


@contextmanager
def nginx(program: str, directory: Path, name: str, port: int, behind: int, what: str) -> Iterator[None]:
    config = directory / f"{name}.conf"
    config.write_text(CONFIG.format(dir=directory, name=name, port=port, behind=behind, what=what))
    process = subprocess.Popen([program, "-c", str(config), "-e", str(directory / "error.log")])
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def requests(wrk: str, seconds: int) -> Callable[[str], float]:
    def measure(url: str) -> float:
        command = [wrk, "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", f"{url}/small"]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert "Non-2xx" not in said, said
        found = re.search(r"Requests/sec:\s+([\d.]+)", said)
        assert found, said
        return float(found.group(1))

    return measure


def megabytes(url: str) -> float:
    began = time.perf_counter()
    subprocess.run(["curl", "-sf", "-o", "/dev/null", f"{url}/large"], check=True)
    return LARGE / 2**20 / (time.perf_counter() - began)


def main(program: str, wrk: str, seconds: int = 5) -> None:
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        directory = Path(name)
        directory.chmod(0o755)
        (directory / "files").mkdir()
        (directory / "files" / "small").write_bytes(b"x" * 100)
        with (directory / "files" / "large").open("wb") as file:
            file.truncate(LARGE)
        behind, front = free_port(), free_port()
        serve = SERVE.format(dir=directory)
        running.enter_context(nginx(program, directory, "behind", behind, behind, serve))
        running.enter_context(nginx(program, directory, "front", front, behind, PASS))
        daemon = Daemon(directory / "podd")
        running.callback(daemon.close)
        daemon.start()
        pod_id = daemon.create_pod("sleep 100000", ports=f"{behind}/http")
        podd = f"{daemon.url}/proxy/{pod_id}/{behind}"
        eventually(lambda: daemon.http("GET", f"/proxy/{pod_id}/{behind}/small").status_code == 200)
        ways = {
            "direct": f"http://127.0.0.1:{behind}",
            "nginx": f"http://127.0.0.1:{front}",
            "podd": podd,
        }
        for what, measure in {"requests/s": requests(wrk, seconds), "MiB/s": megabytes}.items():
            found: dict[str, list[float]] = {way: [] for way in ways}
            for _ in range(ROUNDS):
                for way, url in ways.items():
                    found[way].append(measure(url))
            middle = {way: statistics.median(values) for way, values in found.items()}
            shown = "  ".join(f"{way} {value:,.0f}" for way, value in middle.items())
            print(f"{what}: {shown}  podd/nginx {middle['podd'] / middle['nginx']:.2f}")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *(int(text) for text in sys.argv[3:]))
