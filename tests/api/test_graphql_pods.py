"""Pods through GraphQL: what clients send and read, and the errors they compare letter for letter."""

import json
import re
from typing import Any

import pytest

from podd.ports import GpuUse
from tests.api.served import IMAGE, Served
from tests.fakes import Behaviour

Json = dict[str, Any]

DEPLOY = """mutation ($input: PodFindAndDeployOnDemandInput) { podFindAndDeployOnDemand(input: $input) {
  id desiredStatus podType costPerHr } }"""
RENT = """mutation ($input: PodRentInterruptableInput!) { podRentInterruptable(input: $input) {
  id desiredStatus podType costPerHr } }"""
RESUME = "mutation ($input: PodResumeInput!) { podResume(input: $input) { id desiredStatus gpuCount } }"
BID = "mutation ($input: PodBidResumeInput!) { podBidResume(input: $input) { id desiredStatus costPerHr } }"
STOP = "mutation ($input: PodStopInput!) { podStop(input: $input) { id desiredStatus lastStatusChange } }"
TERMINATE = "mutation ($input: PodTerminateInput!) { podTerminate(input: $input) }"
POD = """query ($id: String!) { pod(input: {podId: $id}) {
  id name imageName desiredStatus podType costPerHr adjustedCostPerHr gpuCount vcpuCount memoryInGb env
  containerDiskInGb volumeInGb volumeMountPath dockerArgs dockerId ports port lastStatusChange uptimeSeconds
  machineId templateId createdAt lastStartedAt clusterIp gpus { id } gpuPowerLimitPercent volumeEncrypted
  machine { podHostId gpuDisplayName location gpuTypeId dataCenterId secureCloud }
  runtime { uptimeInSeconds ports { ip isIpPublic privatePort publicPort type }
    gpus { id gpuUtilPercent memoryUtilPercent } container { cpuPercent memoryPercent } } } }"""

A6000 = "NVIDIA RTX A6000"
WISH = {"gpuTypeId": A6000, "imageName": IMAGE, "dockerArgs": "run"}

OUT_OF_STOCK = (
    "There are no longer any instances available with the requested specifications. "
    "Please refresh and try again."
)
NOT_ENOUGH_GPUS = "There are not enough free GPUs on the host machine to start this pod."


def look(podd: Served, pod_id: str) -> Json:
    pod: Json = podd.data(POD, {"id": pod_id})["pod"]
    return pod


def rent(podd: Served, bid: float, **wish: Any) -> str:
    made = podd.data(RENT, {"input": {**WISH, "bidPerGpu": bid, **wish}})
    return str(made["podRentInterruptable"]["id"])


def stop(podd: Served, pod_id: str) -> None:
    podd.data(STOP, {"input": {"podId": pod_id}})
    podd.settle()


# Deploying


def test_a_deployed_pod_is_wanted_running_at_its_price(podd: Served) -> None:
    made = podd.data(DEPLOY, {"input": {**WISH, "gpuCount": 2}})["podFindAndDeployOnDemand"]
    assert made == {"id": made["id"], "desiredStatus": "RUNNING", "podType": "RESERVED", "costPerHr": 0.98}
    assert re.fullmatch("[a-z0-9]{14}", made["id"])


def test_a_rented_pod_costs_its_bid(podd: Served) -> None:
    made = podd.data(RENT, {"input": {**WISH, "bidPerGpu": 0.25, "gpuCount": 2}})["podRentInterruptable"]
    assert (made["podType"], made["costPerHr"]) == ("INTERRUPTABLE", 0.5)


