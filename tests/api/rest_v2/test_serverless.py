"""/v2/serverless: endpoints, their workers and releases."""

from typing import Any

import pytest

from tests.api.rest_v2.client import A6000, OUT_OF_STOCK, RestV2, endpoint_wish
from tests.api.served import IMAGE, Served

# Making


def test_an_endpoint_reads_as_it_was_made_with_the_documented_defaults(podd: Served, api: RestV2) -> None:
    made = api.endpoint()
    base = f"{podd.url}/v2/{made['id']}"
    assert made == {
        "id": made["id"],
        "name": "an endpoint",
        "type": "QUEUE",
        "requestUrls": {
            "run": f"{base}/run",
            "runSync": f"{base}/runsync",
            "status": f"{base}/status/{{job_id}}",
            "stream": f"{base}/stream/{{job_id}}",
            "cancel": f"{base}/cancel/{{job_id}}",
            "retry": f"{base}/retry/{{job_id}}",
            "purgeQueue": f"{base}/purge-queue",
            "health": f"{base}/health",
        },
        "image": IMAGE,
        "args": "run",
        "cmd": ["run"],
        "entrypoint": [],
        "disk": 10,
        "ports": [],
        "env": {},
        "registry": None,
        "gpu": {
            "pools": ["AMPERE_48"],
            "excludedTypes": [],
            "count": 1,
            "allowedCudaVersions": [],
            "minCudaVersion": None,
        },
        "workers": {"min": 0, "max": 3, "idleTimeout": 10},
        "scaling": {"type": "QUEUE_DELAY", "queueDelay": 4},
        "dataCenterIds": [],
        "networkVolumes": [],
        "timeout": 300000,
        "flashboot": "OFF",
        "createdAt": "2023-11-14T22:13:20Z",
    }
    assert api.get(f"/serverless/{made['id']}") == made
    assert api.get("/serverless")["endpoints"] == [made]


def test_it_takes_jobs_at_the_addresses_it_names(podd: Served, api: RestV2) -> None:
    made = api.endpoint()
    podd.submit(made["id"], {"prompt": "hi"})
    answer = podd.http.post(made["requestUrls"]["run"], json={"input": {}})
    assert answer.status_code == 200
    podd.settle()
    taken = podd.worker(made["id"]).take()
    assert taken["input"] == {"prompt": "hi"}


def test_everything_can_be_said(api: RestV2) -> None:
    wish: dict[str, Any] = {
        "gpu": {
            "pools": ["AMPERE_48", "AMPERE_24"],
            "excludedTypes": [A6000],
            "count": 2,
            "allowedCudaVersions": ["12.4", "12.5"],
            "minCudaVersion": None,
        },
        "workers": {"min": 1, "max": 5, "idleTimeout": 60},
        "scaling": {"type": "QUEUE_DELAY", "queueDelay": 0.5},
        "timeout": 0,
        "flashboot": "FLASHBOOT",
        "dataCenterIds": ["LOCAL-1"],
        "env": {"A": "1"},
        "disk": 7,
    }
    made = api.endpoint(**wish)
    assert {name: made[name] for name in wish} == wish


