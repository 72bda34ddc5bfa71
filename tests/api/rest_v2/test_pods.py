"""/v2/pods: what can be asked for, how a pod reads, and what its status lets one do."""

from typing import Any

import pytest

from podd.ports import GpuUse
from tests.api.conftest import NewPodd
from tests.api.rest_v2.client import A6000, OUT_OF_STOCK, R3090, RestV2
from tests.api.served import IMAGE, Served
from tests.fakes import Behaviour

# Making


def test_a_new_pod_has_only_what_was_asked_for(api: RestV2) -> None:
    made = api.pod()
    assert made == {
        "id": made["id"],
        "name": "a pod",
        "image": IMAGE,
        "args": "run",
        "cmd": ["run"],
        "entrypoint": [],
        "disk": 50,
        "ports": [],
        "env": {},
        "registry": None,
        "status": "PROVISIONING",
        "actions": ["stop", "terminate"],
        "gpu": {"id": A6000, "count": 1, "vcpuCount": made["gpu"]["vcpuCount"], "memory": 30},
        "cloud": "SECURE",
        "dataCenterId": "LOCAL-1",
        "cudaVersion": None,
        "cost": 0.49,
        "locked": False,
        "template": None,
        "mounts": {},
        "globalNetworking": {"enabled": False},
        "ssh": {"proxy": None, "direct": None},
        "runtime": None,
        "createdAt": "2023-11-14T22:13:20Z",
        "startedAt": None,
    }


def test_a_running_pod_shows_its_ports_and_the_way_to_its_sshd(podd: Served, api: RestV2) -> None:
    pod_id = api.pod(ports=["22/tcp", "8888/http"], gpu={"id": A6000, "count": 2})["id"]
    podd.settle()
    podd.clock.advance(seconds=90)
    pod = api.get(f"/pods/{pod_id}")
    assert pod["status"] == "RUNNING"
    assert pod["actions"] == ["stop", "restart", "terminate"]
    assert pod["startedAt"] == "2023-11-14T22:13:20Z"
    runtime = pod["runtime"]
    assert runtime["uptime"] == 90
    assert len(runtime["gpus"]) == 2
    ssh, http = runtime["ports"]
    assert ssh == {"private": 22, "public": ssh["public"], "type": "tcp", "ip": "127.0.0.1"}
    assert 40000 <= ssh["public"] <= 49999
    assert http["private"] == 8888
    assert (http["public"], http["type"]) == (None, "http")
    assert pod["ssh"]["direct"] == {
        "host": "127.0.0.1",
        "port": ssh["public"],
        "username": "root",
        "command": f"ssh root@127.0.0.1 -p {ssh['public']}",
    }


def test_a_cpu_pod_has_the_memory_that_comes_with_its_vcpus(api: RestV2) -> None:
    made = api.pod(cpu={"id": "cpu3g", "vcpuCount": 4})
    assert made["cpu"] == {"id": "cpu3g", "vcpuCount": 4, "memory": 16}
    assert "gpu" not in made
    assert made["cost"] == 0.16


def test_a_persistent_mount_is_a_volume(podd: Served, api: RestV2) -> None:
    mounts = {"persistent": {"size": 20, "path": "/data"}}
    assert api.pod(mounts=mounts)["mounts"] == mounts
    podd.settle()
    (name,) = podd.engine.running()
    assert [mount.target for mount in podd.engine.spec(name).mounts] == ["/data"]


