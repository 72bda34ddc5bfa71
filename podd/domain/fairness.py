"""Who gets the next worker when there is not room for all, and who gives one up for it: pure.

Shares are counted in units: the GPUs that workers hold. Accounts come before endpoints, so that many
endpoints do not give an account more than one does. Who has least is served first; among equals, who
has waited longest. Workers without GPUs are shared out in the same way, apart from the others: they hold
vCPUs of the one type `CPU`, and what an account has of these takes nothing from its share of GPUs.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

CPU = "CPU"
"""What stands for the machine's cores where GPU types stand else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Short:
    """An endpoint that should have `missing` more workers of `size` units, of one of `type_ids` each.
    `since`: since when a job has waited and no worker was taken away; None: no job waits."""

    endpoint_id: str
    account_id: str
    missing: int
    size: int = 1
    type_ids: frozenset[str] = frozenset()
    since: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A worker and the units it holds. `spare`: beyond its endpoint's minimum. `unused`: it has no job, and
    none waits for it. `since`: when it became ready; None: not yet. `leaving`: it gives way already."""

    worker_id: str
    endpoint_id: str
    account_id: str
    size: int = 1
    type_ids: frozenset[str] = frozenset()
    spare: bool = True
    unused: bool = False
    since: int | None = None
    leaving: bool = False


@dataclass(slots=True)
class Shares:
    """Units held, by endpoint and by account, there GPUs apart from cores. Workers that are leaving do not
    count."""

    accounts: Counter[tuple[str, bool]] = field(default_factory=Counter)
    endpoints: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, holders: Iterable[Holder]) -> "Shares":
        shares = cls()
        for holder in holders:
            if not holder.leaving:
                shares.add(holder, holder.size)
        return shares

    def add(self, one: Short | Holder, units: int) -> None:
        self.accounts[self._account(one)] += units
        self.endpoints[one.endpoint_id] += units

    def rank(self, one: Short | Holder) -> tuple[int, int]:
        return (self.of_account(one), self.endpoints[one.endpoint_id])

    def of_account(self, one: Short | Holder) -> int:
        return self.accounts[self._account(one)]

    @staticmethod
    def _account(one: Short | Holder) -> tuple[str, bool]:
        return (one.account_id, CPU in one.type_ids)


def served_next(shorts: Sequence[Short], shares: Shares) -> Short:
    """Whose turn it is to get one more worker."""

    def order(short: Short) -> tuple[tuple[int, int], bool, int, str]:
        return (shares.rank(short), short.since is None, short.since or 0, short.endpoint_id)

    return min(shorts, key=order)


def giving_way(
    shorts: Sequence[Short], holders: Sequence[Holder], *, turn_ms: int, now: int
) -> dict[str, Short]:
    """Workers that should go for endpoints that found no room, each with the one it goes for; at most one
    for each endpoint at a time.

    First those that nobody uses. Then, after the job they have, those of whoever would still not have less
    than the short one after giving up. At last, so that nobody waits for ever: one that has had its turn of
    `turn_ms`, for an endpoint that has nothing and has waited as long.
    """
    shares = Shares.of(holders)
    coming = [holder for holder in holders if holder.leaving]
    staying = [holder for holder in holders if not holder.leaving and holder.spare]
    chosen: dict[str, Short] = {}
    for short in sorted(shorts, key=shares.rank):
        on_its_way = next((h for h in coming if h.type_ids & short.type_ids), None)
        if on_its_way is not None:
            coming.remove(on_its_way)
            continue
        fitting = [h for h in staying if h.type_ids & short.type_ids and h.endpoint_id != short.endpoint_id]
        victim = _victim(short, fitting, shares, turn_ms, now)
        if victim is not None:
            chosen[victim.worker_id] = short
            staying.remove(victim)
            shares.add(victim, -victim.size)
            shares.add(short, short.size)
    return chosen


def _victim(short: Short, fitting: Sequence[Holder], shares: Shares, turn_ms: int, now: int) -> Holder | None:
    """Of the richest first, and of the same endpoint whoever serves longest."""

    def riches(holder: Holder) -> tuple[tuple[int, int], int, str]:
        return (shares.rank(holder), -(holder.since or now), holder.worker_id)

    unused = [h for h in fitting if h.unused]
    richer = [h for h in fitting if _stays_richer(h, short, shares)]
    due = [h for h in fitting if h.since is not None and now - h.since >= turn_ms]
    starving = (
        short.since is not None and now - short.since >= turn_ms and not shares.endpoints[short.endpoint_id]
    )
    return max(unused or richer or (due if starving else []), key=riches, default=None)


def _stays_richer(holder: Holder, short: Short, shares: Shares) -> bool:
    """Whether the holder's side has, after giving up, still no less than the short one's after taking."""
    if holder.account_id == short.account_id:
        has, lacks = shares.endpoints[holder.endpoint_id], shares.endpoints[short.endpoint_id]
    else:
        has, lacks = shares.of_account(holder), shares.of_account(short)
    return has - holder.size >= lacks + short.size
