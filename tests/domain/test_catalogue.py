import tomllib
from dataclasses import fields
from decimal import Decimal
from typing import Any

import pytest

from podd.config import shipped
from podd.domain.catalogue import Catalogue, GpuType, display_name, manufacturer
from podd.domain.errors import Invalid
from podd.domain.gpu import Gpu
from podd.domain.money import nano_dollars

CATALOGUE = Catalogue.parse(tomllib.loads(shipped("catalogue.toml").read_text()))

RUNPOD_POOLS = {
    "AMPERE_16",
    "AMPERE_24",
    "ADA_24",
    "ADA_32_PRO",
    "AMPERE_48",
    "ADA_48_PRO",
    "AMPERE_80",
    "ADA_80_PRO",
    "HOPPER_141",
    "BLACKWELL_96",
    "BLACKWELL_180",
}

# The GPU type ids of RunPod's REST v1 (PodCreateInput.gpuTypeIds), odd spellings included.
REST_V1_TYPE_IDS = (
    """
NVIDIA GeForce RTX 4090|NVIDIA A40|NVIDIA RTX A5000|NVIDIA GeForce RTX 5090|NVIDIA H100 80GB HBM3
NVIDIA GeForce RTX 3090|NVIDIA RTX A4500|NVIDIA L40S|NVIDIA H200|NVIDIA L4|NVIDIA RTX 6000 Ada Generation
NVIDIA A100-SXM4-80GB|NVIDIA RTX 4000 Ada Generation|NVIDIA RTX A6000|NVIDIA A100 80GB PCIe
NVIDIA RTX 2000 Ada Generation|NVIDIA RTX A4000|NVIDIA RTX PRO 6000 Blackwell Server Edition
NVIDIA H100 PCIe|NVIDIA H100 NVL|NVIDIA L40|NVIDIA B200|NVIDIA GeForce RTX 3080 Ti
NVIDIA RTX PRO 6000 Blackwell Workstation Edition|NVIDIA GeForce RTX 3080|NVIDIA GeForce RTX 3070
AMD Instinct MI300X OAM|NVIDIA GeForce RTX 4080 SUPER|Tesla V100-PCIE-16GB|Tesla V100-SXM2-32GB
NVIDIA RTX 5000 Ada Generation|NVIDIA GeForce RTX 4070 Ti|NVIDIA RTX 4000 SFF Ada Generation
NVIDIA GeForce RTX 3090 Ti|NVIDIA RTX A2000|NVIDIA GeForce RTX 4080|NVIDIA A30|NVIDIA GeForce RTX 5080
Tesla V100-FHHL-16GB|NVIDIA H200 NVL|Tesla V100-SXM2-16GB
NVIDIA RTX PRO 6000 Blackwell Max-Q Workstation Edition|NVIDIA A5000 Ada|Tesla V100-PCIE-32GB
NVIDIA  RTX A4500|NVIDIA  A30|NVIDIA GeForce RTX 3080TI|Tesla T4|NVIDIA RTX A30
""".strip()
    .replace("\n", "|")
    .split("|")
)


def card(type_id: str, memory: int = 24564) -> Gpu:
    return Gpu(uuid="GPU-1", index=0, type_id=type_id, memory=memory)


def known(type_id: str) -> GpuType:
    found = CATALOGUE.lookup(type_id)
    assert found is not None
    return found


# The shipped file


@pytest.mark.parametrize("type_id", REST_V1_TYPE_IDS)
def test_every_gpu_type_id_of_the_rest_api_is_known(type_id: str) -> None:
    assert CATALOGUE.lookup(type_id) is not None


def test_all_pools_runpod_clients_name_are_there_and_the_rest_are_named_by_memory() -> None:
    pools = set(CATALOGUE.pools())
    assert pools >= RUNPOD_POOLS
    assert all(pool.startswith("OTHER_") for pool in pools - RUNPOD_POOLS)


