"""Commands of the host, and what is mounted where, as the container engine sees it.

A service manager may run podd in a mount namespace of its own. What is mounted there, the engine does not
see: a container would get the empty directory below. So where process 1 has another mount namespace than
podd, mounts are made and looked for in that one.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Container, Sequence
from dataclasses import dataclass
from pathlib import Path

from podd.ports import VolumeError

COMMAND_TIMEOUT = 300
_FIRST = Path("/proc/1")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class MountPoint:
    """One line of a mountinfo file: what is mounted at `path`, from `source`."""

    path: str
    fs_type: str
    source: str
    options: frozenset[str]


class Host:
    """Runs commands and looks at mounts. `elsewhere`: in the mount namespace of process 1."""

    def __init__(self, elsewhere: bool | None = None) -> None:
        self.elsewhere = _namespace_differs() if elsewhere is None else elsewhere

    def run(self, *argv: str, fine: Container[int] = (0,)) -> str:
        """What the command prints. Raises VolumeError with its complaint, unless its exit code is `fine`."""
        command = [*self._enter(), *argv]
        try:
            done = subprocess.run(  # noqa: S603 - programs of the host, named by us
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=COMMAND_TIMEOUT,
                check=False,
                env={"PATH": _PATH, "LC_ALL": "C"},
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise VolumeError(f"{argv[0]} could not be run: {error}.") from error
        if done.returncode not in fine:
            said = (done.stderr or done.stdout).strip().replace("\n", "; ")
            raise VolumeError(f"{argv[0]} failed: {said or f'exit code {done.returncode}'}")
        return done.stdout

    def seen(self, path: Path) -> Path:
        """A path under which podd sees what is mounted at `path` over there."""
        return _FIRST / "root" / path.relative_to("/") if self.elsewhere else path

    def mounts(self) -> list[MountPoint]:
        """In the order in which they were made."""
        file = _FIRST / "mountinfo" if self.elsewhere else Path("/proc/self/mountinfo")
        return parse_mounts(file.read_text())

    def mounted_at(self, path: Path) -> MountPoint | None:
        """What is mounted right at `path`, the uppermost."""
        at = str(path.resolve())
        return next((mount for mount in reversed(self.mounts()) if mount.path == at), None)

    def file_system(self, path: Path) -> MountPoint:
        """The mount that `path`, or the nearest directory above it that exists, lies on."""
        there = next(p for p in (path, *path.parents) if p.exists()).resolve()
        above = {str(p) for p in (there, *there.parents)}
        found = [mount for mount in self.mounts() if mount.path in above]
        if not found:
            raise VolumeError(f"Nothing is known of the file system under {path}.")
        longest = max(len(mount.path) for mount in found)
        return [mount for mount in found if len(mount.path) == longest][-1]

    def unmount_below(self, directory: Path) -> None:
        """Unmount all that is mounted at or below it, for who is about to remove it. Raises VolumeError."""
        top = directory.resolve()
        for mount in reversed(self.mounts()):
            if Path(mount.path).is_relative_to(top):
                self.run("umount", mount.path)

    def _enter(self) -> Sequence[str]:
        return ("nsenter", f"--mount={_FIRST}/ns/mnt", "--") if self.elsewhere else ()


def missing(*programs: str) -> list[str]:
    """Those that this host does not have."""
    return [program for program in programs if shutil.which(program, path=_PATH) is None]


def is_root() -> bool:
    return os.geteuid() == 0


def parse_mounts(text: str) -> list[MountPoint]:
    """The mounts of a mountinfo file."""
    found = []
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        fields, rest = before.split(), after.split()
        options = {*fields[5].split(","), *(rest[2].split(",") if len(rest) > 2 else ())}
        found.append(MountPoint(_plain(fields[4]), rest[0], _plain(rest[1]), frozenset(options)))
    return found


def _plain(text: str) -> str:
    """Without the escapes that the kernel puts for spaces and their kin."""
    return re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), text)


def _namespace_differs() -> bool:
    if not is_root():
        return False
    try:
        return Path("/proc/self/ns/mnt").readlink() != (_FIRST / "ns/mnt").readlink()
    except OSError:
        return False
