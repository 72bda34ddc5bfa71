"""How much an account may run: limits that grow with its age, its payments and its balance."""

import pytest

from podd.domain.account import OPERATOR
from podd.domain.errors import Invalid
from podd.services import credit, funding, funds
from tests.services.lab import DOLLAR, Lab


def pay(lab: Lab, dollars: int, key: str = "1") -> None:
    lab.do(credit.deposit, lab.podd, OPERATOR, "ada@example.org", dollars * DOLLAR, "", key, lab.now)


def limit(lab: Lab) -> int:
    return lab.ask(funds.spending_limit, lab.podd, lab.caller.account_id, lab.now) // DOLLAR


def quota(lab: Lab) -> int:
    return lab.ask(funds.workers_quota, lab.podd, lab.caller.account_id)


def test_the_spending_limit_grows_with_age_and_payments_together(lab: Lab) -> None:
    pay(lab, 200)
    assert limit(lab) == 80
    lab.pass_time(days=29.9)
    assert limit(lab) == 80
    lab.pass_time(days=0.1)
    assert limit(lab) == 160
    lab.pass_time(days=60)
    assert limit(lab) == 160
    pay(lab, 800, "2")
    assert limit(lab) == 320


def test_what_was_given_is_no_payment(lab: Lab) -> None:
    lab.do(funding.allow, lab.podd, OPERATOR, "ada@example.org", 500 * DOLLAR, "week", "", lab.now)
    lab.pass_time(days=100)
    assert limit(lab) == 80


def test_more_in_the_balance_is_more_workers(lab: Lab) -> None:
    assert quota(lab) == 20
    lab.endpoint(workers_max=20)
    with pytest.raises(Invalid, match=r"maximum limit of \(20\)"):
        lab.endpoint(name="another", workers_max=1)
    pay(lab, 300)
    assert quota(lab) == 30
    lab.endpoint(name="another", workers_max=10)
    pay(lab, 100_000, "2")
    assert quota(lab) == 60
