"""What may be asked for, what falls to a pod, what it costs, and how its state reads."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podd.domain.catalogue import GpuType
from podd.domain.errors import Invalid
from podd.domain.pod import (
    MachineFacts,
    PodRequest,
    checked_bid,
    checked_gpu_count,
    complete,
    default_name,
    desired_status,
    price_of,
    share,
    status,
    suits,
)
from podd.domain.template import Template
from podd.domain.words import Port
from podd.domain.workload import Desired, Kind, Needs, Phase, Workload

TEMPLATE = Template(
    id="t",
    account_id="a",
    name="t",
    image="template/image",
    args="serve --all",
    disk=7,
    volume=8,
    volume_path="/data",
    ports="80/http",
    env={"A": "template", "B": "template"},
)

MACHINE = MachineFacts(
    disk=1000,
    cloud_type="SECURE",
    data_center_id="LOCAL-1",
    country_code="XX",
    cuda_version="12.4",
    vcpus=16,
    memory=65536,
    gpu_count=4,
)
KEPT = 4096
"""MiB of its memory that GPUs do not bring with them."""

CARD = GpuType(
    id="NVIDIA RTX A6000",
    display_name="RTX A6000",
    memory_gb=48,
    pool="AMPERE_48",
    manufacturer="NVIDIA",
    secure=490_000_000,
    community=330_000_000,
    lowest_bid=200_000_000,
    serverless_second=340_000,
)


def workload(desired: Desired, phase: Phase) -> Workload:
    needs = Needs(image="i", env={}, cpus=1, memory=1024, disk=1)
    return Workload(
        id="w", kind=Kind.POD, account_id="a", desired=desired, phase=phase, generation=1, needs=needs
    )


# What a request comes to


def test_a_request_alone_has_podds_defaults() -> None:
    needs, args, ports = complete(PodRequest(image="a/b"), None, default_disk=50)
    assert needs == Needs(image="a/b", env={}, cpus=0, memory=0, disk=50, volume=0, volume_path="/workspace")
    assert (args, ports) == ("", "")


def test_a_template_fills_in_what_the_request_leaves_out() -> None:
    needs, args, ports = complete(PodRequest(), TEMPLATE, default_disk=50)
    assert (needs.image, needs.command, needs.ports) == (
        "template/image",
        ("serve", "--all"),
        (Port(80, "http"),),
    )
    assert (needs.disk, needs.volume, needs.volume_path) == (7, 8, "/data")
    assert (args, ports) == ("serve --all", "80/http")


def test_the_request_wins_over_the_template_and_environments_are_merged() -> None:
    request = PodRequest(
        image="mine",
        args="run",
        ports="22/tcp",
        disk=1,
        volume=0,
        volume_path="/mine",
        env=(("B", "mine"), ("C", "mine")),
    )
    needs, args, ports = complete(request, TEMPLATE, default_disk=50)
    assert (needs.image, needs.command, needs.ports) == ("mine", ("run",), (Port(22, "tcp"),))
    assert (needs.disk, needs.volume, needs.volume_path) == (1, 0, "/mine")
    assert needs.env == {"A": "template", "B": "mine", "C": "mine"}
    assert (args, ports) == ("run", "22/tcp")


@pytest.mark.parametrize(
    ("request_", "word"),
    [
        (PodRequest(), "imageName"),
        (PodRequest(image="a b"), "imageName"),
        (PodRequest(image="i", args="'"), "dockerArgs"),
        (PodRequest(image="i", ports="x"), "ports"),
        (PodRequest(image="i", env=(("1", ""),)), "env"),
        (PodRequest(image="i", disk=0), "containerDiskInGb"),
        (PodRequest(image="i", disk=-1), "containerDiskInGb"),
        (PodRequest(image="i", volume=-1), "volumeInGb"),
        (PodRequest(image="i", volume_path="workspace"), "volumeMountPath"),
    ],
)
def test_what_is_wrong_is_named(request_: PodRequest, word: str) -> None:
    with pytest.raises(Invalid, match=word):
        complete(request_, None, default_disk=50)


def test_a_gpu_count_is_one_unless_said_otherwise() -> None:
    assert checked_gpu_count(None) == 1
    assert checked_gpu_count(0, least=0) == 0
    for count in (0, -1, 65):
        with pytest.raises(Invalid, match=r"gpuCount"):
            checked_gpu_count(count)


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("runpod/pytorch:2.1", "pytorch"),
        ("ghcr.io:443/a/b@sha256:00", "b"),
        ("busybox", "busybox"),
        ("a/", "pod"),
        (":x", "pod"),
    ],
)
def test_a_pod_without_a_name_is_called_after_its_image(image: str, name: str) -> None:
    assert default_name(image) == name


# Which machine will do

SUITS: dict[str, tuple[PodRequest, bool]] = {
    "no wish": (PodRequest(), True),
    "its cloud": (PodRequest(cloud_type="SECURE"), True),
    "any cloud": (PodRequest(cloud_type="ALL"), True),
    "the other cloud": (PodRequest(cloud_type="COMMUNITY"), False),
    "its data centre": (PodRequest(data_center_ids=("EU-1", "local-1")), True),
    "another data centre": (PodRequest(data_center_ids=("EU-1",)), False),
    "its country": (PodRequest(country_code="xx"), True),
    "another country": (PodRequest(country_code="SE"), False),
    "its CUDA version": (PodRequest(cuda_versions=("12.3", "12.4")), True),
    "other CUDA versions": (PodRequest(cuda_versions=("12.3",)), False),
    "an older CUDA at least": (PodRequest(min_cuda_version="11.8"), True),
    "the same CUDA at least": (PodRequest(min_cuda_version="12.4"), True),
    "a newer CUDA at least": (PodRequest(min_cuda_version="12.10"), False),
    "all its cores": (PodRequest(min_vcpus=16), True),
    "more cores than it has": (PodRequest(min_vcpus=17), False),
    "all its memory": (PodRequest(min_memory=64), True),
    "more memory than it has": (PodRequest(min_memory=65), False),
}


@pytest.mark.parametrize(("request_", "fits"), SUITS.values(), ids=SUITS.keys())
def test_a_machine_suits(request_: PodRequest, fits: bool) -> None:
    assert suits(request_, MACHINE) is fits


def test_a_machine_without_a_driver_has_no_wrong_cuda_version() -> None:
    machine = replace(MACHINE, cuda_version=None)
    assert suits(PodRequest(cuda_versions=("99.9",), min_cuda_version="99.9"), machine)


def test_a_cuda_version_that_is_none_is_refused() -> None:
    with pytest.raises(Invalid, match=r"minCudaVersion"):
        suits(PodRequest(min_cuda_version="newest"), MACHINE)


# The share

SHARES: dict[str, tuple[int, int, PodRequest, tuple[int, int] | None]] = {
    "a GPU brings its part": (1, 65536, PodRequest(), (4, 15360)),
    "all GPUs bring all but what is kept for a pod without any": (4, 65536, PodRequest(), (16, 65536 - KEPT)),
    "no GPU gets what is kept": (0, 65536, PodRequest(), (4, KEPT)),
    "no GPU while all GPUs are taken": (0, KEPT, PodRequest(), (4, KEPT)),
    "a wish above the part is met": (1, 65536, PodRequest(min_vcpus=8, min_memory=32), (8, 32768)),
    "a wish below the part takes nothing away": (1, 65536, PodRequest(min_vcpus=1, min_memory=1), (4, 15360)),
    "a wish for all is met": (1, 65536, PodRequest(min_memory=64), (4, 65536)),
    "less is left than the part": (1, KEPT + 2048, PodRequest(), (4, 2048)),
    "less is left than the wish": (1, 16383, PodRequest(min_memory=16), None),
    "exactly the wish is left": (1, 16384, PodRequest(min_memory=16), (4, 16384)),
    "too little is left for anything": (1, 1023, PodRequest(), None),
    "nothing is left": (1, 0, PodRequest(), None),
    "more was promised than there is": (1, -5, PodRequest(), None),
    "a senseless wish is no wish": (1, 65536, PodRequest(min_vcpus=-3, min_memory=-3), (4, 15360)),
    "a CPU pod gets its size": (
        0,
        65536,
        PodRequest(cpu_flavor_ids=("cpu3c",), min_vcpus=2, min_memory=4),
        (2, 4096),
    ),
    "a CPU pod's size is not there": (
        0,
        4095,
        PodRequest(cpu_flavor_ids=("cpu3c",), min_vcpus=2, min_memory=4),
        None,
    ),
}


@pytest.mark.parametrize(("gpus", "free", "request_", "expected"), SHARES.values(), ids=SHARES.keys())
def test_the_share_of(gpus: int, free: int, request_: PodRequest, expected: tuple[int, int] | None) -> None:
    part = share(MACHINE, gpus, free, request_)
    assert (part and (part.vcpus, part.memory)) == expected


@given(
    gpus=st.integers(0, 8),
    machine_gpus=st.integers(0, 8),
    memory=st.integers(512, 2**21),
    free=st.integers(-1000, 2**21),
    wish=st.none() | st.integers(0, 512),
)
def test_no_more_memory_is_given_than_is_free_and_never_less_than_asked(
    gpus: int, machine_gpus: int, memory: int, free: int, wish: int | None
) -> None:
    machine = replace(MACHINE, gpu_count=machine_gpus, memory=memory)
    part = share(machine, gpus, free, PodRequest(min_memory=wish))
    least = max((wish or 1) * 1024, 512)
    assert (part is None) == (free < least)
    if part is not None:
        assert least <= part.memory <= free
        assert part.vcpus >= 1


@given(
    pods=st.lists(st.integers(1, 3), max_size=8), gpus=st.integers(1, 8), memory=st.integers(20_480, 2**21)
)
def test_however_gpus_are_given_away_a_pod_without_any_still_fits(
    pods: list[int], gpus: int, memory: int
) -> None:
    machine = replace(MACHINE, gpu_count=gpus, memory=memory)
    free = memory
    for count in pods:
        if count <= gpus:
            gpus -= count
            part = share(machine, count, free, PodRequest())
            assert part is not None
            free -= part.memory
    assert share(machine, 0, free, PodRequest()) is not None


# The price


def test_a_price_is_for_all_gpus_of_the_pod() -> None:
    assert price_of(CARD, 2, None, "SECURE") == 980_000_000
    assert price_of(CARD, 2, None, "COMMUNITY") == 660_000_000
    assert price_of(CARD, 2, 250_000_000, "SECURE") == 500_000_000
    assert price_of(CARD, 0, None, "SECURE") == 0
    assert price_of(None, 1, 1, "SECURE") == 0


def test_a_bid_below_the_lowest_is_told_in_the_words_clients_look_for() -> None:
    assert checked_bid(200_000_000, CARD) == 200_000_000
    with pytest.raises(Invalid, match=r"outbid.* RTX A6000 is \$0\.200 per GPU"):
        checked_bid(199_999_999, CARD)


# How it reads

STATUSES: dict[tuple[Desired, Phase], tuple[str, str]] = {
    (Desired.RUNNING, Phase.NONE): ("RUNNING", "PROVISIONING"),
    (Desired.RUNNING, Phase.PULLING): ("RUNNING", "PROVISIONING"),
    (Desired.RUNNING, Phase.STARTING): ("RUNNING", "STARTING"),
    (Desired.RUNNING, Phase.RUNNING): ("RUNNING", "RUNNING"),
    (Desired.RUNNING, Phase.EXITED): ("RUNNING", "STARTING"),
    **{(Desired.STOPPED, phase): ("EXITED", "EXITED") for phase in Phase},
    **{(Desired.FAILED, phase): ("EXITED", "ERROR") for phase in Phase},
    **{(Desired.TERMINATED, phase): ("TERMINATED", "TERMINATED") for phase in Phase},
}


@pytest.mark.parametrize("desired", Desired)
@pytest.mark.parametrize("phase", Phase)
def test_the_words_for_a_pods_state(desired: Desired, phase: Phase) -> None:
    pod = workload(desired, phase)
    assert (desired_status(pod), status(pod)) == STATUSES[desired, phase]
