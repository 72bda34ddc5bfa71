"""What a Docker Engine's answers mean, in podd's words: containers, reasons, stats, features.

Pure: it reads decoded JSON and message texts of several engine versions, and talks to nobody.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from podd.containers.spec import CDI_GPU, GENERATION, GPUS, WORKLOAD, Features
from podd.domain.container import Container, ContainerState
from podd.ports import EngineError, ImageMissing, NoSuchContainer, PortTaken, StartRefused, Stats

Json = dict[str, Any]

_STATES = {
    "created": ContainerState.CREATED,
    "running": ContainerState.RUNNING,
    "paused": ContainerState.PAUSED,
}
_EXITED = re.compile(r"^Exited \((\d+)\)")

# Each layer of the engine puts its own prefix before the reason that helps a reader.
_PREFIX = re.compile(
    r"failed to create (?:shim )?task(?: for container)?"
    r"|OCI runtime create failed|runc create failed|unable to start container process"
    r"|error during container init|error running (?:\w+ )?hook #\d+|error running (?:\w+ )?hook"
    r"|exit status \d+, stdout: .*?, stderr"
    r"|failed to set up container networking"
    r"|driver failed programming external connectivity on endpoint \S+ \(\w+\)"
)
_PORT_TAKEN = ("port is already allocated", "address already in use")
_TAKEN_ADDRESS = re.compile(r"(?:Bind for|listen \w+|host port(?: for)?) (\S+?:\d+)")
_NEVER_STARTS = (
    "executable file not found",
    "exec format error",
    "error running hook",
    "nvidia-container-cli",
    "could not select device driver",
    "CDI device",
    "cannot assign requested address",
    "invalid argument",
    "invalid mount",
    "error mounting",
    "not a directory",
)
_NO_NETWORK = re.compile(r"network \S+ (not found|is ambiguous)")
_INIT_GAVE_UP = re.compile(r"^\[FATAL tini \(\d+\)\] exec (.*) failed: (.*)$")
_NOT_OURS_TO_PULL = re.compile(
    r"(?<!permission )\bdenied\b|unauthorized|no basic auth credentials|authentication required"
    r"|incorrect username or password|manifest unknown|name unknown|manifest for .* not found"
    r"|no matching manifest|invalid reference|invalid repository name|repository name must be",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class CpuSample:
    """CPU time used up to a moment, both in nanoseconds."""

    at: int
    used: int


def container(inspected: Json) -> Container:
    """The container of an inspect answer; its address is the one on the network it was made for."""
    labels = inspected["Config"].get("Labels") or {}
    state = inspected["State"]
    now = _STATES.get(state["Status"], ContainerState.EXITED)
    ended = now is ContainerState.EXITED
    network = (inspected.get("HostConfig") or {}).get("NetworkMode") or ""
    attached = (inspected["NetworkSettings"].get("Networks") or {}).get(network) or {}
    return Container(
        name=inspected["Name"].removeprefix("/"),
        workload_id=labels.get(WORKLOAD, ""),
        generation=int(labels.get(GENERATION) or 0),
        state=now,
        id=inspected["Id"],
        gpus=tuple(uuid for uuid in labels.get(GPUS, "").split(",") if uuid),
        exit_code=state["ExitCode"] if ended else None,
        started_at=milliseconds(state["StartedAt"]),
        finished_at=_finished_at(state) if ended else None,
        address=attached.get("IPAddress") or "",
        error=reason(state.get("Error") or ""),
    )


def _finished_at(state: Json) -> int | None:
    """The engine notes the start of what ends at once a moment after its end."""
    started, finished = milliseconds(state["StartedAt"]), milliseconds(state["FinishedAt"])
    return max(started or 0, finished) if finished is not None else None


def has_run(inspected: Json) -> bool:
    """Whether it ever ran: then its disk may hold something that somebody wants."""
    return milliseconds(inspected["State"]["StartedAt"]) is not None


def mark(entry: Json) -> tuple[str, str]:
    """What one entry of a container list shows of the container's state; it changes when the state does."""
    exited = _EXITED.match(entry.get("Status") or "")
    return entry["State"], exited.group(1) if exited else ""


def failure(status: int | None, message: str) -> EngineError:
    """What a refusal means where nothing more particular is known."""
    if status == 404 and "no such container" in message.lower():
        return NoSuchContainer(f"{reason(message)}.")
    return EngineError(f"The Docker Engine says: {reason(message)}.")


def create_failure(status: int | None, message: str) -> EngineError:
    """Why a container could not be created."""
    if (status == 404 and "no such image" in message.lower()) or "invalid reference" in message:
        return ImageMissing(f"The image is not on this machine: {reason(message)}.")
    if status == 400:
        return StartRefused(f"The container cannot be made as asked: {reason(message)}.")
    return EngineError(f"The engine could not make the container: {reason(message)}.")


def start_failure(status: int | None, message: str) -> EngineError:
    """Why a container could not be started."""
    if any(text in message for text in _PORT_TAKEN):
        address = _TAKEN_ADDRESS.search(message)
        return PortTaken(f"The host port {address.group(1) if address else 'asked for'} is already in use.")
    if status == 400 or any(text in message for text in _NEVER_STARTS):
        return StartRefused(f"The container cannot be started as asked: {reason(message)}.")
    return EngineError(f"The engine could not start the container: {reason(message)}.")


def lacks_network(message: str) -> bool:
    """Whether a start failed because somebody has pruned the network, or has just made it a second time."""
    return _NO_NETWORK.search(message) is not None


