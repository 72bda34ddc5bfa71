"""Credit: deposits and corrections, each once, by the operator alone."""

import pytest

from podd.domain.account import OPERATOR
from podd.domain.errors import Forbidden, Invalid, NotFound
from podd.services import credit
from tests.services.lab import DOLLAR, Lab


def deposit(lab: Lab, amount: int, key: str = "1", account: str = "ada@example.org") -> int:
    return lab.do(credit.deposit, lab.podd, OPERATOR, account, amount, "", key, lab.now)


def correct(lab: Lab, amount: int, reason: str = "typed wrong", key: str = "1") -> int:
    return lab.do(credit.correct, OPERATOR, "ada@example.org", amount, reason, key, lab.now)


def test_a_deposit_counts_once_by_its_key(lab: Lab) -> None:
    assert deposit(lab, 10 * DOLLAR) == 10 * DOLLAR
    assert deposit(lab, 10 * DOLLAR) == 10 * DOLLAR
    assert deposit(lab, 15 * DOLLAR, "2", lab.caller.account_id) == 25 * DOLLAR


@pytest.mark.parametrize("amount", [10 * DOLLAR - 1, 0, -10 * DOLLAR, 10**27])
def test_a_deposit_has_a_least_and_a_most(lab: Lab, amount: int) -> None:
    with pytest.raises(Invalid, match="at least"):
        deposit(lab, amount)


def test_a_correction_goes_either_way_and_keeps_its_reason(lab: Lab) -> None:
    assert correct(lab, -3, key="1") == -3
    assert correct(lab, 5, key="2") == 2
    account, balance, postings = lab.ask(credit.statement, OPERATOR, "ada@example.org", 10)
    assert (account.id, balance) == (lab.caller.account_id, 2)
    assert [(posting.amount, posting.text) for posting in postings] == [
        (5, "typed wrong"),
        (3, "typed wrong"),
    ]
    for wrong in ({"amount": 0}, {"amount": 1, "reason": " "}):
        with pytest.raises(Invalid):
            correct(lab, **wrong, key="3")


def test_only_the_operator_posts_and_only_to_accounts(lab: Lab) -> None:
    with pytest.raises(Forbidden):
        lab.do(credit.deposit, lab.podd, lab.caller, "ada@example.org", 10 * DOLLAR, "", "1", lab.now)
    with pytest.raises(Forbidden):
        lab.ask(credit.statement, lab.caller, "ada@example.org", 1)
    with pytest.raises(NotFound, match="podd accounts create"):
        deposit(lab, 10 * DOLLAR, account="eve@example.org")


def test_the_books_are_found_in_order_and_a_wrong_balance_is_named(lab: Lab) -> None:
    deposit(lab, 10 * DOLLAR)
    assert lab.ask(credit.check_books) == []
    lab.do(lambda tx: tx.run("UPDATE balances SET amount = amount + 1 WHERE name LIKE 'credit:%'"))
    (wrong,) = lab.ask(credit.check_books)
    assert "its postings come to 10000000000" in wrong
