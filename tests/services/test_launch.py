"""What a container is made from: the environment RunPod's programs rely on, mounts, ports, GPUs."""

from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from podd.domain.container import ContainerSpec, GpuRef, Mount
from podd.domain.pod import Pod
from podd.services import launch
from tests.services.conftest import NewLab
from tests.services.lab import A6000, Lab


def spec(lab: Lab, id: str) -> ContainerSpec:
    workload = lab.workload(id)
    assert workload is not None
    return lab.ask(launch.spec, lab.podd, workload)


def env(lab: Lab, thing: Pod) -> dict[str, str]:
    return dict(spec(lab, thing.id).env)


def worker_env(lab: Lab, **template: Any) -> dict[str, str]:
    endpoint = lab.endpoint(template_id=lab.template(**template).id, workers_min=1)
    lab.scale()
    return dict(spec(lab, lab.worker(endpoint).id).env)


# Pods


def test_a_pod_finds_itself_described_in_its_environment(lab: Lab) -> None:
    pod = lab.pod(ports="22/tcp,53/udp,80/http", volume=5)
    found = env(lab, pod)
    needs = pod.workload.needs
    expected = {
        "RUNPOD_POD_ID": pod.id,
        "RUNPOD_GPU_COUNT": "1",
        "RUNPOD_CPU_COUNT": str(needs.cpus),
        "RUNPOD_MEM_GB": str(needs.memory // 1024),
        "RUNPOD_PUBLIC_IP": "127.0.0.1",
        "RUNPOD_DC_ID": "LOCAL-1",
        "RUNPOD_VOLUME_ID": pod.id,
        "RUNPOD_TCP_PORT_22": str(pod.workload.published[0].host),
        "CUDA_VERSION": "12.4",
        "NVIDIA_VISIBLE_DEVICES": "g0",
    }
    assert expected.items() <= found.items()
    assert found["RUNPOD_POD_HOSTNAME"].startswith(f"{pod.id}-")
    assert lab.podd.keys.pod_of(found["RUNPOD_API_KEY"]) == pod.id
    assert "RUNPOD_TCP_PORT_53" not in found


def test_a_pods_own_variables_are_kept_but_cannot_pose_as_podds(lab: Lab) -> None:
    pod = lab.pod(env=(("MINE", "1"), ("RUNPOD_POD_ID", "another"), ("NVIDIA_VISIBLE_DEVICES", "all")))
    found = env(lab, pod)
    assert (found["MINE"], found["RUNPOD_POD_ID"], found["NVIDIA_VISIBLE_DEVICES"]) == ("1", pod.id, "g0")


def test_a_pod_without_gpus_sees_none(lab: Lab) -> None:
    pod = lab.pod(gpu_type_ids=(), gpu_count=0)
    assert env(lab, pod)["NVIDIA_VISIBLE_DEVICES"] == "void"
    assert spec(lab, pod.id).gpus == ()


def test_a_container_gets_the_gpus_its_workload_holds_and_no_others(lab: Lab) -> None:
    lab.pod()
    assert spec(lab, lab.pod().id).gpus == (GpuRef("g1"),)


def test_a_volume_is_mounted_where_it_was_asked_for(lab: Lab) -> None:
    [mount] = spec(lab, lab.pod(volume=1, volume_path="/data").id).mounts
    assert mount.target == "/data"
    assert spec(lab, lab.pod(volume=0).id).mounts == ()


@pytest.mark.parametrize(("public_ip", "address"), [("127.0.0.1", "127.0.0.1"), ("203.0.113.7", "0.0.0.0")])
def test_a_port_is_public_only_on_a_machine_with_a_public_address(
    new_lab: NewLab, public_ip: str, address: str
) -> None:
    lab = new_lab(machine_settings={"public_ip": public_ip})
    pod = lab.pod(ports="22/tcp,80/http")
    [binding] = spec(lab, pod.id).ports
    assert (binding.container, binding.host, binding.address) == (
        22,
        pod.workload.published[0].host,
        address,
    )


# Workers


def test_a_worker_finds_where_jobs_come_from(lab: Lab) -> None:
    """The SDK appends `&name=value`, finds other channels by replacing `/job-take/`, and fills in `$ID`."""
    endpoint = lab.endpoint(workers_min=1)
    lab.scale()
    worker = lab.worker(endpoint)
    found = dict(spec(lab, worker.id).env)
    paths = {
        "RUNPOD_WEBHOOK_GET_JOB": f"/v2/{endpoint.id}/job-take/{worker.id}",
        "RUNPOD_WEBHOOK_POST_OUTPUT": f"/v2/{endpoint.id}/job-done/{worker.id}/$ID",
        "RUNPOD_WEBHOOK_POST_STREAM": f"/v2/{endpoint.id}/job-stream/{worker.id}/$ID",
        "RUNPOD_WEBHOOK_JOB_STREAM": f"/v2/{endpoint.id}/job-stream/{worker.id}/$ID",
        "RUNPOD_WEBHOOK_PING": f"/v2/{endpoint.id}/ping/{worker.id}",
    }
    for name, path in paths.items():
        url = urlsplit(found[name])
        assert (url.scheme, url.netloc, url.path) == ("http", "10.0.0.1:8484", path)
        assert url.query == "gpu=NVIDIA+RTX+A6000"
    assert found["RUNPOD_ENDPOINT_ID"] == endpoint.id
    assert found["RUNPOD_AI_API_KEY"] == lab.badge(worker).key
    assert int(found["RUNPOD_PING_INTERVAL"]) >= 1000
    assert (found["RUNPOD_GPU_TYPE_ID"], found["RUNPOD_GPU_NAME"]) == (A6000, "NVIDIA+RTX+A6000")
    assert found["RUNPOD_GPU_SIZE"] == endpoint.gpu_ids


def test_a_worker_finds_all_that_serverless_workers_find(new_lab: NewLab) -> None:
    lab = new_lab("aaa")
    template = lab.template(ports="22/tcp,80/http", env={"OWN": "1", "RUNPOD_ENDPOINT_ID": "forged"})
    endpoint = lab.endpoint(template_id=template.id, workers_min=2, gpu_ids="AMPERE_48,ADA_24")
    lab.scale()
    worker, other = lab.workers(endpoint)
    found, others = (dict(spec(lab, one.id).env) for one in (worker, other))
    published = {port.container: port.host for port in worker.workload.published}
    expected = {
        "OWN": "1",
        "RUNPOD_POD_ID": worker.id,
        "RUNPOD_ENDPOINT_ID": endpoint.id,
        "RUNPOD_AI_API_ID": endpoint.id,
        "RUNPOD_GPU_COUNT": "1",
        "RUNPOD_CPU_COUNT": str(worker.workload.needs.cpus),
        "RUNPOD_MEM_GB": str(worker.workload.needs.memory // 1024),
        "RUNPOD_GPU_SIZE": "AMPERE_48,ADA_24",
        "RUNPOD_DC_ID": "LOCAL-1",
        "RUNPOD_PUBLIC_IP": "127.0.0.1",
        "RUNPOD_TCP_PORT_22": str(published[22]),
    }
    assert expected.items() <= found.items()
    assert found["RUNPOD_POD_HOSTNAME"].startswith(f"{worker.id}-")
    assert lab.podd.keys.pod_of(found["RUNPOD_API_KEY"]) == worker.id
    secret = "RUNPOD_ENDPOINT_SECRET"
    assert found[secret] == others[secret]
    assert found[secret] not in (found["RUNPOD_AI_API_KEY"], worker_env(lab)[secret])


def test_a_workers_key_is_another_one_for_each_container(lab: Lab) -> None:
    endpoint = lab.endpoint()
    worker = lab.ready_worker(endpoint)
    before = dict(spec(lab, worker.id).env)["RUNPOD_AI_API_KEY"]
    job = lab.submit(endpoint)
    lab.take_one(worker)
    lab.done(worker, job, refresh=True)
    assert dict(spec(lab, worker.id).env)["RUNPOD_AI_API_KEY"] != before


def test_an_endpoint_may_switch_the_sdks_own_checks_on_again(lab: Lab) -> None:
    assert worker_env(lab)["RUNPOD_SKIP_GPU_CHECK"] == "true"
    found = worker_env(lab, env={"RUNPOD_SKIP_GPU_CHECK": "false", "RUNPOD_AI_API_KEY": "forged"})
    assert found["RUNPOD_SKIP_GPU_CHECK"] == "false"
    assert found["RUNPOD_AI_API_KEY"] != "forged"


def test_variables_that_hooks_and_loaders_believe_stay_outside(lab: Lab) -> None:
    own = (
        ("LD_PRELOAD", "/x"),
        ("NVIDIA_REQUIRE_CUDA", "x"),
        ("NVIDIA_DRIVER_CAPABILITIES", "all"),
        ("A", "1"),
    )
    pod = lab.pod(env=own)
    found = env(lab, pod)
    assert not {"LD_PRELOAD", "NVIDIA_REQUIRE_CUDA"} & set(found)
    assert (found["NVIDIA_DRIVER_CAPABILITIES"], found["A"]) == ("all", "1")
    assert pod.workload.needs.env == dict(own)
    lab.settle()
    assert "env" in lab.events(pod.id)


def test_a_symmetrical_port_has_the_same_number_inside_and_outside(lab: Lab) -> None:
    pod = lab.pod(ports="70000/tcp,70001/tcp,22/tcp")
    ports = {(port.container, port.host) for port in spec(lab, pod.id).ports}
    found = env(lab, pod)
    first, second = int(found["RUNPOD_TCP_PORT_70000"]), int(found["RUNPOD_TCP_PORT_70001"])
    assert ports == {(first, first), (second, second), (22, int(found["RUNPOD_TCP_PORT_22"]))}
    assert len({first, second}) == 2


def test_containers_of_an_account_share_a_network_where_each_has_its_name(lab: Lab) -> None:
    pod = lab.pod()
    made = spec(lab, pod.id)
    assert (made.network, made.names) == (pod.workload.account_id, (f"{pod.id}.runpod.internal",))


# The accelerator


def launched_worker(lab: Lab, **template: Any) -> ContainerSpec:
    lab.podd = replace(lab.podd, accelerator=Path("/data/accelerator/1"))
    endpoint = lab.endpoint(template_id=lab.template(**template).id, workers_min=1)
    lab.scale()
    return spec(lab, lab.worker(endpoint).id)


def test_a_worker_gets_the_accelerator_read_only_and_in_front_of_its_python_path(lab: Lab) -> None:
    worker = launched_worker(lab, env={"PYTHONPATH": "/app"})
    assert worker.mounts == (Mount("/data/accelerator/1", launch.ACCELERATOR, read_only=True),)
    assert worker.search_paths == (("PYTHONPATH", launch.ACCELERATOR),)
    assert dict(worker.env)["PYTHONPATH"] == "/app"


def test_an_endpoint_can_go_without_it(lab: Lab) -> None:
    worker = launched_worker(lab, env={"PODD_ACCELERATE": "0"})
    assert (worker.mounts, worker.search_paths) == ((), ())


def test_pods_go_without_it(lab: Lab) -> None:
    lab.podd = replace(lab.podd, accelerator=Path("/data/accelerator/1"))
    pod = spec(lab, lab.pod().id)
    assert (pod.mounts, pod.search_paths) == ((), ())