def test_a_pod_runs_what_was_asked_for(podd: Served) -> None:
    pod_id = podd.create_pod(
        dockerArgs="bash -c 'sleep 1'",
        env=[{"key": "A", "value": "1"}, {"key": "B", "value": "x=y z"}],
        ports="8888/http,22/tcp,53/udp",
        containerDiskInGb=20,
        volumeInGb=30,
        volumeMountPath="/data",
    )
    podd.settle()
    (name,) = podd.engine.running()
    spec = podd.engine.spec(name)
    env = dict(spec.env)
    assert (spec.workload_id, spec.image, spec.command) == (pod_id, IMAGE, ("bash", "-c", "sleep 1"))
    assert (env["A"], env["B"], env["RUNPOD_POD_ID"], env["RUNPOD_GPU_COUNT"]) == ("1", "x=y z", pod_id, "1")
    assert sorted((port.container, port.protocol) for port in spec.ports) == [(22, "tcp"), (53, "udp")]
    assert env["RUNPOD_TCP_PORT_22"] == str(next(p.host for p in spec.ports if p.container == 22))
    assert [mount.target for mount in spec.mounts] == ["/data"]
    assert spec.disk == 20
    seen = look(podd, pod_id)
    assert seen["env"] == ["A=1", "B=x=y z"]
    assert [gpu["id"] for gpu in seen["gpus"]] == [gpu.uuid for gpu in spec.gpus]
    assert (seen["containerDiskInGb"], seen["volumeInGb"], seen["volumeMountPath"]) == (20, 30, "/data")
    assert (seen["dockerArgs"], seen["ports"]) == ("bash -c 'sleep 1'", "8888/http,22/tcp,53/udp")


def test_a_command_may_be_json_with_an_entrypoint(podd: Served) -> None:
    podd.create_pod(dockerArgs=json.dumps({"entrypoint": ["sh", "-c"], "cmd": ["echo 'a b'"]}))
    podd.settle()
    spec = podd.engine.spec(podd.engine.running()[0])
    assert (spec.entrypoint, spec.command) == (("sh", "-c"), ("echo 'a b'",))


def test_a_template_fills_what_the_request_leaves_out(podd: Served) -> None:
    env = [{"key": "A", "value": "template"}, {"key": "B", "value": "template"}]
    template_id = podd.create_template(
        dockerArgs="from template", env=env, ports="80/http", containerDiskInGb=7, volumeInGb=3
    )
    pod_id = podd.create_pod(
        templateId=template_id, imageName="", dockerArgs="", env=[{"key": "B", "value": "request"}]
    )
    seen = look(podd, pod_id)
    assert (seen["imageName"], seen["dockerArgs"], seen["ports"]) == (IMAGE, "from template", "80/http")
    assert sorted(seen["env"]) == ["A=template", "B=request"]
    assert (seen["containerDiskInGb"], seen["volumeInGb"], seen["templateId"]) == (7, 3, template_id)


def test_a_pod_without_a_name_is_called_after_its_image(podd: Served) -> None:
    podd.engine.images.add("runpod/pytorch:2.1")
    assert look(podd, podd.create_pod(imageName="runpod/pytorch:2.1"))["name"] == "pytorch"
    assert look(podd, podd.create_pod(name="  mine "))["name"] == "mine"


def test_go_clients_zero_values_mean_unset(podd: Served) -> None:
    empty = dict.fromkeys(
        "dataCenterId networkVolumeId templateId containerRegistryAuthId countryCode stopAfter "
        "terminateAfter minCudaVersion ports".split(),
        "",
    )
    made = podd.create_pod(**empty, deployCost=0, allowedCudaVersions=[], env=[], minVcpuCount=0)
    assert look(podd, made)["desiredStatus"] == "RUNNING"


@pytest.mark.parametrize("cloud", ["ALL", "SECURE"])
def test_the_cloud_type_is_read_as_literal_and_as_string(podd: Served, cloud: str) -> None:
    assert podd.create_pod(cloudType=cloud)
    inline = f'cloudType: {cloud}, gpuTypeId: "{A6000}", imageName: "{IMAGE}"'
    assert podd.data(f"mutation {{ podFindAndDeployOnDemand(input: {{{inline}}}) {{ id }} }}")


