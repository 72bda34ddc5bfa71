"""CPU pods, what pods can be deployed with, and podEditJob."""

from typing import Any

import pytest

from podd.services import pods
from tests.api.served import IMAGE, Served

Json = dict[str, Any]

DEPLOY = """mutation ($input: PodFindAndDeployOnDemandInput) {
  podFindAndDeployOnDemand(input: $input) { id } }"""
RENT = "mutation ($input: PodRentInterruptableInput!) { podRentInterruptable(input: $input) { id } }"
DEPLOY_CPU = """mutation ($input: deployCpuPodInput!) { deployCpuPod(input: $input) {
  id desiredStatus costPerHr gpuCount vcpuCount memoryInGb machineType cpuFlavorId
  machine { podHostId } } }"""
EDIT = "mutation ($input: PodEditJobInput!) { podEditJob(input: $input) { id imageName env } }"
POD = """query ($id: String!) { pod(input: {podId: $id}) {
  name imageName env ports dockerArgs desiredStatus version containerDiskInGb volumeInGb volumeMountPath
  networkVolumeId networkVolume { id dataCenter { id } } containerRegistryAuthId gpuCount costPerHr
  cpuFlavor { id ramMultiplier } lastStatusChange } }"""
A6000 = "NVIDIA RTX A6000"
WISH = {"gpuTypeId": A6000, "imageName": IMAGE, "dockerArgs": "run"}
CPU_WISH = {"imageName": IMAGE, "dockerArgs": "run"}
OUT_OF_STOCK = (
    "There are no longer any instances available with the requested specifications. "
    "Please refresh and try again."
)


def look(podd: Served, pod_id: str) -> Json | None:
    pod: Json | None = podd.data(POD, {"id": pod_id})["pod"]
    return pod


def seen(podd: Served, pod_id: str) -> Json:
    pod = look(podd, pod_id)
    assert pod is not None
    return pod


def deploy_cpu(podd: Served, **wish: Any) -> Json:
    made: Json = podd.data(DEPLOY_CPU, {"input": {**CPU_WISH, **wish}})["deployCpuPod"]
    return made


def create_volume(podd: Served) -> str:
    made = podd.data('mutation { createNetworkVolume(input: {name: "data", size: 10}) { id } }')
    return str(made["createNetworkVolume"]["id"])


def create_credential(podd: Served, name: str = "hub") -> str:
    document = (
        'mutation ($name: String!) { saveRegistryAuth(input: {name: $name, username: "u", password: "p"})'
        " { id } }"
    )
    return str(podd.data(document, {"name": name})["saveRegistryAuth"]["id"])


def running_spec(podd: Served, pod_id: str) -> Any:
    specs = map(podd.engine.spec, podd.engine.running())
    return next(spec for spec in specs if spec.workload_id == pod_id)


@pytest.mark.parametrize("least", [{"minDisk": 2_000_000}, {"minMemoryInGb": 1000}, {"minVcpuCount": 1000}])
def test_a_machine_that_is_smaller_than_what_is_asked_for_is_out_of_stock(podd: Served, least: Json) -> None:
    name, least_value = next(iter(least.items()))
    wishes = [(DEPLOY, {**WISH, **least}), (RENT, {**WISH, **least, "bidPerGpu": 0.3})]
    for document, wish in wishes:
        error = podd.error(document, {"input": wish})
        assert (error["message"], error["extensions"]["code"]) == (OUT_OF_STOCK, "SUPPLY_CONSTRAINT")
        assert error["extensions"]["reason"].startswith(str(least_value))
    assert podd.data(DEPLOY, {"input": {**WISH, name: 1}})


# CPU pods


def test_a_cpu_pod_has_the_size_and_price_of_its_instance(podd: Served) -> None:
    made = deploy_cpu(podd, instanceId="cpu3g-4-16", name="cpu")
    assert made["machine"]["podHostId"].startswith(made["id"])
    del made["id"], made["machine"]
    assert made == {
        "desiredStatus": "RUNNING",
        "costPerHr": 0.16,
        "gpuCount": 0,
        "vcpuCount": 4,
        "memoryInGb": 16,
        "machineType": "CPU",
        "cpuFlavorId": "cpu3g",
    }


def test_a_cpu_pod_without_a_size_is_the_smallest(podd: Served) -> None:
    made = deploy_cpu(podd)
    assert (made["cpuFlavorId"], made["vcpuCount"], made["memoryInGb"]) == ("cpu3c", 2, 4)
    podd.settle()
    assert running_spec(podd, made["id"]).gpus == ()
    assert seen(podd, made["id"])["cpuFlavor"] == {"id": "cpu3c", "ramMultiplier": 2}


def test_the_sdks_template_for_cpu_pods_does_not_matter_when_an_image_is_named(podd: Served) -> None:
    assert deploy_cpu(podd, templateId="runpod-ubuntu")["id"]
    wish = {"templateId": "runpod-ubuntu", "imageName": ""}
    assert podd.error(DEPLOY_CPU, {"input": wish})["message"] == "template not found"


