"""A project's folder: what is in it, what its runpod.toml says, and its files as an archive."""

import fnmatch
import io
import tarfile
import tomllib
from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

STARTER = Path(__file__).with_name("starter")
FILE = "runpod.toml"
_IGNORES = (".runpodignore", ".dockerignore")


class ProjectError(Exception):
    """The folder is no project, or a project of which no use can be made; the message says why."""


class _Table(BaseModel):
    model_config = {"extra": "ignore"}  # RunPod's own files have more


class _Project(_Table):
    uuid: str
    base_image: str
    gpu_types: list[str] = []
    gpu_count: int = 1
    port: int = 8080
    container_disk_size_gb: int = 20
    env_vars: dict[str, str] = {}


class _Endpoint(_Table):
    gpu_pools: list[str] = []
    active_workers: int = 0
    max_workers: int = 3
    flashboot: bool = False


class _Runtime(_Table):
    handler_path: str = "src/handler.py"
    requirements_path: str = "builder/requirements.txt"


class ProjectSettings(_Table):
    """What runpod.toml says."""

    name: str
    project: _Project
    endpoint: _Endpoint = Field(default_factory=_Endpoint)
    runtime: _Runtime = Field(default_factory=_Runtime)

    @property
    def full_name(self) -> str:
        """A name no other project has."""
        return f"{self.name}-{self.project.uuid}"


def begin(place: Path, uuid: str, base_image: str, gpu_type: str, gpu_pool: str) -> None:
    """Write a new project. Raises ProjectError where there is something already."""
    if place.exists() and any(place.iterdir()):
        raise ProjectError(f"{place} is not empty.")
    words = {"NAME": place.name, "UUID": uuid, "BASE_IMAGE": base_image}
    words |= {"GPU_TYPE": gpu_type, "GPU_POOL": gpu_pool}
    for file in STARTER.rglob("*"):
        if file.is_dir() or "__pycache__" in file.parts:
            continue
        text = file.read_text()
        if file.name == FILE:
            for word, value in words.items():
                text = text.replace(f'"{word}"', f'"{value}"' if value else "")
        there = place / file.relative_to(STARTER)
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_text(text)


def settings_of_project(place: Path) -> ProjectSettings:
    """Raises ProjectError."""
    try:
        return ProjectSettings.model_validate(tomllib.loads((place / FILE).read_text()))
    except FileNotFoundError:
        raise ProjectError(f"There is no {FILE} in {place}; `podd project new NAME` makes one.") from None
    except tomllib.TOMLDecodeError as error:
        raise ProjectError(f"{place / FILE}: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(word) for word in first["loc"])
        raise ProjectError(f"{place / FILE}: {where}: {first['msg']}") from None


def files_of(place: Path) -> Iterator[Path]:
    """The project's files, without what its .runpodignore names, in one order."""
    ignored = [".git", *_patterns(place)]
    for file in sorted(place.rglob("*")):
        parts = file.relative_to(place).parts
        if file.is_file() and not any(_is_ignored(parts, pattern) for pattern in ignored):
            yield file


def archive_of(place: Path) -> bytes:
    """The project's files as a tar.gz."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as archive:
        for file in files_of(place):
            archive.add(file, str(file.relative_to(place)))
    return written.getvalue()


def state_of(place: Path) -> dict[str, tuple[int, int]]:
    """What changes when a file does: of each file when it was written and how long it is."""
    found = {}
    for file in files_of(place):
        try:
            seen = file.stat()
        except FileNotFoundError:
            continue
        found[str(file)] = (seen.st_mtime_ns, seen.st_size)
    return found


# Private


def _patterns(place: Path) -> Iterator[str]:
    for name in _IGNORES:
        if (place / name).is_file():
            for line in (place / name).read_text().splitlines():
                if line.strip() and not line.lstrip().startswith("#"):
                    yield line.strip().rstrip("/")


def _is_ignored(parts: tuple[str, ...], pattern: str) -> bool:
    """As in .gitignore: a name anywhere, or, with a slash in it, a path from the top."""
    if "/" not in pattern.strip("/"):
        return any(fnmatch.fnmatch(part, pattern.strip("/")) for part in parts)
    paths = ("/".join(parts[:length]) for length in range(1, len(parts) + 1))
    return any(fnmatch.fnmatch(path, pattern.lstrip("/")) for path in paths)
