"""The audit log over the APIs: where requests came from, who was refused, pages, exports, and the command."""

import csv
import io
import json
import os
from typing import Any

import pytest
from typer.testing import CliRunner

from podd import cli
from tests.api.served import Json, Served

MYSELF = "{ myself { id } }"


def entries(podd: Served, **query: Any) -> list[Json]:
    """Newest first, as the operator sees them."""
    response = podd.local.get("/operator/v1/audit", params=query)
    assert response.status_code == 200, response.text
    found: list[Json] = response.json()["entries"]
    return found


def pod_key(podd: Served) -> tuple[str, str]:
    """A pod, and the key in its container, which may do little."""
    pod_id = podd.create_pod()
    return pod_id, podd.podd.keys.pod(pod_id)


def test_a_change_says_which_key_address_surface_and_client_it_came_from(podd: Served) -> None:
    made = podd.http.post(
        "/v2/account/secrets", json={"name": "s", "value": "v"}, headers={"User-Agent": "a client/1.0"}
    )
    (entry,) = entries(podd, operation="secret.save")
    key = podd.data("{ myself { apiKeys { id } } }")["myself"]["apiKeys"][0]["id"]
    assert entry["thing"] == made.json()["id"]
    assert (entry["actor"], entry["key_id"], entry["address"]) == ("account", key, "127.0.0.1")
    assert (entry["surface"], entry["agent"]) == ("rest_v2", "a client/1.0")


@pytest.mark.parametrize(
    ("method", "path", "surface"),
    [("POST", "/v1/templates", "rest_v1"), ("POST", "/v2/templates", "rest_v2")],
)
def test_each_surface_has_its_name_in_the_log(podd: Served, method: str, path: str, surface: str) -> None:
    body: Json = {"name": "t", "imageName": "a/b"} if surface == "rest_v1" else {"name": "t", "image": "a/b"}
    assert podd.http.request(method, path, json=body).is_success
    assert [entry["surface"] for entry in entries(podd, operation="template.save")] == [surface]


def test_the_operator_is_known_by_the_user_at_the_other_end_of_the_socket(podd: Served) -> None:
    podd.local.post("/operator/v1/accounts", json={"email": "grace@example.org"})
    entry = entries(podd, operation="account.create")[0]
    assert (entry["actor"], entry["address"], entry["surface"]) == (
        "operator",
        f"uid {os.getuid()}",
        "operator",
    )


@pytest.mark.parametrize("surface", ["graphql", "rest_v1", "rest_v2", "operator"])
def test_who_is_not_allowed_to_is_in_the_log_on_every_surface(podd: Served, surface: str) -> None:
    pod_id, key = pod_key(podd)
    with podd.client(key) as inside:
        match surface:
            case "graphql":
                query = 'mutation { updateUserSettings(input: {pubKey: "ssh-rsa AAAA x"}) { id } }'
                operation = "account.change"
                assert inside.post("/graphql", json={"query": query}).json()["errors"]
            case "rest_v1":
                operation = "template.save"
                body = {"name": "t", "imageName": "a/b"}
                assert inside.post("/v1/templates", json=body).status_code == 403
            case "rest_v2":
                operation = "secret.save"
                body = {"name": "s", "value": "v"}
                assert inside.post("/v2/account/secrets", json=body).status_code == 403
            case _:
                operation = "account.create"
                body = {"email": "eve@example.org"}
                assert inside.post("/operator/v1/accounts", json=body).status_code == 403
    (entry,) = [entry for entry in entries(podd, operation=operation) if entry["outcome"] == "refused"]
    assert (entry["workload_id"], entry["surface"]) == (pod_id, surface)


def test_reading_what_one_may_not_is_no_entry(podd: Served) -> None:
    _, key = pod_key(podd)
    with podd.client(key) as inside:
        assert inside.get("/v2/account/secrets").status_code == 403
    assert not [entry for entry in entries(podd) if entry["outcome"] == "refused"]


