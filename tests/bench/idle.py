"""What the daemon costs with nothing to do: `python -m tests.bench.idle [seconds] [pods] [process|docker]`.

Processor time, reads, writes and bytes written of `podd serve` alone, first without pods and then with some
that only sleep. No test: nothing here passes or fails.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

import psutil

from tests.e2e.daemon import Daemon
from tests.waiting import eventually

SETTLE = 5


def main(seconds: float, pods: int, engine: str) -> None:
    with tempfile.TemporaryDirectory(dir=".", prefix=".bench-") as name:
        podd = Daemon(Path(name).absolute(), engine=engine, gpus=max(pods, 1))
        try:
            podd.start()
            measure(podd, "without pods", seconds)
            image = os.environ.get("PODD_TEST_IMAGE", "test/none")
            made = [podd.create_pod("sleep 100000", imageName=image) for _ in range(pods)]
            eventually(lambda: all(podd.runs(pod) for pod in made))
            measure(podd, f"with {pods} pods", seconds)
        finally:
            podd.close()


def measure(podd: Daemon, what: str, seconds: float) -> None:
    assert podd.process is not None
    process = psutil.Process(podd.process.pid)
    time.sleep(SETTLE)
    cpu, io, began = process.cpu_times(), process.io_counters(), time.monotonic()
    time.sleep(seconds)
    after, passed = process.cpu_times(), time.monotonic() - began
    used = (after.user + after.system - cpu.user - cpu.system) / passed
    moved = process.io_counters()
    print(
        f"{what:<16}{used * 100:6.2f} % of a core, "
        f"{(moved.read_count - io.read_count) / passed:.0f} reads/s, "
        f"{(moved.write_count - io.write_count) / passed:.0f} writes/s, "
        f"{(moved.write_bytes - io.write_bytes) / passed:.0f} bytes/s to disk",
        flush=True,
    )


if __name__ == "__main__":
    main(
        float(sys.argv[1]) if len(sys.argv) > 1 else 30,
        int(sys.argv[2]) if len(sys.argv) > 2 else 3,
        sys.argv[3] if len(sys.argv) > 3 else "process",
    )
