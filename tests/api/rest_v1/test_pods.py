"""Pods through REST v1: what is asked for, what comes back, and how it is refused."""

from typing import Any

import pytest

from tests.api.conftest import NewPodd
from tests.api.rest_v1.asking import A6000, RTX_3090, V1
from tests.api.served import IMAGE, Served


def spec_of(podd: Served, pod_id: str) -> Any:
    (name,) = [name for name in podd.engine.running() if pod_id in name]
    return podd.engine.spec(name)


def test_a_new_pod_has_v1s_defaults(v1: V1) -> None:
    pod = v1.ask("POST", "/pods", {"imageName": IMAGE}, status=201)
    assert pod["name"] == "my pod"
    assert pod["containerDiskInGb"] == 50
    assert pod["volumeInGb"] == 20
    assert pod["volumeMountPath"] == "/workspace"
    assert pod["ports"] == ["8888/http", "22/tcp"]
    assert pod["gpuCount"] == 1
    assert pod["gpuTypeId"] == A6000
    assert pod["interruptible"] is False
    assert pod["locked"] is False


def test_a_new_pod_reads_as_running_with_the_union_of_names(v1: V1) -> None:
    pod = v1.create_pod(name="trainer", gpuCount=2, env={"A": "1"})
    assert pod["desiredStatus"] == "RUNNING"
    assert pod["image"] == pod["imageName"] == IMAGE
    assert (pod["gpuCount"], pod["gpuTypeId"]) == (2, A6000)
    assert pod["gpu"]["id"] == A6000
    assert pod["gpu"]["count"] == 2
    assert pod["gpu"]["displayName"] == "RTX A6000"
    assert pod["machine"] == {}
    assert pod["env"] == {"A": "1"}
    assert pod["savingsPlans"] == []
    assert pod["templateId"] == ""
    assert pod["costPerHr"] == pod["adjustedCostPerHr"] == 0.98
    assert pod["createdAt"] == "2023-11-14T22:13:20Z"
    assert pod["lastStatusChange"] == (
        "Rented by User: Tue Nov 14 2023 22:13:20 GMT+0000 (Coordinated Universal Time)"
    )
    assert pod["consumerUserId"].startswith("user_")
    assert "endpointId" not in pod


def test_whole_numbers_have_no_fraction(podd: Served) -> None:
    response = podd.http.post("/v1/pods", json={"imageName": IMAGE})
    for name in ("memoryInGb", "vcpuCount", "containerDiskInGb", "volumeInGb", "gpuCount"):
        assert isinstance(response.json()[name], int)
    assert ".0," not in response.text.replace('"costPerHr":1.0,', "")


def test_addresses_come_when_the_pod_runs(podd: Served, v1: V1) -> None:
    made = v1.create_pod(ports=["8888/http", "22/tcp", "53/udp"])
    assert made["portMappings"] is None
    assert made["publicIp"] is None
    assert "lastStartedAt" not in made
    podd.settle()
    pod = v1.pod(made["id"])
    assert pod["portMappings"] == {"22": 40000}
    assert pod["publicIp"] == "127.0.0.1"
    assert pod["lastStartedAt"] == "2023-11-14T22:13:20Z"
    v1.ask("POST", f"/pods/{made['id']}/stop")
    pod = v1.pod(made["id"])
    assert pod["portMappings"] is None
    assert pod["publicIp"] is None


def test_entrypoint_and_start_command_are_lists(podd: Served, v1: V1) -> None:
    pod = v1.create_pod(dockerEntrypoint=["/bin/sh", "-c"], dockerStartCmd=["echo 'hello world'"])
    assert pod["dockerEntrypoint"] == ["/bin/sh", "-c"]
    assert pod["dockerStartCmd"] == ["echo 'hello world'"]
    podd.settle()
    spec = spec_of(podd, pod["id"])
    assert spec.entrypoint == ("/bin/sh", "-c")
    assert spec.command == ("echo 'hello world'",)


# Lenience