def test_a_count_of_requests_leaves_out_the_idle_timeout(api: RestV2) -> None:
    made = api.endpoint(scaling={"type": "REQUEST_COUNT", "requestCount": 3})
    assert made["scaling"] == {"type": "REQUEST_COUNT", "requestCount": 3}
    assert made["workers"] == {"min": 0, "max": 3}
    scaling = {"type": "REQUEST_COUNT", "requestCount": 3}
    wish = {**endpoint_wish(), "scaling": scaling, "workers": {"idleTimeout": 5}}
    assert "$.workers.idleTimeout" in api.errors("POST", "/serverless", wish)[0]
    problems = api.errors("PATCH", f"/serverless/{made['id']}", {"workers": {"idleTimeout": 5}})
    assert "$.workers.idleTimeout" in problems[0]
    change = {"scaling": {"type": "QUEUE_DELAY", "queueDelay": 2}, "workers": {"idleTimeout": 5}}
    assert api.patch(f"/serverless/{made['id']}", change)["workers"]["idleTimeout"] == 5


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        ({"gpu": None}, "Exactly one of gpu and cpu"),
        ({"gpu": {"pools": ["NO_SUCH"]}}, "NO_SUCH"),
        ({"gpu": {"pools": ["AMPERE_24"], "excludedTypes": [A6000]}}, "excludedTypes"),
        (
            {"gpu": {"pools": ["AMPERE_48"], "allowedCudaVersions": ["12.4"], "minCudaVersion": "12.1"}},
            "exclude",
        ),
        ({"workers": {"min": 4}}, "workersMin (4)"),
        ({"timeout": 1}, "executionTimeoutMs"),
        ({"name": "ab"}, "name must have"),
    ],
)
def test_what_makes_no_sense_is_refused(api: RestV2, wish: Any, says: str) -> None:
    assert says in api.endpoint(**wish, expect=400)["detail"]


def test_another_data_center_is_out_of_stock(api: RestV2) -> None:
    assert api.endpoint(dataCenterIds=["EU-RO-1"], expect=400)["detail"] == OUT_OF_STOCK


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        ({"gpu": None, "cpu": [{"id": "cpu9x", "vcpuCount": 2}]}, "cpu9x"),
        ({"gpu": None, "cpu": [{"id": "cpu3c", "vcpuCount": 6}]}, "power of two"),
        ({"cpu": [{"id": "cpu3c", "vcpuCount": 2}]}, "Exactly one of gpu and cpu"),
        ({"networkVolumes": ["abc", "def"]}, "networkVolumeIds"),
    ],
)
def test_cpus_and_volumes_that_make_no_sense_are_refused(api: RestV2, wish: Any, says: str) -> None:
    assert says in api.endpoint(**wish, expect=400)["detail"]


def test_a_cpu_endpoint_reads_back_with_its_memory_and_without_gpus(api: RestV2) -> None:
    made = api.endpoint(gpu=None, cpu=[{"id": "cpu3c", "vcpuCount": 4}, {"id": "cpu5g", "vcpuCount": 2}])
    assert made["gpu"] is None
    assert made["cpu"] == [
        {"id": "cpu3c", "vcpuCount": 4, "memory": 8},
        {"id": "cpu5g", "vcpuCount": 2, "memory": 8},
    ]
    assert "cpu" not in api.endpoint(name="with GPUs")


def test_a_network_volume_is_put_in_and_taken_out_with_a_release_each(api: RestV2) -> None:
    volume = api.volume()["id"]
    made = api.endpoint(networkVolumes=[volume])
    assert made["networkVolumes"] == [volume]
    assert api.patch(f"/serverless/{made['id']}", {"networkVolumes": []})["networkVolumes"] == []
    releases = api.get(f"/serverless/{made['id']}/releases")["releases"]
    assert releases[0]["diff"] == [{"field": "networkVolumeId", "old": volume, "new": ""}]


def test_load_balancing_scales_by_requests_only(api: RestV2) -> None:
    problems = api.errors("POST", "/serverless", {**endpoint_wish(), "type": "LOAD_BALANCER"})
    assert "scaling.type must be 'REQUEST_COUNT'" in problems[0]


def test_an_excluded_type_without_pools_is_malformed(api: RestV2) -> None:
    made = api.endpoint()
    problems = api.errors("PATCH", f"/serverless/{made['id']}", {"gpu": {"excludedTypes": [A6000]}})
    assert "'pools' is required" in problems[0]


# From a template


def test_a_template_is_copied_and_its_later_edits_do_not_reach_the_endpoint(api: RestV2) -> None:
    template = api.template(serverless=True, env={"A": "1", "B": "1"}, args="serve", disk=7)
    body = {**endpoint_wish(), "templateId": template["id"], "env": {"B": "2"}}
    del body["image"], body["args"]
    made = api.post("/serverless", body)
    assert (made["image"], made["args"], made["disk"]) == (IMAGE, "serve", 7)
    assert made["env"] == {"B": "2"}
    api.patch(f"/templates/{template['id']}", {"args": "other"})
    assert api.get(f"/serverless/{made['id']}")["args"] == "serve"
    api.delete(f"/templates/{template['id']}")


