"""/v2/templates and /v2/catalog/templates."""

from typing import Any

import pytest

from tests.api.rest_v2.client import RestV2
from tests.api.served import IMAGE, Served


def test_a_template_reads_as_it_was_saved_with_the_documented_defaults(api: RestV2) -> None:
    made = api.template()
    assert made == {
        "id": made["id"],
        "name": "a template",
        "image": IMAGE,
        "args": "",
        "cmd": [],
        "entrypoint": [],
        "disk": 10,
        "ports": [],
        "env": {},
        "registry": None,
        "mounts": {},
        "serverless": False,
        "public": False,
        "category": "NVIDIA",
        "startSsh": True,
        "startJupyter": True,
        "allowedCudaVersions": [],
    }
    assert api.get(f"/templates/{made['id']}") == made
    assert api.get("/templates")["templates"] == [made]


def test_everything_can_be_said(api: RestV2) -> None:
    wish: dict[str, Any] = {
        "args": '{"entrypoint": ["sh"], "cmd": ["-c", "x"]}',
        "disk": 7,
        "ports": ["80/http", "22/tcp"],
        "env": {"A": "1"},
        "mounts": {"persistent": {"size": 20, "path": "/models"}},
        "category": "CPU",
        "startSsh": False,
        "startJupyter": False,
        "allowedCudaVersions": ["12.4"],
    }
    made = api.template(**wish)
    assert {name: made[name] for name in wish} == wish
    assert (made["entrypoint"], made["cmd"]) == (["sh"], ["-c", "x"])


def test_a_change_leaves_alone_what_it_does_not_name(api: RestV2) -> None:
    made = api.template(env={"A": "1"}, startSsh=False, cmd=["a"], entrypoint=["sh"])
    changed = api.patch(f"/templates/{made['id']}", {"disk": 20, "cmd": ["b"], "category": "AMD"})
    assert changed["env"] == {"A": "1"}
    assert changed["startSsh"] is False
    assert changed["disk"] == 20
    assert changed["category"] == "AMD"
    assert (changed["entrypoint"], changed["cmd"]) == (["sh"], ["b"])
    assert api.patch(f"/templates/{made['id']}", {"env": {}, "ports": []})["env"] == {}


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        ({"image": " "}, "imageName"),
        ({"ports": ["x"]}, "ports"),
        ({"env": {"a b": "1"}}, "env"),
        ({"mounts": {"persistent": {"size": 20, "path": "relative"}}}, "volumeMountPath"),
        ({"public": True, "serverless": True}, "isPublic"),
        ({"registry": "missing"}, "not found"),
    ],
)
def test_what_makes_no_sense_is_refused(api: RestV2, wish: Any, says: str) -> None:
    expect = 404 if "registry" in wish else 400
    assert says in api.template(**wish, expect=expect)["detail"]


def test_a_taken_name_is_a_bad_request(api: RestV2) -> None:
    api.template()
    assert "already a template named" in api.template(expect=400)["detail"]


def test_a_template_in_use_is_not_deleted(api: RestV2) -> None:
    made = api.template()
    pod_id = api.pod(templateId=made["id"])["id"]
    assert "in use" in api.delete(f"/templates/{made['id']}", expect=400)["detail"]
    api.delete(f"/pods/{pod_id}")
    api.delete(f"/templates/{made['id']}")
    api.get(f"/templates/{made['id']}", expect=404)


def test_a_public_template_can_be_read_and_used_but_not_changed_by_others(podd: Served, api: RestV2) -> None:
    made = api.template(public=True, args="run")
    private = api.template(name="private")
    other = RestV2(podd, podd.account())
    assert other.get(f"/templates/{made['id']}")["name"] == "a template"
    assert other.get("/templates")["templates"] == []
    assert other.pod(templateId=made["id"])["image"] == IMAGE
    other.patch(f"/templates/{made['id']}", {"name": "mine"}, expect=404)
    other.delete(f"/templates/{made['id']}", expect=404)
    other.get(f"/templates/{private['id']}", expect=404)
    listed = other.get("/catalog/templates?source=community")["templates"]
    assert [template["id"] for template in listed] == [made["id"]]


def test_there_are_no_templates_of_runpods_own(api: RestV2) -> None:
    api.template(public=True)
    for source in ("", "?source=official", "?source=verified"):
        assert api.get(f"/catalog/templates{source}")["templates"] == []
    api.get("/catalog/templates?source=other", expect=422)


def test_an_endpoints_own_description_is_not_among_the_templates(api: RestV2) -> None:
    api.endpoint()
    assert api.get("/templates")["templates"] == []
