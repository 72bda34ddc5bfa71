"""Templates: credentials, sharing, deleting by name."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.api.served import IMAGE, Served

Json = dict[str, Any]
ONE = "query ($id: String!) { podTemplate(id: $id) { %s } }"
ALL_FIELDS = (  # what runpodctl selects
    "id name imageName isServerless isPublic isRunpod category ports portsConfig { port name } "
    "env { key value } containerDiskInGb containerRegistryAuthId volumeInGb volumeMountPath readme"
)
SHARED = (
    "query ($input: PodTemplateInput) { podTemplates(input: $input) { id name containerRegistryAuthId } }"
)
MINE = "{ myself { podTemplates { name containerRegistryAuthId } } }"
DELETE = "mutation ($name: String) { deleteTemplate(templateName: $name) }"


@pytest.fixture
def credential(podd: Served) -> str:
    document = 'mutation { saveRegistryAuth(input: {name: "hub", username: "u", password: "p"}) { id } }'
    return str(podd.data(document)["saveRegistryAuth"]["id"])


@pytest.fixture
def read(podd: Served) -> Callable[..., Json | None]:
    def read(template_id: str, key: str | None = None) -> Json | None:
        found: Json | None = podd.data(ONE % ALL_FIELDS, {"id": template_id}, key=key)["podTemplate"]
        return found

    return read


Read = Callable[..., Json | None]


def test_a_template_keeps_its_credential_until_told_otherwise(
    podd: Served, credential: str, read: Read
) -> None:
    template_id = podd.create_template(containerRegistryAuthId=credential)
    podd.create_template(id=template_id, name="renamed")
    template = read(template_id)
    assert template is not None
    assert (template["name"], template["containerRegistryAuthId"]) == ("renamed", credential)
    assert podd.data(MINE)["myself"]["podTemplates"] == [
        {"name": "renamed", "containerRegistryAuthId": credential}
    ]
    podd.create_template(id=template_id, containerRegistryAuthId="")
    template = read(template_id)
    assert template is not None
    assert template["containerRegistryAuthId"] == ""


def test_a_credential_must_be_the_callers(podd: Served, credential: str) -> None:
    wish = {"name": "t", "imageName": IMAGE, "containerRegistryAuthId": credential}
    document = "mutation ($input: SaveTemplateInput!) { saveTemplate(input: $input) { id } }"
    error = podd.error(document, {"input": wish}, key=podd.account())
    assert error["message"] == "registry credential not found"


def test_a_template_reads_in_full(podd: Served, read: Read) -> None:
    wish: Json = {"name": "full", "ports": "80/http", "portsConfig": [{"port": "80", "name": "web"}]}
    template_id = podd.create_template(**wish, env=[{"key": "A", "value": "1"}], readme="# Hi")
    assert read(template_id) == {
        "id": template_id,
        "name": "full",
        "imageName": IMAGE,
        "isServerless": False,
        "isPublic": False,
        "isRunpod": False,
        "category": "NVIDIA",
        "ports": "80/http",
        "portsConfig": [{"port": "80", "name": "web"}],
        "env": [{"key": "A", "value": "1"}],
        "containerDiskInGb": 5,
        "containerRegistryAuthId": "",
        "volumeInGb": 0,
        "volumeMountPath": "/workspace",
        "readme": "# Hi",
    }


def test_unknown_and_foreign_templates_are_null(podd: Served, read: Read) -> None:
    template_id = podd.create_template()
    assert read("abcdefghij") is None
    assert read(template_id, key=podd.account()) is None
    assert read(template_id, key="") is None


def test_a_public_template_is_everybodys_to_read_and_its_owners_to_change(
    podd: Served, credential: str, read: Read
) -> None:
    template_id = podd.create_template(name="shared", isPublic=True, containerRegistryAuthId=credential)
    stranger = podd.account()
    for key in (stranger, ""):
        seen = read(template_id, key=key)
        assert seen is not None
        assert (seen["name"], seen["isPublic"], seen["containerRegistryAuthId"]) == ("shared", True, "")
        assert podd.data(SHARED, {"input": {"isRunpod": False}}, key=key)["podTemplates"] == [
            {"id": template_id, "name": "shared", "containerRegistryAuthId": ""}
        ]
    assert podd.data(SHARED, {"input": {"isRunpod": True}})["podTemplates"] == []
    assert podd.data("{ myself { podTemplates { id } } }", key=stranger)["myself"]["podTemplates"] == []
    change = {"id": template_id, "name": "taken over"}
    document = "mutation ($input: SaveTemplateInput!) { saveTemplate(input: $input) { id } }"
    assert podd.error(document, {"input": change}, key=stranger)["message"] == "template not found"
    podd.create_template(id=template_id, isPublic=False)
    assert read(template_id, key=stranger) is None


def test_a_stranger_deploys_from_a_public_template(podd: Served) -> None:
    template_id = podd.create_template(isPublic=True)
    assert podd.create_pod(key=podd.account(), templateId=template_id, imageName="")


def test_a_serverless_template_is_not_shared(podd: Served) -> None:
    wish = {"name": "t", "imageName": IMAGE, "isServerless": True, "isPublic": True}
    document = "mutation ($input: SaveTemplateInput!) { saveTemplate(input: $input) { id } }"
    assert "isPublic" in podd.error(document, {"input": wish})["message"]


def test_a_template_is_deleted_by_its_name(podd: Served, read: Read) -> None:
    template_id = podd.create_template(name="going")
    stranger = podd.account()
    assert podd.error(DELETE, {"name": "going"}, key=stranger)["message"] == "template not found"
    answer = podd.http.post("/graphql", json={"query": DELETE, "variables": {"name": "going"}})
    assert answer.text == '{"data":{"deleteTemplate":null}}'
    assert read(template_id) is None
    for name in ("going", template_id, "", None):
        assert podd.error(DELETE, {"name": name})["message"] == "template not found"


def test_a_template_in_use_is_not_deleted(podd: Served) -> None:
    template_id = podd.create_template(name="used")
    pod_id = podd.create_pod(templateId=template_id)
    assert "in use by the pod" in podd.error(DELETE, {"name": "used"})["message"]
    podd.data("mutation ($id: String!) { podTerminate(input: {podId: $id}) }", {"id": pod_id})
    podd.create_template(id=template_id, name="used", isServerless=True)
    endpoint_id = podd.create_endpoint(templateId=template_id)
    assert "in use by the endpoint" in podd.error(DELETE, {"name": "used"})["message"]
    podd.data("mutation ($id: String) { deleteEndpoint(id: $id) }", {"id": endpoint_id})
    assert podd.data(DELETE, {"name": "used"}) == {"deleteTemplate": None}
