"""Results read in parts while they are made. Reading is destructive: there is one place in a job's stream,
and all who read share it. Chunks are struck off only when they have been handed over."""

from dataclasses import dataclass

from podd.domain.account import Caller
from podd.domain.job import Job, JobStatus
from podd.services import jobs
from podd.store import chunks
from podd.store.chunks import Unread
from podd.store.db import Reader, Tx

MOST = 1000
"""Chunks in one answer."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A job and the chunks nobody has read."""

    job: Job
    unread: Unread

    @property
    def over(self) -> bool:
        """Nothing comes after these chunks."""
        return self.job.final and not self.unread.more

    @property
    def status(self) -> JobStatus:
        """The job's, but not final while there is more to read: clients stop at a final one."""
        return JobStatus.IN_PROGRESS if self.job.final and self.unread.more else self.job.status


def read(db: Reader, caller: Caller, endpoint_id: str, job_id: str, size: int) -> Reading:
    """The job and its next chunks, about `size` characters of them. Raises NotFound."""
    job = jobs.status(db, caller, endpoint_id, job_id)
    return Reading(job, chunks.unread(db, job.id, most=MOST, size=size))


def glance(db: Reader, caller: Caller, endpoint_id: str, job_id: str, _size: int) -> Reading:
    """The job while somebody else is reading its chunks: as if there were more to come."""
    return Reading(jobs.status(db, caller, endpoint_id, job_id), Unread([], 0, more=True))


def strike(tx: Tx, reading: Reading) -> None:
    """These chunks have been handed over."""
    chunks.strike(tx, reading.job.id, reading.unread.last)
