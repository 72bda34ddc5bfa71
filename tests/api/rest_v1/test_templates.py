"""Templates through REST v1."""

from typing import Any

import pytest

from tests.api.rest_v1.asking import V1
from tests.api.served import IMAGE


def test_a_new_template_has_v1s_defaults(v1: V1) -> None:
    made = v1.create_template(name="mine")
    assert made == {
        "id": made["id"],
        "name": "mine",
        "imageName": IMAGE,
        "category": "NVIDIA",
        "containerDiskInGb": 50,
        "containerRegistryAuthId": "",
        "dockerEntrypoint": [],
        "dockerStartCmd": [],
        "earned": 0,
        "env": {},
        "isPublic": False,
        "isRunpod": False,
        "isServerless": False,
        "ports": ["8888/http", "22/tcp"],
        "readme": "",
        "runtimeInMin": 0,
        "volumeInGb": 20,
        "volumeMountPath": "/workspace",
    }


def test_a_template_of_workers_has_neither_volume_nor_ports(v1: V1) -> None:
    made = v1.create_template(isServerless=True)
    assert (made["isServerless"], made["volumeInGb"], made["ports"]) == (True, 0, [])


def test_everything_said_is_kept(v1: V1) -> None:
    wish: dict[str, Any] = {
        "name": "mine",
        "imageName": "me/image:1",
        "category": "AMD",
        "containerDiskInGb": 7,
        "containerRegistryAuthId": v1.create_registry()["id"],
        "dockerEntrypoint": ["/bin/sh"],
        "dockerStartCmd": ["-c", "exit 0"],
        "env": {"A": "1"},
        "isPublic": True,
        "ports": ["80/http"],
        "readme": "# Mine",
        "volumeInGb": 0,
        "volumeMountPath": "/data",
    }
    made = v1.ask("POST", "/templates", wish)
    assert {name: made[name] for name in wish} == wish
    assert v1.ask("GET", f"/templates/{made['id']}") == made
    assert v1.ask("GET", "/templates") == [made]


def test_lists_say_what_is_included(v1: V1, stranger: V1) -> None:
    own = v1.create_template()["id"]
    bound = v1.create_endpoint()["templateId"]
    public = stranger.create_template(name="public", isPublic=True)["id"]
    stranger.create_template(name="private")

    def found(**query: Any) -> set[str]:
        return {template["id"] for template in v1.ask("GET", "/templates", **query)}

    assert found() == {own}
    assert found(includeEndpointBoundTemplates=True) == {own, bound}
    assert found(includePublicTemplates=True) == {own, public}
    assert found(includeRunpodTemplates=True) == {own}


def test_the_credential_of_a_public_template_is_its_owners_business(v1: V1, stranger: V1) -> None:
    credential = stranger.create_registry()["id"]
    public = stranger.create_template(isPublic=True, containerRegistryAuthId=credential)
    assert public["containerRegistryAuthId"] == credential
    shown = [v1.ask("GET", f"/templates/{public['id']}")]
    shown += v1.ask("GET", "/templates", includePublicTemplates=True)
    assert [template["containerRegistryAuthId"] for template in shown] == ["", ""]


@pytest.mark.parametrize(("method", "suffix"), [("PATCH", ""), ("POST", "/update")], ids=["patch", "post"])
def test_a_template_is_changed(v1: V1, method: str, suffix: str) -> None:
    made = v1.create_template(dockerEntrypoint=["/entry"], dockerStartCmd=["one"], readme="# Old")
    values: dict[str, Any] = {
        "name": "new",
        "imageName": "other",
        "env": {"B": "2"},
        "ports": ["80/http"],
        "containerDiskInGb": 5,
        "volumeInGb": 6,
        "volumeMountPath": "/data",
        "dockerStartCmd": ["two"],
        "isPublic": True,
        "category": "CPU",
    }
    changed = v1.ask(method, f"/templates/{made['id']}{suffix}", values)
    assert changed == {**made, **values}
    assert v1.ask("PATCH", f"/templates/{made['id']}", {}) == changed
    assert v1.ask("PATCH", f"/templates/{made['id']}") == changed


def test_a_credential_is_cleared_with_an_empty_text(v1: V1) -> None:
    made = v1.create_template(containerRegistryAuthId=v1.create_registry()["id"])
    changed = v1.ask("PATCH", f"/templates/{made['id']}", {"containerRegistryAuthId": ""})
    assert changed["containerRegistryAuthId"] == ""


def test_a_template_in_use_stays(v1: V1) -> None:
    endpoint = v1.create_endpoint()
    assert "in use" in v1.refused(400, "DELETE", f"/templates/{endpoint['templateId']}")
    v1.ask("DELETE", f"/endpoints/{endpoint['id']}", status=204)
    v1.ask("DELETE", f"/templates/{endpoint['templateId']}", status=204)
    missing = v1.refused(404, "DELETE", f"/templates/{endpoint['templateId']}")
    assert missing == "template not found"


@pytest.mark.parametrize(
    ("wish", "word"),
    [
        ({"name": None}, "name"),
        ({"name": " "}, "name"),
        ({"imageName": None}, "imageName"),
        ({"ports": ["x"]}, "ports"),
        ({"category": "TPU"}, "category"),
        ({"containerDiskInGb": 0}, "containerDiskInGb"),
        ({"isPublic": True, "isServerless": True}, "isPublic"),
        ({"dockerArgs": "'"}, "dockerArgs"),
    ],
)
def test_a_senseless_template_is_refused(v1: V1, wish: Any, word: str) -> None:
    assert word in v1.refused(400, "POST", "/templates", {"name": "mine", "imageName": IMAGE, **wish})


def test_names_are_unique_in_an_account(v1: V1, stranger: V1) -> None:
    v1.create_template(name="mine")
    assert "mine" in v1.refused(400, "POST", "/templates", {"name": "mine", "imageName": IMAGE})
    stranger.create_template(name="mine")


def test_foreign_templates_look_like_missing_ones_unless_they_are_public(v1: V1, stranger: V1) -> None:
    foreign = stranger.create_template()["id"]
    public = stranger.create_template(name="public", isPublic=True)["id"]
    assert v1.ask("GET", f"/templates/{public}")["name"] == "public"
    for id in (foreign, public, "nope"):
        for method, suffix in (("GET", ""), ("PATCH", ""), ("POST", "/update"), ("DELETE", "")):
            if method != "GET" or id != public:
                assert v1.refused(404, method, f"/templates/{id}{suffix}") == "template not found"
