"""Whether accounts can afford what they are about to run. Only asked where `billing.mode` is enforce."""

from podd.domain import billing as rates
from podd.domain import funds as rules
from podd.domain.errors import NoFunds
from podd.domain.ledger import credit
from podd.domain.money import prose
from podd.domain.pod import Pod
from podd.domain.workload import Desired
from podd.services import billing
from podd.services.platform import Platform
from podd.store import halts, ledger, workloads
from podd.store.db import Reader


def enforced(podd: Platform) -> bool:
    return podd.settings.billing.mode == "enforce"


def check_start(db: Reader, podd: Platform, pod: Pod) -> None:
    """Whether its account can afford this pod, which is about to run. Raises NoFunds."""
    if not enforced(podd):
        return
    settings, account_id = podd.settings.billing, pod.workload.account_id
    rules.check_start(
        balance=ledger.balance(db, credit(account_id)),
        price=_running_rate(podd, pod),
        hourly=_rate_of_everything(db, podd, account_id),
        cover_minutes=settings.start_cover_minutes,
        limit=settings.spending_limit_hour,
    )


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


def _running_rate(podd: Platform, pod: Pod) -> int:
    """What the pod costs per hour once its container runs."""
    return sum(map(rates.hourly, billing.pod_rates(podd, pod, as_if_running=True)))


def _rate_of_everything(db: Reader, podd: Platform, account_id: str) -> int:
    """What the account's things cost per hour, those included that are only about to run."""
    pods = workloads.pods_of(db, account_id)
    wanted = [pod for pod in pods if pod.workload.desired is Desired.RUNNING]
    others = billing.hourly(db, account_id, besides=frozenset(pod.id for pod in wanted))
    return others + sum(_running_rate(podd, pod) for pod in wanted)
