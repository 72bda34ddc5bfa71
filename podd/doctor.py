"""`podd doctor`: is this machine fit to run podd, and what to do where it is not.

Every check is a plain function of what it needs and returns `Check` values; `run` gathers the facts and
calls them all. Nothing is printed, started or changed here.
"""

import errno
import grp
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import docker
import docker.constants
import docker.errors
import psutil

from podd import certificates
from podd.config import Settings, catalogue
from podd.containers import answers, firewall
from podd.declared import DeclaredProbe
from podd.domain.catalogue import Catalogue
from podd.domain.gpu import Gpu, GpuState
from podd.listeners import beside
from podd.nvml import NO_DRIVER, NvmlProbe
from podd.store import model_caches, workloads
from podd.store import volumes as volume_rows
from podd.store.db import Reader
from podd.volumes.host import Host
from podd.volumes.room import disk_room
from podd.volumes.storage import best, mechanisms, wanted

GB = 10**9
OLDEST_PYTHON = (3, 11)
OLDEST_DOCKER = (20, 10)
SAFE_TOOLKIT = (1, 17, 8)
"""The first NVIDIA Container Toolkit without CVE-2025-23266."""
BUILT = datetime(2026, 1, 1, tzinfo=UTC)
"""No clock that is right shows an earlier time."""


