"""Whether accounts can afford what they are about to run. Only asked where `billing.mode` is enforce."""

from collections.abc import Sequence

from podd.domain import billing as rates
from podd.domain import funds as rules
from podd.domain.errors import NoFunds
from podd.domain.ledger import DEPOSITS, REFILLS, credit
from podd.domain.money import prose
from podd.domain.pod import Pod
from podd.domain.workload import Desired
from podd.services import billing
from podd.services.platform import Platform
from podd.store import accounts, halts, ledger, plans, workloads
from podd.store.db import Reader


def enforced(podd: Platform) -> bool:
    return podd.settings.billing.mode == "enforce"


def check_start(db: Reader, podd: Platform, pod: Pod, now: int) -> None:
    """Whether its account can afford this pod, which is about to run. Raises NoFunds."""
    if not enforced(podd):
        return
    settings, account_id = podd.settings.billing, pod.workload.account_id
    pods = [one for one in workloads.pods_of(db, account_id) if one.workload.desired is Desired.RUNNING]
    hourly = _running_rates(db, podd, account_id, pods)
    rules.check_start(
        balance=ledger.balance(db, credit(account_id)),
        price=hourly[pod.id],
        hourly=sum(hourly.values()) + billing.hourly(db, account_id, besides=frozenset(hourly)),
        cover_minutes=settings.start_cover_minutes,
        limit=spending_limit(db, podd, account_id, now),
    )


def spending_limit(db: Reader, podd: Platform, account_id: str, now: int) -> int:
    """Nano-dollars an hour that all of an account's things together may cost: it grows with the account's
    age and with what was paid for it."""
    settings = podd.settings.billing
    account = accounts.get(db, account_id)
    days = (now - account.created_at) // rates.DAY_MS if account else 0
    paid = ledger.given_by(db, account_id, (DEPOSITS, REFILLS))
    reached = [one for one in settings.spending_limit_growth if days >= one.after_days and paid >= one.paid]
    return settings.spending_limit_hour * max((one.times for one in reached), default=1)


def workers_quota(db: Reader, podd: Platform, account_id: str) -> int:
    """How many workers an account's endpoints may have in all: more with more in its balance."""
    balance = ledger.balance(db, credit(account_id))
    steps = podd.settings.billing.workers_by_balance
    reached = [one.workers for one in steps if balance >= one.balance]
    return max([podd.settings.limits.workers_quota, *reached])


def check_credit(db: Reader, podd: Platform, account_id: str) -> None:
    """Whether the account may have more that costs something from now on. Raises NoFunds."""
    balance = ledger.balance(db, credit(account_id))
    if enforced(podd) and balance <= 0:
        raise NoFunds(f"The balance is {prose(balance)}. Add credit first.")


def may_serve(db: Reader, podd: Platform, account_id: str) -> bool:
    """Whether the account's endpoints may have workers: it has credit, and was not halted."""
    if not enforced(podd):
        return True
    return ledger.balance(db, credit(account_id)) > 0 and halts.get(db, account_id) is None


# Private


def _running_rates(db: Reader, podd: Platform, account_id: str, pods: Sequence[Pod]) -> dict[str, int]:
    """What these pods of an account cost per hour once their containers run."""
    covered = billing.coverage(plans.bought(db).get(account_id, {}), pods)
    return {
        pod.id: sum(
            map(
                rates.hourly,
                billing.pod_rates(podd, pod, as_if_running=True, covered=covered.get(pod.id, 0)),
            )
        )
        for pod in pods
    }
