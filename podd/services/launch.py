"""From a workload's row to the container an engine should run: environment, mounts, ports, GPUs."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import quote_plus

from podd.domain.balancing import Service
from podd.domain.container import ContainerSpec, Mount, PortBinding
from podd.domain.endpoint import MODEL_CACHE_PATH, Endpoint, EndpointType
from podd.domain.errors import Invalid
from podd.domain.workload import Kind, Workload, internal_name
from podd.services import model_caches, secrets, volumes
from podd.services.platform import Platform
from podd.store import accounts, endpoints, gpus, workloads
from podd.store import volumes as volume_rows
from podd.store.db import Reader

LOOPBACK = "127.0.0.1"

ACCELERATOR = "/opt/podd/accelerator"
"""Where workers' containers see the accelerator's hook."""


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume to be had before a container that mounts it at `target` can start. `size` in GB; `network_id`
    is "" for a pod's own."""

    path: Path
    size: int
    target: str
    network_id: str = ""


def volume_dir(podd: Platform, workload_id: str) -> Path:
    return podd.volumes / workload_id


def volumes_of(db: Reader, podd: Platform, workload: Workload) -> tuple[Volume, ...]:
    """The volumes of a pod or worker. A network volume that is to grow while others use it does so by itself,
    and holds up nobody's start. Raises Invalid when its network volume is not there any more."""
    return _own_volume(db, podd, workload) + _model_cache(db, podd, workload)


def _own_volume(db: Reader, podd: Platform, workload: Workload) -> tuple[Volume, ...]:
    needs = workload.needs
    if needs.network_volume_id:
        files = volume_rows.files(db, needs.network_volume_id)
        if files is None:
            raise Invalid(f"Its network volume {needs.network_volume_id} does not exist any more.")
        path = volumes.directory(podd, files.id)
        return (Volume(path, files.made or files.size, needs.volume_path, files.id),)
    if needs.volume:
        return (Volume(volume_dir(podd, workload.id), needs.volume, needs.volume_path),)
    return ()


def _model_cache(db: Reader, podd: Platform, workload: Workload) -> tuple[Volume, ...]:
    endpoint = _endpoint_of(db, workload)
    if endpoint is None or not endpoint.model:
        return ()
    size = model_caches.size_of(db, endpoint.account_id)
    if size is None:
        return ()
    return (Volume(model_caches.directory(podd, endpoint.account_id), size, MODEL_CACHE_PATH),)


def _endpoint_of(db: Reader, workload: Workload) -> Endpoint | None:
    """Of a worker, while its endpoint is there."""
    worker = workloads.worker(db, workload.id) if workload.kind is Kind.WORKER else None
    return endpoints.get(db, worker.endpoint_id) if worker is not None else None


def spec(db: Reader, podd: Platform, workload: Workload) -> ContainerSpec:
    """The container of the workload's present generation. Raises Invalid when it names a secret that is
    not there any more."""
    needs = workload.needs
    own = secrets.filled_env(db, podd, workload.account_id, needs.env)
    for name in left_out(podd, workload):
        del own[name]
    env = {**own, **_common_env(db, podd, workload)}
    if workload.kind is Kind.WORKER:
        env = {**_worker_defaults(db, workload), **env, **_worker_env(db, podd, workload)}
    hook = _hook(podd, workload, env)
    return ContainerSpec(
        workload_id=workload.id,
        generation=workload.generation,
        kind=workload.kind.value,
        image=needs.image,
        entrypoint=needs.entrypoint,
        command=needs.command,
        env=tuple(sorted(env.items())),
        gpus=workload.gpus,
        search_paths=tuple(("PYTHONPATH", mount.target) for mount in hook),
        mounts=tuple(Mount(str(v.path), v.target) for v in volumes_of(db, podd, workload)) + hook,
        ports=_bindings(podd, workload),
        cpus=needs.cpus,
        memory=needs.memory,
        disk=needs.disk,
        network=workload.account_id,
        names=(internal_name(workload.id),),
    )


def left_out(podd: Platform, workload: Workload) -> list[str]:
    """Variables of the workload's own that its container does not get: what loads GPUs and programs into
    containers believes them."""
    rules = podd.settings.containers

    def is_any(name: str, patterns: tuple[str, ...]) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in patterns)

    return [
        name
        for name in sorted(workload.needs.env)
        if is_any(name, rules.denied_env) and not is_any(name, rules.allowed_env)
    ]


def _hook(podd: Platform, workload: Workload, env: dict[str, str]) -> tuple[Mount, ...]:
    """The accelerator for the worker SDK, unless the endpoint's environment says PODD_ACCELERATE=0."""
    if workload.kind is not Kind.WORKER or podd.accelerator is None or env.get("PODD_ACCELERATE") == "0":
        return ()
    return (Mount(str(podd.accelerator), ACCELERATOR, read_only=True),)


def _bindings(podd: Platform, workload: Workload) -> tuple[PortBinding, ...]:
    public_ip = podd.settings.machine.public_ip
    address = LOOPBACK if public_ip == LOOPBACK else "0.0.0.0"  # noqa: S104 - the pod asked for a public port
    return tuple(PortBinding(p.inside, p.host, address, p.protocol) for p in workload.published)


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


def _worker_defaults(db: Reader, workload: Workload) -> dict[str, str]:
    """Knobs that an endpoint's own environment may set otherwise. The worker SDK's start-up checks look at
    the whole host and at the internet, which says nothing about a worker on this machine."""
    knobs = {"RUNPOD_SKIP_AUTO_SYSTEM_CHECKS": "true", "RUNPOD_SKIP_GPU_CHECK": "true"}
    endpoint = _endpoint_of(db, workload)
    if endpoint is not None and endpoint.model:
        knobs["HF_HUB_CACHE"] = f"{MODEL_CACHE_PATH}/hub"
    return knobs


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
        "RUNPOD_AI_API_ID": worker.endpoint_id,
        "RUNPOD_ENDPOINT_SECRET": podd.keys.endpoint(worker.endpoint_id),
        "RUNPOD_GPU_NAME": quote_plus(gpu_name),
        "RUNPOD_GPU_TYPE_ID": gpu_name,
    }
    endpoint = endpoints.get(db, worker.endpoint_id)
    if endpoint is not None and endpoint.gpu_ids:
        own["RUNPOD_GPU_SIZE"] = endpoint.gpu_ids
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
