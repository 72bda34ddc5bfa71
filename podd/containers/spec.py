"""What podd asks a Docker Engine for, as plain data: the body of `POST /containers/create` and its kin.

Pure: no client, no I/O. What the engine answers is read in `answers`.
"""

import base64
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from podd.config import Containers
from podd.domain.container import ContainerSpec, GpuRef, Mount, PortBinding, RegistryAuth, with_search_paths

Json = dict[str, Any]

INSTANCE = "podd.instance"
WORKLOAD = "podd.workload"
KIND = "podd.kind"
GENERATION = "podd.generation"
GPUS = "podd.gpus"
NETWORK = "podd.network"

CDI_GPU = "nvidia.com/gpu="

_MIB = 1024 * 1024
DEFAULTS = Containers()


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """What this engine can do. `cdi_devices` are the CDI devices it has announced, by full name; `cpus` how
    many cores it has, 0 where it does not say."""

    cpus: int = 0
    disk_limits: bool = False
    runtimes: frozenset[str] = field(default_factory=frozenset)
    default_runtime: str = ""
    cdi_devices: frozenset[str] = field(default_factory=frozenset)


def network_name(instance: str, key: str = "") -> str:
    """The network of this podd instance with that key: an account's, or its own."""
    return f"podd-{instance}-{key}" if key else f"podd-{instance}"


def network_key(inspected: Json) -> str:
    """The key of the network that a container of ours is on. Older ones are all on the instance's own."""
    key: str = (inspected["Config"].get("Labels") or {}).get(NETWORK, "")
    return key


def bridge_prefix(instance: str) -> str:
    """What the names of all this instance's bridges begin with."""
    return "pd" + hashlib.sha256(instance.encode()).hexdigest()[:6] + "x"


def bridge_name(instance: str, number: int) -> str:
    """The host's interface of the network in the subnet of this number; the kernel takes 15 characters."""
    return f"{bridge_prefix(instance)}{number}"


def network_options(default_bridge: Json, bridge: str, key: str) -> dict[str, str]:
    """Containers of one account reach each other, those without one do not. An MTU set for the default
    bridge holds here as well: the engine itself would use 1500, whatever the uplink takes."""
    options = {
        "com.docker.network.bridge.name": bridge,
        "com.docker.network.bridge.enable_icc": "true" if key else "false",
    }
    mtu = (default_bridge.get("Options") or {}).get("com.docker.network.driver.mtu")
    return options | ({"com.docker.network.driver.mtu": mtu} if mtu else {})


def create_body(
    spec: ContainerSpec,
    instance: str,
    features: Features,
    settings: Containers = DEFAULTS,
    image_env: Iterable[str] = (),
) -> Json:
    """The body of the create call for `spec`. `image_env`, lines of `NAME=value`, is what search paths go in
    front of."""
    body: Json = {
        "Image": spec.image,
        "Hostname": spec.workload_id,
        "Env": [f"{name}={value}" for name, value in _env(spec, image_env).items()],
        "Labels": labels(spec, instance),
        "ExposedPorts": {_port(p): {} for p in spec.ports},
        "StopSignal": "SIGTERM",
        "HostConfig": _host_config(spec, instance, features, settings),
    }
    if spec.names:
        network = network_name(instance, spec.network)
        body["NetworkingConfig"] = {"EndpointsConfig": {network: {"Aliases": list(spec.names)}}}
    if spec.command:
        body["Cmd"] = list(spec.command)
    if spec.entrypoint:
        body["Entrypoint"] = list(spec.entrypoint)
    return body


def labels(spec: ContainerSpec, instance: str) -> dict[str, str]:
    """What a later daemon needs in order to know the container as its own."""
    return {
        INSTANCE: instance,
        WORKLOAD: spec.workload_id,
        KIND: spec.kind,
        GENERATION: str(spec.generation),
        GPUS: ",".join(gpu.uuid for gpu in spec.gpus),
        NETWORK: spec.network,
    }


def pull_params(image: str) -> dict[str, str]:
    """Repository and tag (or digest) of `image`. Without a tag the engine would fetch every tag there is."""
    repository, at, digest = image.partition("@")
    if at:
        return {"fromImage": repository, "tag": digest}
    path, colon, tag = image.rpartition(":")
    if not colon or "/" in tag:
        return {"fromImage": image, "tag": "latest"}
    return {"fromImage": path, "tag": tag}


def tag_of(image: str) -> str:
    """The tag that `image` names, as the engine lists tags; "" for a digest."""
    named = pull_params(image)
    repository = named["fromImage"].removeprefix("index.").removeprefix("docker.io/").removeprefix("library/")
    return "" if "@" in image else f"{repository}:{named['tag']}"


