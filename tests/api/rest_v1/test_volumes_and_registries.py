"""Network volumes and registry credentials through REST v1."""

from typing import Any

import pytest

from tests.api.rest_v1.asking import V1
from tests.api.served import IMAGE


def test_a_network_volume_is_made_and_read(v1: V1) -> None:
    assert v1.ask("GET", "/networkvolumes") == []
    made = v1.create_volume(name="data", size=10)
    assert made == {"id": made["id"], "name": "data", "size": 10, "dataCenterId": "LOCAL-1"}
    assert len(made["id"]) == 10
    assert v1.ask("GET", f"/networkvolumes/{made['id']}") == made
    assert v1.ask("GET", "/networkvolumes") == [made]


def test_the_data_centre_may_be_left_out_or_in_lower_case(v1: V1) -> None:
    assert v1.create_volume(dataCenterId=None)["dataCenterId"] == "LOCAL-1"
    assert v1.create_volume(dataCenterId="local-1")["dataCenterId"] == "LOCAL-1"


@pytest.mark.parametrize(("method", "suffix"), [("PATCH", ""), ("POST", "/update")], ids=["patch", "post"])
def test_a_network_volume_is_renamed_and_grows(v1: V1, method: str, suffix: str) -> None:
    made = v1.create_volume()
    path = f"/networkvolumes/{made['id']}{suffix}"
    assert v1.ask(method, path, {"name": "new"}) == {**made, "name": "new"}
    assert v1.ask(method, path, {"size": 20}) == {**made, "name": "new", "size": 20}
    assert v1.ask(method, path) == {**made, "name": "new", "size": 20}
    assert "shrink" in v1.refused(400, method, path, {"size": 19})


@pytest.mark.parametrize(
    ("wish", "word"),
    [
        ({"name": None}, "name"),
        ({"size": None}, "size"),
        ({"size": 0}, "size"),
        ({"size": 5000}, "size"),
        ({"size": "large"}, "size"),
        ({"dataCenterId": "EU-RO-1"}, "LOCAL-1"),
    ],
)
def test_a_senseless_volume_is_refused(v1: V1, wish: Any, word: str) -> None:
    wish = {"name": "data", "size": 10, "dataCenterId": "LOCAL-1", **wish}
    assert word in v1.refused(400, "POST", "/networkvolumes", wish)


def test_a_network_volume_in_use_stays(v1: V1) -> None:
    volume = v1.create_volume()["id"]
    pod = v1.create_pod(networkVolumeId=volume)["id"]
    assert "in use" in v1.refused(400, "DELETE", f"/networkvolumes/{volume}")
    v1.ask("POST", f"/pods/{pod}/stop")
    assert "in use" in v1.refused(400, "DELETE", f"/networkvolumes/{volume}")
    v1.ask("DELETE", f"/pods/{pod}", status=204)
    v1.ask("DELETE", f"/networkvolumes/{volume}", status=204)
    assert v1.refused(404, "DELETE", f"/networkvolumes/{volume}") == "network volume not found"


def test_a_credential_is_kept_without_showing_its_password(v1: V1) -> None:
    assert v1.ask("GET", "/containerregistryauth") == []
    made = v1.create_registry(name="hub", username="ada", password="secret")
    assert made == {"id": made["id"], "name": "hub", "username": "ada"}
    assert v1.ask("GET", f"/containerregistryauth/{made['id']}") == made
    assert v1.ask("GET", "/containerregistryauth") == [made]


@pytest.mark.parametrize("missing", ["name", "username", "password"])
def test_an_incomplete_credential_is_refused(v1: V1, missing: str) -> None:
    wish = {"name": "hub", "username": "ada", "password": "secret"}
    del wish[missing]
    assert missing in v1.refused(400, "POST", "/containerregistryauth", wish)


def test_names_of_credentials_are_unique(v1: V1, stranger: V1) -> None:
    v1.create_registry(name="hub")
    wish = {"name": "hub", "username": "x", "password": "y"}
    assert "hub" in v1.refused(400, "POST", "/containerregistryauth", wish)
    stranger.create_registry(name="hub")


def test_a_credential_in_use_stays(v1: V1) -> None:
    credential = v1.create_registry()["id"]
    pod = v1.create_pod(containerRegistryAuthId=credential)["id"]
    assert "in use" in v1.refused(400, "DELETE", f"/containerregistryauth/{credential}")
    v1.ask("DELETE", f"/pods/{pod}", status=204)
    v1.ask("DELETE", f"/containerregistryauth/{credential}", status=204)
    missing = v1.refused(404, "DELETE", f"/containerregistryauth/{credential}")
    assert missing == "registry credential not found"


@pytest.mark.parametrize(
    ("noun", "missing", "methods"),
    [
        ("networkvolumes", "network volume not found", ["GET", "PATCH", "DELETE"]),
        ("containerregistryauth", "registry credential not found", ["GET", "DELETE"]),
    ],
)
def test_foreign_things_look_like_missing_ones(
    v1: V1, stranger: V1, noun: str, missing: str, methods: list[str]
) -> None:
    things = {"networkvolumes": stranger.create_volume, "containerregistryauth": stranger.create_registry}
    foreign = things[noun]()["id"]
    assert v1.ask("GET", f"/{noun}") == []
    for method in methods:
        for id in (foreign, "nope"):
            assert v1.refused(404, method, f"/{noun}/{id}", {} if method == "PATCH" else None) == missing
    assert [thing["id"] for thing in stranger.ask("GET", f"/{noun}")] == [foreign]


def test_the_password_is_nowhere_in_clear(v1: V1) -> None:
    v1.create_registry(password="hunter2-hunter2")
    v1.create_pod(imageName=IMAGE)
    directory = v1.podd.settings.data_dir
    stored = b"".join(path.read_bytes() for path in directory.glob("podd.sqlite3*"))
    assert b"hunter2" not in stored
