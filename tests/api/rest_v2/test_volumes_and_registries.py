"""/v2/network-volumes and /v2/registries."""

from tests.api.rest_v2.client import RestV2
from tests.api.served import Served


def test_a_network_volume_grows(api: RestV2) -> None:
    made = api.volume()
    expected = {"id": made["id"], "name": "data", "size": 10, "dataCenter": "LOCAL-1", "type": "STANDARD"}
    assert made == expected
    assert len(made["id"]) == 10
    path = f"/network-volumes/{made['id']}"
    assert api.patch(path, {"size": 10}) == expected
    assert api.patch(path, {"size": 20, "name": "more"})["size"] == 20
    assert "shrink" in api.patch(path, {"size": 15}, expect=400)["detail"]
    assert api.errors("PATCH", path, {}) == ["$: minProperties: got 0, want 1"]
    assert [volume["name"] for volume in api.get("/network-volumes")["networkVolumes"]] == ["more"]


def test_the_older_name_of_the_path_is_served_as_well(api: RestV2) -> None:
    made = api.post("/networkvolumes", {"name": "data", "size": 10, "dataCenter": "local-1"})
    assert api.get(f"/networkvolumes/{made['id']}") == api.get(f"/network-volumes/{made['id']}")
    assert api.get("/networkvolumes")["networkVolumes"] == [made]
    api.delete(f"/networkvolumes/{made['id']}")


def test_another_data_center_is_refused_with_the_one_there_is(api: RestV2) -> None:
    body = {"name": "data", "size": 10, "dataCenter": "EU-RO-1"}
    assert "LOCAL-1" in api.post("/network-volumes", body, expect=400)["detail"]


def test_there_are_no_faster_volumes(api: RestV2) -> None:
    body = {"name": "data", "size": 10, "dataCenter": "LOCAL-1", "type": "HIGH_PERFORMANCE"}
    assert "STANDARD" in api.post("/network-volumes", body, expect=400)["detail"]


def test_sizes_have_limits(api: RestV2) -> None:
    for size in (9, 4097, 10.5, "10"):
        body = {"name": "data", "size": size, "dataCenter": "LOCAL-1"}
        assert api.errors("POST", "/network-volumes", body)[0].startswith("$.size: ")


def test_a_volume_in_use_is_not_deleted(podd: Served, api: RestV2) -> None:
    made = api.volume()
    pod_id = api.pod(mounts={"network": [{"volumeId": made["id"], "path": "/workspace"}]})["id"]
    assert "in use" in api.delete(f"/network-volumes/{made['id']}", expect=400)["detail"]
    api.delete(f"/pods/{pod_id}")
    api.delete(f"/network-volumes/{made['id']}")
    api.delete(f"/network-volumes/{made['id']}", expect=404)


def test_somebody_elses_volume_is_missing(podd: Served, api: RestV2) -> None:
    made = api.volume()
    other = RestV2(podd, podd.account())
    assert other.get("/network-volumes")["networkVolumes"] == []
    for method in ("GET", "DELETE"):
        other.ask(method, f"/network-volumes/{made['id']}", expect=404)
    other.patch(f"/network-volumes/{made['id']}", {"size": 50}, expect=404)
    mounts = {"network": [{"volumeId": made["id"], "path": "/workspace"}]}
    other.pod(mounts=mounts, expect=404)


def test_a_registry_credential_never_shows_its_password(api: RestV2) -> None:
    body = {"name": "ghcr", "username": "ada", "password": "hush"}
    made = api.post("/registries", body)
    assert made == {"id": made["id"], "name": "ghcr", "username": "ada"}
    assert api.get(f"/registries/{made['id']}") == made
    assert api.get("/registries")["registries"] == [made]
    assert "already" in api.post("/registries", body, expect=400)["detail"]
    api.delete(f"/registries/{made['id']}")
    api.get(f"/registries/{made['id']}", expect=404)


def test_there_are_no_delegations(api: RestV2) -> None:
    assert api.get("/registries/delegations") == {"delegations": []}
    resource = {"resource": "arn:aws:ecr:us-east-1:1:repository/x"}
    api.post("/registries/delegations", resource, expect=501)
    api.delete("/registries/delegations/x", expect=404)


def test_somebody_elses_credential_is_missing(podd: Served, api: RestV2) -> None:
    made = api.post("/registries", {"name": "ghcr", "username": "ada", "password": "hush"})
    other = RestV2(podd, podd.account())
    assert other.get("/registries")["registries"] == []
    other.get(f"/registries/{made['id']}", expect=404)
    other.delete(f"/registries/{made['id']}", expect=404)
    other.pod(registry=made["id"], expect=404)