def test_a_pod_template_is_of_the_wrong_kind(api: RestV2) -> None:
    template = api.template()
    problems = api.errors("POST", "/serverless", {**endpoint_wish(), "templateId": template["id"]})
    assert problems == ["$.templateId: an endpoint needs a serverless template"]
    api.endpoint(templateId="missing", expect=404)


# Changing


def test_scaling_and_workers_apply_at_once(api: RestV2) -> None:
    made = api.endpoint()
    change = {
        "name": "renamed",
        "workers": {"max": 1},
        "scaling": {"type": "QUEUE_DELAY", "queueDelay": 9},
        "timeout": 60000,
        "flashboot": "PRIORITY_FLASHBOOT",
    }
    changed = api.patch(f"/serverless/{made['id']}", change)
    assert {name: changed[name] for name in change if name != "workers"} == {
        name: value for name, value in change.items() if name != "workers"
    }
    assert changed["workers"] == {"min": 0, "max": 1, "idleTimeout": 10}
    assert api.get(f"/serverless/{made['id']}/releases")["endpointVersion"] == 0


def test_what_containers_are_made_of_is_a_release(podd: Served, api: RestV2) -> None:
    made = api.endpoint(workers={"min": 1, "max": 1})
    podd.settle()
    podd.clock.advance(seconds=5)
    api.patch(f"/serverless/{made['id']}", {"env": {"A": "2"}})
    releases = api.get(f"/serverless/{made['id']}/releases")
    assert releases["endpointVersion"] == 1
    assert [(release["version"], release["createdAt"]) for release in releases["releases"]] == [
        (1, "2023-11-14T22:13:25Z"),
        (0, "2023-11-14T22:13:20Z"),
    ]
    assert [release["diff"] for release in releases["releases"]] == [
        [{"field": "env.A", "old": None, "new": "(hidden)"}],
        [],
    ]
    assert releases["releases"][1]["workerCount"] == 1
    assert releases["rollout"] == {
        "inProgress": True,
        "workersOnLatest": 0,
        "workersTotal": 1,
        "percentOnLatest": 0,
    }
    (worker,) = api.get(f"/serverless/{made['id']}/workers")["workers"]
    assert (worker["version"], worker["isStale"]) == (0, True)


def test_the_same_again_is_no_release(api: RestV2) -> None:
    made = api.endpoint(env={"A": "1"})
    api.patch(f"/serverless/{made['id']}", {"env": {"A": "1"}})
    assert api.get(f"/serverless/{made['id']}/releases")["endpointVersion"] == 0


def test_pools_without_exclusions_clear_them(api: RestV2) -> None:
    made = api.endpoint(gpu={"pools": ["AMPERE_48", "AMPERE_24"], "excludedTypes": [A6000]})
    path = f"/serverless/{made['id']}"
    assert api.patch(path, {"gpu": {"count": 2}})["gpu"]["excludedTypes"] == [A6000]
    assert api.patch(path, {"gpu": {"pools": ["AMPERE_48"]}})["gpu"]["excludedTypes"] == []
    assert api.patch(path, {"gpu": {"minCudaVersion": "12.1"}})["gpu"]["minCudaVersion"] == "12.1"
    assert api.patch(path, {"gpu": {"minCudaVersion": ""}})["gpu"]["minCudaVersion"] is None


def test_a_change_here_does_not_touch_a_template_that_others_use(podd: Served, api: RestV2) -> None:
    template_id = podd.create_template(isServerless=True, env=[{"key": "A", "value": "1"}])
    one = podd.create_endpoint(name="one", templateId=template_id)
    two = podd.create_endpoint(name="two", templateId=template_id)
    changed = api.patch(f"/serverless/{one}", {"disk": 9})
    assert (changed["disk"], changed["env"], changed["args"]) == (9, {"A": "1"}, "run")
    assert api.get(f"/serverless/{two}")["disk"] == 5
    assert api.get(f"/templates/{template_id}")["disk"] == 5


