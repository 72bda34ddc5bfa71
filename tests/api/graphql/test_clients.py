"""What other clients do, call after call, with documents and variables of the form they send."""

# ruff: noqa: E501

import json
from typing import Any

import pytest

from tests.api.served import IMAGE, Served

Json = dict[str, Any]
A6000 = "NVIDIA RTX A6000"


def post(podd: Served, body: Json, key: str | None = None) -> Any:
    """`data` of the answer to a raw body."""
    client = podd.client(podd.key if key is None else key)
    with client:
        response = client.post("/graphql", content=json.dumps(body))
    assert response.status_code == 200, response.text
    assert response.json().keys() == {"data"}
    return response.json()["data"]


# SkyPilot


SKY_PODS = """
    query Pods {
      myself {
        pods {
          id name desiredStatus costPerHr gpuCount imageName lastStatusChange networkVolumeId
          containerRegistryAuthId podType vcpuCount memoryInGb
          runtime { ports { ip isIpPublic privatePort publicPort type } }
          machine { podHostId gpuDisplayName }
        }
      }
    }
"""


def test_skypilot_launches_a_spot_pod_from_a_private_image_and_tears_it_down(podd: Served) -> None:
    auth = post(
        podd,
        {
            "query": 'mutation { saveRegistryAuth(input: {name: "sky-1", username: "u", password: "p"}) { id name } }'
        },
    )["saveRegistryAuth"]
    template = post(
        podd,
        {
            "query": f"""
    mutation {{
        saveTemplate(
            input: {{
                name: "sky-1-docker-login-template", imageName: "{IMAGE}", dockerArgs: "",
                containerDiskInGb: 10, volumeInGb: 0, ports: "", env: [], isServerless: false,
                containerRegistryAuthId : "{auth["id"]}", startSsh: true, isPublic: false, readme: ""
            }}
        ) {{ id name imageName dockerArgs containerDiskInGb env {{ key value }} }}
    }}"""
        },
    )["saveTemplate"]
    pod = post(
        podd,
        {
            "query": f"""
    mutation {{
      podRentInterruptable(
        input: {{
          name: "sky-1-head", imageName: "{IMAGE}", gpuTypeId: "{A6000}", cloudType: SECURE, startSsh: true,
          supportPublicIp: true, gpuCount: 1, minMemoryInGb: 4, minVcpuCount: 1, containerDiskInGb: 50,
          volumeInGb: 0, volumeMountPath: "/runpod-volume", networkVolumeId: "", dataCenterId: "LOCAL-1,EU-RO-1",
          countryCode: "XX", templateId: "{template["id"]}", startJupyter: false,
          dockerArgs: "bash -c 'sleep infinity'", ports: "22/tcp,6380/http,8266/http", bidPerGpu: 0.3
        }}
      ) {{ id desiredStatus imageName env machineId machine {{ podHostId }} }}
    }}"""
        },
    )["podRentInterruptable"]
    assert (pod["desiredStatus"], pod["env"]) == ("RUNNING", [])
    podd.settle()
    (listed,) = post(podd, {"query": SKY_PODS})["myself"]["pods"]
    assert listed["containerRegistryAuthId"] == auth["id"]
    (ssh,) = [p for p in listed["runtime"]["ports"] if p["isIpPublic"] and p["privatePort"] == 22]
    assert ssh["publicPort"]
    pods = post(podd, {"query": "{ myself { podTemplates { name containerRegistryAuthId } } }"})
    assert pods["myself"]["podTemplates"] == [
        {"name": "sky-1-docker-login-template", "containerRegistryAuthId": auth["id"]}
    ]
    post(podd, {"query": f'mutation {{ podTerminate(input: {{ podId: "{pod["id"]}" }}) }}'})
    assert post(podd, {"query": SKY_PODS})["myself"]["pods"] == []
    deleted = post(podd, {"query": f'mutation {{ deleteTemplate(templateName: "{template["name"]}") }}'})
    assert deleted == {"deleteTemplate": None}
    gone = post(podd, {"query": f'mutation {{ deleteRegistryAuth(registryAuthId: "{auth["id"]}") }}'})
    assert gone == {"deleteRegistryAuth": None}


