"""Directories with a project quota, as XFS and ext4 have them when mounted with prjquota.

Each volume is a project of its own: all that is made below its directory counts for it.
"""

import os
import threading
from pathlib import Path

from podd.ports import VolumeError, VolumeUse
from podd.volumes.directory import Directories, make_directory
from podd.volumes.host import Host, is_root, missing
from podd.volumes.mechanism import Mechanism

_FIRST_PROJECT = 1_000_000
"""Below are the projects of others: Docker counts its own from 1."""
_KIB_PER_GIB = 2**20


class Projects(Mechanism):
    name = "directories with a project quota"
    limits = True

    def __init__(self, host: Host) -> None:
        self._host = host
        self._choosing = threading.Lock()

    def lacks(self, root: Path) -> str:
        under = self._host.file_system(root)
        if under.fs_type not in ("xfs", "ext4") or not under.options & {"prjquota", "pquota"}:
            return "the file system is not XFS or ext4 mounted with prjquota"
        if not is_root():
            return "podd does not run as root"
        lacking = missing("setquota", "chattr", "lsattr")
        return f"there is no program {lacking[0]} (apt install quota e2fsprogs)" if lacking else ""

    def made(self, path: Path) -> bool:
        return path.is_dir() and not self.lacks(path) and self._project(path) >= _FIRST_PROJECT

    def ensure(self, path: Path, size: int) -> None:
        if not path.exists():
            self._make(path)
        mount = self._host.file_system(path).path
        blocks = str(size * _KIB_PER_GIB)
        self._host.run("setquota", "-P", str(self._project(path)), blocks, blocks, "0", "0", mount)

    def remove(self, path: Path) -> None:
        if path.exists():
            project, mount = self._project(path), self._host.file_system(path).path
            Directories().remove(path)
            self._host.run("setquota", "-P", str(project), "0", "0", "0", "0", mount)

    def usage(self, path: Path) -> VolumeUse:
        # Below a directory with a quota, these file systems speak of the quota.
        try:
            facts = os.statvfs(path)
        except OSError as error:
            raise VolumeError(f"The volume {path} cannot be read: {error}.") from error
        return VolumeUse((facts.f_blocks - facts.f_bfree) * facts.f_frsize, facts.f_blocks * facts.f_frsize)

    def _make(self, path: Path) -> None:
        """Under another name until it has its project, so that a crash leaves no volume without one."""
        begun = path.with_name(f"{path.name}.new")
        with self._choosing:
            make_directory(begun)
            self._host.run("chattr", "+P", "-p", str(self._free_project(path.parent)), str(begun))
            begun.rename(path)

    def _free_project(self, root: Path) -> int:
        """Volumes of pods and network volumes lie in two directories beside each other."""
        used = [
            self._project(volume)
            for group in root.parent.iterdir()
            if group.is_dir()
            for volume in group.iterdir()
            if volume.is_dir()
        ]
        return max([_FIRST_PROJECT - 1, *used]) + 1

    def _project(self, path: Path) -> int:
        said = self._host.run("lsattr", "-pd", str(path)).split()
        return int(said[0]) if said and said[0].isdigit() else 0
