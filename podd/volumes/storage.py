"""The volumes of this machine: chooses how new ones are made, and finds for each old one who made it."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import structlog

from podd.ports import VolumeError, VolumeStorage, VolumeUse
from podd.volumes.btrfs import Subvolumes
from podd.volumes.directory import Directories
from podd.volumes.host import Host
from podd.volumes.image import Images
from podd.volumes.mechanism import Mechanism
from podd.volumes.project import Projects

log = structlog.get_logger()

_LOCKS = 64


class Storage(VolumeStorage):
    """New volumes by the mechanism `chosen`; those that are there by whichever of `known` made them."""

    def __init__(self, chosen: Mechanism, known: Sequence[Mechanism]) -> None:
        self._chosen = chosen
        self._known = known
        self._locks = [threading.Lock() for _ in range(_LOCKS)]

    @property
    def mechanism(self) -> str:
        return self._chosen.name

    @property
    def limits(self) -> bool:
        """Whether new volumes are kept to their size."""
        return self._chosen.limits

    def ensure(self, path: Path, size: int) -> None:
        with self._lock(path), _told(path):
            (self._maker(path) or self._chosen).ensure(path, size)

    def remove(self, path: Path) -> None:
        # Once more: below what a crash left mounted over it there may be the directory itself.
        with self._lock(path), _told(path):
            while (maker := self._maker(path)) is not None:
                maker.remove(path)

    def usage(self, path: Path) -> VolumeUse:
        with _told(path):
            maker = self._maker(path)
            if maker is None:
                raise VolumeError(f"There is no volume at {path}.")
            return maker.usage(path)

    def _maker(self, path: Path) -> Mechanism | None:
        return next((mechanism for mechanism in self._known if mechanism.made(path)), None)

    def _lock(self, path: Path) -> threading.Lock:
        return self._locks[hash(path) % _LOCKS]


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Whatever the system says no to, a disk that fails or a mount that hangs in the air included, is the
    trouble of this one volume."""
    try:
        yield
    except OSError as error:
        raise VolumeError(f"The volume {path.name} cannot be used: {error.strerror or error}.") from error


def mechanisms(host: Host) -> dict[str, Mechanism]:
    """By the names they have in the settings; the best first, and the one that is always possible last."""
    return {
        "project-quota": Projects(host),
        "btrfs": Subvolumes(host),
        "image": Images(host),
        "directory": Directories(),
    }


def wanted(said: str, engine: str) -> str:
    """What the settings say, for this kind of engine. A process of the process engine is kept to no limit
    anyway, and needs no root."""
    return "directory" if said == "auto" and engine == "process" else said


def best(root: Path, wanted: str, host: Host) -> tuple[str, dict[str, str]]:
    """The name of the mechanism for `root` by the look of it, and why those before it are not it. `wanted`
    is `auto` or a name, which is then taken if it can be."""
    reasons: dict[str, str] = {}
    for name, mechanism in mechanisms(host).items():
        if wanted in ("auto", name):
            reason = mechanism.lacks(root)
            if not reason:
                return name, reasons
            reasons[name] = reason
    return "directory", reasons


def open_storage(root: Path, wanted: str = "auto") -> Storage:
    """Volumes below `root`, by the best mechanism that has made and removed one here just now.

    Raises VolumeError when a particular one is wanted and does not work."""
    host = Host()
    known = mechanisms(host)
    names = list(known) if wanted == "auto" else [wanted]
    reason = ""
    for name in names:
        storage = Storage(known[name], list(known.values()))
        reason = known[name].lacks(root) or _fault(storage, root)
        if not reason:
            return storage
        log.info("volumes cannot be made this way", mechanism=name, reason=reason)
    raise VolumeError(f"Volumes cannot be made by the mechanism {names[-1]!r}: {reason}.")


def _fault(storage: Storage, root: Path) -> str:
    """Why a trial fails. First goes what is left of one that was killed."""
    trial = root / "volumes" / ".trial"
    try:
        storage.remove(trial)
        storage.ensure(trial, 1)
        storage.remove(trial)
    except VolumeError as error:
        return str(error)
    return ""
