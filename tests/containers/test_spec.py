import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from podd.config import Containers
from podd.containers.spec import (
    Features,
    bridge_name,
    create_body,
    network_options,
    pull_params,
    registry_header,
    seconds,
    tag_of,
)
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
        "podd.network": "",
    }


def test_a_container_is_bounded_and_looked_after() -> None:
    config = host_config(SPEC)
    gib = 1024**3
    assert (config["Memory"], config["MemorySwap"], config["ShmSize"]) == (2 * gib, 2 * gib, gib)
    assert config["NanoCpus"] == 1_500_000_000
    assert config["PidsLimit"] == 4096
    assert config["Init"] is True
    assert config["SecurityOpt"] == ["no-new-privileges"]
    assert config["CapDrop"] == ["NET_RAW", "MKNOD"]
    assert config["Ulimits"] == []
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


BRIDGE = "com.docker.network.bridge"


@pytest.mark.parametrize(("key", "reach"), [("", "false"), ("user_1", "true")])
def test_only_containers_of_an_account_reach_each_other_and_the_mtu_is_the_default_bridges(
    key: str, reach: str
) -> None:
    wanted = {f"{BRIDGE}.name": "pd1", f"{BRIDGE}.enable_icc": reach}
    mtu = {"com.docker.network.driver.mtu": "1400"}
    assert network_options({"Options": {**mtu, "other": "x"}}, "pd1", key) == wanted | mtu
    assert network_options({}, "pd1", key) == wanted


def test_a_container_is_known_by_name_on_the_network_of_its_account() -> None:
    body = create_body(replace(SPEC, network="user_1", names=("abc.internal",)), "main", PLAIN)
    assert body["HostConfig"]["NetworkMode"] == "podd-main-user_1"
    assert body["Labels"]["podd.network"] == "user_1"
    assert body["NetworkingConfig"] == {
        "EndpointsConfig": {"podd-main-user_1": {"Aliases": ["abc.internal"]}}
    }


def test_the_names_of_bridges_are_short_enough_and_tell_instances_apart() -> None:
    assert len(bridge_name("instance", 999_999)) <= 15
    assert bridge_name("a", 1)[:9] != bridge_name("b", 1)[:9]


def test_the_operator_sets_the_limits_that_hold_for_all() -> None:
    settings = Containers(
        pids=100,
        shm_percent=25,
        nofile=5000,
        memlock_mb=2,
        log_mb=1,
        log_files=2,
        dropped_capabilities=("CHOWN",),
    )
    config = create_body(SPEC, "main", PLAIN, settings)["HostConfig"]
    assert (config["PidsLimit"], config["ShmSize"], config["CapDrop"]) == (100, 512 * 1024**2, ["CHOWN"])
    assert config["Ulimits"] == [
        {"Name": "nofile", "Soft": 5000, "Hard": 5000},
        {"Name": "memlock", "Soft": 2097152, "Hard": 2097152},
    ]
    assert config["LogConfig"]["Config"] == {"max-size": "1m", "max-file": "2"}


def test_another_runtime_serves_containers_without_gpus_only() -> None:
    settings = Containers(runtime="runsc")
    config = create_body(SPEC, "main", PLAIN, settings)["HostConfig"]
    assert config["Runtime"] == "runsc"
    with_gpu = create_body(replace(SPEC, gpus=REAL), "main", PLAIN, settings)["HostConfig"]
    assert "Runtime" not in with_gpu


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
    assert create_body(spec, "main", PLAIN, image_env=["PATH=/bin", *of_image])["Env"] == [
        f"PYTHONPATH={seen}"
    ]


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


@pytest.mark.parametrize(
    ("image", "tag"),
    [
        ("app", "app:latest"),
        ("docker.io/library/app:2", "app:2"),
        ("index.docker.io/me/app:2", "me/app:2"),
        ("127.0.0.1:5000/me/app", "127.0.0.1:5000/me/app:latest"),
        ("me/app@sha256:ab", ""),
    ],
)
def test_the_tag_of_an_image_is_as_the_engine_lists_it(image: str, tag: str) -> None:
    assert tag_of(image) == tag
