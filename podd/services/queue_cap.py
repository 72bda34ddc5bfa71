"""The most jobs an endpoint's queue may hold, checked without counting the queue at every submission."""

from podd.config import Limits
from podd.domain.endpoint import Endpoint
from podd.domain.errors import TooMany
from podd.store import jobs
from podd.store.db import Reader


class QueueCap:
    """Remembers how many jobs surely have room still: what is submitted takes from it, what leaves the queue
    is noticed at the next count, which is due when nothing is left. Used by the writer alone."""

    def __init__(self) -> None:
        self._room: dict[str, tuple[int, int]] = {}

    def check(self, db: Reader, endpoint: Endpoint, limits: Limits) -> None:
        """Room for one more job. Raises TooMany."""
        cap = max(limits.queued_jobs, limits.queued_jobs_per_worker * endpoint.workers_max)
        if not (limits.queued_jobs or limits.queued_jobs_per_worker):
            return
        known, room = self._room.get(endpoint.id, (cap, 0))
        if room <= 0 or known != cap:
            room = cap + 1 - jobs.queued_up_to(db, endpoint.id, cap + 1)
        if room <= 0:
            raise TooMany(
                f"More than {cap} jobs wait in this endpoint's queue; try again later or raise workersMax.",
                retry_after=5,
            )
        self._room[endpoint.id] = (cap, room - 1)
