"""Statements: month after month they come to what the ledger says, and can be opened without harm."""

import csv
import io
from decimal import Decimal
from itertools import pairwise

import pytest

from podd.domain.account import OPERATOR
from podd.domain.errors import Forbidden, Invalid, NotFound
from podd.domain.ledger import credit as credit_of
from podd.domain.money import from_text
from podd.domain.statement import Statement, as_csv, as_html
from podd.services import billing, credit, funding, plans, statement
from podd.store import ledger
from tests.services.conftest import NewLab
from tests.services.lab import A6000, DOLLAR, Lab

EVIL = '=HYPERLINK("http://x")<script>alert(1)</script>'


@pytest.fixture
def lab(new_lab: NewLab) -> Lab:
    return new_lab(billing_settings={"time_zone": "Asia/Kathmandu"})


def of(lab: Lab, month: str) -> Statement:
    return lab.ask(statement.of_month, lab.podd, lab.caller, None, month)


def live(lab: Lab) -> None:
    """Five months of everything: the account has begun in November 2023."""
    lab.do(credit.deposit, lab.podd, OPERATOR, "ada@example.org", 900 * DOLLAR, EVIL, "1", lab.now)
    lab.do(funding.allow, lab.podd, OPERATOR, "ada@example.org", 50 * DOLLAR, "month", "grant", lab.now)
    lab.do(plans.buy, lab.podd, lab.caller, None, A6000, 1, 1, "k", lab.now)
    lab.pod(volume=20)
    lab.settle()
    for number in range(12):
        lab.pass_time(days=9)
        lab.run(billing.tick(lab.podd))
        lab.run(funding.tick(lab.podd, lab.now))
        lab.do(credit.correct, OPERATOR, "ada@example.org", -7, "slip", f"{number}", lab.now)


def test_the_months_come_to_what_the_ledger_says(lab: Lab) -> None:
    live(lab)
    found = [of(lab, month) for month in ("2023-11", "2023-12", "2024-01", "2024-02", "2024-03")]
    assert found[0].opening == 0
    for earlier, later in pairwise(found):
        assert earlier.end == later.begin
        assert earlier.closing == later.opening
    assert found[-1].closing == lab.ask(ledger.balance, credit_of(lab.caller.account_id))
    spent = lab.ask(credit.lifetime_spending, lab.caller.account_id)
    postings = lab.ask(ledger.of_account, lab.caller.account_id, 100_000)
    assert sum(one.spent for one in found) == spent == sum(one.amount for one in postings if one.item)
    assert [one.amount for one in found[1].moved if one.text == "grant"] == [50 * DOLLAR]
    assert all(one.charged for one in found[:4])


def test_the_lines_of_a_sheet_come_to_its_last_one(lab: Lab) -> None:
    live(lab)
    shown = list(csv.DictReader(io.StringIO(as_csv(of(lab, "2023-11")))))
    *lines, last = [Decimal(row["dollars"]) for row in shown]
    assert sum(lines) == last
    assert from_text(str(last)) == of(lab, "2023-11").closing


def test_what_others_wrote_is_text_in_both_forms(lab: Lab) -> None:
    live(lab)
    page, sheet = as_html(of(lab, "2023-11")), as_csv(of(lab, "2023-11"))
    assert "<script>" not in page
    assert "=HYPERLINK(&quot;http://x&quot;)&lt;script&gt;" in page
    assert [row[1] for row in csv.reader(io.StringIO(sheet)) if "HYPERLINK" in row[1]] == [f"'{EVIL}"]


def test_a_statement_is_its_owners_and_the_operators(lab: Lab) -> None:
    other = lab.account("eve@example.org")
    own = lab.ask(statement.of_month, lab.podd, OPERATOR, "ada@example.org", "2023-11")
    assert own == of(lab, "2023-11")
    with pytest.raises(Forbidden):
        lab.ask(statement.of_month, lab.podd, other, lab.caller.account_id, "2023-11")
    with pytest.raises(NotFound):
        lab.ask(statement.of_month, lab.podd, OPERATOR, "nobody", "2023-11")
    with pytest.raises(Invalid):
        of(lab, "2023-13")
