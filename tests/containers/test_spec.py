import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from podd.containers.spec import Features, create_body, network_options, pull_params, registry_header, seconds
from podd.domain.container import ContainerSpec, GpuRef, Mount, PortBinding, RegistryAuth

SPEC = ContainerSpec(workload_id="abc", generation=3, kind="worker", image="img:1", cpus=1.5, memory=2048)
PLAIN = Features()
REAL = (GpuRef("GPU-a"), GpuRef("GPU-b"))


def host_config(spec: ContainerSpec, features: Features = PLAIN) -> dict[str, Any]:
    config: dict[str, Any] = create_body(spec, "main", features)["HostConfig"]
    return config


def test_a_container_carries_what_a_later_daemon_must_know() -> None:
    spec = replace(SPEC, gpus=(GpuRef("GPU-a"), GpuRef("GPU-s", simulated=True)))
    assert create_body(spec, "main", PLAIN)["Labels"] == {
        "podd.instance": "main",
        "podd.workload": "abc",
        "podd.kind": "worker",
        "podd.generation": "3",
        "podd.gpus": "GPU-a,GPU-s",
    }


def test_a_container_is_bounded_and_looked_after() -> None:
    config = host_config(SPEC)
    gib = 1024**3
    assert (config["Memory"], config["MemorySwap"], config["ShmSize"]) == (2 * gib, 2 * gib, gib)
    assert config["NanoCpus"] == 1_500_000_000
    assert config["PidsLimit"] == 4096
    assert config["Init"] is True
    assert config["SecurityOpt"] == ["no-new-privileges"]
    assert config["RestartPolicy"] == {"Name": "no"}
    assert config["LogConfig"] == {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}}
    assert config["NetworkMode"] == "podd-main"


@pytest.mark.parametrize(("cores", "wanted"), [(0, 1.5), (1, 1.0), (2, 1.5)])
def test_a_share_of_more_cores_than_there_are_is_all_of_them(cores: int, wanted: float) -> None:
    assert host_config(SPEC, Features(cpus=cores))["NanoCpus"] == wanted * 1_000_000_000


def test_the_images_own_command_stays_unless_replaced() -> None:
    body = create_body(SPEC, "main", PLAIN)
    assert "Cmd" not in body
    assert "Entrypoint" not in body
    body = create_body(replace(SPEC, command=("a", "b"), entrypoint=("c",)), "main", PLAIN)
    assert (body["Cmd"], body["Entrypoint"]) == (["a", "b"], ["c"])


def test_the_environment_is_the_specs_and_nothing_else() -> None:
    body = create_body(replace(SPEC, env=(("A", "1=2"), ("B", ""))), "main", PLAIN)
    assert body["Env"] == ["A=1=2", "B="]


def test_mounts_are_never_binds() -> None:
    config = host_config(
        replace(SPEC, mounts=(Mount("/data/v", "/workspace"), Mount("/m", "/m", read_only=True)))
    )
    assert config["Mounts"] == [
        {"Type": "bind", "Source": "/data/v", "Target": "/workspace", "ReadOnly": False},
        {"Type": "bind", "Source": "/m", "Target": "/m", "ReadOnly": True},
    ]
    assert "Binds" not in config


def test_ports_are_published_where_the_spec_says() -> None:
    ports = (
        PortBinding(22, 40022, "0.0.0.0"),
        PortBinding(8888, 40088),
        PortBinding(8888, 40089),
        PortBinding(53, 40053, protocol="udp"),
    )
    body = create_body(replace(SPEC, ports=ports), "main", PLAIN)
    assert body["ExposedPorts"] == {"22/tcp": {}, "8888/tcp": {}, "53/udp": {}}
    assert body["HostConfig"]["PortBindings"] == {
        "22/tcp": [{"HostIp": "0.0.0.0", "HostPort": "40022"}],
        "8888/tcp": [
            {"HostIp": "127.0.0.1", "HostPort": "40088"},
            {"HostIp": "127.0.0.1", "HostPort": "40089"},
        ],
        "53/udp": [{"HostIp": "127.0.0.1", "HostPort": "40053"}],
    }


@pytest.mark.parametrize(
    ("disk", "limits", "wanted"),
    [(20, True, {"size": "20G"}), (20, False, None), (None, True, None)],
)
def test_a_disk_limit_is_asked_for_where_the_engine_has_them(
    disk: int | None, limits: bool, wanted: dict[str, str] | None
) -> None:
    config = host_config(replace(SPEC, disk=disk), Features(disk_limits=limits))
    assert config.get("StorageOpt") == wanted


