"""What every service needs to know about this installation. Made once, by the daemon."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from podd.config import Settings
from podd.domain.catalogue import Catalogue, GpuType
from podd.domain.job import JobLimits
from podd.domain.meter import Moment
from podd.domain.pod import MachineFacts
from podd.ids import DerivedKeys
from podd.instruments import Instruments
from podd.ports import Clock
from podd.sealing import Sealer
from podd.services.queue_cap import QueueCap
from podd.services.traffic import Traffic
from podd.services.uses import Uses
from podd.store import gpus
from podd.store.db import Reader, Store
from podd.wakeups import Bells

# Bells.
RECONCILE = "reconcile"
AUTOSCALE = "autoscale"
SWEEP = "sweep"
WEBHOOKS = "webhooks"
BILLING = "billing"
GROW = "grow"
IMAGES = "images"
GPUS = "gpus"


def queue_bell(endpoint_id: str) -> str:
    return f"queue:{endpoint_id}"


def endpoint_bell(endpoint_id: str) -> str:
    """Rings when the endpoint is deleted, and all its jobs with it."""
    return f"endpoint:{endpoint_id}"


def end_bell(job_id: str) -> str:
    """For who waits for a job's end alone; `job_bell` rings for everything about it."""
    return f"end:{job_id}"


def job_bell(job_id: str) -> str:
    return f"job:{job_id}"


def worker_bell(worker_id: str) -> str:
    return f"worker:{worker_id}"


@dataclass(frozen=True, slots=True)
class Host:
    """The machine's size: `vcpus`, and `memory` in MiB that workloads may use. `disk` is the GB there are for
    volumes and container disks together, unless the latter have `container_disk` GB of their own."""

    vcpus: int
    memory: int
    disk: int = 1_000_000
    container_disk: int | None = None
    cuda_version: str | None = None


@dataclass(frozen=True)
class Platform:
    """`worker_url` is where containers reach this daemon; `booted_at` when it started, `boot_id` which start
    of the machine this is; `accelerator` is the directory with the hook for workers' Python, if there is one.
    """

    settings: Settings
    catalogue: Catalogue
    store: Store
    bells: Bells
    clock: Clock
    keys: DerivedKeys
    sealer: Sealer
    host: Host
    worker_url: str
    booted_at: int
    operator_key_hash: str
    boot_id: str = ""
    accelerator: Path | None = None
    queue_cap: QueueCap = field(default_factory=QueueCap)
    traffic: Traffic = field(default_factory=Traffic)
    uses: Uses = field(default_factory=Uses)
    instruments: Instruments = field(default_factory=Instruments)

    def moment(self) -> Moment:
        """Now, by both clocks."""
        return Moment(self.clock.now(), self.clock.monotonic(), self.boot_id)

    @property
    def volumes(self) -> Path:
        return self.settings.data_dir / "volumes"

    @property
    def network_volumes(self) -> Path:
        return self.settings.data_dir / "network-volumes"

    @property
    def job_limits(self) -> JobLimits:
        limits = self.settings.limits
        return JobLimits(
            min_execution_timeout=int(limits.execution_timeout_min_seconds * 1000),
            max_execution_timeout=int(limits.execution_timeout_max_seconds * 1000),
            min_ttl=int(limits.job_ttl_min_seconds * 1000),
            max_ttl=int(limits.job_ttl_max_seconds * 1000),
            default_wait=int(limits.runsync_wait_seconds * 1000),
            max_wait=int(limits.runsync_wait_max_seconds * 1000),
        )

    @cached_property
    def machine_id(self) -> str:
        """Twelve characters that name this machine to clients."""
        return self.keys.host_suffix("machine").ljust(12, "0")

    def facts(self, db: Reader) -> MachineFacts:
        machine = self.settings.machine
        return MachineFacts(
            cloud_type=machine.cloud_type,
            data_center_id=machine.data_center_id,
            country_code=machine.country_code,
            cuda_version=self.host.cuda_version,
            vcpus=self.host.vcpus,
            memory=self.host.memory,
            disk=self.host.disk,
            gpu_count=len(gpus.all_present(db)),
        )

    def gpu_types(self, db: Reader) -> dict[str, GpuType]:
        """The types of this machine's GPUs, by id, in the order of the machine."""
        types = (self.catalogue.type_of(gpu) for gpu in gpus.all_present(db))
        return {gpu_type.id: gpu_type for gpu_type in types}
