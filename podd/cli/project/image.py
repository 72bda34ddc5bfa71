"""A project's image, built and pushed by the Docker Engine of the machine this runs on."""

import io
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import docker
from docker.errors import DockerException

from podd.cli.project.folder import ProjectError, archive_of

Say = Callable[[str], object]


def build(folder: Path, tag: str, base_image: str, say: Say) -> None:
    """Raises ProjectError with what went wrong."""
    try:
        with closing(docker.from_env()) as engine:
            steps = engine.api.build(
                fileobj=io.BytesIO(archive_of(folder)),
                custom_context=True,
                encoding="gzip",
                tag=tag,
                buildargs={"BASE_IMAGE": base_image},
                rm=True,
                forcerm=True,
                decode=True,
            )
            _tell(steps, say)
    except DockerException as error:
        raise ProjectError(
            f"The image could not be built: {error}. It takes a Docker Engine on this machine; without one, "
            "build it elsewhere and give --image NAME --no-build."
        ) from error


def push(tag: str, say: Say) -> None:
    """Raises ProjectError with what went wrong."""
    try:
        with closing(docker.from_env()) as engine:
            _tell(engine.api.push(tag, stream=True, decode=True), say)
    except DockerException as error:
        raise ProjectError(f"{tag} could not be pushed: {error}.") from error


# Private


def _tell(steps: Iterable[Any], say: Say) -> None:
    for step in steps:
        if "error" in step:
            raise ProjectError(f"Docker says: {step['error'].strip()}")
        if text := step.get("stream", "").rstrip():
            say(text)