def test_what_runpodctl_and_old_clients_send_is_understood(podd: Served, v1: V1) -> None:
    pod = v1.create_pod(
        dockerArgs="run --fast",
        minCudaVersion="12.4",
        ports="8888/http, 22/tcp",
        env=[{"key": "A", "value": "1"}, {"key": "B", "value": 2}],
        gpuTypeIds=f"{RTX_3090},{A6000}",
        somethingNew={"of": "which nobody heard"},
        supportPublicIp=True,
        minDownloadMbps=100.5,
        gpuTypePriority="custom",
        templateId=None,
    )
    assert pod["dockerStartCmd"] == ["run", "--fast"]
    assert pod["ports"] == ["8888/http", "22/tcp"]
    assert pod["env"] == {"A": "1", "B": "2"}
    assert pod["gpuTypeId"] == RTX_3090


def test_null_means_not_said(v1: V1) -> None:
    pod = v1.create_pod(containerDiskInGb=None, volumeInGb=None, name=None, ports=None, env=None)
    assert (pod["containerDiskInGb"], pod["volumeInGb"], pod["name"]) == (50, 20, "my pod")
    assert pod["ports"] == ["8888/http", "22/tcp"]


def test_the_content_type_of_a_body_does_not_matter(podd: Served) -> None:
    body = b'{"imageName": "test/worker"}'
    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert podd.http.post("/v1/pods", content=body, headers=headers).status_code == 201


@pytest.mark.parametrize("action", ["stop", "start", "reset", "restart", "update"])
def test_posts_without_a_body_answer_with_the_pod(podd: Served, v1: V1, action: str) -> None:
    pod = v1.create_pod()
    podd.settle()
    if action == "start":
        v1.ask("POST", f"/pods/{pod['id']}/stop")
    response = podd.http.post(f"/v1/pods/{pod['id']}/{action}", headers={"content-type": "application/json"})
    assert response.status_code == 200
    assert response.json()["id"] == pod["id"]
    assert response.json()["desiredStatus"] == ("EXITED" if action == "stop" else "RUNNING")


# Templates


def test_what_is_said_wins_over_the_template(v1: V1) -> None:
    template = v1.create_template(
        containerDiskInGb=7,
        volumeInGb=8,
        volumeMountPath="/data",
        ports=["80/http"],
        env={"A": "template", "B": "template"},
        dockerEntrypoint=["/entry"],
        dockerStartCmd=["serve"],
    )
    pod = v1.ask(
        "POST",
        "/pods",
        {"templateId": template["id"], "env": {"A": "mine"}, "containerDiskInGb": 9, "dockerStartCmd": ["x"]},
        status=201,
    )
    assert pod["templateId"] == template["id"]
    assert pod["imageName"] == IMAGE
    assert pod["containerDiskInGb"] == 9
    assert (pod["volumeInGb"], pod["volumeMountPath"]) == (8, "/data")
    assert pod["ports"] == ["80/http"]
    assert pod["env"] == {"A": "mine", "B": "template"}
    assert (pod["dockerEntrypoint"], pod["dockerStartCmd"]) == (["/entry"], ["x"])


def test_empty_lists_leave_the_templates_command(v1: V1) -> None:
    template = v1.create_template(dockerEntrypoint=["/entry"], dockerStartCmd=["serve"])
    pod = v1.create_pod(templateId=template["id"], dockerEntrypoint=[], dockerStartCmd=[])
    assert (pod["dockerEntrypoint"], pod["dockerStartCmd"]) == (["/entry"], ["serve"])


def test_an_unknown_template_does_no_harm_beside_an_image(v1: V1) -> None:
    pod = v1.create_pod(templateId="runpod-torch-v21")
    assert pod["templateId"] == ""
    assert pod["containerDiskInGb"] == 50


def test_an_unknown_template_alone_is_not_found(v1: V1, stranger: V1) -> None:
    assert v1.refused(404, "POST", "/pods", {"templateId": "nope"}) == "template not found"
    foreign = stranger.create_template()["id"]
    assert v1.refused(404, "POST", "/pods", {"templateId": foreign}) == "template not found"


