"""Whoever shows a key or a session that is changed or taken away is cut off at once.

That is no verb's business: the last step of each transaction rings for the keys and sessions it changed, and
the edge ends what they had opened (`api/visits.py`).
"""

from podd.store import keys, sessions
from podd.store.db import Tx

_HASHES = {"api_keys": keys.hash_of, "sessions": sessions.hash_of}


def bell(shown_hash: str) -> str:
    """Rings when what is shown for this hash, a key or a session's token, is no longer what it was."""
    return f"key:{shown_hash}"


def keep_up(tx: Tx) -> None:
    """Ring for the keys and sessions this verb changed."""
    for table, key in tx.changed:
        hash_of = _HASHES.get(table)
        if hash_of is not None and (shown_hash := hash_of(tx, key)):
            tx.ring(bell(shown_hash))