# dstack


DSTACK_POD = """
    query Pod {{
        pod(input: {{ podId: "{id}" }}) {{
            id containerDiskInGb costPerHr desiredStatus dockerArgs dockerId env gpuCount imageName
            lastStatusChange machineId memoryInGb name podType port ports uptimeSeconds vcpuCount volumeInGb
            volumeMountPath clusterIp
            runtime {{ ports {{ ip isIpPublic privatePort publicPort type }} }}
            machine {{ gpuDisplayName }}
        }}
    }}
"""


def test_dstack_runs_a_job_and_tidies_up_credentials_until_one_is_in_use(podd: Served) -> None:
    assert post(podd, {"query": "query { myself { id authId email } }", "variable": {}})["myself"]["id"]
    auths = []
    for name in ("dstack-1", "dstack-2", "dstack-3"):
        document = f'mutation {{ saveRegistryAuth(input: {{name: "{name}", username: "u", password: "p"}}) {{ id name }} }}'
        auths.append(post(podd, {"query": document, "variable": {}})["saveRegistryAuth"]["id"])
        podd.clock.advance(seconds=1)
    pod = post(
        podd,
        {
            "query": f"""
    mutation {{ podFindAndDeployOnDemand( input: {{
        name: "job-0-0", imageName: "{IMAGE}", gpuTypeId: "{A6000}", gpuCount: 1, cloudType: SECURE,
        supportPublicIp: true, startSsh: true, dataCenterId: "LOCAL-1", containerDiskInGb: 100,
        minVcpuCount: 1, minMemoryInGb: 1, dockerArgs: "{{\\"cmd\\": [\\"sleep 1\\"], \\"entrypoint\\": [\\"bash\\", \\"-c\\"]}}",
        ports: "10022/tcp", containerRegistryAuthId: "{auths[2]}", volumeMountPath: "/workspace", networkVolumeId: "", allowedCudaVersions: ["12.8"] }} ) {{
        id lastStatusChange imageName machine {{ podHostId }} }} }}""",
            "variable": {},
        },
    )["podFindAndDeployOnDemand"]
    assert post(podd, {"query": DSTACK_POD.format(id=pod["id"])})["pod"]["runtime"] is None
    podd.settle()
    runtime = post(podd, {"query": DSTACK_POD.format(id=pod["id"])})["pod"]["runtime"]
    assert [port["privatePort"] for port in runtime["ports"]] == [10022]
    edit = f'mutation {{ podEditJob(input: {{podId: "{pod["id"]}", containerRegistryAuthId: "{auths[1]}"}}) {{ id }} }}'
    assert post(podd, {"query": edit})["podEditJob"] == {"id": pod["id"]}
    deleted, refused = [], ""
    found = post(podd, {"query": "query { myself { containerRegistryCreds { id name } } }"})
    for credential in found["myself"]["containerRegistryCreds"]:
        document = f'mutation {{ deleteRegistryAuth(registryAuthId: "{credential["id"]}") }}'
        _, errors = podd.graphql(document)
        if errors:
            refused = credential["id"]
            break
        deleted.append(credential["id"])
    assert (deleted, refused) == (auths[:1], auths[1])
    document = f'mutation {{ podTerminate(input: {{ podId: "{pod["id"]}" }}) }}'
    assert post(podd, {"query": document}) == {"podTerminate": None}
    again = podd.error(document)
    assert (again["message"], again["extensions"]["code"]) == ("pod not found to terminate", "POD_NOT_FOUND")


def test_dstack_makes_and_removes_a_volume(podd: Served) -> None:
    document = (
        'mutation { createNetworkVolume(input: { name: "v", size: 10, dataCenterId: "LOCAL-1" }) { id } }'
    )
    volume_id = post(podd, {"query": document})["createNetworkVolume"]["id"]
    found = post(podd, {"query": "{ myself { networkVolumes { id name size dataCenter { id name } } } }"})
    assert found["myself"]["networkVolumes"][0]["dataCenter"]["id"] == "LOCAL-1"
    document = f'mutation {{ deleteNetworkVolume(input: {{ id: "{volume_id}" }}) }}'
    assert post(podd, {"query": document}) == {"deleteNetworkVolume": None}
    assert "Tried to delete nonexistent network volume" in podd.error(document)["message"]


