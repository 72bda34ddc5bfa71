"""Parts of answers that are kept for the next who asks for the same."""

from collections import OrderedDict
from collections.abc import Hashable

ROOM = 32 * 1024 * 1024
EACH = 500
"""About the bytes that one thing kept takes beside its JSON."""


class Kept:
    """JSON by what it is a function of. What has not been asked for longest goes when there are more than
    `room` bytes."""

    def __init__(self, room: int = ROOM) -> None:
        self._room = room
        self._size = 0
        self._kept: OrderedDict[Hashable, bytes] = OrderedDict()

    def get(self, key: Hashable) -> bytes | None:
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
        return found

    def put(self, key: Hashable, json: bytes) -> None:
        """Keep it under a key that has nothing yet."""
        self._kept[key] = json
        self._size += len(json) + EACH
        while self._size > self._room:
            self._size -= len(self._kept.popitem(last=False)[1]) + EACH
