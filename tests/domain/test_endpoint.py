"""An endpoint's settings: what is kept, what is refused, and what needs new containers."""

from dataclasses import replace
from typing import Any

import pytest

from podd.domain.endpoint import Endpoint, EndpointChange, EndpointType, Scaler, needs_release, settings
from podd.domain.errors import Invalid
from podd.domain.job import JobLimits

BASE = Endpoint(
    id="e",
    account_id="a",
    name="base",
    template_id="t",
    gpu_ids="AMPERE_48",
    gpu_count=2,
    idle_timeout_s=7,
    scaler=Scaler.REQUEST_COUNT,
    scaler_value=9,
    workers_min=1,
    workers_max=5,
    execution_timeout_ms=60_000,
    flash_boot="FLASHBOOT",
    extras={"a": 1},
)


def checked(**said: Any) -> dict[str, Any]:
    return settings(EndpointChange(**said), BASE)


def test_what_is_not_said_stays_as_it_is() -> None:
    assert checked() == {
        "name": "base",
        "template_id": "t",
        "type": EndpointType.QB,
        "gpu_ids": "AMPERE_48",
        "gpu_count": 2,
        "instance_ids": "",
        "network_volume_id": "",
        "data_center_ids": "",
        "cuda_versions": "",
        "min_cuda_version": "",
        "model": "",
        "idle_timeout_s": 7,
        "scaler": Scaler.REQUEST_COUNT,
        "scaler_value": 9,
        "workers_min": 1,
        "workers_max": 5,
        "execution_timeout_ms": 60_000,
        "flash_boot": "FLASHBOOT",
        "extras": {"a": 1},
    }


SAID: dict[str, tuple[Any, Any]] = {
    "name": (" other ", "other"),
    "template_id": ("t2", "t2"),
    "gpu_ids": ("ADA_24", "ADA_24"),
    "gpu_count": (1, 1),
    "idle_timeout_s": (3600, 3600),
    "scaler": ("QUEUE_DELAY", Scaler.QUEUE_DELAY),
    "scaler_value": (1, 1),
    "workers_min": (0, 0),
    "workers_max": (1, 1),
    "execution_timeout_ms": (0, 0),
    "flash_boot": ("OFF", "OFF"),
    "extras": ({"b": 2}, {"a": 1, "b": 2}),
}


@pytest.mark.parametrize("field", SAID)
def test_what_is_said_is_taken(field: str) -> None:
    said, kept = SAID[field]
    assert checked(**{field: said}) == {**checked(), field: kept}


@pytest.mark.parametrize(
    ("field", "value", "word"),
    [
        ("name", "ab", "name"),
        ("name", "  ab  ", "name"),
        ("name", "x" * 192, "name"),
        ("gpu_count", 0, "gpuCount"),
        ("gpu_count", 65, "gpuCount"),
        ("idle_timeout_s", 0, "idleTimeout"),
        ("idle_timeout_s", 3601, "idleTimeout"),
        ("scaler", "queue_delay", "scalerType"),
        ("scaler_value", 0, "scalerValue"),
        ("workers_min", -1, "workersMin"),
        ("workers_max", 1001, "workersMax"),
        ("workers_min", 6, "workersMin"),
        ("workers_max", 0, "workersMin"),
        ("execution_timeout_ms", 4_999, "executionTimeoutMs"),
        ("execution_timeout_ms", 86_400_001, "executionTimeoutMs"),
        ("execution_timeout_ms", -1, "executionTimeoutMs"),
        ("flash_boot", "ON", "flashBootType"),
    ],
)
def test_a_wrong_setting_is_named(field: str, value: Any, word: str) -> None:
    with pytest.raises(Invalid, match=word):
        checked(**{field: value})


def test_no_workers_at_all_is_a_setting() -> None:
    assert checked(workers_min=0, workers_max=0)["workers_max"] == 0


def test_the_range_of_the_execution_timeout_is_the_operators() -> None:
    limits = JobLimits(min_execution_timeout=1, max_execution_timeout=2)
    assert settings(EndpointChange(execution_timeout_ms=2), BASE, limits)["execution_timeout_ms"] == 2
    with pytest.raises(Invalid, match=r"between 1 and 2"):
        settings(EndpointChange(execution_timeout_ms=3), BASE, limits)


def test_old_clients_switch_flash_boot_on_by_the_name() -> None:
    assert (
        settings(EndpointChange(name="mine-fb"), replace(BASE, flash_boot="OFF"))["flash_boot"] == "FLASHBOOT"
    )


RELEASING = {"template_id", "gpu_ids", "gpu_count"}


@pytest.mark.parametrize("field", SAID)
def test_workers_are_outdated_only_by_what_is_inside_their_containers(field: str) -> None:
    assert needs_release(BASE, checked(**{field: SAID[field][0]})) == (field in RELEASING)


def test_saying_the_same_again_outdates_nobody() -> None:
    assert not needs_release(BASE, checked(template_id="t", gpu_ids="AMPERE_48", gpu_count=2))


@pytest.mark.parametrize("said", ["QUEUE_DELAY", "REQUEST_COUNT", None])
def test_a_load_balancing_endpoint_scales_by_requests(said: str | None) -> None:
    change = EndpointChange(name="abc", type="LB", scaler=said)
    made = settings(change, Endpoint(id="e", account_id="a", name="", template_id=""))
    assert (made["type"], made["scaler"]) == (EndpointType.LB, Scaler.REQUEST_COUNT)


def test_the_type_of_an_endpoint_is_fixed() -> None:
    base = Endpoint(id="e", account_id="a", name="abc", template_id="t")
    assert settings(EndpointChange(type="QB"), base)["type"] is EndpointType.QB
    with pytest.raises(Invalid, match="cannot be changed"):
        settings(EndpointChange(type="LB"), base)
    with pytest.raises(Invalid, match="QB or LB"):
        settings(EndpointChange(type="XX"), base)