# gpuhunt


GPUHUNT_CATALOGUE = """
query dataCenters {
  countryCodes
  dataCenters { id name location storageSupport listed __typename }
  gpuTypes {
    maxGpuCount maxGpuCountCommunityCloud maxGpuCountSecureCloud minPodGpuCount id displayName manufacturer
    memoryInGb secureCloud communityCloud __typename
  }
  myself { id }
}
"""
GPUHUNT_GPUS = """
query SecureGpuTypes($lowestPriceInput: GpuLowestPriceInput, $gpuTypesInput: GpuTypeFilter) {
  gpuTypes(input: $gpuTypesInput) {
    lowestPrice(input: $lowestPriceInput) {
      minimumBidPrice uninterruptablePrice minVcpu minMemory stockStatus compliance maxUnreservedGpuCount
      availableGpuCounts countryCode __typename
    }
    id displayName manufacturer memoryInGb securePrice communityPrice oneMonthPrice threeMonthPrice
    sixMonthPrice secureSpotPrice clusterPrice nodeGroupDatacenters { id } __typename
  }
}
"""


def test_gpuhunt_reads_the_whole_catalogue_without_a_key(podd: Served) -> None:
    found = post(podd, {"query": GPUHUNT_CATALOGUE, "variables": {}}, key="")
    assert found["myself"] is None
    assert [c["id"] for c in found["dataCenters"] if c["listed"]] == ["LOCAL-1"]
    most = max(max(g["maxGpuCount"], g["maxGpuCountSecureCloud"]) for g in found["gpuTypes"])
    offers: dict[tuple[str, int], tuple[float, float]] = {}
    for count in range(1, most + 1):
        variables = {
            "lowestPriceInput": {"dataCenterId": "LOCAL-1", "gpuCount": count, "secureCloud": True, "minDisk": 0,
                                 "minMemoryInGb": 0, "minVcpuCount": 0, "allowedCudaVersions": [],
                                 "compliance": [], "includeAiApi": False},
            "gpuTypesInput": {"cluster": False},
            "GpuTypeFilter": {},
        }  # fmt: skip
        for gpu in post(podd, {"query": GPUHUNT_GPUS, "variables": variables}, key="")["gpuTypes"]:
            price = gpu["lowestPrice"]
            if price["uninterruptablePrice"]:
                offers[gpu["id"], count] = price["uninterruptablePrice"], price["minimumBidPrice"]
    assert offers == {
        (A6000, 1): (0.49, 0.2),
        (A6000, 2): (0.49, 0.2),
        ("NVIDIA GeForce RTX 3090", 1): (0.5, 0.11),
    }
    clusters = {"gpuTypesInput": {"cluster": True}, "lowestPriceInput": {"gpuCount": 8}}
    assert post(podd, {"query": GPUHUNT_GPUS, "variables": clusters}, key="")["gpuTypes"] == []
    flavors = post(
        podd,
        {
            "query": "query ($input: CpuFlavorInput, $specifics: SpecificsInput) { cpuFlavors(input: $input) {"
            " id groupId displayName minVcpu maxVcpu vcpuBurstable ramMultiplier diskLimitPerVcpu"
            " specifics(input: $specifics) { stockStatus securePrice slsPrice } } }",
            "variables": {"input": {}, "specifics": {"dataCenterId": "LOCAL-1"}},
        },
        key="",
    )["cpuFlavors"]
    assert all(flavor["specifics"]["securePrice"] > 0 for flavor in flavors)


# runpodctl