@pytest.mark.parametrize(
    "wish",
    [
        {"gpuTypeId": "NVIDIA H100 PCIe"},
        {"gpuTypeId": "NVIDIA FuturisticCard 9000"},
        {"gpuTypeId": "nvidia rtx a6000; --"},
        {"gpuCount": 3},
        {"cloudType": "COMMUNITY"},
        {"dataCenterId": "EU-RO-1"},
        {"countryCode": "DE"},
        {"minMemoryInGb": 4096},
        {"minVcpuCount": 4096},
        {"deployCost": 0.01},
    ],
)
def test_what_this_machine_has_not_is_out_of_stock(podd: Served, wish: Json) -> None:
    for document, extra in ((DEPLOY, {}), (RENT, {"bidPerGpu": 0.3})):
        if "deployCost" in wish and document == RENT:
            continue
        error = podd.error(document, {"input": {**WISH, **wish, **extra}})
        assert error["message"] == OUT_OF_STOCK
        assert error["extensions"] == {"code": "SUPPLY_CONSTRAINT", "reason": error["extensions"]["reason"]}
        assert "wanted" in error["extensions"]["reason"]
    assert podd.data("{ myself { pods { id } } }") == {"myself": {"pods": []}}


def test_a_full_machine_is_out_of_stock_until_something_is_terminated(podd: Served) -> None:
    first = podd.create_pod(gpuCount=2)
    error = podd.error(DEPLOY, {"input": WISH})
    assert (error["message"], error["extensions"]["code"]) == (OUT_OF_STOCK, "SUPPLY_CONSTRAINT")
    podd.data(TERMINATE, {"input": {"podId": first}})
    podd.settle()
    assert podd.create_pod(gpuCount=2)


def test_the_first_type_of_a_list_that_fits_is_taken(podd: Served) -> None:
    wanted = ["NVIDIA H100 PCIe", "NVIDIA GeForce RTX 3090", A6000]
    pod_id = podd.create_pod(gpuTypeId=None, gpuTypeIdList=wanted)
    assert look(podd, pod_id)["machine"]["gpuTypeId"] == "NVIDIA GeForce RTX 3090"


@pytest.mark.parametrize(
    ("wish", "name"),
    [
        ({"gpuTypeId": None}, "gpuTypeId"),
        ({"gpuTypeId": ""}, "gpuTypeId"),
        ({"imageName": ""}, "imageName"),
        ({"imageName": "two words"}, "imageName"),
        ({"gpuCount": -1}, "gpuCount"),
        ({"gpuCount": 0}, "gpuCount"),
        ({"gpuCount": 65}, "gpuCount"),
        ({"containerDiskInGb": -5}, "containerDiskInGb"),
        ({"volumeInGb": -5}, "volumeInGb"),
        ({"volumeMountPath": "relative"}, "volumeMountPath"),
        ({"volumeMountPath": "/a/../../etc"}, "volumeMountPath"),
        ({"volumeMountPath": "/proc"}, "volumeMountPath"),
        ({"ports": "8888/smtp"}, "ports"),
        ({"ports": "99999/tcp"}, "ports"),
        ({"dockerArgs": "sh -c 'open"}, "dockerArgs"),
        ({"dockerArgs": '{"cmd": "no list"}'}, "dockerArgs"),
        ({"env": [{"key": "A=B", "value": "x"}]}, "env"),
        ({"env": [{"key": "A", "value": "x" * 200_000}]}, "env"),
        ({"deployCost": -1}, "deployCost"),
    ],
)
def test_what_makes_no_sense_is_told_with_the_fields_name(podd: Served, wish: Json, name: str) -> None:
    error = podd.error(DEPLOY, {"input": {**WISH, **wish}})
    assert error["extensions"] == {"code": "BAD_USER_INPUT"}
    assert name in error["message"]
    assert len(error["message"]) < 1000


@pytest.mark.parametrize("bid", [None, 0, -1, 1e300])
def test_a_rented_pod_needs_a_real_bid(podd: Served, bid: float | None) -> None:
    error = podd.error(RENT, {"input": {**WISH, "bidPerGpu": bid}})
    assert error["extensions"] == {"code": "BAD_USER_INPUT"}
    assert "bidPerGpu" in error["message"]


def test_a_bid_below_the_lowest_is_outbid(podd: Served) -> None:
    assert "outbid" in podd.error(RENT, {"input": {**WISH, "bidPerGpu": 0.19}})["message"]


