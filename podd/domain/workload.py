"""What pods and serverless workers have in common: something that should run in a container.

`desired` is what somebody wants, `phase` what was last seen. Only the reconciler sets the phase.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from podd.domain.container import GpuRef, ImageUse, container_name
from podd.domain.words import SYMMETRIC, Port


class Kind(StrEnum):
    POD = "pod"
    WORKER = "worker"


class Desired(StrEnum):
    RUNNING = "RUNNING"
    STOPPED = "STOPPED"  # no container, everything else kept
    FAILED = "FAILED"  # podd gave up starting it: as STOPPED, the reason says why
    TERMINATED = "TERMINATED"  # container and volume go, then the workload


class Phase(StrEnum):
    NONE = "NONE"  # no container
    PULLING = "PULLING"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    EXITED = "EXITED"  # the main process ended by itself; it is started again at `retry_at`


@dataclass(frozen=True, slots=True)
class PublishedPort:
    """A port of the container, as asked for, and the host port it is reached at."""

    container: int
    host: int
    protocol: str = "tcp"

    @property
    def inside(self) -> int:
        """Where the container listens: a symmetrical port has the host port's number there as well."""
        return self.host if self.container in SYMMETRIC else self.container


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What the container needs. `memory` in MiB, sizes in GB, `cpus` in cores. A network volume takes the
    place of the workload's own at `volume_path`."""

    image: str
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    env: dict[str, str] = field(hash=False)
    ports: tuple[Port, ...] = ()
    cpus: int
    memory: int
    disk: int
    volume: int = 0
    volume_path: str = "/workspace"
    network_volume_id: str = ""
    registry_auth_id: str = ""

    @property
    def own_volume(self) -> int:
        """GB of its own volume; 0 when it has none, or a network volume in its place."""
        return 0 if self.network_volume_id else self.volume


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """`restart_of` is the start (`started_at`) that is to be followed by another one, 0 for none: a name for
    one run of the container, which no change of the clock can make true of another. `started_at` is of the
    container that is there now, `last_started_at` of the last there was. `gpus_lost_at`: since when the
    container cannot use its GPUs any more. `created_by`: which member of the account has made it.
    `sick_gpus` says of each GPU it holds that is not healthy what is wrong with it. `guarded` are the http
    ports that ask for a login."""

    id: str
    kind: Kind
    account_id: str
    desired: Desired
    phase: Phase
    generation: int
    needs: Needs
    gpus: tuple[GpuRef, ...] = ()
    published: tuple[PublishedPort, ...] = ()
    grace: float = 10
    container_id: str = ""
    address: str = ""
    started_at: int | None = None
    last_started_at: int | None = None
    exited_at: int | None = None
    exit_code: int | None = None
    restarts: int = 0
    failures: int = 0
    failing_since: int | None = None
    retry_at: int = 0
    restart_of: int = 0
    frozen_at: int | None = None
    reason: str = ""
    created_at: int = 0
    changed_at: int = 0
    changed_by: str = ""
    gpus_lost_at: int | None = None
    created_by: str = ""
    sick_gpus: tuple[str, ...] = ()
    guarded: frozenset[int] = frozenset()

    def __hash__(self) -> int:
        """Of little, as what is kept about thousands of workloads is looked up by them."""
        return hash((self.id, self.generation, self.changed_at))

    @property
    def trouble(self) -> str:
        """What is wrong with its GPUs, in sentences; empty when nothing is."""
        lost = ["Its container has lost its GPUs; a restart gives them back."] if self.gpus_lost_at else []
        return " ".join(lost + [f"It is affected by {sick}" for sick in self.sick_gpus])

    @property
    def gpu_uuids(self) -> tuple[str, ...]:
        return tuple(gpu.uuid for gpu in self.gpus)

    @property
    def image_use(self) -> ImageUse:
        return ImageUse(self.account_id, self.needs.image, self.needs.registry_auth_id)

    @property
    def at_rest(self) -> bool:
        """It should not run, and nothing is left of a container: only somebody's wish changes that."""
        return self.desired is not Desired.RUNNING and self.phase is Phase.NONE

    @property
    def container_name(self) -> str:
        return container_name(self.id, self.generation)


def internal_name(workload_id: str) -> str:
    """What other containers of the same account call it."""
    return f"{workload_id}.runpod.internal"


FIRST_RETRY = 1_000
LONGEST_RETRY = 300_000
STEADY_AFTER = 10_000


def retry_delay(failures: int) -> int:
    """Milliseconds to wait after the n-th failure in a row: 1 s, doubling, 5 min at most."""
    return int(min(FIRST_RETRY * 2 ** max(failures - 1, 0), LONGEST_RETRY))


def ran_steadily(started_at: int | None, ended_at: int) -> bool:
    """A container that was up this long did start: its end does not count towards giving up."""
    return started_at is not None and ended_at - started_at >= STEADY_AFTER


def offers_http(pod: Workload, port: int) -> bool:
    """Whether the port is one of those that are reached by http."""
    return any(offered.protocol == "http" and offered.number == port for offered in pod.needs.ports)
