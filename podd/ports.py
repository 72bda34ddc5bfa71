"""What podd needs from the outside, as small protocols.

Engines and probes are blocking on purpose: callers run them in threads, never on the event loop. One
contract suite (tests/contract) holds every implementation, the fakes included, to the same promises.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineInfo:
    """`kind` is docker or process. `host_address` is how a container reaches this host; `gpus` says
    whether the engine can hand out real GPUs; `disk_limits` whether ContainerSpec.disk is enforced."""

    kind: str
    version: str
    host_address: str
    gpus: bool
    disk_limits: bool


@dataclass(frozen=True, slots=True)
class ExecResult:
    exit_code: int
    output: str


@dataclass(frozen=True, slots=True)
class Stats:
    """`cpu_percent` of one core (200.0 = two cores busy); memory in bytes, caches left out."""

    cpu_percent: float
    memory_used: int
    memory_limit: int


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
        A missing container is fine."""

    def remove(self, name: str) -> None:
        """Kill if it runs and remove it with its disk. A missing container is fine."""

    def logs(self, name: str, *, tail: int | None = None, follow: bool = False) -> LogStream:
        """Lines in the order written; with `follow`, until the container exits. Raises NoSuchContainer."""

    def exec(self, name: str, argv: Sequence[str]) -> ExecResult:
        """Run a command inside and wait for it. stdout and stderr come as one text. Raises NoSuchContainer,
        and EngineError when the container is not running."""

    def stats(self, name: str) -> Stats:
        """Use of CPU and memory now. Raises NoSuchContainer, and EngineError when it is not running."""

    def has_image(self, image: str) -> bool: ...

    def pull(
        self, image: str, auth: RegistryAuth | None = None, progress: Callable[[str], None] | None = None
    ) -> None:
        """Fetch the image; `progress` is told a line now and then. Raises ImageMissing, EngineError."""

    def events(self) -> Iterator[ContainerEvent]:
        """What happens from now on. Ends, without an error, when the connection ends or close() is called."""

    def close(self) -> None: ...


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


class Clock(Protocol):
    def now(self) -> int:
        """Epoch milliseconds."""
