"""Secrets: values kept sealed, put into a container's environment where a placeholder names them.

A value is in no answer, no log and never in clear in the database; what is stored with a pod is the
placeholder.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from podd.domain.errors import Invalid

_PLACEHOLDER = re.compile(r"\{\{\s*RUNPOD_SECRET_([A-Za-z0-9_.\-]+)\s*\}\}")
_NAME = re.compile(r"[A-Za-z0-9_.\-]{1,191}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    id: str
    account_id: str
    name: str
    description: str
    created_at: int
    updated_at: int


def checked_name(name: str | None) -> str:
    name = (name or "").strip()
    if not _NAME.match(name):
        raise Invalid("name must be letters, digits, '_', '.' or '-': it is written in placeholders.")
    return name


def named_in(env: Mapping[str, str]) -> set[str]:
    """The secrets whose placeholders are in these values."""
    return {name for value in env.values() for name in _PLACEHOLDER.findall(value)}


def filled(env: Mapping[str, str], value_of: Callable[[str], str]) -> dict[str, str]:
    """The environment with each placeholder replaced by its secret's value."""
    return {
        key: _PLACEHOLDER.sub(lambda match: value_of(match.group(1)), value) for key, value in env.items()
    }