def test_a_network_mount_takes_the_place_of_a_templates_volume(podd: Served, api: RestV2) -> None:
    volume = api.volume()
    template = api.template(mounts={"persistent": {"size": 20, "path": "/workspace"}})
    mounts = {"network": [{"volumeId": volume["id"], "path": "/data"}]}
    made = api.pod(mounts=mounts, templateId=template["id"])
    assert made["mounts"] == mounts
    podd.settle()
    (mount,) = podd.engine.spec(podd.engine.running()[0]).mounts
    assert (mount.target, mount.source.endswith(volume["id"])) == ("/data", True)


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        ({"gpu": None, "cpu": None}, "Exactly one of gpu and cpu"),
        ({"gpu": {"id": A6000}, "cpu": {"id": "cpu3c", "vcpuCount": 2}}, "Exactly one of gpu and cpu"),
        ({"cpu": {"id": "cpu3c", "vcpuCount": 6}}, "power of two"),
        ({"cpu": {"id": "cpu9", "vcpuCount": 2}}, "no CPU flavor 'cpu9'"),
        ({"gpu": {"id": A6000, "allowedCudaVersions": ["12.4"], "minCudaVersion": "12.1"}}, "exclude each"),
        (
            {
                "mounts": {
                    "persistent": {"size": 10, "path": "/a"},
                    "network": [{"volumeId": "x", "path": "/b"}],
                }
            },
            "exclude each other",
        ),
        (
            {"cpu": {"id": "cpu3c", "vcpuCount": 2}, "mounts": {"persistent": {"size": 10, "path": "/a"}}},
            "for GPU pods",
        ),
        ({"args": "run", "cmd": ["other"]}, "another command"),
        ({"ports": ["eight"]}, "ports"),
        ({"env": {"1": "x"}}, "env"),
        ({"env": {"A": "{{ RUNPOD_SECRET_missing }}"}}, "no secret named 'missing'"),
    ],
)
def test_a_wish_that_makes_no_sense_is_refused(api: RestV2, wish: Any, says: str) -> None:
    wish = {"gpu": {"id": A6000}, **wish} if "cpu" not in wish else wish
    assert says in api.pod(**wish, expect=400)["detail"]


@pytest.mark.parametrize(
    "wish",
    [
        {"gpu": {"id": A6000, "count": 3}},
        {"gpu": {"id": "NVIDIA H100 80GB HBM3"}},
        {"gpu": {"id": "no such GPU"}},
        {"cloud": "COMMUNITY"},
        {"dataCenterIds": ["EU-RO-1"]},
        {"gpu": {"id": A6000, "minRamPerGpu": 2000}},
        {"gpu": {"id": A6000, "minVcpuCountPerGpu": 2000}},
    ],
)
def test_no_room_is_a_bad_request_in_the_words_clients_know(api: RestV2, wish: Any) -> None:
    assert api.pod(**wish, expect=400)["detail"] == OUT_OF_STOCK


def test_what_a_gpu_must_bring_is_counted_for_each(api: RestV2) -> None:
    made = api.pod(gpu={"id": A6000, "count": 2, "minRamPerGpu": 40, "minVcpuCountPerGpu": 5})
    assert made["gpu"]["memory"] >= 80
    assert made["gpu"]["vcpuCount"] >= 10


def test_the_machines_own_data_center_is_taken_in_any_case(api: RestV2) -> None:
    api.pod(dataCenterIds=["EU-RO-1", "local-1"])


def test_the_command_can_be_given_in_its_parts(podd: Served, api: RestV2) -> None:
    made = api.pod(args="", cmd=["-c", "sleep 1"], entrypoint=["sh"])
    assert (made["cmd"], made["entrypoint"]) == (["-c", "sleep 1"], ["sh"])
    podd.settle()
    spec = podd.engine.spec(podd.engine.running()[0])
    assert (spec.entrypoint, spec.command) == (("sh",), ("-c", "sleep 1"))


def test_parts_that_say_the_same_as_args_are_fine(api: RestV2) -> None:
    assert api.pod(args="run -x 'a b'", cmd=["run", "-x", "a b"])["cmd"] == ["run", "-x", "a b"]


def test_global_networking_reads_back_with_the_name_of_the_pod(api: RestV2) -> None:
    made = api.pod(globalNetworking=True)
    assert made["globalNetworking"] == {
        "enabled": True,
        "internalDns": f"{made['id']}.runpod.internal",
    }
    changed = api.patch(f"/pods/{made['id']}", {"globalNetworking": False})
    assert changed["globalNetworking"] == {"enabled": False}


