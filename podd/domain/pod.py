"""Pods: what may be asked for, what it costs, and how a pod's state reads on each surface."""

from dataclasses import dataclass, replace
from typing import Any

from podd.domain import words
from podd.domain.catalogue import CpuFlavour, GpuType
from podd.domain.errors import Invalid
from podd.domain.template import Template
from podd.domain.workload import Desired, Needs, Phase, Workload

MAX_GPUS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class PodRequest:
    """A wish for a pod, as any surface reads it. None: not said. `bid` in nano-dollars per GPU and hour
    makes it a spot pod. Sizes in GB. `data_center_ids`, `cuda_versions` empty: any. `cpu_flavor_ids` make
    it a CPU pod, with `vcpus` of the first flavour that fits. `stop_after` and `terminate_after` are
    instants in epoch milliseconds. `jupyter` asks for a password that RunPod's images start Jupyter with."""

    image: str | None = None
    name: str | None = None
    template_id: str | None = None
    gpu_type_ids: tuple[str, ...] = ()
    gpu_count: int | None = None
    bid: int | None = None
    args: str | None = None
    env: tuple[tuple[str, str], ...] = ()
    ports: str | None = None
    disk: int | None = None
    volume: int | None = None
    volume_path: str | None = None
    min_vcpus: int | None = None
    min_memory: int | None = None
    min_disk: int | None = None
    cloud_type: str | None = None
    data_center_ids: tuple[str, ...] = ()
    country_code: str | None = None
    cuda_versions: tuple[str, ...] = ()
    min_cuda_version: str | None = None
    max_price: int | None = None
    cpu_flavor_ids: tuple[str, ...] = ()
    vcpus: int | None = None
    network_volume_id: str | None = None
    registry_auth_id: str | None = None
    locked: bool = False
    global_networking: bool = False
    jupyter: bool = False
    stop_after: int | None = None
    terminate_after: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PodChange:
    """What a caller wants changed about a pod; None: left as it is."""

    name: str | None = None
    locked: bool | None = None
    image: str | None = None
    args: str | None = None
    env: dict[str, str] | None = None
    ports: str | None = None
    disk: int | None = None
    volume: int | None = None
    volume_path: str | None = None
    registry_auth_id: str | None = None
    global_networking: bool | None = None

    @property
    def resets(self) -> bool:
        """Whether it needs a fresh container."""
        fields = (self.image, self.args, self.env, self.ports, self.disk, self.volume, self.volume_path)
        return any(value is not None for value in fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """A pod's own facts; what runs is in `workload`. `price` is nano-dollars an hour for the whole pod
    while it runs, `bid` nano-dollars per GPU and hour or None. `gpu_count` is what it has or had last,
    `own_gpu_count` what it comes back with unless told otherwise: it differs after a start without GPUs.
    `min_vcpus` and `min_memory` (GB) are the least it was made with. `global_networking` is kept as asked
    for: the pods of an account reach each other either way. `runs_since`: when it was created or resumed
    last; `lifetime_warned`: of which end its owner was warned, 0 for none; `idle_warned_at`: since when there
    is a warning that it is idle, of which the operator may exempt it."""

    workload: Workload
    name: str
    template_id: str = ""
    args: str = ""
    ports: str = ""
    gpu_type_id: str = ""
    gpu_count: int = 0
    own_gpu_count: int = 0
    min_vcpus: int | None = None
    min_memory: int | None = None
    bid: int | None = None
    price: int = 0
    cloud_type: str = "SECURE"
    cpu_flavor_id: str = ""
    locked: bool = False
    stop_after: int | None = None
    terminate_after: int | None = None
    global_networking: bool = False
    runs_since: int | None = None
    lifetime_warned: int = 0
    idle_warned_at: int | None = None
    idle_exempt: bool = False

    def __hash__(self) -> int:
        return hash(self.workload)

    @property
    def id(self) -> str:
        return self.workload.id

    @property
    def spot(self) -> bool:
        return self.bid is not None


@dataclass(frozen=True, slots=True)
class MachineFacts:
    """What a request is measured against. `memory` in MiB, `vcpus` and `disk` in GB are what pods may use in
    all."""

    cloud_type: str
    data_center_id: str
    country_code: str
    cuda_version: str | None
    vcpus: int
    memory: int
    disk: int
    gpu_count: int


@dataclass(frozen=True, slots=True)
class Share:
    """A pod's part of the machine: cores, and MiB of memory."""

    vcpus: int
    memory: int


def complete(request: PodRequest, template: Template | None, default_disk: int) -> tuple[Needs, str, str]:
    """The container's needs (without its share of the machine), the arguments and the ports as text.

    What the request says wins over the template; environments are merged. Raises Invalid.
    """
    image = request.image or (template.image if template else "")
    args = request.args or (template.args if template else "") or ""
    ports = request.ports or (template.ports if template else "") or ""
    entrypoint, command = words.parse_command(args)
    env = {**(template.env if template else {}), **words.checked_env(request.env)}
    path = request.volume_path or (template.volume_path if template else "") or "/workspace"
    needs = Needs(
        image=words.checked_image(image),
        entrypoint=entrypoint,
        command=command,
        env=env,
        ports=words.parse_ports(ports),
        cpus=0,
        memory=0,
        disk=words.checked_size(
            request.disk, "containerDiskInGb", template.disk if template else default_disk, least=1
        ),
        volume=words.checked_size(request.volume, "volumeInGb", template.volume if template else 0),
        volume_path=words.checked_mount_path(path),
        network_volume_id=request.network_volume_id or "",
        registry_auth_id=request.registry_auth_id or (template.registry_auth_id if template else ""),
    )
    return needs, args, ports


def checked_gpu_count(count: int | None, default: int = 1, least: int = 1) -> int:
    return words.checked_size(count, "gpuCount", default, least=least, most=MAX_GPUS)


def changed(needs: Needs, change: PodChange) -> Needs:
    """The container's needs after the change. A volume grows, it does not shrink. Raises Invalid."""
    values: dict[str, Any] = {}
    if change.image is not None:
        values["image"] = words.checked_image(change.image)
    if change.args is not None:
        values["entrypoint"], values["command"] = words.parse_command(change.args)
    if change.env is not None:
        values["env"] = words.checked_env(change.env.items())
    if change.ports is not None:
        values["ports"] = words.parse_ports(change.ports)
    if change.disk is not None:
        values["disk"] = words.checked_size(change.disk, "containerDiskInGb", 0, least=1)
    if change.volume is not None:
        values["volume"] = words.checked_size(change.volume, "volumeInGb", 0, least=needs.volume)
    if change.volume_path is not None:
        values["volume_path"] = words.checked_mount_path(change.volume_path)
    if change.registry_auth_id is not None:
        values["registry_auth_id"] = change.registry_auth_id
    return replace(needs, **values)


def default_name(image: str) -> str:
    """`runpod/pytorch:2.1` → `pytorch`: what a pod without a name is called."""
    return image.rsplit("/", 1)[-1].partition(":")[0].partition("@")[0] or "pod"


def price_of(gpu_type: GpuType | None, count: int, bid: int | None, cloud_type: str) -> int:
    """Nano-dollars an hour for the GPUs of one pod."""
    if gpu_type is None:
        return 0
    if bid is not None:
        return bid * count
    return gpu_type.hourly(cloud_type) * count


def checked_bid(bid: int, gpu_type: GpuType) -> int:
    """The bid, if it is at least the type's lowest. Raises Invalid with the words clients look for."""
    if bid < gpu_type.lowest_bid:
        raise Invalid(
            f"You have been outbid: the lowest bid for {gpu_type.display_name} "
            f"is ${gpu_type.lowest_bid / 1e9:.3f} per GPU and hour."
        )
    return bid


def suits(request: PodRequest, machine: MachineFacts) -> bool:
    """Whether this machine is of the wanted kind at all, however full it is."""
    return not mismatch(request, machine)


def mismatch(request: PodRequest, machine: MachineFacts) -> str:
    """What is wanted that this machine never has; empty when it is of the wanted kind."""
    if request.cloud_type not in (None, "", "ALL", machine.cloud_type):
        return f"{request.cloud_type} cloud wanted, this machine is {machine.cloud_type}"
    wanted_centres = {centre.upper() for centre in request.data_center_ids}
    if wanted_centres and machine.data_center_id.upper() not in wanted_centres:
        return f"data center {', '.join(sorted(wanted_centres))} wanted, this is {machine.data_center_id}"
    if request.country_code and request.country_code.upper() != machine.country_code.upper():
        return f"country {request.country_code} wanted, this machine is in {machine.country_code}"
    if not _cuda_suits(request, machine.cuda_version):
        return f"another CUDA version wanted, the driver here has {machine.cuda_version}"
    if (request.min_vcpus or 0) > machine.vcpus:
        return f"{request.min_vcpus} vCPUs wanted, this machine has {machine.vcpus}"
    if (request.min_disk or 0) > machine.disk:
        return f"{request.min_disk} GB of disk wanted, this machine has {machine.disk}"
    if (request.min_memory or 0) * 1024 > machine.memory:
        return f"{request.min_memory} GB of memory wanted, this machine has {machine.memory // 1024}"
    return ""


def _cuda_suits(request: PodRequest, have: str | None) -> bool:
    # A machine without a driver (simulated GPUs, CPU only) has no version that could be wrong.
    if have is None:
        return True
    if request.cuda_versions and have not in request.cuda_versions:
        return False
    return not request.min_cuda_version or _version(request.min_cuda_version) <= _version(have)


def _version(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split("."))
    except ValueError:
        raise Invalid(f"minCudaVersion: {text!r} is not a version such as 12.4.") from None


def sized(request: PodRequest, flavour: CpuFlavour | None) -> PodRequest:
    """A CPU pod asks for its vCPUs and the memory that comes with them. Raises Invalid."""
    if flavour is None:
        return request
    vcpus = words.checked_size(
        request.vcpus, "vcpuCount", flavour.min_vcpu, least=flavour.min_vcpu, most=flavour.max_vcpu
    )
    return replace(request, min_vcpus=vcpus, min_memory=vcpus * flavour.gb_per_vcpu)


def share(machine: MachineFacts, gpu_count: int, free_memory: int, request: PodRequest) -> Share | None:
    """The pod's part of the machine: what falls to its GPUs, at least what it asks for; None if the
    memory is not there. Memory is never promised twice; cores are shared by weight.

    GPUs do not bring all the memory with them: one part is left for a pod without any, so that a stopped
    pod can be started to reach its data while others have all the GPUs."""
    if request.cpu_flavor_ids:
        memory = (request.min_memory or 1) * 1024
        return Share(vcpus=request.min_vcpus or 1, memory=memory) if memory <= free_memory else None
    parts = max(machine.gpu_count, 1)
    taken = min(max(gpu_count, 1), parts)
    least_memory = max((request.min_memory or 1) * 1024, 512)
    if free_memory < least_memory:
        return None
    kept = max(machine.memory // 16, 1024)
    fair, spare = kept, free_memory
    if gpu_count:
        fair, spare = (machine.memory - kept) * taken // parts, free_memory - kept
    memory = max(min(fair, spare), least_memory)
    vcpus = max(machine.vcpus * taken // parts, request.min_vcpus or 1, 1)
    return Share(vcpus=vcpus, memory=memory)


def desired_status(workload: Workload) -> str:
    """GraphQL's and REST v1's word: the wish, not the health. A pod podd gave up on reads as EXITED, so
    that clients that wait for it stop waiting and may resume it."""
    match workload.desired:
        case Desired.RUNNING:
            return "RUNNING"
        case Desired.TERMINATED:
            return "TERMINATED"
        case _:
            return "EXITED"


def actions(status: str) -> tuple[str, ...]:
    """What may be done to a pod of this REST v2 status."""
    match status:
        case "PROVISIONING" | "STARTING":
            return ("stop", "terminate")
        case "RUNNING":
            return ("stop", "restart", "terminate")
        case "EXITED" | "ERROR":
            return ("start", "terminate")
        case _:
            return ()


def status(workload: Workload) -> str:
    """REST v2's word: what is really going on."""
    match workload.desired:
        case Desired.TERMINATED:
            return "TERMINATED"
        case Desired.FAILED:
            return "ERROR"
        case Desired.STOPPED:
            return "EXITED"
    match workload.phase:
        case Phase.RUNNING:
            return "RUNNING"
        case Phase.STARTING | Phase.EXITED:
            return "STARTING"
        case _:
            return "PROVISIONING"
