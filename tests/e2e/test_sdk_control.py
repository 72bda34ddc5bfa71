"""Pods, templates and endpoints through the unmodified client SDK, on a real daemon."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.daemon import Daemon
from tests.e2e.sdk import Sdk, SdkError
from tests.waiting import eventually

A6000 = "NVIDIA RTX A6000"


@pytest.fixture
def pod(sdk: Sdk) -> Iterator[dict[str, Any]]:
    """A pod as `create_pod` returns it."""
    created: dict[str, Any] = sdk(
        f"runpod.create_pod('my pod', 'test/none', '{A6000}', docker_args='sleep 1000', gpu_count=2, "
        "volume_in_gb=5, container_disk_in_gb=7, ports='8888/http,22/tcp', env={'A': '1', 'B': 'x y'})"
    )
    yield created
    if sdk(f"runpod.get_pod('{created['id']}')"):
        sdk.do(f"runpod.terminate_pod('{created['id']}')")


def test_gpus_are_listed_and_looked_up(sdk: Sdk) -> None:
    assert sdk("runpod.get_gpus()") == [{"id": A6000, "displayName": "RTX A6000", "memoryInGb": 48}]
    gpu = sdk(f"runpod.get_gpu('{A6000}', 2)")
    assert (gpu["id"], gpu["memoryInGb"], gpu["maxGpuCount"]) == (A6000, 48, 8)
    assert gpu["lowestPrice"] == {"minimumBidPrice": 0.2, "uninterruptablePrice": 0.49}
    with pytest.raises(SdkError, match="No GPU found with the specified ID"):
        sdk("runpod.get_gpu('NVIDIA H100 PCIe')")


def test_the_user_is_known(sdk: Sdk) -> None:
    user = sdk("runpod.get_user()")
    assert user["id"].startswith("user_")
    assert user["networkVolumes"] == []


def test_the_users_ssh_keys_are_set_and_shown(sdk: Sdk) -> None:
    assert sdk("runpod.update_user_settings('ssh-ed25519 AAAA first')")["pubKey"] == "ssh-ed25519 AAAA first"
    assert sdk("runpod.get_user()")["pubKey"] == "ssh-ed25519 AAAA first"
    assert sdk("runpod.update_user_settings('')")["pubKey"] == ""


def test_a_registry_credential_is_created_changed_refused_in_use_and_deleted(
    sdk: Sdk, shared_daemon: Daemon
) -> None:
    made = sdk("runpod.create_container_registry_auth('hub', 'me', 'secret')")
    assert made["name"] == "hub"
    changed = f"runpod.update_container_registry_auth('{made['id']}', 'me', 'other')"
    assert sdk(changed) == {"id": made["id"], "name": "hub"}
    sdk(f"runpod.create_template('private', 'test/none', registry_auth_id='{made['id']}')")
    delete = f"runpod.delete_container_registry_auth('{made['id']}')"
    with pytest.raises(SdkError, match="in use"):
        sdk(delete)
    shared_daemon.graphql('mutation { deleteTemplate(templateName: "private") }')
    sdk.do(delete)
    with pytest.raises(SdkError, match="not found"):
        sdk(delete)


def test_a_pod_is_created_with_everything_the_sdk_can_say(sdk: Sdk, shared_daemon: Daemon) -> None:
    volume = shared_daemon.graphql(
        'mutation { createNetworkVolume(input: {name: "data", size: 1}) { id dataCenterId } }'
    )["createNetworkVolume"]
    template = sdk("runpod.create_template('all', 'test/other', docker_start_cmd='sleep 1')")
    pod = sdk(
        f"runpod.create_pod('everything', 'test/none', '{A6000}', cloud_type='SECURE', "
        f"support_public_ip=True, start_ssh=True, data_center_id='{volume['dataCenterId']}', "
        "country_code=None, gpu_count=1, "
        "volume_in_gb=0, container_disk_in_gb=3, min_vcpu_count=1, min_memory_in_gb=1, "
        "docker_args='sleep 1000', ports='22/tcp', volume_mount_path='/data', env={'A': '1'}, "
        f"template_id='{template['id']}', network_volume_id='{volume['id']}', "
        "allowed_cuda_versions=['12.4', '12.8'], min_download=1, min_upload=1)"
    )
    try:
        eventually(lambda: shared_daemon.runs(pod["id"]))
        found = sdk(f"runpod.get_pod('{pod['id']}')")
        expected = {"imageName": "test/none", "containerDiskInGb": 3, "dockerArgs": "sleep 1000"}
        assert {name: found[name] for name in expected} == expected
        assert (found["ports"], found["env"], found["volumeMountPath"]) == ("22/tcp", ["A=1"], "/data")
    finally:
        sdk.do(f"runpod.terminate_pod('{pod['id']}')")
    eventually(lambda: not any(pod["id"] in name for name in shared_daemon.running()))
    shared_daemon.graphql(
        "mutation ($id: String!) { deleteNetworkVolume(input: {id: $id}) }", {"id": volume["id"]}
    )
    assert sdk("runpod.get_user()")["networkVolumes"] == []


def test_a_pod_without_a_gpu_is_created_by_its_instance(sdk: Sdk, shared_daemon: Daemon) -> None:
    pod = sdk("runpod.create_pod('cpu', 'test/none', instance_id='cpu3c-2-4', docker_args='sleep 1000')")
    eventually(lambda: shared_daemon.runs(pod["id"]))
    assert sdk(f"runpod.get_pod('{pod['id']}')")["gpuCount"] == 0
    sdk.do(f"runpod.terminate_pod('{pod['id']}')")


def test_a_wrong_key_is_an_authentication_error(sdk: Sdk, shared_daemon: Daemon) -> None:
    with pytest.raises(SdkError) as raised:
        sdk("runpod.get_gpus(api_key='wrong')")
    assert raised.value.kind == "AuthenticationError"
    sdk.do("from runpod.endpoint import Endpoint")
    with pytest.raises(SdkError, match="401 Unauthorized") as raised:
        sdk("runpod.Endpoint('abc', api_key='wrong').health()")
    assert raised.value.kind == "RuntimeError"


def test_a_created_pod_is_as_it_was_wished(sdk: Sdk, pod: dict[str, Any], shared_daemon: Daemon) -> None:
    assert pod["imageName"] == "test/none"
    assert sorted(pod["env"]) == ["A=1", "B=x y"]
    assert pod["machine"]["podHostId"].startswith(f"{pod['id']}-")
    eventually(lambda: shared_daemon.runs(pod["id"]))
    found = sdk(f"runpod.get_pod('{pod['id']}')")
    assert {
        name: found[name] for name in ("name", "desiredStatus", "gpuCount", "volumeInGb", "costPerHr")
    } == {
        "name": "my pod",
        "desiredStatus": "RUNNING",
        "gpuCount": 2,
        "volumeInGb": 5,
        "costPerHr": 0.98,
    }
    assert found["machine"]["gpuDisplayName"] == "RTX A6000"
    ports = {port["privatePort"]: port for port in found["runtime"]["ports"]}
    assert (ports[22]["isIpPublic"], ports[22]["ip"], ports[8888]["type"]) == (True, "127.0.0.1", "http")
    assert [listed["id"] for listed in sdk("runpod.get_pods()")] == [pod["id"]]


def test_a_pod_is_stopped_resumed_and_terminated(
    sdk: Sdk, pod: dict[str, Any], shared_daemon: Daemon
) -> None:
    pod_id = pod["id"]
    eventually(lambda: shared_daemon.runs(pod_id))
    assert sdk(f"runpod.stop_pod('{pod_id}')") == {"id": pod_id, "desiredStatus": "EXITED"}
    eventually(lambda: not shared_daemon.runs(pod_id))
    eventually(lambda: not any(pod_id in name for name in shared_daemon.running()))
    assert sdk(f"runpod.get_pod('{pod_id}')")["runtime"] is None
    resumed = sdk(f"runpod.resume_pod('{pod_id}', 1)")
    assert (resumed["desiredStatus"], resumed["imageName"]) == ("RUNNING", "test/none")
    eventually(lambda: shared_daemon.runs(pod_id))
    with pytest.raises(SdkError, match="Cannot resume a pod that is not in exited state") as raised:
        sdk(f"runpod.resume_pod('{pod_id}', 1)")
    assert raised.value.kind == "QueryError"
    assert sdk(f"runpod.terminate_pod('{pod_id}')") is None
    assert sdk(f"runpod.get_pod('{pod_id}')") is None
    assert sdk("runpod.get_pods()") == []
    eventually(lambda: not any(pod_id in name for name in shared_daemon.running()))
    with pytest.raises(SdkError, match="pod not found to terminate"):
        sdk(f"runpod.terminate_pod('{pod_id}')")


def test_a_full_machine_is_told_in_the_words_scripts_wait_for(sdk: Sdk) -> None:
    with pytest.raises(SdkError, match="There are no longer any instances available") as raised:
        sdk(f"runpod.create_pod('too much', 'test/none', '{A6000}', gpu_count=9)")
    assert raised.value.kind == "QueryError"


def test_a_pod_is_made_from_a_template(sdk: Sdk, shared_daemon: Daemon) -> None:
    template = sdk(
        "runpod.create_template('for pods', 'test/none', docker_start_cmd='sh -c \"sleep 1000\"', "
        "container_disk_in_gb=9, volume_in_gb=3, ports='80/http', env={'A': '1'})"
    )
    assert (template["name"], template["imageName"], template["containerDiskInGb"]) == (
        "for pods",
        "test/none",
        9,
    )
    pod = sdk(f"runpod.create_pod('from it', gpu_type_id='{A6000}', template_id='{template['id']}')")
    eventually(lambda: shared_daemon.runs(pod["id"]))
    found = sdk(f"runpod.get_pod('{pod['id']}')")
    assert (found["containerDiskInGb"], found["ports"], found["env"]) == (9, "80/http", ["A=1"])
    sdk.do(f"runpod.terminate_pod('{pod['id']}')")


def test_an_endpoint_is_created_listed_and_given_another_template(sdk: Sdk) -> None:
    first, second = (
        sdk(f"runpod.create_template('endpoint {n}', 'test/none', 'sleep 1', is_serverless=True)")["id"]
        for n in (1, 2)
    )
    endpoint = sdk(
        f"runpod.create_endpoint('my endpoint', '{first}', gpu_ids='AMPERE_48', workers_min=0, "
        "workers_max=2, idle_timeout=3, scaler_type='REQUEST_COUNT', scaler_value=2, flashboot=True)"
    )
    expected = {
        "name": "my endpoint",
        "templateId": first,
        "gpuIds": "AMPERE_48",
        "idleTimeout": 3,
        "scalerType": "REQUEST_COUNT",
        "scalerValue": 2,
        "workersMin": 0,
        "workersMax": 2,
        "gpuCount": 1,
        "flashBootType": "FLASHBOOT",
    }
    assert {name: endpoint[name] for name in expected} == expected
    changed = sdk(f"runpod.update_endpoint_template('{endpoint['id']}', '{second}')")
    assert changed == {"id": endpoint["id"], "templateId": second}
    (listed,) = [e for e in sdk("runpod.get_endpoints()") if e["id"] == endpoint["id"]]
    assert (listed["name"], listed["templateId"], listed["workersMax"]) == ("my endpoint", second, 2)


def test_a_card_the_machine_has_not_is_no_reason_to_refuse_a_pool(sdk: Sdk) -> None:
    template = sdk("runpod.create_template('pools', 'test/none', 'sleep 1', is_serverless=True)")["id"]
    assert (
        sdk(f"runpod.create_endpoint('default pool', '{template}', workers_max=1)")["gpuIds"] == "AMPERE_16"
    )
    with pytest.raises(SdkError, match="NO_SUCH_POOL"):
        sdk(f"runpod.create_endpoint('no pool', '{template}', gpu_ids='NO_SUCH_POOL')")
