"""Credit through the operator's API and the command line, and what its owner is told when there is none."""

import json
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from podd import cli
from tests.api.conftest import NewPodd
from tests.api.served import Served

EMAIL = "ada@example.org"
UNTIL = ("--expires", "2100-01-01")
MONEY = "{ myself { id clientBalance underBalance } }"


@pytest.fixture
def podd(new_podd: NewPodd) -> Served:
    return new_podd(settings={"billing": {"mode": "enforce"}})


def run(podd: Served, *words: str) -> str:
    env = {"PODD_DATA_DIR": str(podd.settings.data_dir), "COLUMNS": "200"}
    result = CliRunner().invoke(cli.app, ["credit", *words], env=env)
    return f"{result.exit_code} {result.output}"


def test_credit_is_added_corrected_and_shown(podd: Served) -> None:
    account_id = podd.data(MONEY)["myself"]["id"]
    assert podd.data(MONEY)["myself"]["underBalance"] is True
    assert run(podd, "add", account_id, "25", "--text", "cash").startswith("0 balance $25.000000000")
    taken = run(podd, "correct", account_id, "--reason", "wrong account", "--", "-5.5")
    assert taken.startswith("0 balance $19.500000000")
    shown = run(podd, "show", account_id)
    assert "$19.500000000, $0.000000000 an hour" in shown
    assert "wrong account" in shown
    assert podd.data(MONEY)["myself"] == {"id": account_id, "clientBalance": 19.5, "underBalance": False}
    found = json.loads(run(podd, "show", account_id, "--json")[2:])
    assert [(line["amount"], line["text"]) for line in found["lines"]] == [
        ("-5.500000000", "wrong account"),
        ("25.000000000", "cash"),
    ]


def test_a_key_is_posted_once(podd: Served) -> None:
    account_id = podd.data(MONEY)["myself"]["id"]
    for _ in range(2):
        assert "balance $10.000000000" in run(podd, "add", account_id, "10", "--key", "receipt 7")


def test_a_debt_is_written_as_people_write_it(podd: Served) -> None:
    account_id = podd.data(MONEY)["myself"]["id"]
    assert "balance -$3.200000000" in run(podd, "correct", account_id, "--reason", "x", "--", "-3.2")


@pytest.mark.parametrize("amount", ["ten", "1e3", "5", "0.0000000001", "99999999999"])
def test_what_is_no_deposit_is_refused_with_a_reason(podd: Served, amount: str) -> None:
    account_id = podd.data(MONEY)["myself"]["id"]
    assert run(podd, "add", account_id, amount).startswith("1 podd: ")
    assert podd.data(MONEY)["myself"]["clientBalance"] == 0


def test_without_credit_a_pod_is_refused_in_the_words_of_each_plane(podd: Served) -> None:
    refusal = podd.error(
        'mutation { podFindAndDeployOnDemand(input: {imageName: "test/image", gpuCount: 1, '
        'gpuTypeId: "NVIDIA RTX A6000"}) { id } }'
    )
    assert refusal["extensions"]["code"] == "INSUFFICIENT_BALANCE"
    assert "does not cover 60 minutes" in refusal["message"]
    v1 = podd.http.post("/v1/pods", json={"imageName": "test/image", "gpuTypeIds": ["NVIDIA RTX A6000"]})
    assert (v1.status_code, "does not cover" in v1.json()["error"]) == (400, True)
    v2 = podd.http.post(
        "/v2/pods", json={"name": "a", "image": "test/image", "gpu": {"id": "NVIDIA RTX A6000"}}
    )
    assert (v2.status_code, "does not cover" in v2.text) == (400, True)
    assert podd.data("{ myself { pods { id } } }")["myself"]["pods"] == []


def test_nobody_but_the_operator_posts(podd: Served) -> None:
    body = {"account": EMAIL, "amount": "10", "key": "1"}
    for path in ("deposits", "corrections"):
        answer = podd.http.post(f"/operator/v1/credit/{path}", json={**body, "reason": "x"})
        assert answer.status_code in (400, 403)
    assert podd.http.get(f"/operator/v1/credit/{EMAIL}").status_code == 403


def test_vouchers_are_made_listed_and_redeemed_on_every_surface(podd: Served) -> None:
    made = run(
        podd,
        "voucher",
        "create",
        "--amount",
        "12.5",
        "--count",
        "2",
        "--text",
        "class [1]",
        "--expires",
        "2100-01-01",
    )
    first, second = made.removeprefix("0 ").split()
    answer = podd.http.post("/account/v1/vouchers", json={"code": first})
    assert (answer.status_code, answer.json()) == (201, {"balance": "12.500000000"})
    redeem = "mutation ($code: String!) { redeemVoucher(input: {code: $code}) { clientBalance } }"
    assert podd.data(redeem, {"code": second})["redeemVoucher"] == {"clientBalance": 25.0}
    again = podd.error(redeem, {"code": second})
    assert "There is no such voucher" in again["message"]
    listed = run(podd, "voucher", "list")
    assert listed.count("class [1]") == 2
    assert not any(code in listed for code in (first, second))
    found = json.loads(run(podd, "voucher", "list", "--json")[2:])
    assert {one["account"] for one in found["vouchers"]} == {podd.data(MONEY)["myself"]["id"]}


