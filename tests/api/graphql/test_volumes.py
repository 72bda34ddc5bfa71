"""Network volumes."""

from typing import Any

import pytest

from tests.api.served import Served

Json = dict[str, Any]
# Nullable variables, as the Pulumi provider declares them.
CREATE = """mutation ($name: String, $size: Int, $dataCenterId: String) {
  createNetworkVolume(input: {name: $name, size: $size, dataCenterId: $dataCenterId}) {
    id name size dataCenterId } }"""
UPDATE = """mutation ($id: String!, $name: String, $size: Int) {
  updateNetworkVolume(input: {id: $id, name: $name, size: $size}) {
    id name size dataCenter { id name location storageSupport } } }"""
DELETE = "mutation ($input: DeleteNetworkVolumeInput!) { deleteNetworkVolume(input: $input) }"
MINE = "{ myself { networkVolumes { id name size dataCenterId dataCenter { id name } } } }"


def create(podd: Served, **wish: Any) -> str:
    wish = {"name": "data", "size": 10, "dataCenterId": "LOCAL-1", **wish}
    return str(podd.data(CREATE, wish)["createNetworkVolume"]["id"])


def test_a_volume_is_created_and_listed(podd: Served) -> None:
    made = podd.data(CREATE, {"name": "data", "size": 10, "dataCenterId": "local-1"})["createNetworkVolume"]
    assert made == {"id": made["id"], "name": "data", "size": 10, "dataCenterId": "LOCAL-1"}
    listed = {**made, "dataCenter": {"id": "LOCAL-1", "name": "LOCAL-1"}}
    assert podd.data(MINE)["myself"]["networkVolumes"] == [listed]
    assert podd.data(MINE, key=podd.account())["myself"]["networkVolumes"] == []


@pytest.mark.parametrize(
    ("wish", "named"),
    [
        ({"name": None}, "name"),
        ({"name": ""}, "name"),
        ({"size": None}, "size"),
        ({"size": 0}, "size"),
        ({"size": 100_000}, "size"),
        ({"dataCenterId": "EU-RO-1"}, "EU-RO-1"),
    ],
)
def test_a_volume_that_makes_no_sense_is_refused_by_field(podd: Served, wish: Json, named: str) -> None:
    error = podd.error(CREATE, {"name": "data", "size": 10, "dataCenterId": "", **wish})
    assert named in error["message"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"


def test_the_data_center_need_not_be_said(podd: Served) -> None:
    assert create(podd, dataCenterId="")
    assert create(podd, dataCenterId=None)


def test_a_volume_is_renamed_and_grows(podd: Served) -> None:
    volume_id = create(podd)
    center = {"id": "LOCAL-1", "name": "LOCAL-1", "location": "XX", "storageSupport": True}
    changed = podd.data(UPDATE, {"id": volume_id, "name": "more", "size": 20})["updateNetworkVolume"]
    assert changed == {"id": volume_id, "name": "more", "size": 20, "dataCenter": center}
    same = podd.data(UPDATE, {"id": volume_id, "name": "", "size": 0})["updateNetworkVolume"]
    assert same == changed
    assert "size" in podd.error(UPDATE, {"id": volume_id, "size": 19})["message"]
    assert podd.error(UPDATE, {"id": "abc"})["message"] == "network volume not found"
    stranger = podd.error(UPDATE, {"id": volume_id, "size": 30}, key=podd.account())
    assert stranger["message"] == "network volume not found"


def test_a_volume_that_is_gone_is_told_in_the_words_dstack_looks_for(podd: Served) -> None:
    volume_id = create(podd)
    foreign = podd.error(DELETE, {"input": {"id": volume_id}}, key=podd.account())
    assert podd.data(DELETE, {"input": {"id": volume_id}}) == {"deleteNetworkVolume": None}
    again = podd.error(DELETE, {"input": {"id": volume_id}})
    assert again == foreign
    assert "Tried to delete nonexistent network volume" in again["message"]
    assert podd.data(MINE)["myself"]["networkVolumes"] == []


def test_a_volume_in_use_is_not_deleted_even_by_a_stopped_pod(podd: Served) -> None:
    volume_id = create(podd)
    pod_id = podd.create_pod(networkVolumeId=volume_id)
    podd.data("mutation ($id: String!) { podStop(input: {podId: $id}) { id } }", {"id": pod_id})
    assert "in use" in podd.error(DELETE, {"input": {"id": volume_id}})["message"]
    podd.data("mutation ($id: String!) { podTerminate(input: {podId: $id}) }", {"id": pod_id})
    assert podd.data(DELETE, {"input": {"id": volume_id}}) == {"deleteNetworkVolume": None}