def test_runpodctl_creates_a_pod_with_gos_zero_values(podd: Served) -> None:
    variables = {
        "input": {
            "cloudType": "SECURE", "computeType": "GPU", "containerDiskInGb": 20, "deployCost": 0,
            "dockerArgs": "", "env": [], "gpuCount": 1, "gpuTypeId": A6000, "imageName": IMAGE,
            "minMemoryInGb": 0, "minVcpuCount": 0, "name": "my-pod", "networkVolumeId": "", "ports": "",
            "startSsh": True, "supportPublicIp": False, "templateId": "", "volumeInGb": 0,
            "volumeMountPath": "/workspace", "dataCenterId": "", "countryCode": "", "stopAfter": "",
            "terminateAfter": "", "containerRegistryAuthId": "", "minCudaVersion": "", "compliance": [],
        }
    }  # fmt: skip
    document = """
    mutation createPod($input: PodFindAndDeployOnDemandInput!) {
        podFindAndDeployOnDemand(input: $input) {
            id name imageName desiredStatus costPerHr containerDiskInGb volumeInGb volumeMountPath gpuCount
            memoryInGb vcpuCount ports lastStatusChange env machine { gpuDisplayName location }
        }
    }"""
    pod = post(podd, {"query": document, "variables": variables})["podFindAndDeployOnDemand"]
    assert (pod["desiredStatus"], pod["containerDiskInGb"], pod["volumeInGb"]) == ("RUNNING", 20, 0)
    listing = "query myPods { myself { pods { id machine { podHostId location } runtime { ports { ip isIpPublic privatePort publicPort PortType: type } } } } }"
    (listed,) = post(podd, {"query": listing, "variables": None})["myself"]["pods"]
    assert listed["machine"]["location"] == "XX"


def test_runpodctl_lists_gpus_by_what_the_data_centers_have(podd: Served) -> None:
    gpus = post(
        podd,
        {
            "query": "query { gpuTypes { id displayName memoryInGb secureCloud communityCloud }"
            " dataCenters { id name location gpuAvailability { gpuTypeId displayName stockStatus } } }"
        },
    )
    stocked = {g["gpuTypeId"] for c in gpus["dataCenters"] for g in c["gpuAvailability"] if g["stockStatus"]}
    assert stocked == {gpu["id"] for gpu in gpus["gpuTypes"]}


def test_runpodctl_shows_the_user_and_creates_an_endpoint(podd: Served) -> None:
    user = post(
        podd,
        {
            "query": "query myself { myself { id email clientBalance currentSpendPerHr spendLimit"
            " notifyPodsStale notifyPodsGeneral notifyLowBalance } }"
        },
    )["myself"]
    assert isinstance(user["notifyLowBalance"], bool)
    pools = post(podd, {"query": "query { serverlessGpuPools { id gpuTypeIds } }"})["serverlessGpuPools"]
    pool = next(pool["id"] for pool in pools if A6000 in pool["gpuTypeIds"])
    document = """mutation SaveEndpoint($input: EndpointInput!) { saveEndpoint(input: $input) {
        id name gpuIds templateId workersMin workersMax idleTimeout scalerType scalerValue networkVolumeId
        networkVolumeIds { networkVolumeId dataCenterId } } }"""
    wish: Json = {"name": "endpoint", "templateId": podd.create_template(isServerless=True), "gpuIds": pool}
    wish = {**wish, "gpuCount": 1, "workersMin": 0, "workersMax": 3, "idleTimeout": 5, "locations": ""}
    wish = {**wish, "scalerType": "QUEUE_DELAY", "scalerValue": 4, "networkVolumeIds": None}
    saved = post(podd, {"query": document, "variables": {"input": wish}})["saveEndpoint"]
    assert (saved["gpuIds"], saved["networkVolumeIds"]) == ("AMPERE_48", [])


def test_runpodctl_finds_nothing_in_the_hub(podd: Served) -> None:
    document = "query ($input: ListingsInput!) { listings(input: $input) { id title repoOwner repoName } }"
    variables = {"input": {"searchQuery": "x", "limit": 10, "offset": 0}}
    assert post(podd, {"query": document, "variables": variables}) == {"listings": []}


# flash