def test_an_endpoint_is_gone_with_its_workers_and_its_own_description(podd: Served, api: RestV2) -> None:
    made = api.endpoint(workers={"min": 1, "max": 1})
    podd.settle()
    assert podd.engine.running()
    api.delete(f"/serverless/{made['id']}")
    podd.settle()
    assert podd.engine.running() == []
    api.get(f"/serverless/{made['id']}", expect=404)
    api.endpoint()
    assert podd.data("query { myself { podTemplates { id } } }")["myself"]["podTemplates"] != []


# Workers


def test_workers_are_listed_with_their_states(podd: Served, api: RestV2) -> None:
    made = api.endpoint(workers={"min": 2, "max": 3})
    podd.settle()
    podd.submit(made["id"], {})
    podd.worker(made["id"]).take()
    podd.clock.advance(seconds=30)
    listed = api.get(f"/serverless/{made['id']}/workers")
    assert listed["endpointVersion"] == 0
    assert listed["summary"] == {
        "running": 1,
        "idle": 0,
        "initializing": 1,
        "throttled": 0,
        "unhealthy": 0,
        "total": 2,
    }
    busy = next(worker for worker in listed["workers"] if worker["status"] == "RUNNING")
    assert busy == {
        "id": busy["id"],
        "status": "RUNNING",
        "version": 0,
        "isStale": False,
        "image": IMAGE,
        "gpuTypeId": A6000,
        "gpuCount": 1,
        "dataCenterId": "LOCAL-1",
        "startedAt": "2023-11-14T22:13:20Z",
        "uptimeSeconds": 30,
    }


def test_workers_there_is_no_room_for_are_throttled(podd: Served, api: RestV2) -> None:
    made = api.endpoint(workers={"min": 3, "max": 3})
    podd.settle()
    listed = api.get(f"/serverless/{made['id']}/workers")
    assert (listed["summary"]["throttled"], listed["summary"]["total"]) == (1, 3)
    (waiting,) = [worker for worker in listed["workers"] if worker["status"] == "THROTTLED"]
    assert (waiting["gpuCount"], waiting["version"], waiting["startedAt"]) == (1, 0, None)
    assert "0 of 2 are free" in waiting["reason"]
    assert len({worker["id"] for worker in listed["workers"]}) == 3


def test_a_worker_that_crashed_says_why(podd: Served, api: RestV2) -> None:
    made = api.endpoint(workers={"min": 1, "max": 1})
    podd.settle()
    podd.engine.crash(podd.engine.running()[0], 3)
    podd.settle()
    (worker,) = api.get(f"/serverless/{made['id']}/workers")["workers"]
    assert worker["status"] == "UNHEALTHY"
    assert "exit 3" in worker["reason"]


def test_an_endpoint_says_why_its_jobs_wait(api: RestV2, podd: Served) -> None:
    made = api.endpoint(workers={"min": 0, "max": 0})
    assert "explanation" not in api.get(f"/serverless/{made['id']}")
    podd.submit(made["id"], {})
    sentences = api.get(f"/serverless/{made['id']}")["explanation"]
    assert sentences[0].startswith("1 job waits")
    assert any("maximum of workers is 0" in sentence for sentence in sentences)


def test_builds_and_the_list_of_jobs_are_not_there_yet(api: RestV2) -> None:
    made = api.endpoint()
    for path in ("builds", "jobs"):
        api.get(f"/serverless/{made['id']}/{path}", expect=501)
        api.get(f"/serverless/missing/{path}", expect=404)


def test_somebody_elses_endpoint_is_missing(podd: Served, api: RestV2) -> None:
    made = api.endpoint()
    other = RestV2(podd, podd.account())
    assert other.get("/serverless")["endpoints"] == []
    for method, path in [
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("GET", "/workers"),
        ("GET", "/releases"),
        ("GET", "/workers/x/logs"),
    ]:
        other.ask(method, f"/serverless/{made['id']}{path}", expect=404)
