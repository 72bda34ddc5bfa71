"""ext4 in a sparse file, mounted by loop: works on any file system.

The file `<volume>.img` is beside the directory that it is mounted at. It gets that name only once its file
system is whole, so a crash leaves either no volume or a good one. Space that is not written to costs
nothing, and comes back when files are deleted.
"""

import os
from pathlib import Path

from podd.ports import VolumeError, VolumeUse
from podd.volumes.host import Host, is_root, missing
from podd.volumes.mechanism import GIB, OPEN_TO_ALL, Mechanism

# No blocks kept for root: the whole size is the owner's. Tables are made when first used, so that making a
# large volume is quick.
_MKFS = "mkfs.ext4 -q -F -m 0 -E lazy_itable_init=1,lazy_journal_init=1,root_owner=0:0".split()
_OPTIONS = "loop,nodev,discard,noatime"
_HIGHEST_STACK = 16
_CAP_SYS_RESOURCE = 24


class Images(Mechanism):
    name = "ext4 in a sparse file, mounted by loop"
    limits = True

    def __init__(self, host: Host) -> None:
        self._host = host

    def lacks(self, root: Path) -> str:  # noqa: ARG002 - any file system will do
        if not is_root():
            return "podd does not run as root"
        if not Path("/dev/loop-control").exists():
            return "this kernel has no loop devices"
        lacking = missing("mkfs.ext4", "debugfs", "dumpe2fs", "e2fsck", "resize2fs", "losetup", "blockdev")
        return f"there is no program {lacking[0]} (apt install e2fsprogs)" if lacking else ""

    def made(self, path: Path) -> bool:
        return image_of(path).exists() or _half_made(image_of(path)).exists()

    def ensure(self, path: Path, size: int) -> None:
        image = image_of(path)
        try:
            if not image.exists():
                self._make(image, size)
            path.mkdir(exist_ok=True)
            if self._host.mounted_at(path) is None:
                self._mount(image, path)
            self._grow(image, path, size)
        except OSError as error:
            raise VolumeError(f"The volume {path} could not be made: {error}.") from error

    def remove(self, path: Path) -> None:
        for _ in range(_HIGHEST_STACK):
            if self._host.mounted_at(path) is None:
                break
            self._host.run("umount", str(path))
        try:
            image_of(path).unlink(missing_ok=True)
            _half_made(image_of(path)).unlink(missing_ok=True)
            path.rmdir()
        except FileNotFoundError:
            return
        except OSError as error:
            raise VolumeError(f"The volume {path} could not be removed: {error}.") from error

    def usage(self, path: Path) -> VolumeUse:
        if self._host.mounted_at(path) is None:
            raise VolumeError(f"The volume {path} is not mounted.")
        facts = os.statvfs(self._host.seen(path))
        used = (facts.f_blocks - facts.f_bfree) * facts.f_frsize
        return VolumeUse(used, facts.f_blocks * facts.f_frsize)

    def _make(self, image: Path, size: int) -> None:
        image.parent.mkdir(parents=True, exist_ok=True)
        begun = _half_made(image)
        begun.unlink(missing_ok=True)
        with begun.open("xb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.truncate(size * GIB)
        self._host.run(*_MKFS, str(begun))
        self._host.run("debugfs", "-w", "-R", f"set_inode_field <2> mode 040{OPEN_TO_ALL:o}", str(begun))
        self._tidy(begun)
        with begun.open("rb") as file:
            os.fsync(file)
        begun.rename(image)

    def _grow(self, image: Path, path: Path, size: int) -> None:
        """File, device and file system grow one after the other, from where an earlier try has left them."""
        if image.stat().st_size < size * GIB:
            os.truncate(image, size * GIB)
        mount = self._host.mounted_at(path)
        if mount is None:
            raise VolumeError(f"The volume {path} was unmounted by somebody else just now.")
        wanted = image.stat().st_size
        if int(self._host.run("blockdev", "--getsize64", mount.source)) < wanted:
            self._host.run("losetup", "--set-capacity", mount.source)
        if _file_system_size(self._host, mount.source) < wanted:
            self._grow_file_system(image, path, mount.source)

    def _grow_file_system(self, image: Path, path: Path, device: str) -> None:
        if may_grow_mounted():
            self._host.run("resize2fs", device)
            return
        self._host.run("umount", str(path))
        try:
            # Containers have it mounted for themselves: then the device outlives our own mount.
            if self._host.run("losetup", "--associated", str(image)):
                raise VolumeError(
                    f"The volume {path} is in use, and this podd may grow it only while nothing uses it: "
                    "it lacks CAP_SYS_RESOURCE."
                )
            self._host.run("e2fsck", "-f", "-p", str(image), fine=(0, 1))  # 1: it put something right
            self._host.run("resize2fs", str(image))
            self._tidy(image)
        finally:
            self._mount(image, path)

    def _tidy(self, image: Path) -> None:
        """What the file system keeps for itself does not concern the owner."""
        self._host.run("debugfs", "-w", "-R", "rmdir lost+found", str(image))

    def _mount(self, image: Path, path: Path) -> None:
        # A device that has the file already is used again: two of them would ruin the file system.
        self._host.run("mount", "-t", "ext4", "-o", _OPTIONS, str(image), str(path))


def image_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.img")


def may_grow_mounted() -> bool:
    """Whether the kernel lets this process resize an ext4 file system that is mounted."""
    status = Path("/proc/self/status").read_text()
    effective = next(line for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(int(effective.split()[1], 16) >> _CAP_SYS_RESOURCE & 1)


def _half_made(image: Path) -> Path:
    return image.with_name(f"{image.name}.new")


def _file_system_size(host: Host, device: str) -> int:
    """Bytes that the ext4 file system on the device takes up, its tables included."""
    facts = dict(
        line.split(":", 1) for line in host.run("dumpe2fs", "-h", device).splitlines() if ":" in line
    )
    return int(facts["Block count"]) * int(facts["Block size"])