def test_a_template_that_starts_jupyter_gives_a_password(podd: Served, v1: V1) -> None:
    template = podd.create_template(startJupyter=True)
    assert v1.create_pod(templateId=template)["env"].keys() == {"JUPYTER_PASSWORD"}


# Kinds of pods


def test_a_cpu_pod_has_the_memory_of_its_flavour(v1: V1) -> None:
    pod = v1.ask(
        "POST",
        "/pods",
        {"computeType": "CPU", "imageName": IMAGE, "cpuFlavorIds": ["cpu3g"], "gpuTypeIds": ["ignored"]},
        status=201,
    )
    assert (pod["cpuFlavorId"], pod["vcpuCount"], pod["memoryInGb"]) == ("cpu3g", 2, 8)
    assert (pod["gpuCount"], pod["gpuTypeId"], pod["gpu"]["count"]) == (0, "", 0)
    assert pod["costPerHr"] > 0


def test_a_cpu_pod_without_a_flavour_gets_one(v1: V1) -> None:
    pod = v1.ask("POST", "/pods", {"computeType": "CPU", "imageName": IMAGE, "vcpuCount": 4}, status=201)
    assert pod["cpuFlavorId"]
    assert pod["vcpuCount"] == 4


def test_an_interruptible_pod_bids_the_lowest_bid(v1: V1) -> None:
    pod = v1.create_pod(interruptible=True, gpuCount=2)
    assert pod["interruptible"] is True
    assert pod["costPerHr"] == 2 * pod["gpu"]["secureSpotPrice"]


def test_an_interruptible_pod_takes_the_first_type_with_room(v1: V1) -> None:
    v1.create_pod(gpuTypeIds=[RTX_3090])
    pod = v1.create_pod(interruptible=True, gpuTypeIds=[RTX_3090, A6000])
    assert pod["gpuTypeId"] == A6000
    assert pod["costPerHr"] == pod["gpu"]["secureSpotPrice"]


def test_an_interruptible_pod_without_room_is_refused(v1: V1) -> None:
    v1.create_pod(gpuTypeIds=[RTX_3090])
    wish = {"imageName": IMAGE, "interruptible": True, "gpuTypeIds": [RTX_3090]}
    assert "no longer any instances available" in v1.refused(500, "POST", "/pods", wish)


def test_a_network_volume_takes_the_place_of_the_pods_own(v1: V1) -> None:
    volume = v1.create_volume()
    pod = v1.create_pod(networkVolumeId=volume["id"], volumeInGb=30)
    assert pod["networkVolumeId"] == volume["id"]
    assert pod["volumeInGb"] == 0
    assert "networkVolume" not in pod
    assert v1.pod(pod["id"], includeNetworkVolume=True)["networkVolume"] == volume


def test_a_registry_credential_is_kept_with_the_pod(v1: V1) -> None:
    credential = v1.create_registry()["id"]
    assert v1.create_pod(containerRegistryAuthId=credential)["containerRegistryAuthId"] == credential


def test_minima_are_per_gpu(v1: V1) -> None:
    pod = v1.create_pod(gpuCount=2, minRAMPerGPU=40, minVCPUPerGPU=3)
    assert pod["memoryInGb"] >= 80
    assert pod["vcpuCount"] >= 6


# Refusals