class Status(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Check:
    """`detail` is what was found, `advice` what to do about it (empty when there is nothing to do)."""

    name: str
    status: Status
    detail: str
    advice: str = ""


def run(settings: Settings) -> list[Check]:
    """All checks, in the order in which they are best put right."""
    probe = NvmlProbe()
    real = probe.gpus()
    known = catalogue(settings)
    simulated = DeclaredProbe(settings.gpus.simulated, known).gpus()
    groups: list[tuple[str, Callable[[], list[Check]]]] = [
        ("python", lambda: [python(sys.version_info[:3])]),
        ("configuration", lambda: configuration(settings, known, [*real, *simulated])),
        ("user", lambda: [user(os.geteuid()), operators_group("podd")]),
        ("data", lambda: data_dir(settings.data_dir)),
        ("volumes", lambda: [volumes(settings), *promises(settings)]),
        ("database", lambda: [database(settings.database)]),
        ("clock", lambda: [clock(datetime.fromtimestamp(time.time(), UTC), settings.database)]),
        ("listen", lambda: listening(settings)),
        ("certificate", lambda: certificate(settings, datetime.fromtimestamp(time.time(), UTC))),
        ("engine", lambda: engine(settings, bool(real))),
        ("gpus", lambda: gpus(real, probe.problem, probe.reasons, simulated, known)),
        ("toolkit", lambda: [toolkit(toolkit_version(), bool(real))]),
    ]
    checks = [check for name, look in groups for check in _guarded(name, look)]
    probe.close()
    return checks


def exit_code(checks: Iterable[Check]) -> int:
    """What `podd doctor` exits with: 1 if anything failed; warnings do not count."""
    return 1 if any(check.status is Status.FAILURE for check in checks) else 0


# The host


def python(version: Sequence[int]) -> Check:
    text = ".".join(str(part) for part in version)
    if tuple(version[:2]) < OLDEST_PYTHON:
        return _failure("python", text, "Install Python 3.11 or newer and podd into it.")
    return _ok("python", text)


def user(uid: int) -> Check:
    if uid == 0:
        return _ok("user", "root")
    return _warning(
        "user",
        f"not root (uid {uid})",
        "Run podd as root, through its systemd unit; else volumes and low ports will fail.",
    )


def operators_group(name: str) -> Check:
    try:
        members = grp.getgrnam(name).gr_mem
    except KeyError:
        return _warning(
            "group",
            f"there is no group {name}",
            f"groupadd --system {name}; add the users who may operate podd without being root.",
        )
    return _ok("group", f"{name}: {', '.join(members) or 'no members'}")


def clock(now: datetime, database: Path) -> Check:
    """Charges, timeouts and certificates all hang on the clock."""
    advice = "Set the clock and keep it with NTP: timedatectl set-ntp true"
    if now < BUILT:
        return _failure("clock", f"{now:%Y-%m-%d %H:%M} UTC is before podd was made", advice)
    with suppress(FileNotFoundError):
        written = datetime.fromtimestamp(database.stat().st_mtime, UTC)
        if (written - now).total_seconds() > 60:
            return _failure(
                "clock", f"the database was written later than now, at {written:%Y-%m-%d %H:%M} UTC", advice
            )
    return _ok("clock", f"{now:%Y-%m-%d %H:%M} UTC")


def listening(settings: Settings) -> list[Check]:
    """Every port of podd's own. It starts without SSH and https where it has to."""
    ports = {"gateway.ssh_port": settings.gateway.ssh_port, "tls.port": settings.tls.port}
    beside_it = [(name, address) for name, port in ports.items() for address in beside(settings, port)]
    without = [_as_warning(listen(*address, setting=name)) for name, address in beside_it]
    return [*(listen(*address) for address in settings.addresses), *without]


def listen(host: str, port: int, setting: str = "listen") -> Check:
    """`setting` is where the port is chosen."""
    name = f"{setting} {host}:{port}"
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return _cannot_listen(name, port, error, setting)
    return _ok(name, "free")


def _cannot_listen(name: str, port: int, error: OSError, setting: str) -> Check:
    match error.errno:
        case errno.EADDRINUSE:
            holder = _listener(port)
            if holder is not None and _is_podd(holder):
                return _ok(name, f"held by podd itself (pid {holder.pid})")
            who = f"{holder.name()} (pid {holder.pid})" if holder else "another program"
            return _failure(
                name, f"in use by {who}", f"Stop that program, or change `{setting}` in podd.toml."
            )
        case errno.EACCES:
            return _failure(name, "only root may use this port", f"Run podd as root, or change `{setting}`.")
        case _:
            return _failure(name, error.strerror or str(error), "Use an address of this machine in `listen`.")


def _listener(port: int) -> psutil.Process | None:
    with suppress(psutil.Error, PermissionError):
        for connection in psutil.net_connections("tcp"):
            at = connection.laddr
            if connection.status == psutil.CONN_LISTEN and at and at.port == port and connection.pid:
                return psutil.Process(connection.pid)
    return None


def _is_podd(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        words = process.cmdline()
        return any(Path(word).name == "podd" for word in words[:2]) or words[1:3] == ["-m", "podd"]
    return False


def certificate(settings: Settings, now: datetime) -> list[Check]:
    """What podd serves https with. Its own is made when it starts, and made anew in time."""
    name, file = "certificate", certificates.files(settings)[0]
    own = not settings.tls.certificate
    if not settings.tls.port:
        return []
    if own and not file.exists():
        return [_ok(name, f"{file}: podd will make it, of a CA that `podd ca` prints")]
    advice = (
        f"Run this as root; if that does not help, remove {file} and restart podd: it makes another."
        if own
        else "Correct tls.certificate and tls.key: PEM, a key without a password, readable by podd."
    )
    try:
        found = certificates.check(settings)
    except (OSError, ValueError) as error:
        return [_failure(name, certificates.said(error), advice)]
    detail = f"{file}: until {found.expires:%Y-%m-%d}, for {', '.join(sorted(found.names)) or 'no name'}"
    if found.expires <= now:
        return [_failure(name, f"{detail}; it has expired", _RENEW[own])]
    if (found.expires - now).days < min(settings.tls.renew_days, _SOON):
        return [_warning(name, detail, _RENEW[own])]
    return [_ok(name, detail)]


_SOON = 14
_RENEW = {
    True: "podd makes another one in time while it runs: look at its log for `certificate`.",
    False: "Put a new one in its place: podd notices by itself.",
}


# What podd keeps


def data_dir(directory: Path) -> list[Check]:
    name = "data directory"
    if not directory.exists():
        parent = next(parent for parent in directory.parents if parent.exists())
        if not os.access(parent, os.W_OK | os.X_OK):
            return [_failure(name, f"{directory} cannot be made in {parent}", f"mkdir -m 700 {directory}")]
        return [_ok(name, f"{directory}: podd will make it"), disk("data disk", parent)]
    if not directory.is_dir():
        return [_failure(name, f"{directory} is not a directory", "Remove it, or change `data_dir`.")]
    if not os.access(directory, os.R_OK | os.W_OK | os.X_OK):
        return [_failure(name, f"{directory} is not writable", f"Run podd as the owner of {directory}.")]
    if directory.stat().st_mode & 0o007:
        return [
            _warning(name, f"everybody may look into {directory}", f"chmod o-rwx {directory}"),
            disk("data disk", directory),
        ]
    return [_ok(name, str(directory)), disk("data disk", directory)]


def disk(name: str, directory: Path, warn: int = 10 * GB, fail: int = 1 * GB) -> Check:
    usage = shutil.disk_usage(directory)
    detail = f"{usage.free / GB:.1f} of {usage.total / GB:.1f} GB free at {directory}"
    advice = "Free some space: podd stops storing changes when this disk is full."
    if usage.free < fail:
        return _failure(name, detail, advice)
    return _warning(name, detail, advice) if usage.free < warn else _ok(name, detail)


def volumes(settings: Settings) -> Check:
    """By the look of it: whether it works is seen when podd starts."""
    name = "volumes"
    asked = wanted(settings.volumes, settings.engine)
    chosen, reasons = best(settings.data_dir, asked, Host())
    detail = mechanisms(Host())[chosen].name
    if asked not in ("auto", chosen):
        return _failure(name, f"{asked}: {reasons[asked]}", 'Set volumes = "auto".')
    if not mechanisms(Host())[chosen].limits and settings.engine != "process":
        why = "; ".join(f"not {name}, because {reason}" for name, reason in reasons.items())
        found = f"{detail} ({why})" if why else detail
        return _warning(name, found, 'Run podd as root, with volumes = "auto".')
    return _ok(name, detail)


def promises(settings: Settings) -> list[Check]:
    """How much disk is promised, and the volumes that podd has trouble with. Nothing before there are any."""
    file, name = settings.database, "promised disk"
    if not file.exists():
        return []
    try:
        with closing(_open(file)) as connection:
            reader = Reader(connection)
            containers, own = workloads.promised_disk(reader)
            network, caches = volume_rows.promised(reader), model_caches.promised(reader)
            troubles = volume_rows.in_trouble(reader) + model_caches.in_trouble(reader)
    except sqlite3.Error:
        return []  # damaged, or from before an upgrade: the check of the database says so
    machine = settings.machine
    room = disk_room(settings.data_dir, None, machine.disk_gb, machine.reserved_disk_gb).shared
    detail = f"{own} GB to pods, {network} GB to network volumes, {containers} GB to running containers"
    detail += f", {caches} GB to model caches" if caches else ""
    detail += f"; there are {room} GB for them at {settings.data_dir}"
    full = _warning(name, detail, "Remove pods and volumes, or add disk: not all of this can be kept.")
    stuck = [
        _warning("volume", trouble, "podd tries again by itself; end what still uses it (fuser -vm).")
        for trouble in troubles
    ]
    return [full if own + network + caches > room else _ok(name, detail), *stuck]


def database(file: Path) -> Check:
    """Reads the whole database. Leaves no files behind: without a write-ahead log nobody is using it, and
    then SQLite needs none of its own."""
    name = "database"
    if not file.exists():
        return _ok(name, f"{file}: podd will make it")
    advice = f"Stop podd, keep a copy of {file}* and restore the last backup."
    try:
        with closing(_open(file)) as reader:
            found = [row[0] for row in reader.execute("PRAGMA integrity_check(3)")]
    except sqlite3.Error as error:
        return _failure(name, f"{file} cannot be read: {error}", advice)
    if found != ["ok"]:
        return _failure(name, f"{file} is damaged: {'; '.join(found)}", advice)
    return _ok(name, f"{file}: {file.stat().st_size / 1e6:.1f} MB, intact")


def _open(file: Path) -> sqlite3.Connection:
    mode = "mode=ro" if Path(f"{file}-wal").exists() else "immutable=1"
    return sqlite3.connect(f"{file.as_uri()}?{mode}", uri=True, timeout=5)


# The settings


def configuration(settings: Settings, known: Catalogue, gpus: Iterable[Gpu]) -> list[Check]:
    """What is allowed but likely not meant."""
    name = "configuration"
    checks = []
    outside = [host for host, _ in settings.addresses if not _is_loopback(host)]
    if outside and _is_loopback(settings.machine.public_ip):
        checks.append(
            _warning(
                name,
                f"podd answers on {', '.join(outside)}, but users are sent to {settings.machine.public_ip}",
                "Set machine.public_ip to the address your users reach this machine at.",
            )
        )
    present = {gpu.type_id for gpu in gpus}
    for type_id in settings.gpus.prices:
        if known.lookup(type_id) is None and type_id not in present:
            checks.append(
                _warning(
                    name,
                    f"gpus.prices names {type_id!r}, which is no GPU type podd knows or has",
                    "Use a type id shown below under GPUs, or take the entry out.",
                )
            )
    return checks or [
        _ok(name, f"engine {settings.engine}, billing {settings.billing.mode}, {settings.public_url}")
    ]


# The container engine


def engine(settings: Settings, real_gpus: bool) -> list[Check]:
    if settings.engine == "process":
        return [process_engine(settings)]
    try:
        _knock(os.environ.get("DOCKER_HOST") or docker.constants.DEFAULT_UNIX_SOCKET)
        with closing(docker.from_env(timeout=int(settings.limits.engine_timeout_seconds) or 1)) as client:
            facts, version = client.info(), client.version()
    except (OSError, docker.errors.DockerException, ValueError) as error:
        if settings.engine == "auto":
            return [no_docker(str(error), required=False), process_engine(settings)]
        return [no_docker(str(error), required=True)]
    hook = shutil.which("nvidia-container-runtime-hook") is not None
    return [
        *docker_engine(facts, version, Path("/proc/mounts").read_text(), real_gpus, hook),
        *isolation(settings, facts, firewall.problem()),
    ]


def _knock(address: str) -> None:
    """Raises OSError when nobody listens at this Unix socket. The SDK's own error does not name it."""
    scheme, _, rest = address.partition("://")
    path = "/" + rest.lstrip("/")
    if scheme.endswith("unix"):
        with closing(socket.socket(socket.AF_UNIX)) as knock:
            try:
                knock.connect(path)
            except OSError as error:
                raise OSError(f"{path}: {error.strerror}") from None


def process_engine(settings: Settings) -> Check:
    name = "process engine"
    outside = [host for host, _ in settings.addresses if not _is_loopback(host)]
    if outside:
        return _failure(
            name,
            f"pods run on the host without isolation, and podd answers on {', '.join(outside)}",
            'Install Docker and set engine = "docker", or listen on 127.0.0.1 only.',
        )
    return _warning(
        name,
        "pods run as plain processes of this host: no isolation, no limits, no GPUs",
        'Good for trying podd out. To let anybody else in, install Docker and set engine = "docker".',
    )


def no_docker(reason: str, required: bool) -> Check:
    """`reason` is the system's or the docker SDK's."""
    if "Permission denied" in reason:
        advice = "Run podd as root, or add its user to the group docker and log in again."
    elif "No such file" in reason:
        advice = "Install Docker (apt install docker.io), or set DOCKER_HOST to where it is."
    else:
        advice = "Start Docker: systemctl start docker; then: journalctl -u docker"
    return (_failure if required else _warning)("docker", f"cannot be reached: {reason}", advice)


def docker_engine(
    facts: Mapping[str, Any], version: Mapping[str, Any], mounts: str, real_gpus: bool, hook: bool
) -> list[Check]:
    """`facts` and `version` are the engine's /info and /version, `mounts` is /proc/mounts, `hook` whether
    nvidia-container-runtime-hook is on the PATH."""
    features = answers.features(dict(facts), mounts)
    checks = [
        _docker_version(version),
        _disk_limits(facts, features.disk_limits),
        _live_restore(facts),
        _ok("cgroups", f"version {facts.get('CgroupVersion', '1')}, {facts.get('CgroupDriver', '?')} driver"),
    ]
    lacking = [text.removeprefix("WARNING: ") for text in facts.get("Warnings") or []]
    if lacking:
        checks.append(
            _warning(
                "docker warnings",
                "; ".join(lacking),
                "If it is about memory, swap or CPU limits: boot with cgroup_enable=memory swapaccount=1.",
            )
        )
    if real_gpus:
        checks.append(_docker_gpus(answers.offers_gpus(features), hook))
    root = Path(facts.get("DockerRootDir", "/var/lib/docker"))
    if root.exists():
        checks.append(disk("docker disk", root, warn=20 * GB, fail=2 * GB))
    return checks


def isolation(settings: Settings, facts: Mapping[str, Any], problem: str) -> list[Check]:
    """What stands between containers and this host. `problem` is why firewall rules cannot be set, or ""."""
    wanted = settings.containers
    checks = [_host_firewall(settings, problem)]
    if wanted.runtime:
        name = f"runtime {wanted.runtime}"
        if wanted.runtime in (facts.get("Runtimes") or {}):
            checks.append(_ok(name, "known to Docker; containers with GPUs use the NVIDIA one"))
        else:
            advice = "Add it to `runtimes` in /etc/docker/daemon.json, or take containers.runtime out."
            checks.append(_failure(name, "Docker does not know it: no container will start", advice))
    if wanted.userns_remap and not answers.remaps_users(dict(facts)):
        advice = 'Add "userns-remap": "default" to /etc/docker/daemon.json, then: systemctl restart docker'
        checks.append(_failure("user namespaces", "Docker does not remap users: podd will not start", advice))
    return checks


def _host_firewall(settings: Settings, problem: str) -> Check:
    name = "host firewall"
    if not settings.containers.firewall:
        detail = "containers reach whatever listens on this host: containers.firewall is false"
        return _warning(name, detail, "Take that setting out, unless a firewall of your own does it.")
    if problem:
        commands = firewall.by_hand(settings.addresses[0][1], settings.containers.blocked_networks)
        return _warning(
            name,
            f"podd cannot keep containers from this host's services: {problem}",
            f"Run podd as root and install iptables. Or set the rules yourself: {commands}",
        )
    return _ok(name, "containers reach podd's port and DNS on this host, nothing else")


def _docker_version(version: Mapping[str, Any]) -> Check:
    text = str(version.get("Version", "?"))
    detail = f"{text}, API {version.get('ApiVersion', '?')}"
    number = _version(text)
    if number and number < OLDEST_DOCKER:
        return _failure("docker", detail, "Install Docker 20.10 or newer.")
    return _ok("docker", detail)


def _disk_limits(facts: Mapping[str, Any], enforced: bool) -> Check:
    backing = dict(pair for pair in facts.get("DriverStatus") or [] if len(pair) == 2).get(
        "Backing Filesystem"
    )
    detail = f"storage driver {facts.get('Driver', '?')}" + (f" on {backing}" if backing else "")
    if enforced:
        return _ok("disk limits", f"{detail}: enforced")
    return _warning(
        "disk limits",
        f"{detail}: not enforced; podd ends containers that overfill theirs, some seconds late",
        "Keep Docker's data on XFS mounted with pquota (overlay2), or on btrfs.",
    )


def _live_restore(facts: Mapping[str, Any]) -> Check:
    if facts.get("LiveRestoreEnabled"):
        return _ok("live restore", "containers survive a restart of Docker")
    return _warning(
        "live restore",
        "off: every restart or update of Docker stops all pods and workers",
        'Add "live-restore": true to /etc/docker/daemon.json, then: systemctl reload docker',
    )


def _docker_gpus(offered: bool, hook: bool) -> Check:
    name = "docker gpus"
    if offered or hook:
        return _ok(name, "the NVIDIA runtime or CDI" if offered else "nvidia-container-runtime-hook")
    return _failure(
        name,
        "Docker cannot give this machine's GPUs to containers",
        "Install nvidia-container-toolkit; then: nvidia-ctk runtime configure && systemctl restart docker",
    )


# GPUs


def gpus(
    real: Sequence[Gpu],
    problem: str | None,
    reasons: Mapping[str, str],
    simulated: Sequence[Gpu],
    known: Catalogue,
) -> list[Check]:
    checks = [_gpu(gpu, reasons.get(gpu.uuid, ""), known) for gpu in [*real, *simulated]]
    if problem == NO_DRIVER:
        checks.append(
            _ok("gpus", f"{problem}: CPU pods and CPU endpoints only" if not simulated else problem)
        )
    elif problem is not None:
        checks.append(_warning("gpus", problem, "See: nvidia-smi; dmesg | grep -i -e nvrm -e xid"))
    elif not real:
        checks.append(_ok("gpus", "the NVIDIA driver works, but there is no GPU"))
    return checks


def _gpu(gpu: Gpu, reason: str, known: Catalogue) -> Check:
    gpu_type = known.type_of(gpu)
    name = f"{'simulated ' if gpu.simulated else ''}gpu {gpu.index}"
    detail = f"{gpu.type_id}, {gpu_type.memory_gb} GB, pool {gpu_type.pool} ({gpu.uuid})"
    if gpu.state is not GpuState.HEALTHY:
        advice = "No new pod gets it. Reset it (nvidia-smi --gpu-reset -i INDEX) or reboot."
        return _failure(name, f"{detail}: {reason}", advice)
    if not gpu_type.known:
        advice = f'Its prices follow from its memory. Set your own: [gpus.prices] "{gpu.type_id}" = {{ ... }}'
        return _warning(name, f"{detail} is not in the catalogue", advice)
    return _ok(name, detail)


def toolkit(version: str | None, real_gpus: bool) -> Check:
    """`version` is what the installed toolkit says, None when there is none."""
    name = "nvidia container toolkit"
    if version is None:
        if not real_gpus:
            return _ok(name, "not installed, and not needed without NVIDIA GPUs")
        return _warning(name, "not found", "Install nvidia-container-toolkit 1.17.8 or newer.")
    number = _version(version)
    if number and number < SAFE_TOOLKIT:
        return _warning(
            name,
            f"{version} lets a container image take over the host (CVE-2025-23266)",
            "Update nvidia-container-toolkit to 1.17.8 or newer, and restart Docker.",
        )
    return _ok(name, version)


def toolkit_version() -> str | None:
    """The version of the NVIDIA Container Toolkit on the PATH."""
    for program in ("nvidia-ctk", "nvidia-container-cli"):
        path = shutil.which(program)
        if path is None:
            continue
        try:
            done = subprocess.run(  # noqa: S603 - a program of the administrator's own PATH
                [path, "--version"], capture_output=True, text=True, timeout=10, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        if found := re.search(r"\d+\.\d+\.\d+", done.stdout):
            return found[0]
    return None


# Private


def _guarded(name: str, look: Callable[[], list[Check]]) -> list[Check]:
    """One check that breaks must not hide the others."""
    try:
        return look()
    except Exception as error:
        return [
            _failure(
                name, f"could not be checked: {error!r}", "Please report this as a fault of podd doctor."
            )
        ]


def _ok(name: str, detail: str) -> Check:
    return Check(name, Status.OK, detail)


def _as_warning(check: Check) -> Check:
    return replace(check, status=Status.WARNING) if check.status is Status.FAILURE else check


def _warning(name: str, detail: str, advice: str) -> Check:
    return Check(name, Status.WARNING, detail, advice)


def _failure(name: str, detail: str, advice: str) -> Check:
    return Check(name, Status.FAILURE, detail, advice)


def _version(text: str) -> tuple[int, ...]:
    found = re.match(r"\d+(\.\d+)*", text)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def _is_loopback(host: str) -> bool:
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"
