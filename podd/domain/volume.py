"""Network volumes: directories that belong to an account and outlive pods and workers. They grow, never
shrink, and are not deleted while something uses them."""

from dataclasses import dataclass

from podd.domain.errors import Invalid

MOST_GB = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkVolume:
    """`size` in GB. `created_by`: which member of the account has made it."""

    id: str
    account_id: str
    name: str
    size: int
    created_at: int
    created_by: str = ""


def checked_size(size: int | None, before: int | None = None) -> int:
    """The wanted size in GB. Raises Invalid when it is out of range or less than what is there."""
    if size is None or not 1 <= size <= MOST_GB:
        raise Invalid(f"size must be between 1 and {MOST_GB} GB, not {size}.")
    if before is not None and size < before:
        raise Invalid(f"size must not shrink: the volume has {before} GB.")
    return size