@pytest.mark.parametrize(
    ("wish", "word"),
    [
        ({}, "imageName"),
        ({"imageName": IMAGE, "gpuCount": 0}, "gpuCount"),
        ({"imageName": IMAGE, "gpuCount": "many"}, "gpuCount"),
        ({"imageName": IMAGE, "gpuTypeIds": ["RTX 9090"]}, "gpuTypeIds"),
        ({"imageName": IMAGE, "gpuTypeIds": [7]}, "gpuTypeIds"),
        ({"imageName": IMAGE, "ports": ["66000/tcp"]}, "ports"),
        ({"imageName": IMAGE, "ports": 22}, "ports"),
        ({"imageName": IMAGE, "env": ["A=1"]}, "env"),
        ({"imageName": IMAGE, "env": "A=1"}, "env"),
        ({"imageName": IMAGE, "env": {"A B": "1"}}, "env"),
        ({"imageName": IMAGE, "containerDiskInGb": 0}, "containerDiskInGb"),
        ({"imageName": IMAGE, "volumeMountPath": "relative"}, "volumeMountPath"),
        ({"imageName": IMAGE, "computeType": "TPU"}, "computeType"),
        ({"imageName": IMAGE, "name": "x" * 192}, "name"),
        ({"imageName": IMAGE, "dockerStartCmd": "not a list"}, "dockerStartCmd"),
        ({"imageName": IMAGE, "computeType": "CPU", "cpuFlavorIds": ["cpu9"]}, "cpu9"),
        ({"imageName": IMAGE, "computeType": "CPU", "vcpuCount": 1000}, "vcpuCount"),
    ],
)
def test_a_senseless_wish_is_refused_with_the_fields_name(v1: V1, wish: Any, word: str) -> None:
    assert word in v1.refused(400, "POST", "/pods", wish)
    assert v1.ask("GET", "/pods") == []


@pytest.mark.parametrize("body", [b"{", b"[]", b"[1]", b'"text"', b'{"a": NaN}', b'{"imageName": "\\ud800"}'])
def test_a_body_that_is_no_object_is_refused(podd: Served, body: bytes) -> None:
    response = podd.http.post("/v1/pods", content=body)
    assert response.status_code == 400
    assert response.json().keys() == {"error", "message", "status"}


def test_no_room_is_500_with_the_words_scripts_look_for(v1: V1) -> None:
    v1.create_pod(gpuCount=2)
    message = v1.refused(500, "POST", "/pods", {"imageName": IMAGE, "gpuTypeIds": [A6000]})
    assert message.startswith("create pod: There are no longer any instances available")


@pytest.mark.parametrize(
    "wish",
    [
        {"gpuTypeIds": ["NVIDIA H200"]},
        {"gpuCount": 3},
        {"cloudType": "COMMUNITY"},
        {"dataCenterIds": ["EU-RO-1"]},
        {"countryCodes": ["DE", "FR"]},
        {"minRAMPerGPU": 100_000},
    ],
)
def test_what_the_machine_cannot_give_is_out_of_stock(v1: V1, wish: Any) -> None:
    message = v1.refused(500, "POST", "/pods", {"imageName": IMAGE, **wish})
    assert "no longer any instances available" in message


def test_its_own_data_centre_and_country_are_accepted(v1: V1) -> None:
    v1.create_pod(dataCenterIds=["eu-ro-1", "local-1"], countryCodes=["US", "xx"], cloudType="SECURE")


def test_a_foreign_or_unknown_thing_in_a_wish_is_not_found(v1: V1, stranger: V1) -> None:
    volume, credential = stranger.create_volume()["id"], stranger.create_registry()["id"]
    for wish in ({"networkVolumeId": volume}, {"networkVolumeId": "nope"}):
        assert v1.refused(404, "POST", "/pods", {"imageName": IMAGE, **wish}) == "network volume not found"
    for auth in (credential, "nope"):
        wish = {"imageName": IMAGE, "containerRegistryAuthId": auth}
        assert v1.refused(404, "POST", "/pods", wish) == "registry credential not found"


def test_global_networking_can_be_asked_for_and_changed_without_a_restart(v1: V1) -> None:
    pod = v1.create_pod(globalNetworking=True)
    changed = v1.ask("PATCH", f"/pods/{pod['id']}", {"globalNetworking": False})
    assert changed["lastStatusChange"] == pod["lastStatusChange"]


# Looking


def test_a_list_without_pods_is_an_empty_array(v1: V1) -> None:
    assert v1.ask("GET", "/pods") == []


