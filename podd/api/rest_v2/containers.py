"""What pods, endpoints and templates say alike about their containers."""

import json
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from podd.domain.errors import Conflict, Invalid
from podd.domain.words import parse_command
from podd.wire.rest_v2 import ContainerWish


def command_text(wish: ContainerWish, before: str = "") -> str | None:
    """The command in the one text podd keeps, None when the wish does not touch it. A part the wish leaves
    out stays as it was in `before`. Raises Invalid when its parts contradict each other."""
    if wish.cmd is None and wish.entrypoint is None:
        return wish.args
    known = parse_command(wish.args if wish.args else before)
    entrypoint = tuple(wish.entrypoint) if wish.entrypoint is not None else known[0]
    command = tuple(wish.cmd) if wish.cmd is not None else known[1]
    if wish.args and parse_command(wish.args) != (entrypoint, command):
        raise Invalid("args says another command than cmd and entrypoint; give one or the other.")
    return as_text(entrypoint, command)


def as_text(entrypoint: Sequence[str], command: Sequence[str]) -> str:
    """The shortest text that `parse_command` reads back as these."""
    if not entrypoint:
        return shlex.join(command)
    return json.dumps({"entrypoint": list(entrypoint), "cmd": list(command)})


def ports_text(ports: list[str] | None) -> str | None:
    return None if ports is None else ",".join(ports)


def port_list(text: str) -> list[str]:
    return [port for part in text.split(",") if (port := part.strip())]


def registry_of(wish: ContainerWish) -> str | None:
    """The credential's id, "" to use none any more, None when the wish does not say."""
    return (wish.registry or "") if wish.says("registry") else None


def container_view(
    image: str, args: str, disk: int, ports: str, env: dict[str, str], registry: str
) -> dict[str, Any]:
    """The fields of ContainerConfig."""
    entrypoint, command = parse_command(args)
    return {
        "image": image,
        "args": args,
        "cmd": list(command),
        "entrypoint": list(entrypoint),
        "disk": disk,
        "ports": port_list(ports),
        "env": env,
        "registry": registry or None,
    }


@contextmanager
def refused_as_invalid() -> Iterator[None]:
    """What is in use or taken is a bad request here; 409 is for a thing's own state."""
    try:
        yield
    except Conflict as error:
        raise Invalid(error.message) from None


def one_cuda_wish(allowed: list[str] | None, least: str | None) -> None:
    if allowed and least:
        raise Invalid("allowedCudaVersions and minCudaVersion exclude each other.")


def power_of_two(vcpus: int) -> int:
    """The vCPUs, if RunPod has CPU machines of that size. Raises Invalid."""
    if vcpus & (vcpus - 1):
        raise Invalid(f"cpu.vcpuCount must be a power of two, not {vcpus}.")
    return vcpus
