"""Quotas: how much of the machine an account, and each of its members, may have at once, whatever they can
pay; and how long a pod may run. Pure. 0 is no limit."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from podd.domain.errors import Invalid, OverQuota

HOUR = 3_600_000
MEMBER = "member_"
"""Names of quotas of members begin with it."""

KINDS = {
    "gpus": "GPUs",
    "pods": "running pods",
    "workers": "serverless workers",
    "volume_gb": "GB of volumes",
}
LIFETIME = "lifetime_hours"
NAMES = (*KINDS, *(MEMBER + kind for kind in KINDS), LIFETIME)
"""In the order they are shown."""

MOST = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Use:
    """What somebody has, or wants more of: GPUs and workers but for frozen ones, pods that should run, and GB
    of volumes of pods and of network volumes."""

    gpus: int = 0
    pods: int = 0
    workers: int = 0
    volume_gb: int = 0


def check(used: Use, more: Use, allowed: Mapping[str, int], *, member: bool = False) -> None:
    """Raise OverQuota unless whoever has `used` may have `more` besides. What nothing more is wanted of is
    not looked at: an account above its quota can still do everything else."""
    have = asdict(used)
    for kind, wanted in asdict(more).items():
        limit = allowed.get(MEMBER + kind if member else kind, 0)
        if wanted > 0 and limit and have[kind] + wanted > limit:
            whose = "Each member of this account" if member else "This account"
            raise OverQuota(
                f"{whose} may have {limit} {KINDS[kind]}; {have[kind]} are in use and {wanted} more are "
                f"wanted (quota {MEMBER if member else ''}{kind}). Stop or remove something, or ask the "
                "operator."
            )


def checked(name: str, amount: int) -> int:
    """An amount for this quota. Raises Invalid."""
    if not 0 <= amount <= MOST:
        raise Invalid(f"The quota {name} must be between 0 (no limit) and {MOST}, not {amount}.")
    return amount


def ends_at(runs_since: int | None, lifetime_hours: int) -> int | None:
    """When a pod that was started at `runs_since` has run for as long as it may; None: never."""
    if not lifetime_hours or runs_since is None:
        return None
    return runs_since + lifetime_hours * HOUR
