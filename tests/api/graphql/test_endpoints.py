"""Endpoints: templates inside them, and what a change keeps."""

from typing import Any

import pytest

from tests.api.conftest import NewPodd
from tests.api.served import IMAGE, Served

Json = dict[str, Any]
SAVE = """mutation ($input: EndpointInput!) { saveEndpoint(input: $input) {
  id name templateId version workersMin workersMax idleTimeout scalerType scalerValue executionTimeoutMs
  gpuIds gpuCount flashBootType locations
  template { id name imageName isServerless boundEndpointId readme } } }"""
INLINE: Json = {
    "name": "inline",
    "gpuIds": "AMPERE_48",
    "template": {"name": "its own", "imageName": IMAGE, "dockerArgs": "run", "containerDiskInGb": 5},
}


def save(podd: Served, **wish: Any) -> Json:
    saved: Json = podd.data(SAVE, {"input": wish})["saveEndpoint"]
    return saved


def template_names(podd: Served) -> list[str]:
    mine = podd.data("{ myself { podTemplates { name } } }")["myself"]["podTemplates"]
    return [template["name"] for template in mine]


def test_a_template_inside_makes_a_bound_one(podd: Served) -> None:
    saved = save(podd, **INLINE)
    assert saved["template"] == {
        "id": saved["templateId"],
        "name": "its own",
        "imageName": IMAGE,
        "isServerless": True,
        "boundEndpointId": saved["id"],
        "readme": "",
    }


def test_a_bound_template_is_changed_in_place(podd: Served) -> None:
    before = save(podd, **INLINE)
    template = {**INLINE["template"], "imageName": "other", "readme": "new"}
    after = save(podd, id=before["id"], template=template)
    assert after["templateId"] == before["templateId"]
    assert (after["template"]["imageName"], after["template"]["readme"]) == ("other", "new")
    assert after["version"] == before["version"] + 1
    same = save(podd, id=before["id"], template=template)
    assert same["version"] == after["version"]
    assert template_names(podd) == ["its own"]


def test_an_endpoint_with_a_chosen_template_gets_one_of_its_own(podd: Served) -> None:
    chosen = podd.create_template(name="chosen", isServerless=True)
    before = save(podd, name="endpoint", gpuIds="AMPERE_48", templateId=chosen)
    after = save(podd, id=before["id"], template={"imageName": "other"})
    assert after["templateId"] != chosen
    assert after["template"]["boundEndpointId"] == before["id"]
    assert sorted(template_names(podd)) == ["chosen", "endpoint"]


def test_a_bound_template_has_a_name_of_its_own_and_goes_with_its_endpoint(podd: Served) -> None:
    first, second = save(podd, **INLINE), save(podd, **INLINE)
    assert sorted(template_names(podd)) == ["its own", "its own (2)"]
    podd.data("mutation ($id: String) { deleteEndpoint(id: $id) }", {"id": first["id"]})
    assert template_names(podd) == ["its own (2)"]
    podd.data("mutation ($id: String) { deleteEndpoint(id: $id) }", {"id": second["id"]})
    assert template_names(podd) == []


def test_a_template_inside_and_a_chosen_one_exclude_each_other(podd: Served) -> None:
    error = podd.error(SAVE, {"input": {**INLINE, "templateId": podd.create_template(isServerless=True)}})
    assert error["message"] == "templateId and template exclude each other; send one of them."
    assert save(podd, **INLINE, templateId="")["id"]


def test_nothing_is_left_of_an_endpoint_that_was_refused(podd: Served) -> None:
    error = podd.error(SAVE, {"input": {**INLINE, "gpuIds": "NO_SUCH_POOL"}})
    assert "NO_SUCH_POOL" in error["message"]
    assert template_names(podd) == []
    error = podd.error(SAVE, {"input": {**INLINE, "template": {"imageName": ""}}})
    assert "imageName" in error["message"]


def test_a_stranger_cannot_reach_into_an_endpoint(podd: Served) -> None:
    saved = save(podd, **INLINE)
    change = {"id": saved["id"], "template": {"imageName": "stolen"}}
    error = podd.error(SAVE, {"input": change}, key=podd.account())
    assert error["message"] == "endpoint not found"


