"""From a workload's row to the container an engine should run: environment, mounts, ports, GPUs."""

from pathlib import Path
from urllib.parse import quote_plus

from podd.domain.balancing import Service
from podd.domain.container import ContainerSpec, Mount, PortBinding
from podd.domain.endpoint import EndpointType
from podd.domain.workload import Kind, Workload
from podd.services import secrets, volumes
from podd.services.platform import Platform
from podd.store import accounts, endpoints, gpus, workloads
from podd.store.db import Reader

LOOPBACK = "127.0.0.1"


def volume_dir(podd: Platform, workload_id: str) -> Path:
    return podd.volumes / workload_id


def make_volume(path: str) -> None:
    """The directory of a pod's volume. Anybody inside the container may write at its top."""
    directory = Path(path)
    directory.mkdir(parents=True, exist_ok=True)
    directory.chmod(0o777)


def spec(db: Reader, podd: Platform, workload: Workload) -> ContainerSpec:
    """The container of the workload's present generation. Raises Invalid when it names a secret that is
    not there any more."""
    needs = workload.needs
    own = secrets.filled_env(db, podd, workload.account_id, needs.env)
    env = {**own, **_common_env(db, podd, workload)}
    if workload.kind is Kind.WORKER:
        env = {**_worker_defaults(), **env, **_worker_env(db, podd, workload)}
    return ContainerSpec(
        workload_id=workload.id,
        generation=workload.generation,
        kind=workload.kind.value,
        image=needs.image,
        entrypoint=needs.entrypoint,
        command=needs.command,
        env=tuple(sorted(env.items())),
        gpus=workload.gpus,
        mounts=_mounts(podd, workload),
        ports=_bindings(podd, workload),
        cpus=needs.cpus,
        memory=needs.memory,
        disk=needs.disk,
    )


def _mounts(podd: Platform, workload: Workload) -> tuple[Mount, ...]:
    needs = workload.needs
    if needs.network_volume_id:
        return (Mount(str(volumes.directory(podd, needs.network_volume_id)), needs.volume_path),)
    if needs.volume:
        return (Mount(str(volume_dir(podd, workload.id)), needs.volume_path),)
    return ()


def _bindings(podd: Platform, workload: Workload) -> tuple[PortBinding, ...]:
    public_ip = podd.settings.machine.public_ip
    address = LOOPBACK if public_ip == LOOPBACK else "0.0.0.0"  # noqa: S104 - the pod asked for a public port
    return tuple(PortBinding(p.container, p.host, address, p.protocol) for p in workload.published)


def _common_env(db: Reader, podd: Platform, workload: Workload) -> dict[str, str]:
    """What RunPod's containers find in their environment, and where podd's own APIs are."""
    machine = podd.settings.machine
    account = accounts.get(db, workload.account_id)
    env = {
        "RUNPOD_POD_ID": workload.id,
        "RUNPOD_API_KEY": podd.keys.pod(workload.id),
        "RUNPOD_POD_HOSTNAME": f"{workload.id}-{podd.keys.host_suffix(workload.id)}",
        "RUNPOD_GPU_COUNT": str(len(workload.gpus)),
        "RUNPOD_CPU_COUNT": str(workload.needs.cpus),
        "RUNPOD_MEM_GB": str(workload.needs.memory // 1024),
        "RUNPOD_PUBLIC_IP": machine.public_ip,
        "RUNPOD_DC_ID": machine.data_center_id,
        "RUNPOD_API_BASE_URL": podd.worker_url,
        "RUNPOD_ENDPOINT_BASE_URL": f"{podd.worker_url}/v2",
        # `void` also overrides an image's own `all`, where the NVIDIA runtime is the default.
        "NVIDIA_VISIBLE_DEVICES": ",".join(workload.gpu_uuids) or "void",
    }
    if workload.needs.network_volume_id or workload.needs.volume:
        env["RUNPOD_VOLUME_ID"] = workload.needs.network_volume_id or workload.id
    if podd.host.cuda_version:
        env["CUDA_VERSION"] = podd.host.cuda_version
    if account and account.pub_key and "PUBLIC_KEY" not in workload.needs.env:
        env["PUBLIC_KEY"] = account.pub_key
    for port in workload.published:
        if port.protocol == "tcp":
            env[f"RUNPOD_TCP_PORT_{port.container}"] = str(port.host)
    return env


def _worker_defaults() -> dict[str, str]:
    """Knobs of the worker SDK that an endpoint's own environment may set otherwise. Its start-up checks
    look at the whole host and at the internet, which says nothing about a worker on this machine."""
    return {"RUNPOD_SKIP_AUTO_SYSTEM_CHECKS": "true", "RUNPOD_SKIP_GPU_CHECK": "true"}


def _worker_env(db: Reader, podd: Platform, workload: Workload) -> dict[str, str]:
    """Where a worker takes jobs and posts results; or, of a load-balancing endpoint, where it is to listen.

    The SDK appends `&name=value`, so every address already has a query; it finds the batch and stop
    channels by replacing `/job-take/`; it puts the job's id in place of `$ID`.
    """
    worker = workloads.worker(db, workload.id)
    assert worker is not None, "a workload of kind worker has its row"
    gpu_name = _gpu_name(db, workload)
    own = {
        "RUNPOD_ENDPOINT_ID": worker.endpoint_id,
        "RUNPOD_GPU_NAME": quote_plus(gpu_name),
        "RUNPOD_GPU_TYPE_ID": gpu_name,
    }
    endpoint = endpoints.get(db, worker.endpoint_id)
    if endpoint is not None and endpoint.type is EndpointType.LB:
        return {**own, **Service.of(workload.needs.env).env}
    base = f"{podd.worker_url}/v2/{worker.endpoint_id}"
    query = f"?gpu={quote_plus(gpu_name)}"
    post_stream = f"{base}/job-stream/{workload.id}/$ID{query}"
    return {
        **own,
        "RUNPOD_WEBHOOK_GET_JOB": f"{base}/job-take/{workload.id}{query}",
        "RUNPOD_WEBHOOK_POST_OUTPUT": f"{base}/job-done/{workload.id}/$ID{query}",
        "RUNPOD_WEBHOOK_POST_STREAM": post_stream,
        "RUNPOD_WEBHOOK_JOB_STREAM": post_stream,
        "RUNPOD_WEBHOOK_PING": f"{base}/ping/{workload.id}{query}",
        "RUNPOD_PING_INTERVAL": str(int(podd.settings.limits.ping_interval_seconds * 1000)),
        "RUNPOD_AI_API_KEY": podd.keys.worker(workload.id, workload.generation),
    }


def _gpu_name(db: Reader, workload: Workload) -> str:
    types = (gpu.type_id for gpu in gpus.all_present(db) if gpu.uuid in workload.gpu_uuids)
    return next(types, "")
