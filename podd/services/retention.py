"""How long podd remembers what happened: events go by age, and by number where there are very many."""

from podd.services.platform import Platform
from podd.store import events
from podd.store.db import Tx

BATCH = 500
"""Events that are forgotten in one go, so that no verb waits long behind it."""


async def tick(podd: Platform, now: int) -> None:
    while await podd.store.write(forget, podd, now) == BATCH:
        pass


def forget(tx: Tx, podd: Platform, now: int) -> int:
    """Forget up to BATCH events; how many there were."""
    limits = podd.settings.limits
    gone = events.forget_old(tx, now - int(limits.event_retention_seconds * 1000), BATCH)
    return gone or events.forget_surplus(tx, limits.events_per_subject, BATCH)
