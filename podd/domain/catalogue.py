"""What GPUs and CPUs are called and cost: GPU types, the pools serverless endpoints name, CPU flavours.

A `Catalogue` is a value made from the tables of `config/catalogue.toml` by `Catalogue.parse`; the
operator's prices are laid over it with `with_prices`. Cards it does not know are never an error:
`type_of` gives them a type whose prices follow from their memory (the `fallback` table) and a pool
`OTHER_<GB>`. All amounts are integers, in nano-dollars (10^-9 dollar).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal, InvalidOperation
from typing import Any, Self

from podd.domain.errors import Invalid
from podd.domain.gpu import Gpu
from podd.domain.words import comma_list, whole_number


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuType:
    """A kind of GPU. `id` is the NVML product name. `secure`, `community` and `lowest_bid` are per GPU
    and hour, `serverless_second` per GPU and second; active workers get `active_discount` percent off.
    `known` is False for a card the catalogue does not list."""

    id: str
    display_name: str
    memory_gb: int
    pool: str
    manufacturer: str
    secure: int
    community: int
    lowest_bid: int
    serverless_second: int
    active_discount: int = 0
    cuda_cores: int = 0
    aliases: tuple[str, ...] = ()
    known: bool = True

    def hourly(self, cloud_type: str) -> int:
        """The on-demand price per GPU and hour on a machine of this cloud type."""
        return self.community if cloud_type == "COMMUNITY" else self.secure

    @property
    def active_second(self) -> int:
        """The price per GPU and second of an active (always on) worker."""
        return self.serverless_second * (100 - self.active_discount) // 100


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuFlavour:
    """A kind of CPU machine: `gb_per_vcpu` of memory comes with each vCPU. `hourly` is per vCPU and
    hour, `serverless_second` per vCPU and second."""

    id: str
    display_name: str
    group: str
    gb_per_vcpu: int
    min_vcpu: int
    max_vcpu: int
    hourly: int
    serverless_second: int

    def instance_id(self, vcpus: int) -> str:
        """`cpu3c-2-4`: so many vCPUs, and the GB that come with them."""
        return f"{self.id}-{vcpus}-{vcpus * self.gb_per_vcpu}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """Prices per GB of GPU memory, for cards nobody listed."""

    secure: int
    community: int
    lowest_bid: int
    serverless_second: int
    active_discount: int = 0


@dataclass(frozen=True)
class Catalogue:
    """`types` in the order of the file, which is also the order inside a pool."""

    types: tuple[GpuType, ...]
    cpus: tuple[CpuFlavour, ...]
    fallback: Fallback
    prices: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @classmethod
    def parse(cls, tables: Mapping[str, Any]) -> Self:
        """From the tables of a catalogue file. Raises ValueError naming the entry that is wrong."""
        return cls(
            types=tuple(_entry(_gpu_type, "gpus", id, row) for id, row in tables["gpus"].items()),
            cpus=tuple(_entry(_cpu_flavour, "cpus", id, row) for id, row in tables["cpus"].items()),
            fallback=_entry(_fallback, "fallback", "per GB", tables["fallback"]),
        )

    def lookup(self, id: str) -> GpuType | None:
        """The type of this id, or of one of the other spellings the public APIs accept."""
        return next((t for t in self.types if t.id == id or id in t.aliases), None)

    def type_of(self, gpu: Gpu) -> GpuType:
        """The type of a card of this machine, made up if it is not listed: a MIG instance costs its part of
        the card, by memory; everything else follows from its name and memory."""
        listed = self.lookup(gpu.type_id)
        if listed is not None:
            return listed
        card_name, mig, profile = gpu.type_id.rpartition(" MIG ")
        card = self.lookup(card_name) if mig else None
        if card is not None:
            return self._priced(_instance(gpu, card, profile))
        return self._priced(_unlisted(gpu, self.fallback))

    def with_gpus(self, gpus: Iterable[Gpu]) -> Self:
        """This catalogue with the unlisted cards of a machine added, so that they have pools too."""
        added = {gpu.type_id: self.type_of(gpu) for gpu in gpus if self.lookup(gpu.type_id) is None}
        return replace(self, types=self.types + tuple(added.values()))

    def with_prices(self, prices: Mapping[str, Mapping[str, int]]) -> Self:
        """This catalogue with some amounts replaced: `{type id: {field of GpuType: amount}}`. A type
        id that is not listed is kept for a card of that name."""
        merged = replace(self, prices={**self.prices, **prices})
        return replace(merged, types=tuple(merged._priced(t) for t in self.types))

    def pools(self) -> dict[str, tuple[str, ...]]:
        """Pool id -> ids of its types, in catalogue order."""
        pools: dict[str, tuple[str, ...]] = {}
        for gpu_type in self.types:
            pools[gpu_type.pool] = (*pools.get(gpu_type.pool, ()), gpu_type.id)
        return pools

    def parse_gpu_ids(self, gpu_ids: str) -> tuple[str, ...]:
        """The type ids an endpoint's `gpuIds` string stands for, by preference. Raises Invalid."""
        return tuple(id for type_ids in self.gpu_priorities(gpu_ids) for id in type_ids)

    def gpu_priorities(self, gpu_ids: str) -> tuple[tuple[str, ...], ...]:
        """The type ids of each entry of an endpoint's `gpuIds`, in its order of preference, each type once.

        A comma list of pools and GPU type ids; an entry starting with `-` takes that type out again.
        Raises Invalid for a name nobody knows, and when nothing is left.
        """
        entries = comma_list(gpu_ids)
        excluded = {self._type_id(entry[1:].strip()) for entry in entries if entry.startswith("-")}
        seen = set(excluded)
        priorities = []
        for entry in entries:
            if not entry.startswith("-"):
                chosen = tuple(id for id in dict.fromkeys(self._expand(entry)) if id not in seen)
                priorities.append(chosen)
                seen.update(chosen)
        if not any(priorities):
            raise Invalid("gpuIds: names no GPU type. " + self._pools_sentence())
        return tuple(chosen for chosen in priorities if chosen)

    def flavour(self, id: str) -> CpuFlavour | None:
        return next((cpu for cpu in self.cpus if cpu.id == id), None)

    def instance(self, instance_id: str) -> tuple[CpuFlavour, int]:
        """The flavour and the vCPUs of an instance id: `cpu3c-2-4` has 2 vCPUs and 4 GB. Raises Invalid."""
        flavor_id, _, size = instance_id.partition("-")
        flavour = self.flavour(flavor_id)
        vcpus = whole_number(size.partition("-")[0]) or 0
        if (
            flavour is None
            or not flavour.min_vcpu <= vcpus <= flavour.max_vcpu
            or instance_id != flavour.instance_id(vcpus)
        ):
            known = ", ".join(cpu.id for cpu in self.cpus)
            raise Invalid(
                f"There is no CPU instance {instance_id!r}: it is a flavor ({known}), vCPUs and the GB of "
                "memory that come with them, such as cpu3c-2-4."
            )
        return flavour, vcpus

    def parse_instance_ids(self, instance_ids: str) -> tuple[tuple[CpuFlavour, int], ...]:
        """What an endpoint's comma list of instance ids stands for, in its order. Raises Invalid."""
        return tuple(self.instance(id) for id in comma_list(instance_ids))

    def cheapest_instance(self, min_vcpus: int = 0, min_memory: int = 0) -> tuple[CpuFlavour, int] | None:
        """The flavour and vCPUs that give at least this (GB of memory) for the least money."""
        sizes = ((cpu, max(cpu.min_vcpu, min_vcpus, -(-min_memory // cpu.gb_per_vcpu))) for cpu in self.cpus)
        fitting = [(cpu, vcpus) for cpu, vcpus in sizes if vcpus <= cpu.max_vcpu]
        return min(fitting, key=lambda size: size[0].hourly * size[1], default=None)

    def _expand(self, entry: str) -> tuple[str, ...]:
        return self.pools().get(entry.upper()) or (self._type_id(entry),)

    def _type_id(self, entry: str) -> str:
        gpu_type = self.lookup(entry)
        if gpu_type is None:
            raise Invalid(f"gpuIds: there is no GPU pool or type {entry!r}. {self._pools_sentence()}")
        return gpu_type.id

    def _pools_sentence(self) -> str:
        return f"Known pools: {', '.join(sorted(self.pools()))}."

    def _priced(self, gpu_type: GpuType) -> GpuType:
        return replace(gpu_type, **self.prices.get(gpu_type.id, {}))  # type: ignore[arg-type]


def nano_dollars(amount: str | Decimal) -> int:
    """'0.34' -> 340000000, exactly. Raises ValueError for anything that is not a plain amount >= 0."""
    try:
        nanos = Decimal(amount) * 10**9
    except InvalidOperation:
        raise ValueError(f"{amount!r} is not an amount of dollars such as '0.34'") from None
    if not nanos.is_finite() or nanos < 0:
        raise ValueError(f"{amount} is not an amount of dollars such as '0.34'")
    if nanos != int(nanos):
        raise ValueError(f"{amount} has more than nine decimals")
    return int(nanos)


def display_name(type_id: str) -> str:
    """'NVIDIA GeForce RTX 4090' -> 'RTX 4090': the maker's names in front are dropped, as RunPod does."""
    return " ".join(type_id.split()).removeprefix("NVIDIA ").removeprefix("GeForce ")


def manufacturer(type_id: str) -> str:
    """NVIDIA, AMD or UNKNOWN, from the product name."""
    first = type_id.split()[0].upper() if type_id.strip() else ""
    if first in {"NVIDIA", "GEFORCE", "TESLA", "QUADRO", "GRID", "TITAN"}:
        return "NVIDIA"
    return "AMD" if first == "AMD" else "UNKNOWN"


# Private


def _instance(gpu: Gpu, card: GpuType, profile: str) -> GpuType:
    gb = max(1, round(gpu.memory / 1024))

    def part(amount: int) -> int:
        return min(amount, amount * gb // card.memory_gb)

    return replace(
        card,
        id=gpu.type_id,
        display_name=f"{card.display_name} MIG {profile}",
        memory_gb=gb,
        pool=f"OTHER_{gb}",
        secure=part(card.secure),
        community=part(card.community),
        lowest_bid=part(card.lowest_bid),
        serverless_second=part(card.serverless_second),
        cuda_cores=0,
        aliases=(),
    )


def _unlisted(gpu: Gpu, fallback: Fallback) -> GpuType:
    gb = max(1, round(gpu.memory / 1024))
    return GpuType(
        id=gpu.type_id,
        display_name=display_name(gpu.type_id),
        memory_gb=gb,
        pool=f"OTHER_{gb}",
        manufacturer=manufacturer(gpu.type_id),
        secure=fallback.secure * gb,
        community=fallback.community * gb,
        lowest_bid=fallback.lowest_bid * gb,
        serverless_second=fallback.serverless_second * gb,
        active_discount=fallback.active_discount,
        known=False,
    )


def _entry(make: Any, table: str, id: str, row: Mapping[str, Any]) -> Any:
    try:
        return make(id, row)
    except KeyError as missing:
        raise ValueError(f"{table}, {id}: {missing.args[0]} is missing") from None
    except (TypeError, ValueError) as error:
        raise ValueError(f"{table}, {id}: {error}") from None


def _gpu_type(id: str, row: Mapping[str, Any]) -> GpuType:
    _no_others(row, {f.name for f in fields(GpuType)} - {"id", "known"})
    return GpuType(
        id=id,
        display_name=row.get("display_name", display_name(id)),
        memory_gb=int(row["memory_gb"]),
        pool=row.get("pool", f"OTHER_{row['memory_gb']}"),
        manufacturer=row.get("manufacturer", manufacturer(id)),
        active_discount=_percent(row.get("active_discount", 0)),
        cuda_cores=int(row.get("cuda_cores", 0)),
        aliases=tuple(row.get("aliases", ())),
        secure=nano_dollars(row["secure"]),
        community=nano_dollars(row["community"]),
        lowest_bid=nano_dollars(row["lowest_bid"]),
        serverless_second=nano_dollars(row["serverless_second"]),
    )


def _cpu_flavour(id: str, row: Mapping[str, Any]) -> CpuFlavour:
    _no_others(row, {f.name for f in fields(CpuFlavour)} - {"id"})
    return CpuFlavour(
        id=id,
        display_name=row["display_name"],
        group=row["group"],
        gb_per_vcpu=int(row["gb_per_vcpu"]),
        min_vcpu=int(row["min_vcpu"]),
        max_vcpu=int(row["max_vcpu"]),
        hourly=nano_dollars(row["hourly"]),
        serverless_second=nano_dollars(row["serverless_second"]),
    )


def _fallback(_id: str, row: Mapping[str, Any]) -> Fallback:
    _no_others(row, {f.name for f in fields(Fallback)})
    return Fallback(
        secure=nano_dollars(row["secure"]),
        community=nano_dollars(row["community"]),
        lowest_bid=nano_dollars(row["lowest_bid"]),
        serverless_second=nano_dollars(row["serverless_second"]),
        active_discount=_percent(row["active_discount"]),
    )


def _no_others(row: Mapping[str, Any], allowed: set[str]) -> None:
    for name in row:
        if name not in allowed:
            raise ValueError(f"unknown key {name!r}")


def _percent(value: int) -> int:
    if not 0 <= value <= 100:
        raise ValueError(f"{value} is not a percentage")
    return value
