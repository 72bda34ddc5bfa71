"""Containers as data: what podd wants an engine to run, and what an engine says is there.

A container belongs to one generation of one workload. Its name is made from both, so creating it twice
is recognised by the engine itself, even when the daemon died in between.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class ContainerState(StrEnum):
    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    EXITED = "exited"


@dataclass(frozen=True, slots=True)
class GpuRef:
    """One GPU handed to a container, by UUID. A simulated one gives the environment but no device."""

    uuid: str
    simulated: bool = False


@dataclass(frozen=True, slots=True)
class Mount:
    """A directory of the host at `source`, seen at `target` inside."""

    source: str
    target: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class PortBinding:
    """`container` port (tcp or udp) published as `host` port on the host address `address`."""

    container: int
    host: int
    address: str = "127.0.0.1"
    protocol: str = "tcp"


@dataclass(frozen=True, slots=True)
class ImageUse:
    """Who wants which image, and with which credential of theirs; "" for none."""

    account_id: str
    reference: str
    credential_id: str = ""


@dataclass(frozen=True, slots=True)
class RegistryAuth:
    """What to show a registry. `name` is what its owner calls it."""

    username: str
    password: str = field(repr=False)
    name: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSpec:
    """Everything an engine needs to run one container.

    `command` replaces the image's own command when not empty, `entrypoint` likewise. `search_paths` are
    pairs of an environment variable that holds a list of directories, such as PYTHONPATH, and a directory
    inside the container that goes before what `env`, or else the image, has there. `cpus` is a share in
    cores, `memory` in MiB, `disk` in GB (None: no limit asked for). Containers of one `network` reach each
    other, by `names`; those of different ones do not, nor those of none.
    """

    workload_id: str
    generation: int
    kind: str
    image: str
    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    search_paths: tuple[tuple[str, str], ...] = ()
    gpus: tuple[GpuRef, ...] = ()
    mounts: tuple[Mount, ...] = ()
    ports: tuple[PortBinding, ...] = ()
    cpus: float = 1.0
    memory: int = 1024
    disk: int | None = None
    registry_auth: RegistryAuth | None = None
    network: str = ""
    names: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return container_name(self.workload_id, self.generation)


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A container as the engine sees it now. Times are epoch milliseconds or None.

    `gpus` are the UUIDs it was created with (simulated ones included). `id` is the engine's own name
    for it, `address` its address on podd's network while it runs. `error` is the engine's reason when
    it could not be started.
    """

    name: str
    workload_id: str
    generation: int
    state: ContainerState
    id: str = ""
    gpus: tuple[str, ...] = ()
    exit_code: int | None = None
    started_at: int | None = None
    finished_at: int | None = None
    address: str = ""
    error: str = ""


def with_search_paths(env: Mapping[str, str], search_paths: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The environment with each directory in front of what its variable says."""
    paths = {
        name: f"{directory}:{env[name]}" if env.get(name) else directory for name, directory in search_paths
    }
    return {**env, **paths}


def container_name(workload_id: str, generation: int) -> str:
    """The name of the container of this generation of this workload."""
    return f"podd-{workload_id}-{generation}"
