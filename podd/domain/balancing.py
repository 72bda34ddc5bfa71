"""Load-balancing endpoints: where their workers listen, and which of them gets a request: pure."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from podd.domain.words import whole_number

PORT = 80
HEALTH_PATH = "/ping"

_ID = re.compile(r"[a-z0-9]{1,40}\Z")


@dataclass(frozen=True, slots=True)
class Service:
    """What a worker serves at: its port, and where it tells how it is."""

    port: int = PORT
    health_port: int = PORT
    health_path: str = HEALTH_PATH

    @classmethod
    def of(cls, env: Mapping[str, str]) -> "Service":
        """As the worker's environment has it. What makes no sense there counts as not said."""
        port = _port(env.get("PORT")) or PORT
        path = env.get("HEALTH_CHECK_PATH", "").strip() or HEALTH_PATH
        return cls(port, _port(env.get("PORT_HEALTH")) or port, path if path.startswith("/") else f"/{path}")

    @property
    def env(self) -> dict[str, str]:
        return {
            "PORT": str(self.port),
            "PORT_HEALTH": str(self.health_port),
            "HEALTH_CHECK_PATH": self.health_path,
        }


class Health(StrEnum):
    HEALTHY = "healthy"
    INITIALIZING = "initializing"
    UNHEALTHY = "unhealthy"

    @classmethod
    def told_by(cls, status: int | None) -> "Health":
        """What the answer to a health check means; None: there was none."""
        return {200: cls.HEALTHY, 204: cls.INITIALIZING}.get(status or 0, cls.UNHEALTHY)


class Bond(StrEnum):
    """How much a request wants to go to one certain worker."""

    SOFT = "soft"
    STRICT = "strict"
    RESUME = "strict-resume"


@dataclass(frozen=True, slots=True)
class Affinity:
    worker_id: str
    bond: Bond = Bond.SOFT

    @classmethod
    def parse(cls, header: str) -> "Affinity | None":
        """From `X-Runpod-Worker-Id`: an id, or `strict ID`, or `strict-resume ID`; None for anything else."""
        words = header.split()
        try:
            bond = Bond(words[0].lower()) if len(words) == 2 else Bond.SOFT
        except ValueError:
            return None
        return cls(words[-1], bond) if words and len(words) <= 2 and _ID.match(words[-1]) else None


def choose(open_workers: Iterable[str], busy: Callable[[str], int], affinity: Affinity | None) -> str | None:
    """The worker for a request: the one it wants, else the one with the fewest requests, the first of
    several; None: nobody now."""
    able = list(open_workers)
    if affinity is not None and (affinity.worker_id in able or affinity.bond is not Bond.SOFT):
        return affinity.worker_id if affinity.worker_id in able else None
    return min(able, key=busy, default=None)


def _port(text: str | None) -> int | None:
    number = whole_number((text or "").strip())
    return number if number and number <= 65535 else None
