"""Templates: an image with its configuration, to make pods and endpoints from."""

from dataclasses import dataclass, field
from typing import Any

from podd.domain.errors import Invalid


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """`args` is the command as its owner wrote it (dockerArgs), `ports` likewise. Sizes in GB.

    `endpoint_id` is the endpoint whose part it is, made and removed with it. `extras` holds what clients
    store and read back without an effect on podd yet (readme, category, ...).
    """

    id: str
    account_id: str
    name: str
    image: str
    args: str = ""
    disk: int = 10
    volume: int = 0
    volume_path: str = "/workspace"
    ports: str = ""
    env: dict[str, str] = field(default_factory=dict)
    serverless: bool = False
    public: bool = False
    registry_auth_id: str = ""
    endpoint_id: str = ""
    extras: dict[str, Any] = field(default_factory=dict)
    created_at: int = 0


# A change of these needs new containers; all else is for people and for pods still to be made.
RELEASING = ("image", "args", "disk", "ports", "env", "registry_auth_id")


def needs_release(before: Template, after: Template) -> bool:
    """Whether the workers of endpoints made from it are outdated by this change."""
    return any(getattr(before, name) != getattr(after, name) for name in RELEASING)


def checked_name(name: str | None, field_name: str = "name") -> str:
    """A name that is not empty and fits a line. Raises Invalid."""
    name = (name or "").strip()
    if not name:
        raise Invalid(f"{field_name} is required.")
    if len(name) > 191:
        raise Invalid(f"{field_name} must not be longer than 191 characters.")
    return name