@pytest.mark.parametrize("flash_boot", ["FLASHBOOT", "OFF", ""])
def test_flash_deploys_looks_and_deletes(podd: Served, flash_boot: str) -> None:
    save = """mutation saveEndpoint($input: EndpointInput!) { saveEndpoint(input: $input) {
        aiKey gpuIds id idleTimeout locations name scalerType scalerValue templateId type userId version
        workersMax workersMin workersStandby workersPFBTarget gpuCount computeType createdAt
        env { key value } networkVolumeId activeBuildid idePodId template { id imageName } } }"""
    wish: Json = {
        "name": "flash-worker-fb", "gpuIds": "AMPERE_48,-NVIDIA A40", "gpuCount": 1, "idleTimeout": 60,
        "locations": "", "scalerType": "QUEUE_DELAY", "scalerValue": 4, "workersMax": 1, "workersMin": 0,
        "workersPFBTarget": 0, "executionTimeoutMs": 0, "flashBootType": flash_boot, "type": "QB",
        "networkVolumeId": "", "minCudaVersion": "12.8",
        "template": {
            "name": "flash-worker__template", "imageName": IMAGE, "dockerArgs": "", "containerDiskInGb": 64,
            "env": [{"key": "A", "value": "1"}], "startScript": "", "readme": "", "advancedStart": False,
            "config": {"a": 1},
        },
    }  # fmt: skip
    saved = post(podd, {"query": save, "variables": {"input": wish}})["saveEndpoint"]
    assert (saved["scalerType"], saved["type"], saved["env"]) == (
        "QUEUE_DELAY",
        "QB",
        [{"key": "A", "value": "1"}],
    )
    template = post(
        podd,
        {
            "query": "query ($id: String!) { podTemplate(id: $id) { id name imageName dockerArgs"
            " containerDiskInGb volumeInGb env { key value } readme config containerRegistryAuthId } }",
            "variables": {"id": saved["templateId"]},
        },
    )["podTemplate"]
    assert template["config"] == {"a": 1}
    env = [{"key": "A", "value": "2"}]
    changed = post(
        podd,
        {
            "query": "mutation ($input: SaveTemplateInput!) { saveTemplate(input: $input) { id env { value } } }",
            "variables": {"input": {**template, "env": env}},
        },
    )["saveTemplate"]
    assert changed == {"id": template["id"], "env": [{"value": "2"}]}
    look = "query ($id: String!) { myself { endpoint(id: $id) { id name version } } }"
    seen = post(podd, {"query": look, "variables": {"id": saved["id"]}})["myself"]["endpoint"]
    assert seen["version"] > saved["version"]
    gone = post(
        podd,
        {"query": "mutation ($id: String!) { deleteEndpoint(id: $id) }", "variables": {"id": saved["id"]}},
    )
    assert gone == {"deleteEndpoint": None}
    after = post(podd, {"query": look, "variables": {"id": saved["id"]}})["myself"]
    assert after == {"endpoint": None}


# Pulumi


def test_pulumi_saves_and_deletes_with_nullable_variables(podd: Served) -> None:
    document = """mutation ($containerDiskInGb: Int!, $dockerArgs: String!, $env: [EnvironmentVariableInput]!,
        $imageName: String!, $name: String!, $volumeInGb: Int!, $isServerless: Boolean, $ports: String) {
        saveTemplate(input: {containerDiskInGb: $containerDiskInGb, dockerArgs: $dockerArgs, env: $env,
        imageName: $imageName, name: $name, volumeInGb: $volumeInGb, isServerless: $isServerless, ports: $ports}) {
        id name } }"""
    wish = {"containerDiskInGb": 5, "dockerArgs": " ", "env": [], "imageName": IMAGE, "name": "t"}
    variables = {**wish, "volumeInGb": 0, "isServerless": False, "ports": None}
    assert post(podd, {"query": document, "variables": variables})["saveTemplate"]["name"] == "t"
    deleted = post(
        podd,
        {
            "query": "mutation ($templateName: String) { deleteTemplate(templateName: $templateName) }",
            "variables": {"templateName": "t"},
        },
    )
    assert deleted == {"deleteTemplate": None}