@pytest.mark.parametrize(
    "document", [DEPLOY.replace("$input: PodF", "$input: PodF"), STOP, RESUME, TERMINATE]
)
def test_the_input_must_be_there(podd: Served, document: str) -> None:
    operation = re.findall(r"\{ (\w+)\(", document)[0]
    fields = "" if operation == "podTerminate" else " { id }"
    error = podd.error(f"mutation {{ {operation}{fields} }}")
    assert error["extensions"] == {"code": "BAD_USER_INPUT"}
    assert "input" in error["message"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("networkVolumeId", "network volume not found"),
        ("containerRegistryAuthId", "registry credential not found"),
    ],
)
def test_what_a_pod_names_must_be_there(podd: Served, name: str, message: str) -> None:
    error = podd.error(DEPLOY, {"input": {**WISH, name: "abc"}})
    assert (error["message"], error["extensions"]["code"]) == (message, "RUNPOD")


# Reading


def test_a_new_pod_has_no_runtime_until_its_container_is_up(podd: Served) -> None:
    pod_id = podd.create_pod()
    before = look(podd, pod_id)
    assert before["runtime"] is None
    assert (before["dockerId"], before["uptimeSeconds"], before["lastStartedAt"]) == (None, 0, None)
    podd.settle()
    podd.clock.advance(seconds=61)
    after = look(podd, pod_id)
    assert after["runtime"]["uptimeInSeconds"] == 61
    assert after["uptimeSeconds"] == 61
    assert after["runtime"]["ports"] == []
    assert after["runtime"]["container"] == {"cpuPercent": 0, "memoryPercent": 0}
    assert after["runtime"]["gpus"] == [
        {"id": after["gpus"][0]["id"], "gpuUtilPercent": 0, "memoryUtilPercent": 0}
    ]
    assert after["dockerId"]


def test_the_machine_is_there_for_running_and_for_stopped_pods(podd: Served) -> None:
    """runpodctl looks into it without asking."""
    pod_id = podd.create_pod()
    podd.settle()
    running = look(podd, pod_id)
    stop(podd, pod_id)
    stopped = look(podd, pod_id)
    assert running["machine"] == stopped["machine"]
    assert running["machine"]["podHostId"].startswith(f"{pod_id}-")
    del running["machine"]["podHostId"]
    assert running["machine"] == {
        "gpuDisplayName": "RTX A6000",
        "location": "XX",
        "gpuTypeId": A6000,
        "dataCenterId": "LOCAL-1",
        "secureCloud": True,
    }


def test_ports_are_told_as_clients_look_for_them(podd: Served) -> None:
    """SkyPilot and runpodctl find SSH by a public port with the private number 22."""
    pod_id = podd.create_pod(ports="8888/http,22/tcp")
    podd.settle()
    ports = {port["privatePort"]: port for port in look(podd, pod_id)["runtime"]["ports"]}
    spec = podd.engine.spec(podd.engine.running()[0])
    assert ports[22] == {
        "ip": "127.0.0.1",
        "isIpPublic": True,
        "privatePort": 22,
        "publicPort": spec.ports[0].host,
        "type": "tcp",
    }
    assert (ports[8888]["isIpPublic"], ports[8888]["type"]) == (False, "http")


def test_whole_numbers_are_written_without_a_point(podd: Served) -> None:
    """Go clients read these fields into integers and fail on 61.0."""
    podd.create_pod(volumeInGb=20, gpuCount=1)
    podd.settle()
    document = (
        "{ myself { clientBalance spendLimit pods { vcpuCount memoryInGb volumeInGb gpuCount "
        "containerDiskInGb costPerHr uptimeSeconds gpuPowerLimitPercent "
        "machine { memoryTotal vcpuTotal } } } "
        "gpuTypes { memoryInGb maxGpuCount securePrice lowestPrice(input: {gpuCount: 2}) "
        "{ minimumBidPrice minVcpu minMemory } } }"
    )
    text = podd.http.post("/graphql", json={"query": document}).text
    assert not re.findall(r"\d\.0\b", text)
    assert '"volumeInGb":20' in text
    assert '"costPerHr":0.49' in text


