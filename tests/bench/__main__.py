"""How fast podd is, point by point: `python -m tests.bench [--quick] [--only N]... [--rounds 3]`.

Medians of alternating rounds, and ratios measured in the same run, which mean something on any machine. A
figure says what it is compared with; where something else than podd forbids more, that floor is shown too.
"""

import argparse
import os
import time
from importlib import import_module

from tests.bench.table import Point, show

POINTS = {1: "submit", 2: "life", 3: "latency", 4: "accelerator", 5: "growth", 7: "crowd"}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller, for a first look")
    parser.add_argument("--only", type=int, action="append", choices=list(POINTS), help="this point alone")
    parser.add_argument("--rounds", type=int, default=3)
    wish = parser.parse_args()
    cores, (busy, *_) = os.cpu_count(), os.getloadavg()
    print(f"{cores} cores, load average {busy:.1f} before it began", flush=True)
    for number in wish.only or POINTS:
        begun = time.monotonic()
        point: Point = import_module(f"tests.bench.{POINTS[number]}").measure(wish.rounds, wish.quick)
        print(f"\n{show(point)}\n   ({time.monotonic() - begun:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