def test_no_id_or_alias_means_two_types() -> None:
    names = [name for t in CATALOGUE.types for name in (t.id, *t.aliases)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("gpu_type", CATALOGUE.types, ids=lambda t: t.id)
def test_bids_start_below_the_community_price_and_secure_costs_at_least_as_much(gpu_type: GpuType) -> None:
    assert 0 < gpu_type.lowest_bid < gpu_type.community <= gpu_type.secure
    assert 0 < gpu_type.active_second < gpu_type.serverless_second
    assert gpu_type.known


@pytest.mark.parametrize(
    ("type_id", "second"),
    [
        ("NVIDIA RTX A4000", "0.00016"),
        ("NVIDIA L4", "0.00019"),
        ("NVIDIA GeForce RTX 4090", "0.00031"),
        ("NVIDIA RTX A6000", "0.00034"),
        ("NVIDIA L40S", "0.00053"),
        ("NVIDIA A100 80GB PCIe", "0.00076"),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "0.00111"),
        ("NVIDIA H100 80GB HBM3", "0.00116"),
        ("NVIDIA H200", "0.00155"),
        ("NVIDIA B200", "0.00240"),
    ],
)
def test_serverless_costs_what_runpod_publishes(type_id: str, second: str) -> None:
    assert known(type_id).serverless_second == nano_dollars(second)


def test_a_type_has_its_amounts_in_nano_dollars() -> None:
    a6000 = known("NVIDIA RTX A6000")
    assert (a6000.secure, a6000.community, a6000.lowest_bid) == (490_000_000, 330_000_000, 200_000_000)
    assert (a6000.serverless_second, a6000.active_discount, a6000.active_second) == (340_000, 30, 238_000)
    assert (a6000.pool, a6000.memory_gb, a6000.manufacturer) == ("AMPERE_48", 48, "NVIDIA")


def test_the_cloud_type_of_the_machine_chooses_the_price() -> None:
    a6000 = known("NVIDIA RTX A6000")
    assert a6000.hourly("SECURE") == a6000.secure
    assert a6000.hourly("COMMUNITY") == a6000.community


@pytest.mark.parametrize(
    ("flavour", "gb"), [("cpu3c", 2), ("cpu3g", 4), ("cpu3m", 8), ("cpu5c", 2), ("cpu5g", 4), ("cpu5m", 8)]
)
def test_cpu_flavours_have_the_memory_their_letter_means(flavour: str, gb: int) -> None:
    cpu = CATALOGUE.flavour(flavour)
    assert cpu is not None
    assert cpu.gb_per_vcpu == gb
    assert cpu.hourly > 0
    assert cpu.serverless_second > 0


def test_an_instance_id_names_a_flavour_and_its_size() -> None:
    flavour, vcpus = CATALOGUE.instance("cpu3g-4-16")
    assert (flavour.id, vcpus) == ("cpu3g", 4)


@pytest.mark.parametrize(
    "instance_id",
    [
        "",
        "cpu3c",
        "cpu3c-2",
        "cpu3c-2-5",
        "cpu3c-1-2",
        "cpu3c-64-128",
        "cpu3c-2-4-8",
        "cpu3c-x-y",
        "cpu9-2-4",
    ],
)
def test_an_instance_id_of_another_form_or_size_is_refused(instance_id: str) -> None:
    with pytest.raises(Invalid, match="cpu3c-2-4"):
        CATALOGUE.instance(instance_id)


@pytest.mark.parametrize(
    ("vcpus", "memory", "found"),
    [
        (0, 0, ("cpu3c", 2)),
        (3, 0, ("cpu3c", 3)),
        (2, 8, ("cpu3g", 2)),
        (2, 9, ("cpu3m", 2)),
        (0, 256, ("cpu3m", 32)),
    ],
)
def test_the_cheapest_instance_that_is_large_enough_is_found(
    vcpus: int, memory: int, found: tuple[str, int]
) -> None:
    size = CATALOGUE.cheapest_instance(vcpus, memory)
    assert size is not None
    assert (size[0].id, size[1]) == found


def test_no_instance_is_large_enough_for_everything() -> None:
    assert CATALOGUE.cheapest_instance(33) is None
    assert CATALOGUE.cheapest_instance(0, 257) is None


def test_there_is_no_other_cpu_flavour() -> None:
    assert CATALOGUE.flavour("cpu9x") is None
    assert len(CATALOGUE.cpus) == 6


# Names