def test_lists_are_never_null(podd: Served) -> None:
    pod_id = podd.create_pod(env=None, ports=None)
    podd.settle()
    pod = podd.data(
        "query ($id: String!) { pod(input: {podId: $id}) { env gpus { id } savingsPlans { __typename }"
        " runtime { ports { ip } gpus { id } } } }",
        {"id": pod_id},
    )["pod"]
    assert (pod["env"], pod["savingsPlans"], pod["runtime"]["ports"]) == ([], [], [])


def test_times_read_as_clients_expect_them(podd: Served) -> None:
    pod = look(podd, podd.create_pod())
    assert pod["createdAt"] == "2023-11-14T22:13:20Z"
    assert pod["lastStatusChange"] == (
        "Rented by User: Tue Nov 14 2023 22:13:20 GMT+0000 (Coordinated Universal Time)"
    )


def test_an_unknown_pod_and_a_foreign_one_are_the_same_null(podd: Served) -> None:
    pod_id, stranger = podd.create_pod(), podd.account()
    asked = {"query": POD, "variables": {"id": pod_id}}
    foreign = podd.http.post("/graphql", json=asked, headers={"Authorization": stranger})
    unknown = podd.http.post("/graphql", json={**asked, "variables": {"id": "x" * 14}})
    assert foreign.content == unknown.content == b'{"data":{"pod":null}}'


@pytest.mark.parametrize(
    ("document", "more", "message"),
    [
        (STOP, {}, "pod not found to stop"),
        (RESUME, {}, "pod not found to resume"),
        (BID, {"bidPerGpu": 0.2}, "pod not found to resume"),
        (TERMINATE, {}, "pod not found to terminate"),
    ],
)
def test_an_unknown_pod_and_a_foreign_one_are_the_same_error(
    podd: Served, document: str, more: Json, message: str
) -> None:
    pod_id, stranger = podd.create_pod(), podd.account()
    unknown = podd.error(document, {"input": {"podId": "x" * 14, **more}})
    foreign = podd.error(document, {"input": {"podId": pod_id, **more}}, key=stranger)
    assert unknown == foreign
    assert unknown["message"] == message
    assert unknown["extensions"] == {"code": "POD_NOT_FOUND"}
    assert look(podd, pod_id)["desiredStatus"] == "RUNNING"


def test_each_account_sees_its_own_pods_oldest_first(podd: Served) -> None:
    first = podd.create_pod()
    podd.clock.advance(seconds=1)
    second = podd.create_pod()
    stop(podd, first)
    document = "{ myself { pods { id desiredStatus } } }"
    assert podd.data(document) == {
        "myself": {
            "pods": [
                {"id": first, "desiredStatus": "EXITED"},
                {"id": second, "desiredStatus": "RUNNING"},
            ]
        }
    }
    assert podd.data(document, key=podd.account()) == {"myself": {"pods": []}}


# Stopping, resuming, terminating


def test_stopping_frees_the_gpus_and_keeps_the_pod(podd: Served) -> None:
    pod_id = podd.create_pod(gpuCount=2)
    podd.settle()
    stopped = podd.data(STOP, {"input": {"podId": pod_id, "incrementVersion": True}})["podStop"]
    assert stopped["desiredStatus"] == "EXITED"
    assert stopped["lastStatusChange"].startswith("Stopped by User: ")
    assert podd.create_pod(gpuCount=2)
    podd.settle()
    assert look(podd, pod_id)["runtime"] is None
    assert len(podd.engine.running()) == 1


def test_stopping_twice_is_fine(podd: Served) -> None:
    pod_id = podd.create_pod()
    stop(podd, pod_id)
    assert podd.data(STOP, {"input": {"podId": pod_id}})["podStop"]["desiredStatus"] == "EXITED"


def test_a_running_pod_cannot_be_resumed(podd: Served) -> None:
    error = podd.error(RESUME, {"input": {"podId": podd.create_pod()}})
    assert error["message"] == "Cannot resume a pod that is not in exited state"


