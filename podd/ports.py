"""What podd needs from the outside, as small protocols.

Engines and probes are blocking on purpose: callers run them in threads, never on the event loop. One
contract suite (tests/contract) holds every implementation, the fakes included, to the same promises.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from podd.domain.container import Container, ContainerSpec, RegistryAuth
from podd.domain.gpu import Gpu, GpuFault


class EngineError(Exception):
    """The engine refused or failed; trying again may help. The message is its own reason."""


class EngineAway(EngineError):
    """The engine cannot be reached at all."""


class StartRefused(EngineError):
    """This container can never start as asked (bad command, bad mount, unknown GPU, ...)."""


class PortTaken(EngineError):
    """A host port of this container is in use by something else; another one may work."""


class ImageMissing(EngineError):
    """No such image, or the registry does not let us have it."""


class NoSuchContainer(EngineError):
    """No container of that name."""


class VolumeError(Exception):
    """A volume could not be made, grown, mounted or removed; trying again may help. The message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineInfo:
    """`kind` is docker or process. `host_address` is how a container reaches this host; `gpus` says
    whether the engine can hand out real GPUs; `disk_limits` whether ContainerSpec.disk is enforced;
    `data_root` is the directory of this host that holds images and container disks, "" if that is none."""

    kind: str
    version: str
    host_address: str
    gpus: bool
    disk_limits: bool
    data_root: str = ""


@dataclass(frozen=True, slots=True)
class ExecResult:
    exit_code: int
    output: str


Listening = frozenset[tuple[str, int]]
"""Ports, each as ("tcp" or "udp", number)."""


@dataclass(frozen=True, slots=True)
class Stats:
    """`cpu_percent` of one core (200.0 = two cores busy); memory in bytes, caches left out. `listening` are
    the ports inside at which something can be reached; None where the engine cannot tell."""

    cpu_percent: float
    memory_used: int
    memory_limit: int
    listening: Listening | None = None


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line a container wrote, without its line end. `time` in epoch milliseconds."""

    time: int
    stream: str
    line: str


class LogStream(Iterator[LogLine], Protocol):
    """Log lines as they come. close(), from any thread, ends the iteration: a follower whose reader has
    left would otherwise wait for as long as the container lives."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class ContainerEvent:
    """Something happened to a container of ours; `action` is start, die or remove."""

    name: str
    action: str


class Engine(Protocol):
    """Runs containers. Sees and touches only those of its own podd instance."""

    def info(self) -> EngineInfo: ...

    def list(self) -> list[Container]:
        """All containers of this instance, in whatever state. Raises EngineAway."""

    def start(self, spec: ContainerSpec) -> Container:
        """Create the container `spec.name` unless it exists, start it unless it runs.

        Calling it again, or after a crash half-way, gives the same one container; one that has
        exited is started again on its own disk. The image must be there: ImageMissing otherwise.
        Raises StartRefused, PortTaken, EngineError.
        """

    def stop(self, name: str, grace: float) -> None:
        """SIGTERM, then SIGKILL after `grace` seconds. Returns once it has exited; fine if it already has.
        A paused one goes on to hear the signal. A missing container is fine."""

    def pause(self, name: str) -> None:
        """Freeze all its processes: they use no CPU any more and keep their memory and GPUs. Fine if it is
        paused already. Raises NoSuchContainer, and EngineError when it is not running."""

    def unpause(self, name: str) -> None:
        """Let a paused container go on where it was. Fine if it runs. Raises as `pause`."""

    def remove(self, name: str) -> None:
        """Kill if it runs and remove it with its disk. A missing container is fine."""

    def logs(self, name: str, *, tail: int | None = None, follow: bool = False) -> LogStream:
        """Lines in the order written; with `follow`, until the container exits. Raises NoSuchContainer."""

    def exec(self, name: str, argv: Sequence[str]) -> ExecResult:
        """Run a command inside and wait for it. stdout and stderr come as one text. Raises NoSuchContainer,
        and EngineError when the container is not running."""

    def stats(self, name: str) -> Stats:
        """Use of CPU and memory now. Raises NoSuchContainer, and EngineError when it is not running."""

    def disk_use(self) -> dict[str, int]:
        """Bytes that each running container has written to its own disk, by name. Empty where the engine
        cannot tell."""

    def has_image(self, image: str) -> bool: ...

    def image_id(self, image: str) -> str:
        """What the image is, by whatever name: the same for the same content. "" when it is not there."""

    def other_names(self, image: str) -> frozenset[str]:
        """By which other tags the same content is here."""

    def check_access(self, image: str, auth: RegistryAuth | None) -> None:
        """Ask the image's registry whether it would let us have it. Fetches nothing. Raises ImageMissing, and
        EngineError when the registry cannot be asked."""

    def pull(
        self, image: str, auth: RegistryAuth | None = None, progress: Callable[[str], None] | None = None
    ) -> None:
        """Fetch the image; `progress` is told a line now and then. Raises ImageMissing, EngineError."""

    def guard_host(self, port: int) -> str:
        """See that containers reach nothing of this host but `port` at `host_address`, and DNS. To be called
        again now and then: others may take the rules away. Returns what is in the way, "" when all is well.
        Raises EngineError."""

    def events(self) -> Iterator[ContainerEvent]:
        """What happens from now on. Ends, without an error, when the connection ends or close() is called."""

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class VolumeUse:
    """`used` bytes of a volume, and its `limit` in bytes, None where nothing keeps it to one."""

    used: int
    limit: int | None