def test_an_unknown_registry_credential_is_not_found(api: RestV2) -> None:
    api.pod(registry="missing", expect=404)


# From a template


def test_a_template_gives_what_the_body_leaves_out(api: RestV2) -> None:
    template = api.template(
        args="serve --port 80",
        disk=7,
        ports=["80/http"],
        env={"A": "template", "B": "template"},
        mounts={"persistent": {"size": 20, "path": "/models"}},
        startJupyter=False,
    )
    body = {"name": "p", "gpu": {"id": A6000}, "templateId": template["id"], "env": {"B": "body"}}
    made = api.post("/pods", body)
    assert made["args"] == "serve --port 80"
    assert made["disk"] == 7
    assert made["ports"] == ["80/http"]
    assert made["env"] == {"A": "template", "B": "body"}
    assert made["mounts"] == {"persistent": {"size": 20, "path": "/models"}}
    assert made["template"] == template["id"]


def test_a_later_edit_of_the_template_does_not_reach_the_pod(api: RestV2) -> None:
    template = api.template(env={"A": "1"}, startJupyter=False)
    pod_id = api.pod(templateId=template["id"])["id"]
    api.patch(f"/templates/{template['id']}", {"env": {"A": "2"}})
    assert api.get(f"/pods/{pod_id}")["env"] == {"A": "1"}


def test_a_template_for_workers_is_of_the_wrong_kind(api: RestV2) -> None:
    template = api.template(serverless=True)
    problems = api.errors("POST", "/pods", {"name": "p", "gpu": {"id": A6000}, "templateId": template["id"]})
    assert problems == ["$.templateId: a serverless template cannot be used for pods"]


def test_an_unknown_template_is_not_found_though_there_is_an_image(api: RestV2) -> None:
    assert api.pod(templateId="missing", expect=404)["detail"] == "template not found"


# Jupyter and SSH


def test_start_jupyter_gives_the_container_a_password_that_is_not_shown(podd: Served, api: RestV2) -> None:
    pod_id = api.pod(startJupyter=True, startSsh=True, env={"A": "1"})["id"]
    podd.settle()
    env = dict(podd.engine.spec(podd.engine.running()[0]).env)
    assert len(env["JUPYTER_PASSWORD"]) == 20
    assert api.get(f"/pods/{pod_id}")["env"] == {"A": "1"}
    api.patch(f"/pods/{pod_id}", {"env": {"A": "2"}})
    podd.settle()
    fresh = dict(podd.engine.spec(podd.engine.running()[0]).env)
    assert fresh["JUPYTER_PASSWORD"] == env["JUPYTER_PASSWORD"]
    assert fresh["A"] == "2"


def test_a_password_of_ones_own_stays_and_is_shown(api: RestV2) -> None:
    assert api.pod(startJupyter=True, env={"JUPYTER_PASSWORD": "mine"})["env"] == {"JUPYTER_PASSWORD": "mine"}


def test_the_accounts_keys_are_in_the_container(podd: Served, api: RestV2) -> None:
    api.ask("PUT", "/account/ssh-keys", {"keys": ["ssh-ed25519 AAAA ada"]})
    api.pod(startSsh=True)
    podd.settle()
    assert dict(podd.engine.spec(podd.engine.running()[0]).env)["PUBLIC_KEY"] == "ssh-ed25519 AAAA ada"


def test_a_pods_own_keys_win_over_the_accounts(podd: Served, api: RestV2) -> None:
    api.ask("PUT", "/account/ssh-keys", {"keys": ["ssh-ed25519 AAAA ada"]})
    api.pod(startSsh=True, env={"PUBLIC_KEY": "ssh-ed25519 BBBB eve"})
    podd.settle()
    assert dict(podd.engine.spec(podd.engine.running()[0]).env)["PUBLIC_KEY"] == "ssh-ed25519 BBBB eve"


