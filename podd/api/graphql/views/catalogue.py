"""What the machine offers: GPU types, CPU flavours, the data centre."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from podd.api.graphql.inputs import catalogue_wish
from podd.api.graphql.views import View
from podd.api.shown import dollars
from podd.config import Machine
from podd.domain import pod as pod_rules
from podd.domain.catalogue import Catalogue, CpuFlavour, GpuType
from podd.domain.pod import MachineFacts
from podd.services.platform import Host


@dataclass(frozen=True, slots=True)
class Stock:
    """What there is and what is free of it now: GPUs by type id, memory in MiB."""

    types: tuple[GpuType, ...]
    machine: MachineFacts
    free_memory: int
    total: Mapping[str, int]
    free: Mapping[str, int]

    def has(self, gpu_type: GpuType, wish: View) -> bool:
        """Whether what somebody wishes of this type could be deployed now."""
        count = wish.get("gpuCount") or 1
        return count <= self.free.get(gpu_type.id, 0) and pod_rules.suits(catalogue_wish(wish), self.machine)


def gpu_type_view(gpu_type: GpuType, stock: Stock) -> View:
    """A type this machine has."""
    total = stock.total.get(gpu_type.id, 0)
    secure, community = dollars(gpu_type.secure), dollars(gpu_type.community)

    def lowest_price(_info: object, input: View | None = None) -> View:
        return _lowest_price(gpu_type, stock, input or {})

    return {
        "id": gpu_type.id,
        "displayName": gpu_type.display_name,
        "manufacturer": "Nvidia" if gpu_type.manufacturer == "NVIDIA" else gpu_type.manufacturer,
        "memoryInGb": gpu_type.memory_gb,
        "cudaCores": gpu_type.cuda_cores,
        "secureCloud": True,
        "communityCloud": True,
        "securePrice": secure,
        "communityPrice": community,
        "secureSpotPrice": dollars(gpu_type.lowest_bid),
        "communitySpotPrice": dollars(gpu_type.lowest_bid),
        "oneWeekPrice": secure,
        "oneMonthPrice": secure,
        "threeMonthPrice": secure,
        "sixMonthPrice": secure,
        "oneYearPrice": secure,
        "maxGpuCount": total,
        "maxGpuCountSecureCloud": total,
        "maxGpuCountCommunityCloud": total,
        "minPodGpuCount": 1,
        "nodeGroupDatacenters": [],
        "nodeGroupGpuSizes": [],
        "lowestPrice": lowest_price,
    }


def availability_view(gpu_type: GpuType, stock: Stock, wish: View) -> View:
    available = stock.has(gpu_type, wish)
    return {
        "id": gpu_type.id,
        "gpuTypeId": gpu_type.id,
        "gpuType": gpu_type_view(gpu_type, stock),
        "displayName": gpu_type.display_name,
        "gpuTypeDisplayName": gpu_type.display_name,
        "available": available,
        "stockStatus": _stock_of(gpu_type, stock) if available else None,
    }


def data_center_view(machine: Machine) -> View:
    return {
        "id": machine.data_center_id,
        "name": machine.data_center_id,
        "location": machine.country_code,
        "listed": True,
        "storageSupport": True,
        "globalNetwork": True,
        "compliance": [],
    }


def cpu_flavor_view(flavour: CpuFlavour, host: Host) -> View:
    return {
        "id": flavour.id,
        "groupId": flavour.group,
        "groupName": flavour.group.upper(),
        "displayName": flavour.display_name,
        "minVcpu": flavour.min_vcpu,
        "maxVcpu": min(flavour.max_vcpu, max(host.vcpus, flavour.min_vcpu)),
        "vcpuBurstable": False,
        "ramMultiplier": flavour.gb_per_vcpu,
        "diskLimitPerVcpu": None,
    }


def specifics_of(flavour: CpuFlavour, catalogue: Catalogue, stock: Stock) -> Callable[..., View]:
    """Price and stock of a size of this flavour: of its smallest, unless an instance id is given."""

    def specifics(_info: object, input: View | None = None) -> View:
        wish = input or {}
        sized, vcpus = flavour, flavour.min_vcpu
        if wish.get("instanceId"):
            sized, vcpus = catalogue.instance(wish["instanceId"])
        here = pod_rules.suits(catalogue_wish({**wish, "minVcpuCount": vcpus}), stock.machine)
        memory = vcpus * sized.gb_per_vcpu * 1024
        return {
            "stockStatus": _level(stock.free_memory // memory, stock.machine.memory // memory)
            if here
            else None,
            "securePrice": dollars(sized.hourly * vcpus),
            "slsPrice": dollars(sized.serverless_second * vcpus),
        }

    return specifics


def cpu_type_view(host: Host) -> View:
    """The machine's only one, as far as podd cares to know it."""
    return {
        "id": "local",
        "displayName": f"{host.vcpus} vCPU",
        "manufacturer": None,
        "cores": host.vcpus,
        "threadsPerCore": 1,
        "groupId": None,
    }


# Private


def _lowest_price(gpu_type: GpuType, stock: Stock, wish: View) -> View:
    """The object is never null; its prices are null when the wanted number is not free."""
    total, free = stock.total.get(gpu_type.id, 0), stock.free.get(gpu_type.id, 0)
    named: View = {
        "gpuName": gpu_type.display_name,
        "gpuTypeId": gpu_type.id,
        "totalCount": total,
    }
    if not stock.has(gpu_type, wish):
        return named
    count, machine = wish.get("gpuCount") or 1, stock.machine
    return {
        **named,
        "minimumBidPrice": dollars(gpu_type.lowest_bid),
        "uninterruptablePrice": dollars(
            gpu_type.community if wish.get("secureCloud") is False else gpu_type.secure
        ),
        "minVcpu": max(machine.vcpus * count // max(machine.gpu_count, 1), 1),
        "minMemory": max(machine.memory // 1024 * count // max(machine.gpu_count, 1), 1),
        "stockStatus": _stock_of(gpu_type, stock),
        "rentedCount": total - free,
        "maxGpuCount": total,
        "availableGpuCounts": list(range(1, free + 1)),
        "compliance": [],
        "countryCode": machine.country_code,
        "maxUnreservedGpuCount": free,
        "supportPublicIp": True,
        "gpuTypeCudaVersions": [{"cudaVersion": machine.cuda_version, "availability": "AVAILABLE"}]
        if machine.cuda_version
        else [],
    }


def _stock_of(gpu_type: GpuType, stock: Stock) -> str | None:
    return _level(stock.free.get(gpu_type.id, 0), stock.total.get(gpu_type.id, 0))


def _level(free: int, total: int) -> str | None:
    """High, Medium or Low; None when nothing is free."""
    if free < 1:
        return None
    return "High" if free * 2 > total else "Medium" if free * 4 > total else "Low"