def test_a_change_keeps_what_it_leaves_out_but_for_three_settings(podd: Served) -> None:
    """As RunPod does; clients that know send those three each time."""
    settings = {"workersMin": 1, "executionTimeoutMs": 60_000, "scalerType": "REQUEST_COUNT", "gpuCount": 2}
    settings = {**settings, "flashBootType": "FLASHBOOT", "locations": "EU"}
    reset = {"workersMax": 7, "idleTimeout": 60, "scalerValue": 9}
    wish = {"name": "endpoint", "gpuIds": "AMPERE_48", "templateId": podd.create_template(isServerless=True)}
    before = save(podd, **wish, **settings, **reset)
    assert {name: before[name] for name in reset} == reset
    after = save(podd, id=before["id"], name="renamed")
    expected = {**before, "name": "renamed", "workersMax": 3, "idleTimeout": 10, "scalerValue": 4}
    assert after == expected


@pytest.mark.parametrize(
    "unset", ["templateId", "gpuIds", "name", "scalerType", "flashBootType", "hubReleaseId"]
)
def test_empty_words_from_go_clients_change_nothing(podd: Served, unset: str) -> None:
    before = save(podd, **INLINE)
    assert save(podd, id=before["id"], **{unset: ""}) == before


def test_a_new_template_for_an_endpoint_resets_nothing(podd: Served) -> None:
    before = save(podd, **INLINE, workersMax=7, idleTimeout=60)
    document = (
        "mutation ($e: String, $t: String) { updateEndpointTemplate(input: {endpointId: $e, templateId: $t})"
        " { id templateId workersMax idleTimeout } }"
    )
    chosen = podd.create_template(isServerless=True)
    after = podd.data(document, {"e": before["id"], "t": chosen})["updateEndpointTemplate"]
    assert after == {"id": before["id"], "templateId": chosen, "workersMax": 7, "idleTimeout": 60}


MODELS = (
    """mutation ($input: EndpointInput!) { saveEndpoint(input: $input) { id version modelReferences } }"""
)


def test_a_model_reads_as_it_was_written_and_another_one_is_a_release(podd: Served) -> None:
    def saved(**wish: Any) -> tuple[str, list[str], int]:
        found = podd.data(MODELS, {"input": {**INLINE, **wish}})["saveEndpoint"]
        return found["id"], found["modelReferences"], found["version"]

    address = "https://huggingface.co/Qwen/Qwen2.5-0.5B-Instruct:main"
    id, models, version = saved(modelReferences=[address])
    assert (models, version) == ([address], 0)
    assert saved(id=id) == (id, [address], 0)
    assert saved(id=id, modelReferences=["openai/gpt-oss-20b"]) == (id, ["openai/gpt-oss-20b"], 1)
    assert saved(id=id, modelReferences=[]) == (id, [], 2)


@pytest.mark.parametrize(
    ("models", "said"),
    [(["a"], "is not a model"), (["a/../b"], "is not a model"), (["a/b", "c/d"], "name one")],
)
def test_what_is_no_model_is_refused(podd: Served, models: list[str], said: str) -> None:
    assert said in podd.error(MODELS, {"input": {**INLINE, "modelReferences": models}})["message"]


def test_what_is_not_there_yet_is_said_plainly(podd: Served) -> None:
    error = podd.error(SAVE, {"input": {**INLINE, "hubReleaseId": "a"}})
    assert error["message"].endswith("not available in this version of podd yet.")
    assert error["extensions"]["code"] == "RUNPOD"


def test_empty_lists_of_what_is_not_there_yet_do_no_harm(podd: Served) -> None:
    nothing = {"networkVolumeId": "", "networkVolumeIds": [], "instanceIds": [], "modelReferences": []}
    nothing = {**nothing, "type": "QB", "computeType": "GPU"}
    assert save(podd, **INLINE, **nothing)["id"]
    assert save(podd, **INLINE, networkVolumeIds=[{"networkVolumeId": ""}])["id"]


HARDWARE = """mutation ($input: EndpointInput!) { saveEndpoint(input: $input) {
  id version gpuIds gpuCount instanceIds computeType
  networkVolumeId networkVolumeIds { networkVolumeId dataCenterId } networkVolume { id size } } }"""


def save_hardware(podd: Served, **wish: Any) -> Json:
    saved: Json = podd.data(HARDWARE, {"input": wish})["saveEndpoint"]
    return saved


def cpu_wish(*instances: str) -> Json:
    return {**{name: value for name, value in INLINE.items() if name != "gpuIds"}, "instanceIds": instances}


