"""Rolling out a new version of an endpoint: who is replaced when, and what the version changed. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from podd.domain.template import Template
from podd.domain.worker import Worker

HIDDEN = "(hidden)"


@dataclass(frozen=True, slots=True)
class Difference:
    """One setting that a release changed. Values of variables are secrets: only that they changed is kept."""

    field: str
    old: Any
    new: Any


def differences(
    before: Template, after: Template, endpoint: Mapping[str, tuple[Any, Any]] | None = None
) -> tuple[Difference, ...]:
    """What is new for the workers. `endpoint` are settings of the endpoint itself, as (old, new)."""
    pairs: dict[str, tuple[Any, Any]] = {
        **(endpoint or {}),
        "image": (before.image, after.image),
        "args": (before.args, after.args),
        "disk": (before.disk, after.disk),
        "ports": (before.ports, after.ports),
        "registryAuthId": (before.registry_auth_id, after.registry_auth_id),
    }
    found = [Difference(name, old, new) for name, (old, new) in pairs.items() if old != new]
    for name in sorted(before.env.keys() | after.env.keys()):
        old, new = before.env.get(name), after.env.get(name)
        if old != new:
            shown = [None if value is None else HIDDEN for value in (old, new)]
            found.append(Difference(f"env.{name}", *shown))
    return tuple(found)


def replaced_now(
    crew: Sequence[Worker], version: int, *, workers_max: int, gpu_count: int, throttled: int
) -> list[Worker]:
    """The workers of older versions whose turn to go has come, those with nothing to lose first.

    At once: whoever takes no jobs anyhow. Of the others a tenth of the maximum, at least one, and the next
    only as replacements are ready; until its turn a worker goes on taking jobs. A version that never gets
    ready, or finds no room, replaces nobody further: the old one goes on serving. But when the new one needs
    more GPUs than the old ones have, only more of these can make room.
    """
    outdated = [worker for worker in crew if worker.version != version]
    serving = [worker for worker in outdated if worker.serves]
    turns = [worker for worker in outdated if not worker.serves]
    begun = [worker for worker in serving if worker.leaving]
    rest = sorted((w for w in serving if not w.leaving), key=lambda w: w.held)
    on_their_way = len(begun) + sum(w.version == version and not w.serves for w in crew)
    if throttled and not any(len(worker.workload.gpus) < gpu_count for worker in rest):
        on_their_way += throttled
    batch = max(workers_max // 10, 1)
    return turns + begun + rest[: max(batch - on_their_way, 0)]
