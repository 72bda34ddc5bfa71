"""How much disk the machine has for volumes and container disks."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from podd.volumes.host import Host
from podd.volumes.mechanism import GIB


@dataclass(frozen=True, slots=True)
class DiskRoom:
    """`shared` GB for volumes and container disks, unless the latter have `containers` GB of their own."""

    shared: int
    containers: int | None


def disk_room(data_dir: Path, engine_root: Path | None, said: int | None, reserve: int) -> DiskRoom:
    """What the operator has `said` there is, or what the file systems hold, less the reserve of each. The
    engine's is another one when it is mounted from something else."""
    if said is not None:
        return DiskRoom(said, None)
    host = Host()
    separate = (
        engine_root is not None
        and engine_root.exists()
        and host.file_system(engine_root).source != host.file_system(data_dir).source
    )
    shared = max(_size(data_dir) - reserve, 0)
    return DiskRoom(shared, max(_size(engine_root) - reserve, 0) if separate and engine_root else None)


def _size(directory: Path) -> int:
    there = next(path for path in (directory, *directory.parents) if path.exists())
    return shutil.disk_usage(there).total // GIB