def test_pods_are_filtered(v1: V1) -> None:
    volume = v1.create_volume()["id"]
    template = v1.create_template(name="t")["id"]
    gpu = v1.create_pod(name="gpu", networkVolumeId=volume)["id"]
    other = v1.create_pod(name="other", gpuTypeIds=[RTX_3090], templateId=template)["id"]
    cpu = v1.ask(
        "POST",
        "/pods",
        {"name": "cpu", "computeType": "CPU", "imageName": "other/image", "cpuFlavorIds": ["cpu3c"]},
        status=201,
    )["id"]
    v1.ask("POST", f"/pods/{other}/stop")

    def found(**query: Any) -> set[str]:
        return {pod["id"] for pod in v1.ask("GET", "/pods", **query)}

    assert found() == {gpu, other, cpu}
    assert found(computeType="GPU") == {gpu, other}
    assert found(computeType="CPU") == {cpu}
    assert found(cpuFlavorId="cpu3c") == {cpu}
    assert found(cpuFlavorId="cpu5c") == set()
    assert found(dataCenterId="local-1") == {gpu, other, cpu}
    assert found(dataCenterId=["EU-RO-1", "US-KS-2"]) == set()
    assert found(desiredStatus="RUNNING") == {gpu, cpu}
    assert found(desiredStatus="EXITED") == {other}
    assert found(desiredStatus="TERMINATED") == set()
    assert found(gpuTypeId=A6000) == {gpu}
    assert found(gpuTypeId=[A6000, RTX_3090]) == {gpu, other}
    assert found(gpuTypeId=f"{A6000},{RTX_3090}") == {gpu, other}
    assert found(id=cpu) == {cpu}
    assert found(imageName="other/image") == {cpu}
    assert found(name="gpu") == {gpu}
    assert found(name="gp") == set()
    assert found(networkVolumeId=volume) == {gpu}
    assert found(templateId=template) == {other}
    assert found(computeType="GPU", name="other") == {other}
    assert found(endpointId="none") == set()
    assert found(unheardOf="1", id="") == {gpu, other, cpu}


def test_a_senseless_filter_is_refused(v1: V1) -> None:
    assert "computeType" in v1.refused(400, "GET", "/pods", computeType="TPU")
    assert "includeMachine" in v1.refused(400, "GET", "/pods", includeMachine="perhaps")


def test_machine_and_template_come_when_asked_for(v1: V1) -> None:
    template = v1.create_template()
    pod_id = v1.create_pod(templateId=template["id"])["id"]
    for path in ("/pods", f"/pods/{pod_id}"):
        plain = v1.ask("GET", path)
        full = v1.ask("GET", path, includeMachine="true", includeTemplate="True", includeSavingsPlans="1")
        plain, full = (plain[0], full[0]) if path == "/pods" else (plain, full)
        assert plain["machine"] == {}
        assert "template" not in plain
        assert full["template"] == template
        machine = full["machine"]
        assert machine["gpuTypeId"] == A6000
        assert machine["gpuDisplayName"] == "RTX A6000"
        assert machine["gpuAvailable"] == 1
        assert machine["dataCenterId"] == "LOCAL-1"
        assert machine["cpuCount"] == 12
        assert machine["secureCloud"] is True


def test_workers_are_hidden_unless_asked_for(podd: Served, v1: V1, stranger: V1) -> None:
    endpoint = v1.create_endpoint(workersMin=1, workersMax=1)
    podd.settle()
    pod = v1.create_pod()["id"]
    assert [found["id"] for found in v1.ask("GET", "/pods")] == [pod]
    own, worker = v1.ask("GET", "/pods", includeWorkers=True)
    assert own["id"] == pod
    assert worker["endpointId"] == worker["aiApiId"] == endpoint["id"]
    assert worker["slsVersion"] == endpoint["version"]
    assert worker["templateId"] == endpoint["templateId"]
    assert (worker["gpuTypeId"], worker["gpuCount"]) == (A6000, 1)
    assert worker["desiredStatus"] == "RUNNING"
    (by_endpoint,) = v1.ask("GET", "/pods", includeWorkers=True, endpointId=endpoint["id"])
    assert by_endpoint["id"] == worker["id"]
    path = f"/pods/{worker['id']}"
    assert v1.ask("GET", path, includeWorkers=True)["endpointId"] == endpoint["id"]
    assert v1.refused(404, "GET", path) == "pod not found"
    assert stranger.refused(404, "GET", path, includeWorkers=True) == "pod not found"


