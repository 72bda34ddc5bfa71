"""btrfs subvolumes, each with a limit of its quota group. Only on btrfs."""

import re
from pathlib import Path

from podd.ports import VolumeError, VolumeUse
from podd.volumes.host import Host, is_root, missing
from podd.volumes.mechanism import GIB, OPEN_TO_ALL, Mechanism

_TOP_INODE = 256  # of every subvolume, and of nothing else


class Subvolumes(Mechanism):
    name = "btrfs subvolumes with quota groups"
    limits = True

    def __init__(self, host: Host) -> None:
        self._host = host

    def lacks(self, root: Path) -> str:
        if self._host.file_system(root).fs_type != "btrfs":
            return "the file system is not btrfs"
        if not is_root():
            return "podd does not run as root"
        return "there is no program btrfs (apt install btrfs-progs)" if missing("btrfs") else ""

    def made(self, path: Path) -> bool:
        return (
            path.is_dir()
            and path.stat().st_ino == _TOP_INODE
            and self._host.file_system(path).fs_type == "btrfs"
        )

    def ensure(self, path: Path, size: int) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._host.run("btrfs", "quota", "enable", str(path.parent))  # fine if it is
            if not path.exists():
                self._host.run("btrfs", "subvolume", "create", str(path))
            limit = self.usage(path).limit
            if limit is None:
                path.chmod(OPEN_TO_ALL)
            if limit is None or limit < size * GIB:
                self._host.run("btrfs", "qgroup", "limit", str(size * GIB), str(path))
        except OSError as error:
            raise VolumeError(f"The volume {path} could not be made: {error}.") from error

    def remove(self, path: Path) -> None:
        if not path.exists():
            return
        group = self._group(path)
        self._host.run("btrfs", "subvolume", "delete", "--commit-after", str(path))
        # The kernel lets go of a group only once the subvolume is cleaned up; newer ones do it themselves.
        try:
            self._host.run("btrfs", "qgroup", "destroy", group, str(path.parent))
        except VolumeError:
            return

    def usage(self, path: Path) -> VolumeUse:
        said = self._host.run("btrfs", "qgroup", "show", "-r", "-f", "--raw", str(path))
        for line in said.splitlines():
            columns = line.split()
            if len(columns) >= 4 and re.fullmatch(r"0/\d+", columns[0]):
                return VolumeUse(int(columns[1]), int(columns[3]) if columns[3].isdigit() else None)
        raise VolumeError(f"btrfs knows no quota group of {path}.")

    def _group(self, path: Path) -> str:
        return "0/" + self._host.run("btrfs", "inspect-internal", "rootid", str(path)).strip()