# Listing


def test_pods_are_listed_newest_first_a_page_at_a_time(podd: Served, api: RestV2) -> None:
    ids = []
    for _ in range(3):
        ids.append(api.pod(cpu={"id": "cpu3c", "vcpuCount": 2})["id"])
        podd.clock.advance(seconds=1)
    first = api.get("/pods?limit=2")
    assert [pod["id"] for pod in first["pods"]] == [ids[2], ids[1]]
    assert first["pagination"]["hasNextPage"] is True
    api.delete(f"/pods/{ids[1]}")
    rest = api.get(f"/pods?limit=2&cursor={first['pagination']['nextCursor']}")
    assert [pod["id"] for pod in rest["pods"]] == [ids[0]]
    assert rest["pagination"] == {"nextCursor": None, "hasNextPage": False}


def test_somebody_elses_pod_is_missing(podd: Served, api: RestV2) -> None:
    pod_id = api.pod()["id"]
    other = RestV2(podd, podd.account())
    assert other.get("/pods")["pods"] == []
    missing = other.get("/pods/zzzzzzzzzzzzzz", expect=404)
    for method, path, body in [
        ("GET", f"/pods/{pod_id}", None),
        ("PATCH", f"/pods/{pod_id}", {"name": "mine"}),
        ("DELETE", f"/pods/{pod_id}", None),
        ("GET", f"/pods/{pod_id}/logs", None),
        ("POST", f"/pods/{pod_id}/action", {"action": "stop"}),
    ]:
        answer = other.ask(method, path, body, expect=404)
        assert answer["title"] == missing["title"]


# Changing


def test_a_name_and_a_lock_change_in_place(podd: Served, api: RestV2) -> None:
    pod_id = api.pod()["id"]
    podd.settle()
    before = podd.engine.running()
    changed = api.patch(f"/pods/{pod_id}", {"name": "other", "locked": True})
    podd.settle()
    assert (changed["name"], changed["locked"]) == ("other", True)
    assert podd.engine.running() == before


def test_an_empty_patch_changes_nothing(podd: Served, api: RestV2) -> None:
    made = api.pod()
    podd.settle()
    before = podd.engine.running()
    assert api.patch(f"/pods/{made['id']}", {})["name"] == made["name"]
    podd.settle()
    assert podd.engine.running() == before


def test_other_changes_take_a_fresh_container(podd: Served, api: RestV2) -> None:
    pod_id = api.pod(env={"A": "1", "B": "1"}, ports=["22/tcp"])["id"]
    podd.settle()
    before = podd.engine.running()
    changed = api.patch(f"/pods/{pod_id}", {"env": {"A": "2"}, "ports": [], "cmd": ["other"], "disk": 9})
    podd.settle()
    assert changed["env"] == {"A": "2"}
    assert changed["ports"] == []
    assert changed["args"] == "other"
    assert changed["disk"] == 9
    assert podd.engine.running() != before


def test_a_volume_grows_and_never_shrinks(api: RestV2) -> None:
    pod_id = api.pod(mounts={"persistent": {"size": 20, "path": "/workspace"}})["id"]
    mounts = {"persistent": {"size": 30, "path": "/workspace"}}
    assert api.patch(f"/pods/{pod_id}", {"mounts": mounts})["mounts"] == mounts
    mounts = {"persistent": {"size": 25, "path": "/workspace"}}
    api.patch(f"/pods/{pod_id}", {"mounts": mounts}, expect=400)


