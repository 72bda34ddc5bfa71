"""Quotas and notices through the operator's API, the command line, and what their owner sees of them."""

import json

import pytest
from typer.testing import CliRunner

from podd import cli
from podd.services import lifetime
from podd.store import workloads
from tests.api.conftest import NewPodd
from tests.api.served import IMAGE, Served

EMAIL = "grace@example.org"


@pytest.fixture
def podd(new_podd: NewPodd) -> Served:
    return new_podd(settings={"idle": {"percent": 5}})


def run(podd: Served, *words: str) -> str:
    env = {"PODD_DATA_DIR": str(podd.settings.data_dir), "COLUMNS": "200"}
    result = CliRunner().invoke(cli.app, list(words), env=env)
    return f"{result.exit_code} {result.output}"


def test_a_quota_is_set_seen_and_held_to_on_every_surface(podd: Served) -> None:
    key = podd.account(EMAIL)
    assert "volume_gb" in run(podd, "account", "quota", EMAIL)
    shown = json.loads(
        run(podd, "account", "quota", EMAIL, "--gpus", "1", "--lifetime-hours", "24", "--json")[2:]
    )
    by_name = {quota["name"]: quota for quota in shown["quotas"]}
    assert by_name["gpus"] == {"name": "gpus", "used": 0, "allowed": 1, "own": True}
    pod_id = podd.create_pod(key=key)
    mine = podd.data("{ myself { quotas { name used allowed } } }", key=key)["myself"]["quotas"]
    assert {"name": "gpus", "used": 1, "allowed": 1} in mine
    wish = {"gpuTypeId": "NVIDIA RTX A6000", "imageName": IMAGE}
    mutation = (
        "mutation ($input: PodFindAndDeployOnDemandInput) { podFindAndDeployOnDemand(input: $input) { id } }"
    )
    _, errors = podd.graphql(mutation, {"input": wish}, key=key)
    assert errors[0]["extensions"]["code"] == "QUOTA_EXCEEDED"
    assert "may have 1 GPUs; 1 are in use and 1 more are wanted" in errors[0]["message"]
    with podd.client(key) as client:
        body = {"imageName": IMAGE, "gpuTypeIds": ["NVIDIA RTX A6000"]}
        refused = client.post("/v1/pods", json=body)
        assert (refused.status_code, "1 are in use" in refused.text) == (400, True)
        refused = client.get(f"/operator/v1/quotas/{EMAIL}")
        assert refused.status_code == 403
    pod = podd.data(
        "query ($id: String!) { pod(input: {podId: $id}) { lifetimeEndsAt idleStopsAt } }",
        {"id": pod_id},
        key=key,
    )["pod"]
    assert pod["lifetimeEndsAt"] is not None
    assert pod["idleStopsAt"] is None
    assert "It may run for 1440 min more, then it is stopped." in run(podd, "explain", pod_id)
    assert "this account" not in run(
        podd, "account", "quota", EMAIL, "--default", "gpus", "--default", "lifetime-hours"
    )
    assert run(podd, "account", "quota", EMAIL, "--gpus", "-1").startswith("2 ")
    assert run(podd, "account", "quota", "nobody@example.org").startswith("1 podd: There is no account")


def test_an_idle_pod_says_so_wherever_its_owner_looks_until_it_is_exempt(podd: Served) -> None:
    pod_id = podd.create_pod()
    podd.settle()
    podd.do(
        podd.podd.store.write(lambda tx: workloads.change_pod(tx, pod_id, idle_warned_at=podd.clock.now()))
    )
    query = "query ($id: String!) { pod(input: {podId: $id}) { idleWarnedAt idleStopsAt idleExempt } }"
    pod = podd.data(query, {"id": pod_id})["pod"]
    assert None not in pod.values()
    assert pod["idleExempt"] is False
    assert podd.http.get(f"/v2/pods/{pod_id}").json()["idleWarnedAt"] == pod["idleWarnedAt"]
    assert podd.http.get(f"/v1/pods/{pod_id}").json()["idleWarnedAt"] == pod["idleWarnedAt"]
    assert "it is stopped in 30 min unless they are used" in run(podd, "explain", pod_id)
    assert "may stand idle" in run(podd, "idle", "exempt", pod_id)
    assert podd.data(query, {"id": pod_id})["pod"]["idleExempt"] is True
    assert "is stopped when it is idle" in run(podd, "idle", "exempt", pod_id, "--off")
    assert run(podd, "idle", "exempt", "nothing").startswith("1 podd: pod not found")


def test_notices_are_listed_with_what_became_of_them(podd: Served) -> None:
    podd.account(EMAIL)
    assert run(podd, "notice", "test", EMAIL).startswith("0 notice 1 is on its way")
    run(podd, "notice", "test")
    found = json.loads(run(podd, "notice", "list", "--json")[2:])["notices"]
    first = found[0]
    assert (first["kind"], first["subject"], first["state"]) == ("notice test", "machine", "waiting")
    assert "waiting" in run(podd, "notice", "list", EMAIL)
    assert len(json.loads(run(podd, "notice", "list", EMAIL, "--json")[2:])["notices"]) == 1
    assert run(podd, "notice", "test", "nobody@example.org").startswith("1 podd: There is no account")
    assert podd.http.get("/operator/v1/notices").status_code == 403


def test_what_the_lifetime_has_stopped_says_why(podd: Served) -> None:
    key = podd.account(EMAIL)
    run(podd, "account", "quota", EMAIL, "--lifetime-hours", "1")
    pod_id = podd.create_pod(key=key)
    for _ in range(2):
        podd.clock.advance(hours=1)
        podd.do(lifetime.tick(podd.podd, podd.clock.now()))
    assert "It ran for 1 hours, as long as pods of this account may." in run(podd, "explain", pod_id)
