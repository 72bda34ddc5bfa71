"""What is known of each container from an earlier look, so that a list costs one call, not one for each."""

import threading
import time
from dataclasses import dataclass

from podd.domain.container import Container

# Seconds for which an earlier look is believed, should the event that changed it have gone missing.
TRUST = 60.0


@dataclass(frozen=True, slots=True)
class _Sighting:
    mark: tuple[str, str]
    container: Container
    at: float


class Sightings:
    """Containers by the engine's id, each good for as long as a list shows the same `mark` for it.

    `epoch` moves with every change heard of. Who looks at a container notes it first: a look that was
    overtaken by a change is not kept.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, _Sighting] = {}
        self.epoch = 0

    def get(self, container_id: str, mark: tuple[str, str]) -> Container | None:
        with self._lock:
            known = self._known.get(container_id)
        if known is None or known.mark != mark or time.monotonic() - known.at > TRUST:
            return None
        return known.container

    def put(self, container_id: str, mark: tuple[str, str], container: Container, epoch: int) -> None:
        with self._lock:
            if epoch == self.epoch:
                self._known[container_id] = _Sighting(mark, container, time.monotonic())

    def forget(self, container_id: str) -> None:
        with self._lock:
            self.epoch += 1
            self._known.pop(container_id, None)

    def keep(self, container_ids: set[str]) -> None:
        """Forget all others."""
        with self._lock:
            self._known = {key: known for key, known in self._known.items() if key in container_ids}