def test_a_resumed_pod_needs_its_gpus_free(podd: Served) -> None:
    pod_id = podd.create_pod(gpuCount=2)
    stop(podd, pod_id)
    podd.create_pod()
    error = podd.error(RESUME, {"input": {"podId": pod_id}})
    assert error["message"] == NOT_ENOUGH_GPUS
    assert look(podd, pod_id)["desiredStatus"] == "EXITED"
    fewer = podd.data(RESUME, {"input": {"podId": pod_id, "gpuCount": 1}})["podResume"]
    assert fewer == {"id": pod_id, "desiredStatus": "RUNNING", "gpuCount": 1}
    assert look(podd, pod_id)["costPerHr"] == 0.49


def test_a_pod_resumes_without_gpus_to_reach_its_data(podd: Served) -> None:
    pod_id = podd.create_pod(volumeInGb=5)
    stop(podd, pod_id)
    podd.create_pod(gpuCount=2)
    assert podd.data(RESUME, {"input": {"podId": pod_id, "gpuCount": 0}})["podResume"]["gpuCount"] == 0
    podd.settle()
    seen = look(podd, pod_id)
    assert (seen["gpus"], seen["costPerHr"], seen["runtime"]["gpus"]) == ([], 0, [])


def test_the_volume_outlives_a_stop_and_goes_with_the_pod(podd: Served) -> None:
    pod_id = podd.create_pod(volumeInGb=5)
    podd.settle()
    volume = podd.settings.data_dir / "volumes" / pod_id
    (volume / "notes").write_text("kept")
    stop(podd, pod_id)
    podd.data(RESUME, {"input": {"podId": pod_id}})
    podd.settle()
    (mount,) = podd.engine.spec(podd.engine.running()[0]).mounts
    assert mount.source == str(volume)
    assert (volume / "notes").read_text() == "kept"
    podd.data(TERMINATE, {"input": {"podId": pod_id}})
    podd.settle()
    assert not volume.exists()


def test_terminating_answers_null_and_the_pod_is_gone_at_once(podd: Served) -> None:
    pod_id = podd.create_pod()
    podd.settle()
    document = f'mutation {{ podTerminate(input: {{ podId: "{pod_id}" }}) }}'
    assert podd.http.post("/graphql", json={"query": document}).text == '{"data":{"podTerminate":null}}'
    assert podd.data(POD, {"id": pod_id}) == {"pod": None}
    assert podd.data("{ myself { pods { id } } }") == {"myself": {"pods": []}}
    again = podd.error(TERMINATE, {"input": {"podId": pod_id}})
    assert (again["message"], again["extensions"]["code"]) == ("pod not found to terminate", "POD_NOT_FOUND")
    podd.settle()
    assert podd.engine.list() == []


def test_a_spot_pod_is_resumed_with_a_new_bid(podd: Served) -> None:
    pod_id = rent(podd, 0.2)
    stop(podd, pod_id)
    assert "outbid" in podd.error(BID, {"input": {"podId": pod_id, "bidPerGpu": 0.1}})["message"]
    assert "bidPerGpu" in podd.error(BID, {"input": {"podId": pod_id, "bidPerGpu": 1e300}})["message"]
    resumed = podd.data(BID, {"input": {"podId": pod_id, "bidPerGpu": 0.3}})["podBidResume"]
    assert resumed == {"id": pod_id, "desiredStatus": "RUNNING", "costPerHr": 0.3}


# What befalls them


def test_an_on_demand_pod_displaces_spot_pods_and_they_are_told(podd: Served) -> None:
    cheap, dear = rent(podd, 0.2), rent(podd, 0.3)
    podd.settle()
    wanted = podd.create_pod()
    podd.settle()
    assert look(podd, cheap)["desiredStatus"] == "EXITED"
    assert "Outbid" in look(podd, cheap)["lastStatusChange"]
    assert look(podd, dear)["runtime"] is not None
    assert look(podd, wanted)["runtime"] is not None


def test_a_higher_bid_displaces_a_lower_one_only(podd: Served) -> None:
    low = rent(podd, 0.2, gpuCount=2)
    assert (
        podd.error(RENT, {"input": {**WISH, "bidPerGpu": 0.2}})["extensions"]["code"] == "SUPPLY_CONSTRAINT"
    )
    assert rent(podd, 0.21)
    assert look(podd, low)["desiredStatus"] == "EXITED"