def test_guesses_of_vouchers_are_counted_over_all_surfaces(new_podd: NewPodd) -> None:
    podd = new_podd(settings={"rates": {"voucher": "3 per hour"}})
    for _ in range(2):
        assert podd.http.post("/account/v1/vouchers", json={"code": "x"}).status_code == 404
    podd.error('mutation { redeemVoucher(input: {code: "x"}) { id } }')
    late = podd.http.post("/account/v1/vouchers", json={"code": "x"})
    assert (late.status_code, int(late.headers["retry-after"]) > 0) == (429, True)


def test_allowances_and_refills_are_set_shown_and_ended(podd: Served) -> None:
    account_id = podd.data(MONEY)["myself"]["id"]
    allowance = run(podd, "allowance", "add", account_id, "--amount", "7", "--every", "week")
    assert "$7.000000000 each week" in allowance
    assert run(podd, "allowance", "add", account_id, "--amount", "7", "--every", "day").startswith("2 ")
    wish = ["--below", "5", "--amount", "10", "--cap", "50"]
    assert "$10.000000000 when there is less than $5" in run(podd, "refill", "set", account_id, *wish)
    shown = run(podd, "show", account_id)
    assert "allowance for the week" in shown
    assert "refill: $10.000000000 when" in shown
    own = podd.http.get("/account/v1/credit").json()
    assert own == json.loads(run(podd, "show", account_id, "--json")[2:])
    assert run(podd, "allowance", "end", own["allowances"][0]["id"]) == "0 ended\n"
    assert run(podd, "refill", "end", account_id) == "0 ended\n"
    assert run(podd, "refill", "end", account_id).startswith("1 podd: This account has no")


def test_nobody_but_the_operator_makes_vouchers_allowances_and_refills(podd: Served) -> None:
    account_id = podd.data(MONEY)["myself"]["id"]
    amounts = {"threshold": "1", "monthly_cap": "20"}
    for path, body in (
        ("vouchers", {"amount": "10"}),
        ("allowances", {"account": account_id, "amount": "10", "every": "week"}),
        ("refills", {"account": account_id, "amount": "10", **amounts}),
        ("refills/end", {"account": account_id}),
    ):
        assert podd.http.post(f"/operator/v1/credit/{path}", json=body).status_code == 403
    assert podd.http.get("/operator/v1/credit/vouchers").status_code == 403


def test_a_plan_is_bought_by_both_and_shown_on_all_surfaces(podd: Served) -> None:
    account_id = podd.data(MONEY)["myself"]["id"]
    assert run(podd, "plan", "buy", account_id, "--gpu", "NVIDIA RTX A6000", "--months", "1").startswith("1 ")
    run(podd, "add", account_id, "2000")
    bought = run(podd, "plan", "buy", account_id, "--gpu", "NVIDIA RTX A6000", "--months", "1")
    assert "1 x NVIDIA RTX A6000 until 20" in bought
    wish = {"gpu_type": "NVIDIA RTX A6000", "count": 1, "months": 3, "key": "k"}
    made = [podd.http.post("/account/v1/plans", json=wish) for _ in range(2)]
    assert [answer.status_code for answer in made] == [201, 201]
    assert made[0].json() == made[1].json()
    query = "{ myself { clientBalance savingsPlans { gpuTypeId planLength upfrontCost costPerHr endTime } } }"
    found = podd.data(query)["myself"]
    assert sorted(plan["planLength"] for plan in found["savingsPlans"]) == ["1 month", "3 months"]
    assert found["clientBalance"] == pytest.approx(
        2000 - sum(plan["upfrontCost"] for plan in found["savingsPlans"])
    )
    assert run(podd, "show", account_id).count("plan ") == 2
    assert podd.http.post("/account/v1/plans", json={**wish, "months": 2, "key": "l"}).status_code == 400


def test_statements_are_for_the_operator_and_the_owner_as_page_and_sheet(podd: Served) -> None:
    account_id = podd.data(MONEY)["myself"]["id"]
    run(podd, "add", account_id, "25", "--text", "<b>cash</b>")
    month = datetime.fromtimestamp(podd.clock.now() / 1000, UTC).strftime("%Y-%m")
    page = podd.http.get(f"/account/v1/statements/{month}")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "&lt;b&gt;cash" in page.text
    sheet = podd.http.get(f"/account/v1/statements/{month}?csv=true")
    assert "statement-" in sheet.headers["content-disposition"]
    shown = run(podd, "statement", account_id, "--month", month, "--csv")
    assert shown.replace("\r\n", "\n") == "0 " + sheet.text.replace("\r\n", "\n")
    assert run(podd, "statement", account_id, "--month", month) == f"0 {page.text}"
    assert run(podd, "statement", account_id, "--month", "now").startswith("1 podd: 'now' is not a month")
    assert podd.http.get(f"/operator/v1/credit/{account_id}/statements/{month}").status_code == 403
