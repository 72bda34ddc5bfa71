"""Where known clients differ from the description, they are understood."""

from typing import Any

import pytest

from tests.api.rest_v2.client import A6000, RestV2, endpoint_wish
from tests.api.served import Served


@pytest.mark.parametrize(
    ("mounts", "read"),
    [
        (
            [{"volumeInGb": 20, "volumeMountPath": "/models"}],
            {"persistent": {"size": 20, "path": "/models"}},
        ),
        ([{"volumeInGb": 20}], {"persistent": {"size": 20, "path": "/workspace"}}),
        ([], {}),
    ],
)
def test_the_terraform_provider_lists_mounts(api: RestV2, mounts: Any, read: Any) -> None:
    assert api.pod(mounts=mounts)["mounts"] == read


def test_the_terraform_provider_lists_network_volumes_among_mounts(api: RestV2) -> None:
    volume_id = api.volume()["id"]
    mounts = [{"networkVolumeId": volume_id, "volumeMountPath": "/data"}]
    assert api.pod(mounts=mounts)["mounts"] == {"network": [{"volumeId": volume_id, "path": "/data"}]}
    assert api.errors("POST", "/pods", {"name": "p", "image": "x", "mounts": [1]})


def test_the_terraform_provider_bids(podd: Served, api: RestV2) -> None:
    made = api.pod(bidPerGpu=0.3)
    assert made["cost"] == 0.3
    assert api.pod(bidPerGpu=0)["cost"] == 0.49
    assert "outbid" in api.pod(bidPerGpu=0.001, expect=400)["detail"]


@pytest.mark.parametrize(("said", "read"), [(True, "FLASHBOOT"), (False, "OFF")])
def test_the_terraform_provider_switches_flashboot(api: RestV2, said: bool, read: str) -> None:
    made = api.endpoint(flashboot=said)
    assert made["flashboot"] == read
    assert api.patch(f"/serverless/{made['id']}", {"flashboot": not said})["flashboot"] != read


def test_the_terraform_provider_uses_names_of_v1_for_templates(api: RestV2) -> None:
    credential = api.post("/registries", {"name": "r", "username": "u", "password": "p"})
    made = api.template(
        containerRegistryAuthId=credential["id"],
        dockerEntrypoint=["sh"],
        dockerStartCmd=["-c", "x"],
        readme="# Hi",
    )
    assert made["registry"] == credential["id"]
    assert (made["entrypoint"], made["cmd"]) == (["sh"], ["-c", "x"])
    assert "readme" not in made


def test_arguments_may_be_an_object(api: RestV2) -> None:
    args = {"entrypoint": ["sh"], "cmd": ["-c", "x"]}
    for made in (api.pod(args=args), api.template(args=args), api.endpoint(args=args)):
        assert (made["entrypoint"], made["cmd"]) == (["sh"], ["-c", "x"])
        assert isinstance(made["args"], str)
    api.pod(args={"entrypoint": "sh"}, expect=400)


def test_whole_numbers_may_have_a_fraction_of_zero(api: RestV2) -> None:
    made = api.pod(disk=20.0, gpu={"id": A6000, "count": 1.0})
    assert (made["disk"], made["gpu"]["count"]) == (20, 1)
    assert api.errors("POST", "/pods", {"name": "p", "image": "x", "disk": 20.5})


def test_null_says_nothing(api: RestV2) -> None:
    made = api.pod(env=None, ports=None, mounts=None, templateId=None, startSsh=None, cmd=None)
    assert (made["env"], made["ports"], made["mounts"]) == ({}, [], {})
    assert api.patch(f"/pods/{made['id']}", {"name": None, "image": None})["name"] == "a pod"


def test_the_gpu_count_may_be_left_out(api: RestV2) -> None:
    assert api.pod(gpu={"id": A6000})["gpu"]["count"] == 1


@pytest.mark.parametrize("id", ["NVIDIA A40", "NVIDIA RTX A6000"])
def test_a_pool_may_be_given_as_a_gpu_type(api: RestV2, id: str) -> None:
    made = api.post("/serverless", {**endpoint_wish(), "gpu": {"pools": [id]}})
    assert made["gpu"]["pools"] == [id]


def test_unknown_parameters_of_a_query_are_ignored(api: RestV2) -> None:
    made = api.pod()
    for path in ("/pods?x=1&includeClusterPods=true", f"/pods/{made['id']}?includeMachine=true"):
        api.get(path)


def test_a_key_is_checked_by_listing_pods(podd: Served) -> None:
    with podd.client("rpa_WRONG") as http:
        assert http.get("/v2/pods", headers={"accept": "*/*"}).status_code == 401
    assert podd.http.get("/v2/catalog/gpus").status_code == 200