def test_the_kind_of_a_mount_is_fixed(api: RestV2) -> None:
    volume, other = api.volume(), api.volume()
    plain, persistent = api.pod()["id"], {"persistent": {"size": 20, "path": "/a"}}
    network = {"network": [{"volumeId": volume["id"], "path": "/a"}]}
    api.patch(f"/pods/{plain}", {"mounts": persistent}, expect=400)
    api.patch(f"/pods/{plain}", {"mounts": network}, expect=400)
    api.patch(f"/pods/{plain}", {"mounts": {}})
    mounted = api.pod(mounts=network, gpu={"id": R3090})["id"]
    api.patch(f"/pods/{mounted}", {"mounts": persistent}, expect=400)
    api.patch(f"/pods/{mounted}", {"mounts": {"network": []}}, expect=400)
    foreign = {"network": [{"volumeId": other["id"], "path": "/a"}]}
    api.patch(f"/pods/{mounted}", {"mounts": foreign}, expect=400)
    api.patch(f"/pods/{mounted}", {"mounts": {"network": [{"path": "/b"}]}}, expect=422)
    moved = {"network": [{"volumeId": volume["id"], "path": "/b"}]}
    assert api.patch(f"/pods/{mounted}", {"mounts": moved})["mounts"] == moved


def test_null_takes_the_registry_credential_off(api: RestV2) -> None:
    credential = api.post("/registries", {"name": "r", "username": "u", "password": "p"})
    pod_id = api.pod(registry=credential["id"])["id"]
    assert "pod" in api.delete(f"/registries/{credential['id']}", expect=400)["detail"]
    assert api.patch(f"/pods/{pod_id}", {"name": "n"})["registry"] == credential["id"]
    assert api.patch(f"/pods/{pod_id}", {"registry": None})["registry"] is None
    api.delete(f"/registries/{credential['id']}")


def test_a_template_can_be_applied_to_a_pod_that_is_there(api: RestV2) -> None:
    template = api.template(image="test/other", env={"A": "template"}, ports=["80/http"], args="serve")
    pod_id = api.pod(env={"B": "1"})["id"]
    changed = api.patch(f"/pods/{pod_id}", {"templateId": template["id"], "env": {"C": "1"}})
    assert changed["image"] == "test/other"
    assert changed["env"] == {"A": "template", "C": "1"}
    assert changed["ports"] == ["80/http"]
    assert changed["args"] == "serve"


def test_a_locked_pod_is_neither_reset_nor_stopped(podd: Served, api: RestV2) -> None:
    pod_id = api.pod()["id"]
    podd.settle()
    api.patch(f"/pods/{pod_id}", {"locked": True})
    assert "locked" in api.patch(f"/pods/{pod_id}", {"image": "test/other"}, expect=409)["detail"]
    assert "locked" in api.act(pod_id, "stop", expect=409)["detail"]
    assert api.get(f"/pods/{pod_id}")["image"] == IMAGE


# Actions


def test_a_pod_lives_through_its_actions(podd: Served, api: RestV2) -> None:
    pod_id = api.pod()["id"]
    podd.settle()
    assert api.act(pod_id, "restart")["id"] == pod_id
    assert api.act(pod_id, "stop")["status"] == "EXITED"
    assert api.get(f"/pods/{pod_id}")["actions"] == ["start", "terminate"]
    assert api.act(pod_id, "start")["status"] == "PROVISIONING"
    assert api.get(f"/pods/{pod_id}")["status"] == "RUNNING"
    assert api.act(pod_id, "terminate", expect=204) is None
    api.get(f"/pods/{pod_id}", expect=404)


def test_an_action_the_status_forbids_is_a_conflict_that_says_what_is_allowed(
    podd: Served, api: RestV2
) -> None:
    pod_id = api.pod()["id"]
    assert "PROVISIONING" in api.act(pod_id, "start", expect=409)["detail"]
    assert "start" in api.act(pod_id, "start", expect=409)["detail"]
    api.act(pod_id, "stop")
    for action in ("stop", "restart"):
        detail = api.act(pod_id, action, expect=409)["detail"]
        assert detail == f"Cannot {action} a pod that is EXITED; allowed now: start, terminate."


