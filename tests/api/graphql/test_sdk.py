"""The functions of the runpod package, as people call them, against podd."""

import pytest
import runpod
from runpod import error as sdk_error

from tests.api.served import IMAGE, Served

A6000 = "NVIDIA RTX A6000"


@pytest.fixture(autouse=True)
def sdk(podd: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPOD_API_BASE_URL", podd.url)
    monkeypatch.setattr(runpod, "api_key", podd.key)


def test_a_gpu_pod_lives_and_ends(podd: Served) -> None:
    pod = runpod.create_pod("trainer", IMAGE, A6000, volume_in_gb=40, ports="22/tcp", env={"A": "1"})
    podd.settle()
    assert pod["env"] == ["A=1"]
    (listed,) = runpod.get_pods()
    assert listed["runtime"]["ports"][0]["privatePort"] == 22
    assert runpod.get_pod(pod["id"])["volumeMountPath"] == "/runpod-volume"
    assert runpod.stop_pod(pod["id"])["desiredStatus"] == "EXITED"
    assert runpod.resume_pod(pod["id"], 1)["desiredStatus"] == "RUNNING"
    runpod.terminate_pod(pod["id"])
    assert runpod.get_pods() == []
    assert runpod.get_pod(pod["id"]) is None


def test_a_cpu_pod_is_created_with_and_without_an_instance(podd: Served) -> None:
    for instance in (None, "cpu3c-4-8"):
        pod = runpod.create_pod("cpu", IMAGE, instance_id=instance)
        assert runpod.get_pod(pod["id"])["gpuCount"] == 0


def test_a_network_volume_brings_its_data_center(podd: Served) -> None:
    """Without one the SDK looks it up in the user's volumes."""
    made = podd.data('mutation { createNetworkVolume(input: {name: "data", size: 10}) { id } }')
    volume_id = made["createNetworkVolume"]["id"]
    assert runpod.create_pod("with data", IMAGE, A6000, network_volume_id=volume_id)["id"]


def test_gpus_are_listed_and_looked_up(podd: Served) -> None:
    assert A6000 in [gpu["id"] for gpu in runpod.get_gpus()]
    assert runpod.get_gpu(A6000, 2)["lowestPrice"]["uninterruptablePrice"] == 0.49
    with pytest.raises(ValueError, match="No GPU found"):
        runpod.get_gpu("NVIDIA H900")


def test_a_user_sets_their_keys(podd: Served) -> None:
    keys = "ssh-ed25519 AAAA one\n\nssh-ed25519 BBBB two"
    assert runpod.update_user_settings(keys)["pubKey"] == keys
    assert runpod.get_user()["pubKey"] == keys


def test_a_private_image_from_credential_to_endpoint(podd: Served) -> None:
    credential = runpod.create_container_registry_auth("hub", "u", "p")
    assert runpod.update_container_registry_auth(credential["id"], "u", "q") == credential
    template = runpod.create_template(
        "echo", IMAGE, docker_start_cmd="run", is_serverless=True, registry_auth_id=credential["id"]
    )
    endpoint = runpod.create_endpoint("echo", template["id"], gpu_ids="AMPERE_48", flashboot=True)
    assert endpoint["flashBootType"] == "FLASHBOOT"
    other = runpod.create_template("other", IMAGE, is_serverless=True)
    runpod.update_endpoint_template(endpoint["id"], other["id"])
    (listed,) = runpod.get_endpoints()
    assert (listed["templateId"], listed["workersMax"], listed["idleTimeout"]) == (other["id"], 3, 5)
    with pytest.raises(sdk_error.QueryError, match="in use"):
        runpod.delete_container_registry_auth(credential["id"])
    podd.data('mutation { deleteTemplate(templateName: "echo") }')
    runpod.delete_container_registry_auth(credential["id"])


def test_refusals_arrive_as_the_sdks_errors(podd: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(sdk_error.QueryError, match="pod not found to stop"):
        runpod.stop_pod("abcdefghijklmn")
    monkeypatch.setattr(runpod, "api_key", "rpa_wrong")
    with pytest.raises(sdk_error.AuthenticationError):
        runpod.get_pods()
