"""Plain directories: nothing keeps them to a size. For where nothing better can be had, and for volumes from
before there was anything better."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

from podd.ports import VolumeError, VolumeUse
from podd.volumes.mechanism import OPEN_TO_ALL, Mechanism


class Directories(Mechanism):
    name = "plain directories, without a limit"
    limits = False

    def lacks(self, root: Path) -> str:  # noqa: ARG002 - they can be everywhere
        return ""

    def made(self, path: Path) -> bool:
        return path.is_dir()

    def ensure(self, path: Path, size: int) -> None:  # noqa: ARG002 - nothing keeps them to it
        make_directory(path)

    def remove(self, path: Path) -> None:
        try:
            shutil.rmtree(path)
        except FileNotFoundError:
            return
        except OSError as error:
            raise VolumeError(f"The volume {path} could not be removed: {error}.") from error

    def usage(self, path: Path) -> VolumeUse:
        used = 0
        for parent, _, names in os.walk(path):
            for name in names:
                with suppress(FileNotFoundError):
                    used += Path(parent, name).lstat().st_blocks * 512
        return VolumeUse(used, None)


def make_directory(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(OPEN_TO_ALL)
    except OSError as error:
        raise VolumeError(f"The volume {path} could not be made: {error}.") from error