def test_a_container_that_ends_by_itself_leaves_the_pod_wanted_and_tells_why(podd: Served) -> None:
    """SkyPilot knows no word for a pod that died: what is told is the wish."""
    pod_id = podd.create_pod()
    podd.settle()
    podd.clock.advance(minutes=5)
    podd.engine.crash(podd.engine.running()[0], exit_code=3, log="out of luck")
    podd.settle()
    seen = look(podd, pod_id)
    assert (seen["desiredStatus"], seen["runtime"]) == ("RUNNING", None)
    assert "exit code 3" in seen["lastStatusChange"]
    podd.pass_time(seconds=2)
    assert look(podd, pod_id)["runtime"] is not None


def test_a_command_that_ends_at_once_ends_the_pod_with_its_reason(podd: Served) -> None:
    podd.engine.behaviours[("fail",)] = Behaviour(program=lambda c: c.say("no such file"), exit_code=2)
    pod_id = podd.create_pod(dockerArgs="fail", gpuCount=2)
    for _ in range(8):
        podd.pass_time(minutes=5)
    seen = look(podd, pod_id)
    assert seen["desiredStatus"] == "EXITED"
    assert "exit code 2" in seen["lastStatusChange"]
    assert "no such file" in seen["lastStatusChange"]
    assert podd.create_pod(gpuCount=2)


def test_an_image_nobody_has_ends_the_pod_with_its_reason(podd: Served) -> None:
    pod_id = podd.create_pod(imageName="test/missing", gpuCount=2)
    for _ in range(8):
        podd.pass_time(minutes=5)
    seen = look(podd, pod_id)
    assert seen["desiredStatus"] == "EXITED"
    assert "test/missing" in seen["lastStatusChange"]
    assert podd.create_pod(gpuCount=2)
    stop_again = podd.data(STOP, {"input": {"podId": pod_id}})["podStop"]
    assert stop_again["desiredStatus"] == "EXITED"


TELEMETRY = """query ($id: String!) { pod(input: {podId: $id}) { latestTelemetry {
  state cpuUtilization memoryUtilization lastStateTransitionTimestamp
  averageGpuMetrics { percentUtilization temperatureCelcius memoryUtilization powerWatts }
  individualGpuMetrics { id percentUtilization temperatureCelcius memoryUtilization powerWatts } } } }"""


def test_what_was_measured_last_is_shown_by_gpu_and_on_average(podd: Served) -> None:
    pod_id = podd.create_pod(gpuCount=2)
    assert podd.data(TELEMETRY, {"id": pod_id})["pod"] == {"latestTelemetry": None}
    podd.settle()
    first, second = podd.data("{ myself { pods { gpus { id } } } }")["myself"]["pods"][0]["gpus"]
    telemetry = podd.api.telemetry
    podd.do(telemetry.tick(podd.clock.now()))
    telemetry.gpus = {first["id"]: GpuUse(40, 10, 200.0, 60), second["id"]: GpuUse(None, 30, None, 70)}
    shown = podd.data(TELEMETRY, {"id": pod_id})["pod"]["latestTelemetry"]
    memory = 100 * 16 / (look(podd, pod_id)["memoryInGb"] * 1024)
    assert shown["memoryUtilization"] == pytest.approx(memory)
    assert shown["cpuUtilization"] == pytest.approx(12.5 / look(podd, pod_id)["vcpuCount"])
    assert shown["state"] == "RUNNING"
    names = ("percentUtilization", "temperatureCelcius", "memoryUtilization", "powerWatts")
    assert shown["averageGpuMetrics"] == dict(zip(names, (40, 65, 20, 200), strict=True))
    assert shown["individualGpuMetrics"] == [
        {"id": first["id"], **dict(zip(names, (40, 60, 10, 200), strict=True))},
        {"id": second["id"], **dict(zip(names, (None, 70, 30, None), strict=True))},
    ]
