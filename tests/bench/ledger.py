"""How long a billing tick takes, and whether a balance gets slower with its history.

    python -m tests.bench.ledger [METERS]

Figures for one machine. What matters: a tick for 10,000 running resources stays under a second, and a balance
costs the same after a thousand times the postings.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from podd.domain.ledger import DEPOSITS, Posting, credit
from podd.domain.meter import HOUR_MS, Moment, Rate
from podd.services import billing
from podd.store import ledger, meters
from podd.store.db import Store, Tx
from podd.store.meters import Resource

NOW = Moment(1_700_000_000_000, 0, "boot")


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as directory:
        store = Store(Path(directory) / "podd.sqlite3")
        store.submit(fill, count).result()
        first = lookups(store)
        for minute in (1, 2, 3):
            print(f"tick of {count} meters: {timed(tick, store, minute):.2f} s")
        print(f"balance: {first * 1e6:.0f} us, {lookups(store) * 1e6:.0f} us after {3 * count} postings")
        print(f"checking the books: {timed(lambda: store.ask(ledger.sums)):.2f} s")
        store.close()


def fill(tx: Tx, count: int) -> None:
    tx.run("INSERT INTO accounts (id, email, name, created_at) VALUES ('a', 'a@example.org', 'a', 0)")
    ledger.post(tx, Posting(key="d", at=0, source=DEPOSITS, target=credit("a"), amount=1))
    for number in range(count):
        meters.open_(
            tx, Resource(id=f"pod{number}", account_id="a"), Rate("pod-gpu", 490_000_000, HOUR_MS), NOW
        )


def tick(store: Store, minute: int) -> None:
    now = Moment(NOW.wall + minute * 60_000, minute * 60_000, "boot")
    ids = store.ask(meters.ids)
    for first in range(0, len(ids), billing.AT_ONCE):
        store.submit(billing.read, now, ids[first : first + billing.AT_ONCE]).result()


def lookups(store: Store) -> float:
    return timed(lambda: [store.ask(ledger.balance, credit("a")) for _ in range(100)]) / 100


def timed(what: Callable[..., object], *args: object) -> float:
    begun = time.perf_counter()
    what(*args)
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
