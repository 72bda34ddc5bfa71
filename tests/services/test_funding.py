"""Credit that comes by itself: each voucher, week, month and refill counts once."""

from datetime import UTC, date, datetime

import pytest

from podd import ids
from podd.domain.account import OPERATOR, Caller
from podd.domain.calendar import Every
from podd.domain.errors import Forbidden, Invalid, NotFound
from podd.domain.funding import Allowance
from podd.services import credit, funding
from podd.store import ledger
from tests.services.conftest import NewLab
from tests.services.lab import DOLLAR, Lab

START = date(2023, 11, 14)  # a Tuesday, 22:13 UTC
HOUR = 3_600_000


def left(lab: Lab, caller: Caller | None = None) -> int:
    return lab.ask(credit.balance, (caller or lab.caller).account_id)


def tick(lab: Lab) -> None:
    lab.run(funding.tick(lab.podd, lab.now))


def at(lab: Lab, text: str) -> None:
    """Go on to this time."""
    wanted = round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)
    lab.pass_time(seconds=(wanted - lab.now) / 1000)


# Vouchers


def voucher(lab: Lab, amount: int = 10 * DOLLAR, last_day: date | None = None) -> str:
    ((_, code),) = lab.do(
        funding.create_vouchers, lab.podd, OPERATOR, amount, 1, last_day, "class of 23", lab.now
    )
    return code


def redeem(lab: Lab, code: str, caller: Caller | None = None) -> int:
    return lab.do(funding.redeem, caller or lab.caller, code, lab.now)


def test_a_voucher_counts_once_however_it_is_typed(lab: Lab) -> None:
    code = voucher(lab)
    typed = code.lower().replace("-", " ").replace("0", "o").replace("1", "l")
    assert redeem(lab, typed) == 10 * DOLLAR
    for caller in (lab.caller, lab.account("eve@example.org")):
        with pytest.raises(NotFound, match="no such voucher"):
            redeem(lab, code, caller)
    (found,) = lab.ask(funding.vouchers, OPERATOR, 10)
    assert (found.account_id, found.redeemed_at, found.text) == (
        lab.caller.account_id,
        lab.now,
        "class of 23",
    )
    assert lab.events(lab.caller.account_id) == ["credit added"]


def test_a_voucher_is_good_up_to_the_end_of_its_last_day(lab: Lab) -> None:
    first, second = voucher(lab, last_day=START), voucher(lab, last_day=START)
    at(lab, "2023-11-14T23:59:59")
    redeem(lab, first)
    at(lab, "2023-11-15T00:00:00")
    with pytest.raises(NotFound, match="no such voucher"):
        redeem(lab, second)
    with pytest.raises(Invalid, match="this day is over"):
        voucher(lab, last_day=START)


def test_codes_are_not_kept_and_do_not_repeat(lab: Lab) -> None:
    made = lab.do(funding.create_vouchers, lab.podd, OPERATOR, DOLLAR, 50, None, "", lab.now)
    codes = [code for _, code in made]
    assert len(set(codes)) == 50
    dump = "\n".join(str(row) for row in lab.ask(lambda db: db.rows("SELECT * FROM vouchers")))
    assert not any(code in dump or code.replace("-", "") in dump for code in codes)
    assert len({ids.voucher_hash(code) for code in codes}) == 50


@pytest.mark.parametrize(("amount", "count"), [(0, 1), (-1, 1), (10**20, 1), (1, 0), (1, 1001)])
def test_what_is_no_voucher_is_refused(lab: Lab, amount: int, count: int) -> None:
    with pytest.raises(Invalid):
        lab.do(funding.create_vouchers, lab.podd, OPERATOR, amount, count, None, "", lab.now)


# Allowances


def allow(lab: Lab, every: Every, amount: int = 7 * DOLLAR) -> Allowance:
    return lab.do(funding.allow, lab.podd, OPERATOR, "ada@example.org", amount, every, "", lab.now)


def test_an_allowance_begins_at_once_and_comes_with_each_week(lab: Lab) -> None:
    allow(lab, "week")
    assert left(lab) == 7 * DOLLAR
    at(lab, "2023-11-19T23:59:59")
    tick(lab)
    assert left(lab) == 7 * DOLLAR
    at(lab, "2023-11-20T00:00:00")
    for _ in range(2):
        tick(lab)
    assert left(lab) == 14 * DOLLAR


def test_months_that_podd_missed_are_caught_up_once_each_at_their_time(lab: Lab) -> None:
    allow(lab, "month")
    at(lab, "2024-03-15T00:00:00")
    lab.restart()
    tick(lab)
    tick(lab)
    _, balance, postings = lab.ask(credit.statement, OPERATOR, "ada@example.org", 10)
    assert balance == 5 * 7 * DOLLAR
    days = [datetime.fromtimestamp(one.at / 1000, UTC).date().isoformat() for one in reversed(postings)]
    assert days == ["2023-11-14", "2023-12-01", "2024-01-01", "2024-02-01", "2024-03-01"]