NVIDIA = {"Driver": "nvidia", "DeviceIDs": ["GPU-a", "GPU-b"], "Capabilities": [["gpu"]]}
CDI = {"Driver": "cdi", "DeviceIDs": ["nvidia.com/gpu=GPU-a", "nvidia.com/gpu=GPU-b"]}
ANNOUNCED = frozenset(CDI["DeviceIDs"])
RUNTIMES = frozenset({"runc", "nvidia"})


@pytest.mark.parametrize(
    ("features", "request_", "runtime"),
    [
        pytest.param(PLAIN, NVIDIA, None, id="hook only"),
        pytest.param(Features(runtimes=RUNTIMES), NVIDIA, "nvidia", id="nvidia runtime"),
        pytest.param(Features(cdi_devices=ANNOUNCED), CDI, None, id="announced by CDI"),
        pytest.param(
            Features(cdi_devices=frozenset({"nvidia.com/gpu=all", "nvidia.com/gpu=GPU-a"})),
            NVIDIA,
            None,
            id="one of them not announced by CDI",
        ),
        pytest.param(
            Features(cdi_devices=ANNOUNCED, runtimes=RUNTIMES, default_runtime="nvidia"),
            CDI,
            "runc",
            id="CDI beside a default nvidia runtime",
        ),
    ],
)
def test_gpus_are_given_by_uuid(features: Features, request_: dict[str, Any], runtime: str | None) -> None:
    config = host_config(replace(SPEC, gpus=REAL), features)
    assert config["DeviceRequests"] == [request_]
    assert config.get("Runtime") == runtime


@pytest.mark.parametrize("gpus", [(), (GpuRef("GPU-s", simulated=True),)])
def test_without_real_gpus_no_device_is_asked_for(gpus: tuple[GpuRef, ...]) -> None:
    assert "DeviceRequests" not in host_config(replace(SPEC, gpus=gpus))


def test_without_gpus_a_default_nvidia_runtime_is_not_used() -> None:
    assert host_config(SPEC, Features(runtimes=RUNTIMES, default_runtime="nvidia"))["Runtime"] == "runc"
    assert "Runtime" not in host_config(SPEC, Features(runtimes=RUNTIMES, default_runtime="runc"))


def test_the_network_keeps_neighbours_apart_and_takes_over_the_mtu() -> None:
    apart = {"com.docker.network.bridge.enable_icc": "false"}
    mtu = {"com.docker.network.driver.mtu": "1400"}
    assert network_options({"Options": {**mtu, "other": "x"}}) == apart | mtu
    assert network_options({}) == apart


@pytest.mark.parametrize(
    ("own", "of_image", "seen"),
    [
        ([], [], "/hook"),
        ([], ["PYTHONPATH=/app:/lib"], "/hook:/app:/lib"),
        ([("PYTHONPATH", "/mine")], ["PYTHONPATH=/app"], "/hook:/mine"),
        ([], ["PYTHONPATH="], "/hook"),
        ([("PYTHONPATH", "")], ["PYTHONPATH=/app"], "/hook"),
    ],
)
def test_a_search_path_goes_on_with_what_would_have_been_there(
    own: list[tuple[str, str]], of_image: list[str], seen: str
) -> None:
    spec = replace(SPEC, env=tuple(own), search_paths=(("PYTHONPATH", "/hook"),))
    assert create_body(spec, "main", PLAIN, ["PATH=/bin", *of_image])["Env"] == [f"PYTHONPATH={seen}"]


@pytest.mark.parametrize(
    ("image", "repository", "tag"),
    [
        ("ubuntu", "ubuntu", "latest"),
        ("ubuntu:22.04", "ubuntu", "22.04"),
        ("me/app:v1", "me/app", "v1"),
        ("localhost:5000/me/app", "localhost:5000/me/app", "latest"),
        ("localhost:5000/me/app:v1", "localhost:5000/me/app", "v1"),
        ("app@sha256:0123", "app", "sha256:0123"),
        ("localhost:5000/app:v1@sha256:0123", "localhost:5000/app:v1", "sha256:0123"),
    ],
)
def test_one_image_is_pulled_and_never_all_tags(image: str, repository: str, tag: str) -> None:
    assert pull_params(image) == {"fromImage": repository, "tag": tag}


def test_credentials_go_into_a_header_of_their_own() -> None:
    header = registry_header(RegistryAuth("me", "pass>word?"))["X-Registry-Auth"]
    assert json.loads(base64.urlsafe_b64decode(header)) == {"username": "me", "password": "pass>word?"}
    assert registry_header(None) == {}


def test_moments_keep_their_nanoseconds() -> None:
    assert seconds(1_700_000_000_000_000_001) == "1700000000.000000001"
