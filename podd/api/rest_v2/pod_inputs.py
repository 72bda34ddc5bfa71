"""From the bodies of /v2/pods to podd's own requests."""

from podd.api.rest_v2.containers import command_text, one_cuda_wish, ports_text, power_of_two, registry_of
from podd.domain.account import Caller
from podd.domain.errors import Invalid, Malformed
from podd.domain.pod import Pod, PodChange, PodRequest
from podd.domain.template import Template
from podd.ids import DerivedKeys
from podd.services import templates
from podd.services.pods import JUPYTER
from podd.store.db import Reader
from podd.wire import rest_v2 as wire

NANO = 1_000_000_000


def template_for(db: Reader, caller: Caller, template_id: str | None) -> Template | None:
    """The template a pod is to be made from. Raises NotFound, and Malformed for one for workers."""
    if not template_id:
        return None
    template = templates.readable(db, caller, template_id)
    if template.serverless:
        raise Malformed(["$.templateId: a serverless template cannot be used for pods"])
    return template


def pod_request(wish: wire.CreatePodRequest, template: Template | None) -> PodRequest:
    """A wish for a pod. What the wish leaves out, the template says. Raises Invalid."""
    if (wish.gpu is None) == (wish.cpu is None):
        raise Invalid("Exactly one of gpu and cpu is required.")
    gpu, cpu = wish.gpu, wish.cpu
    if gpu:
        one_cuda_wish(gpu.allowed_cuda_versions, gpu.min_cuda_version)
    extras = template.extras if template else {}
    volume, path, network_volume_id = _mounts(wish)
    return PodRequest(
        name=wish.name,
        image=wish.image,
        template_id=wish.template_id,
        gpu_type_ids=(gpu.id,) if gpu else (),
        gpu_count=gpu.count if gpu else None,
        bid=round(wish.bid_per_gpu * NANO) if gpu and wish.bid_per_gpu else None,
        min_memory=gpu.min_ram_per_gpu * gpu.count if gpu and gpu.min_ram_per_gpu else None,
        min_vcpus=gpu.min_vcpu_count_per_gpu * gpu.count if gpu and gpu.min_vcpu_count_per_gpu else None,
        cuda_versions=_cuda_versions(gpu, extras.get("allowedCudaVersions") or []),
        min_cuda_version=gpu.min_cuda_version if gpu else None,
        cpu_flavor_ids=(cpu.id,) if cpu else (),
        vcpus=power_of_two(cpu.vcpu_count) if cpu else None,
        args=command_text(wish, template.args if template else ""),
        env=tuple((wish.env or {}).items()),
        ports=ports_text(wish.ports),
        disk=wish.disk,
        volume=volume,
        volume_path=path,
        network_volume_id=network_volume_id,
        registry_auth_id=wish.registry,
        cloud_type=wish.cloud,
        data_center_ids=tuple(wish.data_center_ids or ()),
        global_networking=bool(wish.global_networking),
        jupyter=_either(wish.start_jupyter, extras.get("startJupyter")),
    )


def pod_change(
    wish: wire.UpdatePodRequest, pod: Pod, template: Template | None, keys: DerivedKeys
) -> PodChange:
    """What the wish and the template it names change about the pod. Raises Invalid, NotAvailable."""
    volume, path = _changed_mount(wish.mounts, pod) if wish.mounts else (None, None)
    base = template or None
    args = command_text(wish, base.args if base else pod.args)
    ports = ports_text(wish.ports)
    registry = registry_of(wish)
    return PodChange(
        name=wish.name,
        locked=wish.locked,
        image=wish.image or (base.image if base else None),
        args=args if args is not None or not base else base.args,
        env=_changed_env(wish.env, pod, base, keys),
        ports=ports if ports is not None or not base else base.ports,
        disk=wish.disk or (base.disk if base else None),
        volume=volume,
        volume_path=path,
        registry_auth_id=registry if registry is not None or not base else base.registry_auth_id,
        global_networking=wish.global_networking,
    )


def generated_password(pod: Pod, keys: DerivedKeys) -> str | None:
    """The notebook's password if podd chose it: such a one is not shown with the environment."""
    password = pod.workload.needs.env.get(JUPYTER)
    return password if password and password == keys.jupyter_password(pod.id) else None


# Private


def _either(said: bool | None, default: object) -> bool:
    return bool(default) if said is None else said


def _cuda_versions(gpu: wire.CreateGpuConfig | None, of_template: list[str]) -> tuple[str, ...]:
    """What the template allows holds only where the wish says nothing itself."""
    if gpu is None or gpu.min_cuda_version:
        return ()
    return tuple(of_template if gpu.allowed_cuda_versions is None else gpu.allowed_cuda_versions)


def _mounts(wish: wire.CreatePodRequest) -> tuple[int | None, str | None, str | None]:
    """Size and path of the volume, and the network volume that takes its place."""
    mounts = wish.mounts or wire.Mounts()
    if mounts.persistent and mounts.network:
        raise Invalid("mounts.persistent and mounts.network exclude each other.")
    if mounts.network:
        return 0, mounts.network[0].path, mounts.network[0].volume_id
    if mounts.persistent is None:
        return (None if wish.gpu else 0), None, None
    if wish.cpu:
        raise Invalid("mounts.persistent is for GPU pods; a CPU pod can mount a network volume.")
    return mounts.persistent.size, mounts.persistent.path, None


def _changed_mount(mounts: wire.Mounts, pod: Pod) -> tuple[int | None, str | None]:
    """The new size and path. The kind of a pod's mount, and which network volume, stay as they were."""
    needs = pod.workload.needs
    if mounts.persistent:
        if not needs.volume or needs.network_volume_id:
            raise Invalid("mounts.persistent: this pod was made without persistent storage of its own.")
        return mounts.persistent.size, mounts.persistent.path
    if mounts.network is None:
        return None, None
    if not mounts.network:
        raise Invalid("mounts.network: a network volume cannot be taken off a pod.")
    if mounts.network[0].volume_id != needs.network_volume_id:
        raise Invalid("mounts.network: a pod keeps the network volume it was made with, or none.")
    return None, mounts.network[0].path


def _changed_env(
    env: dict[str, str] | None, pod: Pod, template: Template | None, keys: DerivedKeys
) -> dict[str, str] | None:
    if env is None and template is None:
        return None
    password = generated_password(pod, keys)
    kept = {JUPYTER: password} if password else {}
    return {**kept, **(template.env if template else {}), **(env or {})}
