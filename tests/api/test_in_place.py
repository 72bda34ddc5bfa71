"""The operator acts in the place of an account, by its owner's APIs, and is written down as the operator."""

from collections.abc import Iterator

import pytest

from tests.api.served import IMAGE, OPERATOR_KEY, Served


@pytest.fixture(scope="module")
def podd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    served = Served(tmp_path_factory.mktemp("podd"))
    yield served
    served.close()


def test_what_the_operator_makes_in_somebodys_place_is_theirs(podd: Served) -> None:
    owner = podd.account("owner@example.com")
    wish = {"name": "x", "image": IMAGE, "gpu": {"id": "NVIDIA RTX A6000"}}
    theirs = {"X-Podd-Account": "owner@example.com"}
    made = podd.local.post("/v2/pods", json=wish, headers=theirs)
    assert made.status_code == 201, made.text
    with podd.client(owner) as http:
        assert [pod["id"] for pod in http.get("/v2/pods").json()["pods"]] == [made.json()["id"]]
    found = podd.local.get(f"/operator/v1/owners/{made.json()['id']}").json()
    assert (found["kind"], found["email"]) == ("pod", "owner@example.com")
    entry = podd.local.get("/operator/v1/audit", params={"thing": made.json()["id"]}).json()["entries"][0]
    assert (entry["actor"], entry["account_id"]) == ("operator", found["account_id"])


def test_jobs_are_submitted_in_somebodys_place_with_the_operators_key(podd: Served) -> None:
    endpoint = podd.create_endpoint()
    account = podd.local.get(f"/operator/v1/owners/{endpoint}").json()["account_id"]
    with podd.client(OPERATOR_KEY) as http:
        path = f"/v2/{endpoint}/run"
        assert http.post(path, json={"input": {}}).status_code in (401, 403, 404)
        assert http.post(path, json={"input": {}}, headers={"X-Podd-Account": account}).status_code == 200


def test_nobody_else_acts_in_the_place_of_an_account(podd: Served) -> None:
    podd.account("other@example.com")
    theirs = {"X-Podd-Account": "other@example.com"}
    assert podd.http.get("/v2/pods", headers=theirs).status_code == 403
    with podd.client("") as nobody:
        assert nobody.get("/v2/pods", headers=theirs).status_code in (401, 403)


def test_an_account_nobody_knows_and_an_id_of_nothing_are_not_found(podd: Served) -> None:
    assert podd.local.get("/v2/pods", headers={"X-Podd-Account": "nobody"}).status_code == 404
    assert podd.local.get("/operator/v1/owners/nothing").status_code == 404


def test_accounts_are_listed_with_what_they_have(podd: Served) -> None:
    podd.account("lists@example.com")
    podd.local.post(
        "/operator/v1/credit/deposits", json={"account": "lists@example.com", "amount": "25", "key": "k"}
    )
    found = podd.local.get("/operator/v1/accounts").json()["accounts"]
    (one,) = [account for account in found if account["email"] == "lists@example.com"]
    assert (one["balance"], one["pods"], one["endpoints"], one["kind"]) == ("25.000000000", 0, 0, "personal")