def test_weeks_begin_at_the_operators_midnight(new_lab: NewLab) -> None:
    lab = new_lab(billing_settings={"time_zone": "America/New_York"})
    allow(lab, "week")
    at(lab, "2023-11-20T04:59:59")
    tick(lab)
    assert left(lab) == 7 * DOLLAR
    at(lab, "2023-11-20T05:00:00")
    tick(lab)
    assert left(lab) == 14 * DOLLAR


def test_a_clock_that_was_set_back_gives_nothing_twice(lab: Lab) -> None:
    allow(lab, "week")
    lab.pass_time(days=14)
    tick(lab)
    before = left(lab)
    lab.clock.jump(hours=-24 * 10)
    tick(lab)
    lab.pass_time(days=10)
    tick(lab)
    assert left(lab) == before


def test_an_allowance_that_was_ended_comes_no_more(lab: Lab) -> None:
    made = allow(lab, "week")
    lab.do(funding.end_allowance, OPERATOR, made.id)
    lab.pass_time(days=30)
    tick(lab)
    assert left(lab) == 7 * DOLLAR
    with pytest.raises(NotFound):
        lab.do(funding.end_allowance, OPERATOR, made.id)


# Refills


def refill(lab: Lab, below: int = 5, amount: int = 10, cap: int = 30) -> None:
    lab.do(
        funding.set_refill,
        lab.podd,
        OPERATOR,
        "ada@example.org",
        below * DOLLAR,
        amount * DOLLAR,
        cap * DOLLAR,
    )


def spend(lab: Lab, amount: int) -> None:
    lab.do(credit.correct, OPERATOR, lab.caller.account_id, -amount, "spent", f"{lab.now}", lab.now)


def test_a_refill_comes_when_less_is_left_and_at_most_once_an_hour(lab: Lab) -> None:
    refill(lab)
    tick(lab)
    tick(lab)
    assert left(lab) == 10 * DOLLAR
    spend(lab, 6 * DOLLAR)
    lab.pass_time(seconds=3599)
    tick(lab)
    assert left(lab) == 4 * DOLLAR
    lab.pass_time(seconds=1)
    tick(lab)
    assert left(lab) == 14 * DOLLAR


def test_refills_of_a_month_stay_within_their_cap_also_when_they_are_set_anew(lab: Lab) -> None:
    refill(lab)
    for _ in range(6):
        lab.pass_time(hours=2)
        tick(lab)
        if left(lab):
            spend(lab, left(lab))
        refill(lab)
    assert len([kind for kind in lab.events(lab.caller.account_id) if kind == "credit added"]) == 3
    at(lab, "2023-12-01T00:00:00")
    tick(lab)
    assert left(lab) == 10 * DOLLAR


def test_enough_is_enough(lab: Lab) -> None:
    lab.do(credit.deposit, lab.podd, OPERATOR, "ada@example.org", 10 * DOLLAR, "", "1", lab.now)
    refill(lab, below=10)
    tick(lab)
    assert left(lab) == 10 * DOLLAR


def test_a_refill_that_was_ended_comes_no_more(lab: Lab) -> None:
    refill(lab)
    lab.do(funding.end_refill, OPERATOR, "ada@example.org")
    tick(lab)
    assert left(lab) == 0
    with pytest.raises(NotFound):
        lab.do(funding.end_refill, OPERATOR, "ada@example.org")


@pytest.mark.parametrize(("below", "amount", "cap"), [(5, 9, 30), (5, 40, 30), (-1, 10, 30)])
def test_what_is_no_refill_is_refused(lab: Lab, below: int, amount: int, cap: int) -> None:
    with pytest.raises(Invalid, match="at least"):
        refill(lab, below, amount, cap)


# All of them


def test_only_the_operator_gives_and_only_accounts_redeem(lab: Lab) -> None:
    for verb, args in (
        (funding.create_vouchers, (lab.podd, lab.caller, DOLLAR, 1, None, "", lab.now)),
        (funding.allow, (lab.podd, lab.caller, "ada@example.org", DOLLAR, "week", "", lab.now)),
        (funding.set_refill, (lab.podd, lab.caller, "ada@example.org", 0, 10 * DOLLAR, 10 * DOLLAR)),
        (funding.end_refill, (lab.caller, "ada@example.org")),
        (funding.end_allowance, (lab.caller, "x")),
        (funding.redeem, (OPERATOR, voucher(lab), lab.now)),
    ):
        with pytest.raises(Forbidden):
            lab.do(verb, *args)
    with pytest.raises(NotFound):
        lab.do(funding.allow, lab.podd, OPERATOR, "nobody@example.org", DOLLAR, "week", "", lab.now)


def test_the_books_balance_after_all_of_it(lab: Lab) -> None:
    refill(lab)
    allow(lab, "month")
    redeem(lab, voucher(lab))
    lab.pass_time(days=100)
    tick(lab)
    assert lab.ask(credit.check_books) == []
    assert lab.ask(ledger.balance, "operator:grants") == -(4 * 7 + 10) * DOLLAR
