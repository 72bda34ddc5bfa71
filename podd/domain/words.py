"""Small texts that users write and podd reads: ports, commands, environment variables, sizes."""

import json
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from podd.domain.errors import Invalid

_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]*\Z")
SYMMETRIC = range(70_000, 80_000)
MAX_ENV_VALUE = 128 * 1024 - 1  # the kernel refuses to start a process with a longer string


@dataclass(frozen=True, slots=True)
class Port:
    """A port inside the container: `protocol` is http (through the proxy), tcp or udp. A tcp port in
    SYMMETRIC is none yet, but asks for one that has the same number inside and outside."""

    number: int
    protocol: str


def whole_number(text: str) -> int | None:
    """The number that `text` writes in plain digits, up to nine of them; None for anything else."""
    # str.isdigit alone lets in digits of other scripts, and int() refuses very long ones.
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else None


def comma_list(text: str) -> list[str]:
    """Its entries, without those that are empty."""
    return [entry for part in text.split(",") if (entry := part.strip())]


def parse_ports(text: str) -> tuple[Port, ...]:
    """`8888/http,22/tcp` as ports. Raises Invalid naming the part that is wrong."""
    ports: dict[Port, None] = {}
    for part in (p.strip() for p in text.split(",")):
        if not part:
            continue
        text, _, protocol = part.partition("/")
        number, protocol = whole_number(text), (protocol or "tcp").lower()
        if number is None or protocol not in ("http", "tcp", "udp") or not _is_port(number, protocol):
            raise Invalid(f"ports: {part!r} is not a port such as 8888/http or 22/tcp.")
        ports[Port(number, protocol)] = None
    return tuple(ports)


def check_ports(ports: tuple[Port, ...], most: int) -> None:
    """Raises Invalid when there are more than `most`."""
    if len(ports) > most:
        raise Invalid(f"ports: no more than {most} ports can be exposed.")


def _is_port(number: int, protocol: str) -> bool:
    return 1 <= number <= 65535 or (number in SYMMETRIC and protocol == "tcp")


@lru_cache(maxsize=1024)
def parse_command(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """dockerArgs as (entrypoint, command): shell-like words, or a JSON object with `entrypoint` and `cmd`.

    Raises Invalid for unbalanced quotes or a JSON object of another shape.
    """
    entrypoint, command = _parse_words(text.strip())
    if any("\0" in word for word in (*entrypoint, *command)):
        raise Invalid("dockerArgs: a zero byte cannot be part of a command.")
    return entrypoint, command


def _parse_words(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if text.startswith("{"):
        return _parse_json_command(text)
    try:
        return (), tuple(shlex.split(text))
    except ValueError as error:
        raise Invalid(f"dockerArgs: cannot read {text!r}: {error}.") from error


def _parse_json_command(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"dockerArgs: not a JSON object: {error}.") from error
    parts = []
    for key in ("entrypoint", "cmd"):
        words = parsed.get(key) or []
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise Invalid(f"dockerArgs: {key!r} must be a list of strings.")
        parts.append(tuple(words))
    return parts[0], parts[1]


def checked_env(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Environment variables by name; the last of two with one name wins. Raises Invalid."""
    env: dict[str, str] = {}
    for name, value in pairs:
        if not _ENV_NAME.match(name):
            raise Invalid(f"env: {name!r} is not the name of an environment variable.")
        if "\0" in value or len(value.encode()) > MAX_ENV_VALUE:
            raise Invalid(f"env: the value of {name} is longer than 128 KiB or has a zero byte.")
        env[name] = value
    return env


def checked_size(value: int | None, name: str, default: int, *, least: int = 0, most: int = 1_000_000) -> int:
    """A whole number within its limits, or the default when not given. Raises Invalid naming the field."""
    if value is None:
        return default
    if not least <= value <= most:
        raise Invalid(f"{name} must be between {least} and {most}, not {value}.")
    return value


def checked_mount_path(path: str) -> str:
    """An absolute path that does not hide the system. Raises Invalid."""
    parts = [part for part in path.split("/") if part]
    if not path.startswith("/") or ".." in parts or "\0" in path or not parts:
        raise Invalid(f"volumeMountPath: {path!r} must be an absolute path below /.")
    if parts[0] in ("proc", "sys", "dev"):
        raise Invalid(f"volumeMountPath: {path!r} lies in a directory of the system.")
    return "/" + "/".join(parts)


def checked_image(image: str) -> str:
    """The image's name. Raises Invalid when it is empty or cannot be one."""
    image = image.strip()
    if not image:
        raise Invalid("imageName is required, here or through a template.")
    if any(c.isspace() for c in image) or len(image) > 512:
        raise Invalid(f"imageName: {image!r} is not the name of an image.")
    return image