def test_a_cpu_endpoint_reads_back_as_flash_sends_it(podd: Served) -> None:
    made = save_hardware(podd, **cpu_wish("cpu3c-2-4", "cpu5c-4-8"), gpuIds="", gpuCount=0)
    assert made["instanceIds"] == ["cpu3c-2-4", "cpu5c-4-8"]
    assert (made["gpuIds"], made["gpuCount"], made["computeType"]) == ("", 0, "CPU")
    again = save_hardware(podd, id=made["id"], instanceIds=["cpu3c-2-4", "cpu5c-4-8"], gpuIds="")
    assert again == made


def test_an_endpoint_moves_from_gpus_to_cpus_and_back_with_a_release_each(podd: Served) -> None:
    made = save_hardware(podd, **INLINE)
    there = save_hardware(podd, id=made["id"], instanceIds=["cpu3c-2-4"])
    assert (there["computeType"], there["gpuIds"], there["version"]) == ("CPU", "", 1)
    back = save_hardware(
        podd, id=made["id"], gpuIds="AMPERE_48", instanceIds=["cpu3c-2-4"], computeType="GPU"
    )
    assert (back["computeType"], back["instanceIds"], back["gpuCount"]) == ("GPU", [], 1)
    assert back["version"] == 2


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        ({"instanceIds": ["cpu9x-2-4"]}, "cpu9x-2-4"),
        ({"instanceIds": ["cpu3c-2-5"]}, "cpu3c-2-5"),
        ({"computeType": "CPU"}, "instanceIds is required"),
        ({"instanceIds": ["cpu3c-2-4"], "gpuIds": "AMPERE_48"}, "exclude each other"),
    ],
)
def test_cpu_instances_that_make_no_sense_are_refused(podd: Served, wish: Json, says: str) -> None:
    assert says in podd.error(HARDWARE, {"input": {**cpu_wish(), **wish}})["message"]


def test_a_network_volume_is_named_by_either_field_and_taken_out_by_the_empty_word(podd: Served) -> None:
    document = 'mutation { createNetworkVolume(input: {name: "models", size: 10}) { id } }'
    volume = podd.data(document)["createNetworkVolume"]["id"]
    made = save_hardware(podd, **INLINE, networkVolumeIds=[{"networkVolumeId": volume}])
    assert made["networkVolumeIds"] == [{"networkVolumeId": volume, "dataCenterId": "LOCAL-1"}]
    assert made["networkVolume"] == {"id": volume, "size": 10}
    kept = save_hardware(podd, id=made["id"], networkVolumeIds=[])
    assert (kept["networkVolumeId"], kept["version"]) == (volume, 0)
    gone = save_hardware(podd, id=made["id"], networkVolumeId="")
    assert (gone["networkVolumeId"], gone["networkVolume"], gone["version"]) == ("", None, 1)


def test_several_network_volumes_are_one_too_many_for_one_data_center(podd: Served) -> None:
    several = [{"networkVolumeId": "a"}, {"networkVolumeId": "b"}]
    error = podd.error(HARDWARE, {"input": {**INLINE, "networkVolumeIds": several}})
    assert "one data center" in error["message"]


def test_the_workers_of_all_endpoints_have_a_limit(new_podd: NewPodd) -> None:
    podd = new_podd(limits={"workers_quota": 5})
    first = save(podd, **INLINE, workersMax=3)
    error = podd.error(SAVE, {"input": {**INLINE, "workersMax": 3}})
    assert error["message"].startswith("Your worker concurrency cannot go beyond the maximum limit of (5)")
    second = save(podd, **INLINE, workersMax=2)
    assert podd.error(SAVE, {"input": {"id": second["id"], "workersMax": 3}})["message"] == (
        error["message"].replace("have 3", "have 5")
    )
    assert save(podd, id=first["id"], workersMax=1)["workersMax"] == 1
    assert save(podd, id=second["id"], workersMax=4)["workersMax"] == 4
    assert podd.data(SAVE, {"input": {**INLINE, "gpuIds": "AMPERE_48"}}, key=podd.account())


def test_an_endpoint_says_what_its_workers_do_now(podd: Served) -> None:
    save(podd, **{**INLINE, "workersMin": 1, "workersMax": 2})
    podd.settle()
    query = (
        "{ myself { endpoints { workerState { time ready running initializing throttled unhealthy } builds"
    )
    (endpoint,) = podd.data(query + " { id } webhookRequests { time } } } }")["myself"]["endpoints"]
    (state,) = endpoint["workerState"]
    assert state.pop("time")
    health = {"ready": 1, "running": 0, "initializing": 1, "throttled": 0, "unhealthy": 0}
    assert state == health, "one starts, one could"
    assert (endpoint["builds"], endpoint["webhookRequests"]) == ([], [])