@pytest.mark.parametrize(
    ("type_id", "name"),
    [
        ("NVIDIA RTX A6000", "RTX A6000"),
        ("NVIDIA GeForce RTX 4090", "RTX 4090"),
        ("NVIDIA L40S", "L40S"),
        ("GeForce GTX 1080", "GTX 1080"),
        ("NVIDIA  Odd   Card", "Odd Card"),
        ("Tesla T4", "Tesla T4"),
        ("AMD Instinct MI300X OAM", "AMD Instinct MI300X OAM"),
    ],
)
def test_display_names_leave_out_the_makers_prefixes(type_id: str, name: str) -> None:
    assert display_name(type_id) == name


@pytest.mark.parametrize(
    ("type_id", "name"),
    [
        ("NVIDIA RTX A6000", "RTX A6000"),
        ("NVIDIA GeForce RTX 4090", "RTX 4090"),
        ("NVIDIA A100-SXM4-80GB", "A100 SXM"),
        ("NVIDIA H100 80GB HBM3", "H100 SXM"),
        ("NVIDIA RTX 6000 Ada Generation", "RTX 6000 Ada"),
        ("AMD Instinct MI300X OAM", "MI300X"),
    ],
)
def test_listed_types_are_shown_as_runpod_shows_them(type_id: str, name: str) -> None:
    assert known(type_id).display_name == name


@pytest.mark.parametrize(
    ("type_id", "maker"),
    [
        ("NVIDIA L4", "NVIDIA"),
        ("Tesla T4", "NVIDIA"),
        ("AMD X", "AMD"),
        ("Arc A770", "UNKNOWN"),
        ("", "UNKNOWN"),
    ],
)
def test_the_manufacturer_follows_from_the_name(type_id: str, maker: str) -> None:
    assert manufacturer(type_id) == maker


def test_an_alias_leads_to_the_type_itself() -> None:
    assert known("NVIDIA  RTX A4500").id == "NVIDIA RTX A4500"


# Cards nobody listed


def test_an_unlisted_card_is_priced_by_its_memory() -> None:
    gpu_type = CATALOGUE.type_of(card("NVIDIA TITAN RTX", memory=24220))
    assert not gpu_type.known
    assert (gpu_type.display_name, gpu_type.memory_gb, gpu_type.pool) == ("TITAN RTX", 24, "OTHER_24")
    assert gpu_type.secure == 24 * CATALOGUE.fallback.secure == nano_dollars("0.288")
    assert 0 < gpu_type.lowest_bid < gpu_type.community < gpu_type.secure


def test_a_card_that_hides_its_memory_still_gets_a_type() -> None:
    assert CATALOGUE.type_of(card("NVIDIA Mystery", memory=0)).memory_gb == 1


def test_a_listed_card_keeps_the_catalogues_memory_whatever_the_driver_reports() -> None:
    assert CATALOGUE.type_of(card("NVIDIA B200", memory=183359)).memory_gb == 180


def test_the_cards_of_a_machine_get_pools_that_can_be_asked_for() -> None:
    ours = CATALOGUE.with_gpus([card("NVIDIA TITAN RTX"), card("NVIDIA TITAN RTX"), card("NVIDIA L4")])
    assert len(ours.types) == len(CATALOGUE.types) + 1
    assert "NVIDIA TITAN RTX" in ours.parse_gpu_ids("OTHER_24")
    assert ours.parse_gpu_ids("NVIDIA TITAN RTX") == ("NVIDIA TITAN RTX",)


# The operator's prices


def test_the_operators_prices_replace_only_what_they_name() -> None:
    ours = CATALOGUE.with_prices({"NVIDIA L4": {"secure": 1, "active_discount": 0}})
    l4, shipped_l4 = ours.lookup("NVIDIA L4"), known("NVIDIA L4")
    assert l4 is not None
    assert (l4.secure, l4.active_discount) == (1, 0)
    assert (l4.community, l4.lowest_bid) == (shipped_l4.community, shipped_l4.lowest_bid)
    assert ours.lookup("NVIDIA A40") == CATALOGUE.lookup("NVIDIA A40")


def test_an_unlisted_card_can_be_priced_by_name() -> None:
    ours = CATALOGUE.with_prices({"NVIDIA TITAN RTX": {"secure": 7}})
    assert ours.type_of(card("NVIDIA TITAN RTX")).secure == 7
    assert ours.with_gpus([card("NVIDIA TITAN RTX")]).types[-1].secure == 7


# gpuIds


