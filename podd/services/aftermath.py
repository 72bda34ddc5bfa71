"""What follows from every change, whoever makes it: the last step of each verb, in its transaction."""

from podd.services import audit, billing, revocation
from podd.services.platform import Platform
from podd.store.db import Tx


def follow(tx: Tx, podd: Platform) -> None:
    """Charge what was changed for what it is now, cut off whose key was changed, and write all of it down."""
    billing.keep_up(tx, podd)
    revocation.keep_up(tx)
    audit.keep_up(tx, podd)