def test_a_pod_that_cannot_run_is_in_error_and_may_be_started_again(podd: Served, api: RestV2) -> None:
    pod_id = api.pod(image="test/missing")["id"]
    podd.settle()
    pod = api.get(f"/pods/{pod_id}")
    assert (pod["status"], pod["actions"]) == ("ERROR", ["start", "terminate"])
    podd.engine.images.add("test/missing")
    api.act(pod_id, "start")
    assert api.get(f"/pods/{pod_id}")["status"] == "RUNNING"


def test_a_pod_started_without_gpus_keeps_the_number_it_is_configured_with(podd: Served, api: RestV2) -> None:
    """`count` is at least 1 in the documented shape; what the pod really has is in `runtime`."""
    pod_id = api.pod(gpu={"id": A6000, "count": 2})["id"]
    podd.settle()
    api.act(pod_id, "stop")
    podd.data(f'mutation {{ podResume(input: {{podId: "{pod_id}", gpuCount: 0}}) {{ id }} }}')
    podd.settle()
    pod = api.get(f"/pods/{pod_id}")
    assert (pod["status"], pod["gpu"]["count"], pod["runtime"]["gpus"]) == ("RUNNING", 2, [])
    assert pod["cost"] == 0
    api.act(pod_id, "stop")
    api.act(pod_id, "start")
    assert len(api.get(f"/pods/{pod_id}")["runtime"]["gpus"]) == 2


def test_how_busy_a_gpu_is_is_left_out_where_the_driver_does_not_tell(podd: Served, api: RestV2) -> None:
    pod_id = api.pod()["id"]
    podd.settle()
    (gpu,) = podd.data(f'{{ pod(input: {{podId: "{pod_id}"}}) {{ gpus {{ id }} }} }}')["pod"]["gpus"]
    podd.api.telemetry.gpus = {gpu["id"]: GpuUse(None, 30)}
    assert api.get(f"/pods/{pod_id}")["runtime"]["gpus"] == [{"memoryUtil": 30}]


def test_a_pod_whose_process_ended_is_starting(podd: Served, api: RestV2) -> None:
    podd.engine.behaviours[("run",)] = Behaviour(exit_code=1)
    pod_id = api.pod()["id"]
    podd.settle()
    pod = api.get(f"/pods/{pod_id}")
    assert (pod["status"], pod["runtime"]) == ("STARTING", None)


def test_a_pod_cannot_start_while_others_have_its_gpus(podd: Served, api: RestV2) -> None:
    pod_id = api.pod(gpu={"id": R3090})["id"]
    api.act(pod_id, "stop")
    api.pod(gpu={"id": R3090})
    detail = api.act(pod_id, "start", expect=400)["detail"]
    assert detail == "There are not enough free GPUs on the host machine to start this pod."


def test_terminating_twice_is_not_found(api: RestV2) -> None:
    pod_id = api.pod()["id"]
    api.delete(f"/pods/{pod_id}")
    api.delete(f"/pods/{pod_id}", expect=404)


def test_a_pods_own_key_may_look_at_it_and_stop_it(podd: Served, api: RestV2) -> None:
    pod_id, other_id = api.pod()["id"], api.pod()["id"]
    inside = RestV2(podd, podd.podd.keys.pod(pod_id))
    assert inside.get(f"/pods/{pod_id}")["id"] == pod_id
    inside.get(f"/pods/{other_id}", expect=404)
    inside.get("/pods", expect=403)
    inside.act(pod_id, "restart", expect=409)
    inside.act(pod_id, "stop")


def test_a_community_machine_is_taken_when_no_cloud_is_named(new_podd: NewPodd) -> None:
    api = RestV2(new_podd(settings={"machine": {"cloud_type": "COMMUNITY"}}))
    made = api.pod()
    assert (made["cloud"], made["cost"]) == ("COMMUNITY", 0.33)
    api.pod(cloud="SECURE", expect=400)
