"""What is written down about one process container, in a directory of its name, and what follows from it.

The engine writes spec.json once; the shim writes state.json. Whether it runs is asked of /proc each time.
"""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import psutil

from podd.domain.container import Container, ContainerSpec, ContainerState, with_search_paths
from podd.ports import StartRefused
from podd.processes.shim import SPEC, STATE, identity, stopped, write_json

Json = dict[str, Any]

FILES = "files"
ADDRESS = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Record:
    """One container as written down. `state` is None before it was first started."""

    directory: Path
    spec: Json
    state: Json | None

    @property
    def name(self) -> str:
        return self.directory.name

    @property
    def files(self) -> Path:
        return self.directory / FILES

    @property
    def running(self) -> bool:
        """Until the shim has written down the end; without a shim, for as long as the command lives."""
        state = self.state
        if state is None or "exit_code" in state:
            return False
        return _lives(state) or _lives(state["shim"])

    @property
    def paused(self) -> bool:
        return self.running and self.state is not None and _lives(self.state) and stopped(self.state["pid"])

    def container(self) -> Container:
        state = self.state or {}
        now = self._state_now()
        return Container(
            name=self.name,
            workload_id=self.spec["workload_id"],
            generation=self.spec["generation"],
            state=now,
            id=self.spec["id"],
            gpus=tuple(self.spec["gpus"]),
            exit_code=state.get("exit_code"),
            started_at=state.get("started_at"),
            finished_at=state.get("finished_at"),
            address=ADDRESS if now in (ContainerState.RUNNING, ContainerState.PAUSED) else "",
        )

    def processes(self) -> Iterator[psutil.Process]:
        """All that belongs to it: its group, and what carries its mark in the environment, as commands run
        by exec do, and daemons that have left the group."""
        group = self.state["pid"] if self.running and self.state else None
        mark = f"PODD_ROOT={self.files}"
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if (group and os.getpgid(process.pid) == group) or _has_mark(process, mark):
                    yield process

    def _state_now(self) -> ContainerState:
        if self.running:
            return ContainerState.PAUSED if self.paused else ContainerState.RUNNING
        return ContainerState.CREATED if self.state is None else ContainerState.EXITED


def read(directory: Path) -> Record | None:
    """The record in this directory; None when there is none, or only the beginnings of one."""
    spec = _read_json(directory / SPEC)
    return None if spec is None else Record(directory, spec, _read_json(directory / STATE))


def write(directory: Path, spec: ContainerSpec, instance: str, container_id: str, path: str) -> None:
    """Write the record of a new container, with the directories that it needs. Doing it again is fine."""
    files = directory / FILES
    files.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o700)
    link_mounts(files, spec)
    write_json(
        directory / SPEC,
        {
            "instance": instance,
            "id": container_id,
            "workload_id": spec.workload_id,
            "kind": spec.kind,
            "generation": spec.generation,
            "gpus": [gpu.uuid for gpu in spec.gpus],
            "memory": spec.memory,
            "argv": [*spec.entrypoint, *spec.command],
            "cwd": str(files),
            "env": environment(spec, files, path),
        },
    )


def environment(spec: ContainerSpec, files: Path, path: str) -> dict[str, str]:
    """The spec's, and what a process needs that a container would have: nothing else of the daemon's own."""
    ports = {f"PODD_HOST_PORT_{port.container}": str(port.host) for port in spec.ports}
    env = {"PATH": path, "HOME": str(files)} | ports | dict(spec.env) | {"PODD_ROOT": str(files)}
    here = ((name, str(files / directory.lstrip("/"))) for name, directory in spec.search_paths)
    return with_search_paths(env, here)


def link_mounts(files: Path, spec: ContainerSpec) -> None:
    """Each mount is a link at its target, below `files`. Outer ones first, so that inner ones find them."""
    for mount in sorted(spec.mounts, key=lambda m: len(m.target)):
        target = PurePosixPath(mount.target)
        if ".." in target.parts or not target.is_absolute() or target == PurePosixPath("/"):
            raise StartRefused(f"A volume cannot be mounted at {mount.target}.")
        if not Path(mount.source).exists():
            raise StartRefused(f"The directory {mount.source}, to be mounted at {mount.target}, is missing.")
        _link(files / target.relative_to("/"), Path(mount.source))


def _link(at: Path, source: Path) -> None:
    at.parent.mkdir(parents=True, exist_ok=True)
    if at.is_symlink():
        at.unlink()
    try:
        at.symlink_to(source.absolute(), target_is_directory=True)
    except FileExistsError as error:
        raise StartRefused(f"There is something at {at} already, where a volume is to be mounted.") from error


def _lives(process: Json) -> bool:
    return process["identity"] is not None and identity(process["pid"]) == process["identity"]


def _has_mark(process: psutil.Process, mark: str) -> bool:
    name, _, value = mark.partition("=")
    return process.environ().get(name) == value


def _read_json(path: Path) -> Json | None:
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None