def test_an_account_reads_its_own_entries_and_no_others(podd: Served) -> None:
    podd.create_pod()
    other = podd.account()
    podd.create_template(key=other)
    with podd.client(other) as http:
        seen = http.get("/operator/v1/audit").json()["entries"]
        mine = podd.data(MYSELF, key=other)["myself"]["id"]
        assert {entry["account_id"] for entry in seen} == {mine}
        assert http.get("/operator/v1/audit", params={"account": podd.key}).json()["entries"] == seen
    with podd.client("") as nobody:
        assert nobody.get("/operator/v1/audit").status_code == 401


def test_pages_go_through_the_log_without_a_gap(podd: Served) -> None:
    for _ in range(5):
        podd.create_template()
    every = [entry["number"] for entry in entries(podd)]
    seen: list[int] = []
    query: Json = {"limit": 2}
    while True:
        page = podd.local.get("/operator/v1/audit", params=query).json()
        seen += [entry["number"] for entry in page["entries"]]
        if page["before"] is None:
            break
        query["before"] = page["before"]
    assert seen == every


def test_the_export_has_every_entry_oldest_first_in_both_forms(podd: Served) -> None:
    podd.create_template()
    podd.create_pod()
    expected = list(reversed(entries(podd)))
    lines = podd.local.get("/operator/v1/audit", params={"format": "jsonl"}).text
    assert [json.loads(line) for line in lines.splitlines()] == [
        {name: entry[name] for name in entry} for entry in expected
    ]
    table = podd.local.get("/operator/v1/audit", params={"format": "csv"})
    assert table.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(table.text)))
    assert [row["operation"] for row in rows] == [entry["operation"] for entry in expected]


def test_no_text_of_a_client_is_a_formula_in_a_table(podd: Served) -> None:
    podd.http.post(
        "/v2/account/secrets", json={"name": "s", "value": "v"}, headers={"User-Agent": "=cmd|'/c calc'!A0"}
    )
    table = podd.local.get("/operator/v1/audit", params={"format": "csv", "operation": "secret.save"})
    assert "'=cmd" in table.text


@pytest.mark.parametrize("query", [{"since": "yesterday"}, {"limit": "0"}, {"format": "xml"}, {"limit": "x"}])
def test_a_question_that_makes_no_sense_is_refused(podd: Served, query: Json) -> None:
    response = podd.local.get("/operator/v1/audit", params=query)
    assert response.status_code == 400
    assert next(iter(query)) in response.json()["detail"]


def test_an_account_nobody_knows_is_said_to_the_operator(podd: Served) -> None:
    assert podd.local.get("/operator/v1/audit", params={"account": "nobody"}).status_code == 404


def test_the_command_shows_and_filters(podd: Served) -> None:
    template = podd.create_template()
    podd.create_pod()

    def run(*words: str) -> str:
        env = {"PODD_DATA_DIR": str(podd.settings.data_dir), "COLUMNS": "200"}
        result = CliRunner().invoke(cli.app, ["audit", *words], env=env)
        return f"{result.exit_code} {result.output}"

    assert template in run("--operation", "template.", "--since", "2020-01-01")
    assert "pod.create" not in run("--operation", "template.save")
    found = json.loads(run("--json", "--thing", template)[2:])
    assert [entry["operation"] for entry in found["entries"]] == ["template.save"]
    assert run("--since", "soon").startswith("2 podd: --since")


def test_a_key_in_the_query_is_in_no_log_and_no_table(
    podd: Served, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    query = 'mutation { updateUserSettings(input: {pubKey: "ssh-rsa AAAA x"}) { id } }'
    with podd.client("") as http:
        done = http.post(f"/graphql?api_key={podd.key}", json={"query": query})
        assert done.json()["data"]
        http.post(f"/graphql?api_key={podd.key}X", json={"query": query})
        http.post(f"/nowhere?api_key={podd.key}")
    said = "".join(capsys.readouterr()) + caplog.text
    written = (
        podd.settings.database.read_bytes()
        + podd.settings.database.with_name(f"{podd.settings.database.name}-wal").read_bytes()
    )
    assert podd.key not in said
    assert podd.key.encode() not in written
    assert b"account.change" in written