class VolumeStorage(Protocol):
    """Directories of a limited size. Blocking, and safe to call from several threads.

    What was made by another mechanism, or is a plain directory from before there were limits, is kept as it
    is and goes on working.
    """

    @property
    def mechanism(self) -> str:
        """What keeps new volumes to their size, in words."""

    def ensure(self, path: Path, size: int) -> None:
        """Have the volume at `path`, with `size` GiB, ready to be mounted into a container: made when it is
        not there, grown when it is smaller (live), mounted again after a reboot, finished when a crash left
        it half made. It never shrinks. Raises VolumeError."""

    def remove(self, path: Path) -> None:
        """Remove the volume with all that is on it. A missing one is fine. Raises VolumeError; what is left
        then goes at the next try."""

    def usage(self, path: Path) -> VolumeUse:
        """Raises VolumeError, also when there is no volume at `path`."""


class GpuProbe(Protocol):
    def gpus(self) -> list[Gpu]:
        """The GPUs of this machine, in index order; an empty list when there are none. A card with MIG on
        is not among them: its instances are."""

    def trouble(self) -> str | None:
        """What kept the last look from seeing all GPUs there may be; None when nothing did."""

    def faults(self) -> Iterator[GpuFault]:
        """What happens to GPUs from now on, as it happens. Ends when close() is called, at once where there
        is nothing to hear from."""

    def close(self) -> None:
        """Let go of the driver, and end the iterations of `faults`."""

    def utilisation(self) -> dict[str, "GpuUse"]:
        """Load now, by UUID; a GPU that cannot be read is left out."""

    def cuda_version(self) -> str | None:
        """The driver's CUDA version as `major.minor`, or None without a driver."""


@dataclass(frozen=True, slots=True)
class GpuUse:
    """Percent busy and percent of memory used, whole numbers; power drawn and temperature. None: the driver
    does not say (of MIG instances it tells the memory alone)."""

    gpu_percent: int | None
    memory_percent: int
    watts: float | None = None
    celsius: int | None = None


class Undeliverable(Exception):
    """Nobody answered, or nobody may be asked. The message is the reason, without the URL."""


class Courier(Protocol):
    async def post(self, url: str, body: bytes) -> int:
        """Post JSON; the status code of the answer, whatever it is. Raises Undeliverable."""

    async def close(self) -> None: ...


class Clock(Protocol):
    def now(self) -> int:
        """Epoch milliseconds. May jump when somebody sets the clock."""

    def monotonic(self) -> int:
        """Milliseconds of which only differences mean anything, within one boot of the machine and across
        restarts of podd. Never jumps, and stands still while the machine sleeps."""