@pytest.mark.parametrize(
    ("gpu_ids", "types"),
    [
        ("AMPERE_48", ["NVIDIA RTX A6000", "NVIDIA A40"]),
        ("ampere_48", ["NVIDIA RTX A6000", "NVIDIA A40"]),
        ("ADA_24,AMPERE_48", ["NVIDIA GeForce RTX 4090", "NVIDIA RTX A6000", "NVIDIA A40"]),
        ("NVIDIA L4", ["NVIDIA L4"]),
        (" NVIDIA L4 , ADA_24, ", ["NVIDIA L4", "NVIDIA GeForce RTX 4090"]),
        ("AMPERE_48,-NVIDIA A40", ["NVIDIA RTX A6000"]),
        ("-NVIDIA RTX A6000,AMPERE_48", ["NVIDIA A40"]),
        ("AMPERE_48,-NVIDIA L4", ["NVIDIA RTX A6000", "NVIDIA A40"]),
        ("NVIDIA A40,AMPERE_48", ["NVIDIA A40", "NVIDIA RTX A6000"]),
        ("NVIDIA  A30", ["NVIDIA A30"]),
    ],
)
def test_gpu_ids_are_pools_and_types_in_order_of_preference(gpu_ids: str, types: list[str]) -> None:
    assert CATALOGUE.parse_gpu_ids(gpu_ids) == tuple(types)


def test_an_unknown_pool_is_refused_with_the_known_ones() -> None:
    with pytest.raises(Invalid, match=r"'AMPERE_999'.*Known pools: ADA_24, .*HOPPER_141"):
        CATALOGUE.parse_gpu_ids("ADA_24,AMPERE_999")


@pytest.mark.parametrize("gpu_ids", ["", " , ", "-NVIDIA L4", "NVIDIA L4,-NVIDIA L4"])
def test_gpu_ids_that_leave_nothing_are_refused(gpu_ids: str) -> None:
    with pytest.raises(Invalid, match="names no GPU type"):
        CATALOGUE.parse_gpu_ids(gpu_ids)


def test_excluding_a_type_nobody_knows_is_refused() -> None:
    with pytest.raises(Invalid, match="'NVIDIA Typo'"):
        CATALOGUE.parse_gpu_ids("ADA_24,-NVIDIA Typo")


# Amounts


@pytest.mark.parametrize(
    ("amount", "nanos"),
    [
        ("0.34", 340_000_000),
        ("0", 0),
        ("10", 10_000_000_000),
        ("0.000000001", 1),
        (Decimal("0.10"), 100_000_000),
    ],
)
def test_dollars_are_read_exactly(amount: str | Decimal, nanos: int) -> None:
    assert nano_dollars(amount) == nanos


@pytest.mark.parametrize("amount", ["", "free", "-1", "NaN", "Infinity", "0.0000000001", "1,5", "$1"])
def test_what_is_not_an_amount_is_refused(amount: str) -> None:
    with pytest.raises(ValueError, match=r"dollars|decimals"):
        nano_dollars(amount)


# Files that are wrong


def tables(**row: Any) -> dict[str, Any]:
    prices = {"secure": "2", "community": "2", "lowest_bid": "1", "serverless_second": "0.1"}
    return {
        "gpus": {"NVIDIA Test": {"memory_gb": 8, **prices, **row}},
        "cpus": {},
        "fallback": {**prices, "active_discount": 0},
    }


def test_a_minimal_catalogue_is_enough() -> None:
    assert Catalogue.parse(tables()).pools() == {"OTHER_8": ("NVIDIA Test",)}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"secure": "much"}, "gpus, NVIDIA Test: .*'much'"),
        ({"memory": 8}, "gpus, NVIDIA Test: unknown key 'memory'"),
        ({"active_discount": 101}, "gpus, NVIDIA Test: 101 is not a percentage"),
    ],
)
def test_a_wrong_entry_is_named(row: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Catalogue.parse(tables(**row))


def test_a_missing_price_is_named() -> None:
    wrong = tables()
    del wrong["gpus"]["NVIDIA Test"]["community"]
    with pytest.raises(ValueError, match="gpus, NVIDIA Test: community is missing"):
        Catalogue.parse(wrong)


def test_every_price_override_of_the_settings_is_a_field_of_a_gpu_type() -> None:
    from podd.config import GpuPrices

    assert set(GpuPrices.model_fields) <= {f.name for f in fields(GpuType)}