# Changing


@pytest.mark.parametrize(
    ("method", "suffix"), [("PATCH", ""), ("PUT", ""), ("POST", "/update")], ids=["patch", "put", "post"]
)
def test_a_pod_is_changed(podd: Served, v1: V1, method: str, suffix: str) -> None:
    pod = v1.create_pod(env={"A": "1", "B": "2"}, dockerEntrypoint=["/entry"], dockerStartCmd=["one"])
    podd.settle()
    before = spec_of(podd, pod["id"]).generation
    path = f"/pods/{pod['id']}{suffix}"
    changed = v1.ask(
        method,
        path,
        {
            "imageName": "runpod/pytorch",
            "env": {"C": "3"},
            "ports": "80/http,2222/tcp",
            "containerDiskInGb": 60,
            "volumeInGb": 40,
            "volumeMountPath": "/data",
            "dockerStartCmd": ["two"],
        },
    )
    assert changed["image"] == changed["imageName"] == "runpod/pytorch"
    assert changed["env"] == {"C": "3"}
    assert changed["ports"] == ["80/http", "2222/tcp"]
    assert (changed["containerDiskInGb"], changed["volumeInGb"]) == (60, 40)
    assert changed["volumeMountPath"] == "/data"
    assert (changed["dockerEntrypoint"], changed["dockerStartCmd"]) == (["/entry"], ["two"])
    podd.settle()
    assert spec_of(podd, pod["id"]).generation == before + 1


def test_name_and_lock_change_in_place(podd: Served, v1: V1) -> None:
    pod = v1.create_pod()
    podd.settle()
    changed = v1.ask("PATCH", f"/pods/{pod['id']}", {"name": "new", "locked": True})
    assert (changed["name"], changed["locked"]) == ("new", True)
    podd.settle()
    assert spec_of(podd, pod["id"]).generation == 1


def test_an_empty_change_changes_nothing(podd: Served, v1: V1) -> None:
    pod = v1.create_pod()
    podd.settle()
    before = v1.pod(pod["id"])
    assert v1.ask("PATCH", f"/pods/{pod['id']}", {}) == before
    assert v1.ask("PATCH", f"/pods/{pod['id']}") == before
    podd.settle()
    assert v1.pod(pod["id"]) == before


def test_empty_lists_in_a_change_are_the_images_own_command(v1: V1) -> None:
    pod = v1.create_pod(dockerEntrypoint=["/entry"], dockerStartCmd=["one"])
    changed = v1.ask("PATCH", f"/pods/{pod['id']}", {"dockerEntrypoint": [], "dockerStartCmd": []})
    assert (changed["dockerEntrypoint"], changed["dockerStartCmd"]) == ([], [])


def test_a_credential_is_set_and_cleared(v1: V1) -> None:
    pod, credential = v1.create_pod()["id"], v1.create_registry()["id"]
    changed = v1.ask("PATCH", f"/pods/{pod}", {"containerRegistryAuthId": credential})
    assert changed["containerRegistryAuthId"] == credential
    changed = v1.ask("PATCH", f"/pods/{pod}", {"containerRegistryAuthId": ""})
    assert changed["containerRegistryAuthId"] == ""


def test_a_volume_does_not_shrink(v1: V1) -> None:
    pod = v1.create_pod()["id"]
    assert "volumeInGb" in v1.refused(400, "PATCH", f"/pods/{pod}", {"volumeInGb": 10})
    assert v1.pod(pod)["volumeInGb"] == 20


@pytest.mark.parametrize("action", ["stop", "reset"])
def test_a_locked_pod_is_not_touched(v1: V1, action: str) -> None:
    pod = v1.create_pod(locked=True)["id"]
    assert "locked" in v1.refused(400, "POST", f"/pods/{pod}/{action}")
    assert "locked" in v1.refused(400, "PATCH", f"/pods/{pod}", {"imageName": "other"})
    assert v1.pod(pod)["imageName"] == IMAGE


# Life


