"""How much of the machine is free, in the catalogue's four words."""

from dataclasses import dataclass

from podd.domain import pod as rules
from podd.domain.catalogue import CpuFlavour, GpuType
from podd.domain.gpu import Gpu
from podd.domain.pod import MachineFacts, PodRequest
from podd.services.platform import Platform
from podd.store import gpus, workloads
from podd.store.db import Reader
from podd.wire import rest_v2 as wire


@dataclass(frozen=True)
class Stock:
    """One look at the machine. `free_memory` in MiB."""

    machine: MachineFacts
    types: dict[str, GpuType]
    flavours: tuple[CpuFlavour, ...]
    gpus: list[Gpu]
    claimed: frozenset[str]
    free_memory: int

    def total(self, gpu_type: GpuType) -> int:
        return len(self._usable(gpu_type))

    def free(self, gpu_type: GpuType) -> int:
        return sum(gpu.uuid not in self.claimed for gpu in self._usable(gpu_type))

    def _usable(self, gpu_type: GpuType) -> list[Gpu]:
        same = (gpu for gpu in self.gpus if gpu.type_id == gpu_type.id)
        return [gpu for gpu in same if gpu.usable]


def take_stock(db: Reader, podd: Platform) -> Stock:
    return Stock(
        machine=podd.facts(db),
        types=podd.gpu_types(db),
        flavours=podd.catalogue.cpus,
        gpus=gpus.all_present(db),
        claimed=gpus.taken(db),
        free_memory=max(podd.host.memory - workloads.reserved_memory(db), 0),
    )


def gpu_level(stock: Stock, query: wire.GpuTypesQuery, gpu_type: GpuType) -> wire.AvailabilityLevel:
    """NONE as well when this machine is not of the wanted kind."""
    wish = PodRequest(
        cloud_type=query.cloud,
        cuda_versions=tuple(query.cuda_versions),
        min_cuda_version=query.min_cuda_version,
    )
    free = stock.free(gpu_type)
    if not rules.suits(wish, stock.machine) or (query.count or 1) > free:
        return "NONE"
    if query.country_codes and stock.machine.country_code not in map(str.upper, query.country_codes):
        return "NONE"
    if query.product == ["CLUSTER"]:
        return "NONE"
    return level(free, stock.total(gpu_type))


def cpu_level(stock: Stock, query: wire.CpuTypesQuery, flavour: CpuFlavour) -> wire.AvailabilityLevel:
    """By the memory that comes with the vCPUs: cores are shared, memory is not."""
    vcpus = query.vcpu_count or flavour.min_vcpu
    if not flavour.min_vcpu <= vcpus <= min(flavour.max_vcpu, stock.machine.vcpus):
        return "NONE"
    if query.product == ["SERVERLESS"] or vcpus * flavour.gb_per_vcpu * 1024 > stock.free_memory:
        return "NONE"
    return level(stock.free_memory, stock.machine.memory)


def level(free: int, total: int) -> wire.AvailabilityLevel:
    if not free:
        return "NONE"
    return "HIGH" if free * 2 > total else "MEDIUM" if free * 4 > total else "LOW"