def registry_header(auth: RegistryAuth | None) -> dict[str, str]:
    """The header with the credentials of one pull; none leaves the engine to ask anonymously."""
    if auth is None:
        return {}
    login = json.dumps({"username": auth.username, "password": auth.password})
    return {"X-Registry-Auth": base64.urlsafe_b64encode(login.encode()).decode()}


def seconds(nanoseconds: int) -> str:
    """A moment as the engine's `since` parameters take it: a float would lose the last digits."""
    return f"{nanoseconds // 1_000_000_000}.{nanoseconds % 1_000_000_000:09d}"


def _env(spec: ContainerSpec, image_env: Iterable[str]) -> dict[str, str]:
    own = dict(spec.env)
    of_image = dict(line.partition("=")[::2] for line in image_env)
    found = {name: own.get(name, of_image.get(name, "")) for name, _ in spec.search_paths}
    return own | with_search_paths(found, spec.search_paths)


def _host_config(spec: ContainerSpec, instance: str, features: Features, settings: Containers) -> Json:
    memory = spec.memory * _MIB
    config: Json = {
        "Init": True,
        "NetworkMode": network_name(instance, spec.network),
        "RestartPolicy": {"Name": "no"},
        "SecurityOpt": ["no-new-privileges"],
        "CapDrop": list(settings.dropped_capabilities),
        "PidsLimit": settings.pids,
        "Ulimits": _ulimits(settings),
        "Memory": memory,
        "MemorySwap": memory,
        "NanoCpus": round(_cpus(spec, features) * 1_000_000_000),
        "ShmSize": memory * settings.shm_percent // 100,
        "LogConfig": {"Type": "json-file", "Config": _log_caps(settings)},
        "Mounts": [_mount(m) for m in spec.mounts],
        "PortBindings": _port_bindings(spec.ports),
    }
    config |= _gpu_config(tuple(gpu for gpu in spec.gpus if not gpu.simulated), features)
    if settings.runtime and not any(not gpu.simulated for gpu in spec.gpus):
        config["Runtime"] = settings.runtime
    if spec.disk is not None and features.disk_limits:
        config["StorageOpt"] = {"size": f"{spec.disk}G"}
    return config


def _ulimits(settings: Containers) -> list[Json]:
    """Those that are set; the engine's own hold for the others. Memory locks are counted in bytes."""
    limits = {"nofile": settings.nofile, "memlock": settings.memlock_mb * _MIB}
    return [{"Name": name, "Soft": most, "Hard": most} for name, most in limits.items() if most]


def _log_caps(settings: Containers) -> dict[str, str]:
    return {"max-size": f"{settings.log_mb}m", "max-file": str(settings.log_files)}


def _cpus(spec: ContainerSpec, features: Features) -> float:
    """A share of more cores than there are is refused by the engine, and means all of them."""
    return min(spec.cpus, features.cpus) if features.cpus else spec.cpus


def _gpu_config(gpus: tuple[GpuRef, ...], features: Features) -> Json:
    """Devices by UUID, and the runtime that goes with them.

    Under the nvidia runtime, an image's own NVIDIA_VISIBLE_DEVICES=all hands out every GPU. So a container
    that gets none, or gets them from CDI, never runs under it, even where it is the default.
    """
    plain: Json = {"Runtime": "runc"} if features.default_runtime == "nvidia" else {}
    if not gpus:
        return plain
    cdi_names = [CDI_GPU + gpu.uuid for gpu in gpus]
    if features.cdi_devices.issuperset(cdi_names):
        return plain | {"DeviceRequests": [{"Driver": "cdi", "DeviceIDs": cdi_names}]}
    request = {"Driver": "nvidia", "DeviceIDs": [gpu.uuid for gpu in gpus], "Capabilities": [["gpu"]]}
    # The nvidia runtime serves this request in each of its modes, the bare hook not in its CDI mode.
    runtime = {"Runtime": "nvidia"} if "nvidia" in features.runtimes else {}
    return runtime | {"DeviceRequests": [request]}


def _mount(mount: Mount) -> Json:
    # Mounts and not Binds: Binds would create a missing source as an empty directory, without a word.
    return {"Type": "bind", "Source": mount.source, "Target": mount.target, "ReadOnly": mount.read_only}


def _port(port: PortBinding) -> str:
    return f"{port.container}/{port.protocol}"


def _port_bindings(ports: tuple[PortBinding, ...]) -> dict[str, list[dict[str, str]]]:
    bindings: dict[str, list[dict[str, str]]] = {}
    for port in ports:
        bindings.setdefault(_port(port), []).append({"HostIp": port.address, "HostPort": str(port.host)})
    return bindings