@pytest.mark.parametrize(
    "instance", ["cpu9z-2-4", "cpu3c-2-8", "cpu3c", "cpu3c-1-2", "cpu3c--", "cpu3c-64-128"]
)
def test_an_instance_that_is_none_is_refused_by_name(podd: Served, instance: str) -> None:
    error = podd.error(DEPLOY_CPU, {"input": {**CPU_WISH, "instanceId": instance}})
    assert instance in error["message"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"


def test_a_cpu_pod_larger_than_the_machine_is_out_of_stock(podd: Served) -> None:
    error = podd.error(DEPLOY_CPU, {"input": {**CPU_WISH, "instanceId": "cpu3m-32-256"}})
    assert (error["message"], error["extensions"]["code"]) == (OUT_OF_STOCK, "SUPPLY_CONSTRAINT")


def test_compute_type_cpu_deploys_the_cheapest_that_is_large_enough(podd: Served) -> None:
    wish = {**CPU_WISH, "computeType": "CPU", "minVcpuCount": 2, "minMemoryInGb": 10, "gpuCount": 0}
    pod_id = podd.data(DEPLOY, {"input": wish})["podFindAndDeployOnDemand"]["id"]
    pod = seen(podd, pod_id)
    assert (pod["gpuCount"], pod["cpuFlavor"]["id"], pod["costPerHr"]) == (0, "cpu3m", 0.11)
    wish = {**CPU_WISH, "computeType": "CPU", "instanceIds": ["cpu5c-2-4"]}
    pod_id = podd.data(DEPLOY, {"input": wish})["podFindAndDeployOnDemand"]["id"]
    assert seen(podd, pod_id)["cpuFlavor"]["id"] == "cpu5c"
    wish = {**CPU_WISH, "computeType": "CPU", "minMemoryInGb": 100_000}
    assert podd.error(DEPLOY, {"input": wish})["extensions"]["code"] == "SUPPLY_CONSTRAINT"


def test_a_cpu_pod_stops_and_resumes_as_the_cpu_pod_it_is(podd: Served) -> None:
    made = deploy_cpu(podd, instanceId="cpu3g-4-16")
    podd.data("mutation ($id: String!) { podStop(input: {podId: $id}) { id } }", {"id": made["id"]})
    podd.settle()
    resumed = podd.data(
        "mutation ($id: String!) { podResume(input: {podId: $id}) { vcpuCount memoryInGb costPerHr } }",
        {"id": made["id"]},
    )
    assert resumed["podResume"] == {"vcpuCount": 4, "memoryInGb": 16, "costPerHr": 0.16}


# With volumes, credentials, ends in time


def test_a_network_volume_takes_the_place_of_the_pods_own(podd: Served) -> None:
    volume_id = create_volume(podd)
    pod_id = podd.create_pod(networkVolumeId=volume_id, volumeInGb=20, volumeMountPath="/data")
    podd.settle()
    pod = seen(podd, pod_id)
    assert pod["networkVolumeId"] == volume_id
    assert pod["networkVolume"] == {"id": volume_id, "dataCenter": {"id": "LOCAL-1"}}
    (mount,) = running_spec(podd, pod_id).mounts
    assert (mount.target, mount.source.endswith(f"network-volumes/{volume_id}")) == ("/data", True)


def test_a_credential_is_kept_with_the_pod(podd: Served) -> None:
    credential = create_credential(podd)
    pod_id = podd.create_pod(containerRegistryAuthId=credential)
    assert seen(podd, pod_id)["containerRegistryAuthId"] == credential


@pytest.mark.parametrize("document", [DEPLOY, RENT, DEPLOY_CPU])
def test_a_pod_stops_and_is_terminated_at_the_instants_it_was_given(podd: Served, document: str) -> None:
    wish: Json = {**CPU_WISH} if document == DEPLOY_CPU else {**WISH}
    if document == RENT:
        wish["bidPerGpu"] = 0.3
    wish = {**wish, "stopAfter": "2023-11-14T23:00:00Z", "terminateAfter": "2023-11-15T01:00:00+01:00"}
    (made,) = podd.data(document, {"input": wish}).values()

    def at(minutes: int) -> str | None:
        podd.clock.advance(minutes=minutes)
        podd.do(podd.podd.store.write(pods.tick, podd.podd, podd.clock.now()))
        pod = look(podd, made["id"])
        return str(pod["desiredStatus"]) if pod else None

    assert (at(46), at(1), at(59), at(1)) == ("RUNNING", "EXITED", "EXITED", None)


def test_an_instant_that_is_none_is_named(podd: Served) -> None:
    error = podd.error(RENT, {"input": {**WISH, "bidPerGpu": 0.3, "stopAfter": "tomorrow"}})
    assert "stopAfter" in error["message"]
    body = {"query": DEPLOY, "variables": {"input": {**WISH, "terminateAfter": "tomorrow"}}}
    response = podd.http.post("/graphql", json=body)
    assert response.status_code == 400
    assert "tomorrow" in response.json()["errors"][0]["message"]


def test_jupyter_gets_a_password_unless_there_is_one(podd: Served) -> None:
    """RunPod's images start it when they find one."""
    made = seen(podd, podd.create_pod(startJupyter=True))
    (entry,) = made["env"]
    assert entry.startswith("JUPYTER_PASSWORD=")
    assert len(entry.partition("=")[2]) >= 16
    given = [{"key": "JUPYTER_PASSWORD", "value": "mine"}]
    assert seen(podd, podd.create_pod(startJupyter=True, env=given))["env"] == ["JUPYTER_PASSWORD=mine"]


def test_ssh_keys_of_the_account_are_in_the_environment_either_way(podd: Served) -> None:
    podd.data('mutation { updateUserSettings(input: {pubKey: "ssh-ed25519 AAAA me"}) { id } }')
    for start_ssh in (True, False):
        pod_id = podd.create_pod(startSsh=start_ssh)
        podd.settle()
        assert dict(running_spec(podd, pod_id).env)["PUBLIC_KEY"] == "ssh-ed25519 AAAA me"


def test_a_secret_is_filled_in_for_the_container_alone(podd: Served) -> None:
    podd.data('mutation { secretCreate(input: {name: "hf", value: "s3cret"}) { id } }')
    placeholder = "{{ RUNPOD_SECRET_hf }}"
    pod_id = podd.create_pod(env=[{"key": "TOKEN", "value": placeholder}])
    podd.settle()
    assert dict(running_spec(podd, pod_id).env)["TOKEN"] == "s3cret"
    assert seen(podd, pod_id)["env"] == [f"TOKEN={placeholder}"]


# podEditJob


def test_an_edited_pod_gets_a_fresh_container_of_the_new_job(podd: Served) -> None:
    pod_id = podd.create_pod(volumeInGb=5)
    podd.settle()
    change = {"imageName": "runpod/pytorch", "dockerArgs": "run this", "containerDiskInGb": 30}
    change = {**change, "env": [{"key": "B", "value": "2"}], "ports": "80/http", "volumeInGb": 8}
    edited = podd.data(EDIT, {"input": {"podId": pod_id, **change}})["podEditJob"]
    assert edited == {"id": pod_id, "imageName": "runpod/pytorch", "env": ["B=2"]}
    podd.settle()
    podd.settle()
    spec = running_spec(podd, pod_id)
    assert (spec.image, spec.command, spec.disk) == ("runpod/pytorch", ("run", "this"), 30)
    pod = seen(podd, pod_id)
    assert (pod["ports"], pod["volumeInGb"], pod["dockerArgs"]) == ("80/http", 8, "run this")


def test_what_an_edit_leaves_out_or_empty_stays(podd: Served) -> None:
    pod_id = podd.create_pod(volumeInGb=5, ports="22/tcp", env=[{"key": "A", "value": "1"}])
    before = seen(podd, pod_id)
    empty = {"imageName": "", "containerDiskInGb": 0, "volumeInGb": 0, "volumeMountPath": "", "name": ""}
    podd.data(EDIT, {"input": {"podId": pod_id, "containerRegistryAuthId": "", **empty}})
    podd.data(EDIT, {"input": {"podId": pod_id, "env": None, "ports": None, "dockerArgs": None}})
    assert seen(podd, pod_id) == before


def test_a_new_credential_or_name_alone_leaves_the_container_running(podd: Served) -> None:
    """dstack does this to live pods."""
    pod_id = podd.create_pod()
    podd.settle()
    (container,) = podd.engine.running()
    change = {"containerRegistryAuthId": create_credential(podd), "name": "renamed"}
    podd.data(EDIT, {"input": {"podId": pod_id, **change}})
    podd.settle()
    assert podd.engine.running() == [container]
    pod = seen(podd, pod_id)
    assert (pod["name"], pod["containerRegistryAuthId"]) == ("renamed", change["containerRegistryAuthId"])


def test_an_edit_that_makes_no_sense_changes_nothing(podd: Served) -> None:
    pod_id = podd.create_pod(volumeInGb=5)
    before = seen(podd, pod_id)
    shrunk = podd.error(EDIT, {"input": {"podId": pod_id, "volumeInGb": 4, "imageName": "other"}})
    assert "volumeInGb" in shrunk["message"]
    unknown = podd.error(EDIT, {"input": {"podId": pod_id, "containerRegistryAuthId": "abc"}})
    assert unknown["message"] == "registry credential not found"
    assert seen(podd, pod_id) == before
    missing = podd.error(EDIT, {"input": {"podId": "x" * 14}})
    assert (missing["message"], missing["extensions"]["code"]) == ("pod not found to edit", "POD_NOT_FOUND")
    assert podd.error(EDIT, {"input": {"podId": pod_id}}, key=podd.account()) == missing
