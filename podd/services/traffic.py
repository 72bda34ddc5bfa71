"""Requests to load-balancing endpoints that are under way, which only this daemon knows: they live as long
as their connections do.

Changed on the event loop; read from anywhere.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from podd.domain.worker import Worker


class Traffic:
    def __init__(self) -> None:
        self._waiting: Counter[str] = Counter()
        self._busy: Counter[str] = Counter()
        self._in_flight: Counter[str] = Counter()
        self._idle_since: dict[str, int] = {}

    def waiting(self, endpoint_id: str) -> int:
        """Requests that wait for a worker of the endpoint."""
        return self._waiting[endpoint_id]

    def in_flight(self, endpoint_id: str) -> int:
        """Requests that workers of the endpoint have."""
        return self._in_flight[endpoint_id]

    def busy(self, worker_id: str) -> int:
        """Requests this worker has."""
        return self._busy[worker_id]

    def waited_for(self) -> list[str]:
        """Endpoints that requests wait for."""
        return list(self._waiting)

    def seen(self, crew: Iterable[Worker]) -> list[Worker]:
        """The workers with their requests counted as held, and idle since their last one."""
        return [self._seen(worker) for worker in crew]

    @contextmanager
    def one_waits(self, endpoint_id: str) -> Iterator[None]:
        with _counted(self._waiting, endpoint_id):
            yield

    @contextmanager
    def one_more(self, endpoint_id: str, worker_id: str, now: Callable[[], int]) -> Iterator[None]:
        """A request is with this worker."""
        try:
            with _counted(self._in_flight, endpoint_id), _counted(self._busy, worker_id):
                yield
        finally:
            self._idle_since[worker_id] = now()

    def forget(self, known: Iterable[str]) -> None:
        """Nothing is remembered of workers that are not among these."""
        known = set(known)
        for worker_id in [worker_id for worker_id in self._idle_since if worker_id not in known]:
            del self._idle_since[worker_id]

    def _seen(self, worker: Worker) -> Worker:
        busy, since = self._busy[worker.id], self._idle_since.get(worker.id)
        if busy:
            return replace(worker, held=worker.held + busy, idle_since=None)
        if since is not None and worker.idle_since is not None:
            return replace(worker, idle_since=max(worker.idle_since, since))
        return worker


@contextmanager
def _counted(counter: Counter[str], key: str) -> Iterator[None]:
    counter[key] += 1
    try:
        yield
    finally:
        counter[key] -= 1
        if not counter[key]:
            del counter[key]