def init_failure(last_line: str) -> StartRefused | None:
    """The refusal in the last log line of a container whose init found no command to run, if it is one."""
    gave_up = _INIT_GAVE_UP.match(last_line)
    if gave_up is None:
        return None
    return StartRefused(f"The container cannot be started as asked: {gave_up.group(1)}: {gave_up.group(2)}.")


def pull_failure(status: int | None, message: str, image: str, credential: str = "") -> EngineError:
    """Why an image could not be pulled, or asked for, with the registry credential of this name."""
    shown = f" with the registry credential {credential!r}" if credential else ""
    if status in (400, 401, 403, 404) or _NOT_OURS_TO_PULL.search(message):
        return ImageMissing(f"The image {image} cannot be had{shown}: {reason(message)}.")
    return EngineError(f"The image {image} could not be pulled{shown}: {reason(message)}.")


def reason(message: str) -> str:
    """The part of an engine's message that says something to its reader, in one line without a full stop."""
    text = " ".join(message.split())
    while prefix := _PREFIX.match(text):
        text = text[prefix.end() :].removeprefix(":").lstrip()
    return text.removesuffix(": unknown").removesuffix(".")


def features(info: Json, mounts: str) -> Features:
    """What the engine of this `info` answer can do. `mounts` is this host's /proc/mounts."""
    devices = info.get("DiscoveredDevices") or []
    return Features(
        cpus=info.get("NCPU") or 0,
        disk_limits=_limits_disk(info, mounts),
        runtimes=frozenset(info.get("Runtimes") or {}),
        default_runtime=info.get("DefaultRuntime") or "",
        cdi_devices=frozenset(device["ID"] for device in devices if device.get("Source") == "cdi"),
    )


def offers_gpus(known: Features) -> bool:
    """Whether the engine has said that it can hand out GPUs. A bare hook works too, but is not announced."""
    return "nvidia" in known.runtimes or any(name.startswith(CDI_GPU) for name in known.cdi_devices)


def gateway(network: Json) -> str:
    """The host's address on this network, in which an IPv4 range comes first."""
    ranges = (network.get("IPAM") or {}).get("Config") or []
    return next((r["Gateway"] for r in ranges if r.get("Gateway")), "")


def bridge(network: Json) -> str:
    """The host's interface that is this network."""
    name: str = (network.get("Options") or {}).get("com.docker.network.bridge.name", "")
    return name or f"br-{network['Id'][:12]}"


def remaps_users(info: Json) -> bool:
    """Whether root inside is somebody else outside."""
    return any("name=userns" in option for option in info.get("SecurityOptions") or [])


def cpu_sample(sample: Json) -> CpuSample:
    used = (sample.get("cpu_stats") or {}).get("cpu_usage") or {}
    return CpuSample(at=nanoseconds(sample["read"]), used=used.get("total_usage") or 0)


def stats(sample: Json, before: CpuSample) -> Stats:
    """Use between `before` and `sample`. The page cache that can be dropped is not counted as used."""
    after = cpu_sample(sample)
    elapsed = after.at - before.at
    memory = sample.get("memory_stats") or {}
    detail = memory.get("stats") or {}
    # cgroup v1 says total_inactive_file (inactive_file leaves out the children there), v2 inactive_file.
    cache = detail.get("total_inactive_file", detail.get("inactive_file", 0))
    return Stats(
        cpu_percent=100.0 * max(0, after.used - before.used) / elapsed if elapsed > 0 else 0.0,
        memory_used=max(0, (memory.get("usage") or 0) - cache),
        memory_limit=memory.get("limit") or 0,
    )


def nanoseconds(stamp: str) -> int:
    """An engine's timestamp as epoch nanoseconds; datetime alone would cut it to microseconds."""
    fraction = re.search(r"\.(\d+)", stamp)
    seconds = int(datetime.fromisoformat(stamp).replace(microsecond=0).timestamp())
    return seconds * 1_000_000_000 + (int(fraction.group(1)[:9].ljust(9, "0")) if fraction else 0)


def milliseconds(stamp: str) -> int | None:
    """An engine's timestamp as epoch milliseconds; None for its zero time (year 1)."""
    at = nanoseconds(stamp)
    return at // 1_000_000 if at > 0 else None


class PullProgress:
    """Turns the engine's flood of pull messages into a line now and then: an image has dozens of layers, and
    each goes through half a dozen phases."""

    def __init__(self, every: float = 2.0) -> None:
        self._every = every
        self._said_at = float("-inf")

    def line(self, message: Json, now: float) -> str | None:
        """A line about the image as a whole, or about a layer when nothing was said for a while (`now` in
        seconds)."""
        layer, status = message.get("id") or "", message.get("status") or ""
        if not status or (layer and now - self._said_at < self._every):
            return None
        self._said_at = now
        text = f"{layer}: {status}" if layer else status
        return f"{text} {message['progress']}" if message.get("progress") else text


def _limits_disk(info: Json, mounts: str) -> bool:
    driver = info.get("Driver")
    if driver in ("btrfs", "zfs"):
        return True
    backing = dict(pair for pair in info.get("DriverStatus") or [] if len(pair) == 2).get(
        "Backing Filesystem"
    )
    return driver == "overlay2" and backing == "xfs" and _has_quota(info.get("DockerRootDir") or "", mounts)


def _has_quota(directory: str, mounts: str) -> bool:
    """Whether the filesystem that holds `directory` is mounted with project quotas."""
    best, options = "", ""
    for fields in (line.split() for line in mounts.splitlines()):
        point = fields[1].rstrip("/") + "/"
        if (directory + "/").startswith(point) and len(point) >= len(best):
            best, options = point, fields[3]
    return bool({"pquota", "prjquota"} & set(options.split(",")))
