"""One way of keeping a directory to a size. `storage` has one of them make new volumes, and asks all of them
whose a volume is that is there already."""

from pathlib import Path
from typing import Protocol

from podd.ports import VolumeUse

GIB = 2**30
OPEN_TO_ALL = 0o777
"""Anybody inside a container may write at the top of a volume; outside, the data directory is podd's own."""


class Mechanism(Protocol):
    """`limits`: whether it keeps volumes to their size. All may raise VolumeError."""

    name: str
    limits: bool

    def lacks(self, root: Path) -> str:
        """Why volumes below `root` cannot be made in this way; "" if, by the look of it, they can. Changes
        nothing."""

    def made(self, path: Path) -> bool:
        """Whether the volume at `path`, perhaps half made or not mounted, is of this kind."""

    def ensure(self, path: Path, size: int) -> None: ...

    def remove(self, path: Path) -> None: ...

    def usage(self, path: Path) -> VolumeUse: ...
