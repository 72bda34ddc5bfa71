"""How a pod reads in REST v2."""

from functools import lru_cache

from podd.api.context import Api
from podd.api.rest_v2.containers import container_view
from podd.api.rest_v2.pod_inputs import generated_password
from podd.api.shown import dollars, instant, uptime
from podd.domain import pod as rules
from podd.domain.pod import Pod
from podd.domain.words import parse_ports
from podd.domain.workload import internal_name
from podd.ports import GpuUse
from podd.services.pods import JUPYTER
from podd.wire import rest_v2 as wire

SSH = 22


def pod_view(api: Api, pod: Pod) -> wire.Pod:
    return _view(pod, *_besides(api, pod), api)


def pod_json(api: Api, pod: Pod) -> bytes:
    """The view, written. A pod at rest reads the same until it is changed, and most of a long list are."""
    if pod.workload.at_rest:
        return _at_rest(pod, *_besides(api, pod))
    return _written(pod_view(api, pod))


def _view(pod: Pod, hides_password: bool, here: str, cuda: str | None, api: Api | None = None) -> wire.Pod:
    workload, needs = pod.workload, pod.workload.needs
    status = rules.status(workload)
    hidden = {JUPYTER} if hides_password else set()
    env = {name: value for name, value in needs.env.items() if name not in hidden}
    runtime = _runtime(api, pod) if api and status == "RUNNING" else None
    return wire.Pod.model_validate(
        {
            **container_view(needs.image, pod.args, needs.disk, pod.ports, env, needs.registry_auth_id),
            "id": pod.id,
            "name": pod.name,
            "status": status,
            "actions": list(rules.actions(status)),
            "gpu": None if pod.cpu_flavor_id else _gpu(pod),
            "cpu": _cpu(pod) if pod.cpu_flavor_id else None,
            "cloud": pod.cloud_type,
            "data_center_id": here,
            "cuda_version": None if pod.cpu_flavor_id else cuda,
            "cost": dollars(pod.price),
            "locked": pod.locked,
            "template": pod.template_id or None,
            "mounts": mounts_view(pod),
            "global_networking": _global_networking(pod),
            "ssh": wire.PodSsh(proxy=None, direct=_direct_ssh(api, pod) if api and runtime else None),
            "runtime": runtime,
            "created_at": instant(workload.created_at),
            "started_at": instant(workload.started_at),
        }
    )


def mounts_view(pod: Pod) -> wire.Mounts:
    needs = pod.workload.needs
    return _mounts(needs.network_volume_id, needs.volume, needs.volume_path)


# Private


@lru_cache(maxsize=4096)
def _at_rest(pod: Pod, hides_password: bool, here: str, cuda: str | None) -> bytes:
    return _written(_view(pod, hides_password, here, cuda))


def _written(view: wire.Pod) -> bytes:
    return view.model_dump_json(by_alias=True).encode()


def _besides(api: Api, pod: Pod) -> tuple[bool, str, str | None]:
    """What a view shows besides the pod's facts: whether the password is hidden, the data centre, CUDA."""
    hides_password = generated_password(pod, api.podd.keys) is not None
    return hides_password, api.podd.settings.machine.data_center_id, api.podd.host.cuda_version


@lru_cache(maxsize=256)
def _mounts(network_volume_id: str, size: int, path: str) -> wire.Mounts:
    if network_volume_id:
        return wire.Mounts(network=[wire.NetworkMount(volume_id=network_volume_id, path=path)])
    if not size:
        return wire.Mounts()
    # Other surfaces allow smaller volumes than this one's bodies do.
    return wire.Mounts.model_construct(persistent=wire.PersistentMount.model_construct(size=size, path=path))


def _global_networking(pod: Pod) -> wire.PodGlobalNetworking:
    if not pod.global_networking:
        return wire.PodGlobalNetworking(enabled=False)
    return wire.PodGlobalNetworking(
        enabled=True, ip=pod.workload.address or None, internal_dns=internal_name(pod.id)
    )


def _gpu(pod: Pod) -> wire.GpuConfig:
    """What it is configured with: at least one GPU, also while it runs without, which `runtime` tells."""
    needs = pod.workload.needs
    return wire.GpuConfig(
        id=pod.gpu_type_id,
        count=max(pod.own_gpu_count, 1),
        vcpu_count=needs.cpus,
        memory=needs.memory // 1024,
    )


def _cpu(pod: Pod) -> wire.CpuConfig:
    needs = pod.workload.needs
    return wire.CpuConfig(id=pod.cpu_flavor_id, vcpu_count=needs.cpus, memory=needs.memory // 1024)


def _direct_ssh(api: Api, pod: Pod) -> wire.PodSshEndpoint | None:
    """The way to the pod's own sshd, if its port 22 is published."""
    host = api.podd.settings.machine.public_ip
    for port in pod.workload.published:
        if port.container == SSH and port.protocol == "tcp":
            command = f"ssh root@{host} -p {port.host}"
            return wire.PodSshEndpoint(host=host, port=port.host, username="root", command=command)
    return None


def _runtime(api: Api, pod: Pod) -> wire.PodRuntime:
    needs, telemetry = pod.workload.needs, api.telemetry
    sample = telemetry.containers.get(pod.id)
    stats = sample.use if sample else None
    used = [telemetry.gpus.get(gpu.uuid, GpuUse(0, 0)) for gpu in pod.workload.gpus]
    memory = round(100 * stats.memory_used / max(stats.memory_limit, 1)) if stats else 0
    return wire.PodRuntime(
        uptime=uptime(pod.workload, api.now),
        gpus=[wire.PodGpuUtilization(util=use.gpu_percent, memory_util=use.memory_percent) for use in used],
        cpu=wire.Utilization(util=round(stats.cpu_percent / max(needs.cpus, 1)) if stats else 0),
        memory=wire.Utilization(util=memory),
        ports=_ports(api, pod),
    )


def _ports(api: Api, pod: Pod) -> list[wire.PodRuntimePort]:
    """tcp and udp ports at the host's address; http ports, which only podd's proxy reaches, without one
    of their own."""
    published = [
        wire.PodRuntimePort(
            private=port.inside,
            public=port.host,
            type=port.protocol,
            ip=api.podd.settings.machine.public_ip,
        )
        for port in pod.workload.published
    ]
    proxied = [
        wire.PodRuntimePort(private=port.number, public=None, type="http", ip=pod.workload.address or None)
        for port in parse_ports(pod.ports)
        if port.protocol == "http"
    ]
    return published + proxied