def test_a_pod_stops_starts_and_goes(podd: Served, v1: V1) -> None:
    pod = v1.create_pod()["id"]
    podd.settle()
    assert v1.ask("POST", f"/pods/{pod}/stop")["desiredStatus"] == "EXITED"
    assert v1.ask("POST", f"/pods/{pod}/stop")["desiredStatus"] == "EXITED"
    podd.settle()
    assert podd.engine.running() == []
    assert v1.ask("POST", f"/pods/{pod}/start")["desiredStatus"] == "RUNNING"
    podd.settle()
    assert len(podd.engine.running()) == 1
    v1.ask("DELETE", f"/pods/{pod}", status=204)
    podd.settle()
    assert podd.engine.running() == []
    assert v1.ask("GET", "/pods") == []
    assert v1.refused(404, "DELETE", f"/pods/{pod}") == "pod not found to terminate"


def test_start_without_a_free_gpu_is_500(v1: V1) -> None:
    pod = v1.create_pod(gpuCount=2)["id"]
    v1.ask("POST", f"/pods/{pod}/stop")
    v1.create_pod()
    message = v1.refused(500, "POST", f"/pods/{pod}/start")
    assert message == "start pod: There are not enough free GPUs on the host machine to start this pod."


def test_the_wrong_state_is_a_bad_request(v1: V1) -> None:
    pod = v1.create_pod()["id"]
    v1.refused(400, "POST", f"/pods/{pod}/start")
    v1.ask("POST", f"/pods/{pod}/stop")
    v1.refused(400, "POST", f"/pods/{pod}/restart")
    v1.refused(400, "POST", f"/pods/{pod}/reset")


def test_reset_makes_a_fresh_container_and_restart_does_not(podd: Served, v1: V1) -> None:
    pod = v1.create_pod()["id"]
    podd.settle()
    v1.ask("POST", f"/pods/{pod}/restart")
    podd.settle()
    assert spec_of(podd, pod).generation == 1
    v1.ask("POST", f"/pods/{pod}/reset")
    podd.settle()
    assert spec_of(podd, pod).generation == 2


ACTIONS = [
    ("GET", ""),
    ("PATCH", ""),
    ("PUT", ""),
    ("DELETE", ""),
    ("POST", "/update"),
    ("POST", "/start"),
    ("POST", "/stop"),
    ("POST", "/reset"),
    ("POST", "/restart"),
]


@pytest.mark.parametrize(("method", "suffix"), ACTIONS)
def test_foreign_pods_look_like_missing_ones(v1: V1, stranger: V1, method: str, suffix: str) -> None:
    foreign = stranger.create_pod()["id"]
    asked = v1.refused(404, method, f"/pods/{foreign}{suffix}")
    assert asked == v1.refused(404, method, f"/pods/nope{suffix}")
    assert asked.startswith("pod not found")
    assert v1.ask("GET", "/pods") == []
    assert stranger.pod(foreign)["desiredStatus"] == "RUNNING"


def test_a_pods_own_key_acts_on_that_pod_alone(podd: Served, v1: V1) -> None:
    pod, other = v1.create_pod()["id"], v1.create_pod()["id"]
    podd.settle()
    key = dict(spec_of(podd, pod).env)["RUNPOD_API_KEY"]
    inside = V1(podd, key)
    assert inside.pod(pod)["id"] == pod
    inside.refused(404, "GET", f"/pods/{other}")
    inside.refused(403, "GET", "/pods")
    inside.refused(403, "POST", "/pods", {"imageName": IMAGE})
    assert inside.ask("POST", f"/pods/{pod}/stop")["desiredStatus"] == "EXITED"


def test_a_machine_without_gpus_has_cpu_pods_only(new_podd: NewPodd) -> None:
    v1 = V1(new_podd(settings={"gpus": {"simulated": []}}))
    v1.refused(500, "POST", "/pods", {"imageName": IMAGE})
    pod = v1.ask("POST", "/pods", {"imageName": IMAGE, "computeType": "CPU"}, status=201)
    assert pod["gpuCount"] == 0
