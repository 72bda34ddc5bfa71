"""How long podd remembers what happened: events go by age, and by number where there are very many; entries
of the audit log go by age, and sessions when they are over."""

from podd.services.platform import Platform
from podd.services.sign_in import session_lasts
from podd.store import audit, events, notices, sessions
from podd.store.db import Tx

BATCH = 500
"""Events or entries that are forgotten in one go, so that no verb waits long behind it."""


async def tick(podd: Platform, now: int) -> None:
    for forgetting in (forget, forget_changes):
        while await podd.store.write(forgetting, podd, now) == BATCH:
            pass
    lasts = session_lasts(podd)
    await podd.store.write(sessions.forget, now - lasts.unused, now - lasts.most)


def forget(tx: Tx, podd: Platform, now: int) -> int:
    """Forget up to BATCH events; how many there were."""
    limits = podd.settings.limits
    before = now - int(limits.event_retention_seconds * 1000)
    notices.forget(tx, before, BATCH)
    gone = events.forget_old(tx, before, BATCH)
    return gone or events.forget_surplus(tx, limits.events_per_subject, BATCH)


def forget_changes(tx: Tx, podd: Platform, now: int) -> int:
    """Forget up to BATCH entries of the audit log; how many there were."""
    return audit.prune(tx, now - int(podd.settings.audit.retention_seconds * 1000), BATCH)
