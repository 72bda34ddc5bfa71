"""How times, money and changes read in the public APIs, whichever of them shows them."""

from datetime import UTC, datetime

from podd.domain.errors import Invalid
from podd.domain.workload import Phase, Workload

NANO = 1_000_000_000


def dollars(nano: int) -> float:
    return nano / NANO


def instant(at: int | None) -> str | None:
    """Epoch milliseconds as ISO 8601."""
    return (
        datetime.fromtimestamp(at / 1000, UTC).isoformat().replace("+00:00", "Z") if at is not None else None
    )


def moment(text: str | None, name: str) -> int | None:
    """ISO 8601 as epoch milliseconds; without a zone it is UTC. Raises Invalid with the field's `name`."""
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
        return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)
    except (ValueError, OverflowError):
        raise Invalid(f"{name}: {text!r} is not an instant such as 2026-01-31T12:00:00Z.") from None


def prose_instant(at: int) -> str:
    """As JavaScript writes a date: Fri Aug 07 2026 07:51:24 GMT+0000 (Coordinated Universal Time)."""
    when = datetime.fromtimestamp(at / 1000, UTC)
    return f"{when:%a %b %d %Y %H:%M:%S} GMT+0000 (Coordinated Universal Time)"


def last_change(workload: Workload) -> str:
    text = f"{workload.changed_by}: {prose_instant(workload.changed_at)}"
    said = [sentence for sentence in (workload.reason, workload.trouble) if sentence]
    return f"{text}. {' '.join(said)}" if said else text


def uptime(workload: Workload, now: int) -> int:
    if workload.phase is not Phase.RUNNING or workload.started_at is None:
        return 0
    return max(now - workload.started_at, 0) // 1000
