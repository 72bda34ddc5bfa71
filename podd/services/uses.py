"""When keys and sessions were last used: kept in memory, and written by a tick instead of by each request.

What is lost when podd dies is what happened since the last tick.
"""

from podd.domain.account import Caller
from podd.store import keys as key_rows
from podd.store import sessions
from podd.store.db import Store, Tx


class Uses:
    """What was used since it was last written down."""

    def __init__(self) -> None:
        self._keys: dict[str, int] = {}
        self._sessions: dict[str, int] = {}

    def note(self, caller: Caller, now: int) -> None:
        if caller.key_id:
            self._keys[caller.key_id] = now
        if caller.session_id:
            self._sessions[caller.session_id] = now

    async def flush(self, store: Store) -> None:
        """Write it down; what could not be stored is tried again the next time."""
        keys, self._keys = self._keys, {}
        used, self._sessions = self._sessions, {}
        if not keys and not used:
            return
        try:
            await store.write(_write, keys, used)
        except Exception:
            self._keys, self._sessions = {**keys, **self._keys}, {**used, **self._sessions}
            raise


def _write(tx: Tx, keys: dict[str, int], used: dict[str, int]) -> None:
    for key_id, at in keys.items():
        key_rows.note_use(tx, key_id, at)
    for session_id, at in used.items():
        sessions.note_use(tx, session_id, at)
