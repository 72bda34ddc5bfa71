"""What every GpuProbe promises, and what only the one that talks to a driver can get wrong.

The NVML probe runs against a stand-in for NVIDIA's library (testbed/fake_nvml.c) in a process of its own:
the library is found through LD_LIBRARY_PATH, which counts only when a process starts.
"""

import os
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from multiprocessing import get_context
from multiprocessing.managers import BaseManager
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import pynvml
import pytest

from podd.config import Settings, SimulatedGpus, catalogue
from podd.declared import DeclaredProbe, JoinedProbe
from podd.domain import xid
from podd.domain.gpu import Gpu, GpuFault, GpuState
from podd.nvml import NvmlProbe
from podd.ports import GpuProbe, GpuUse
from tests.fakes import FakeGpuProbe

A6000, RTX4090 = "NVIDIA RTX A6000", "NVIDIA GeForce RTX 4090"
FIRST, SECOND, THIRD = (f"GPU-{digit * 8}-2222-3333-4444-555555555555" for digit in "136")
TWO_GPUS = f"""
cuda 12040
gpu uuid={FIRST} name=NVIDIA_RTX_A6000 mem={48 << 30} used={12 << 30} util=37
gpu uuid={SECOND} name=NVIDIA_GeForce_RTX_4090 mem={24 << 30} milliwatts=300500 celsius=81
"""
IN_SIMULATION = [
    Gpu(uuid=FIRST, index=0, type_id=A6000, memory=48 * 1024),
    Gpu(uuid=SECOND, index=1, type_id=RTX4090, memory=24 * 1024),
]


def declared(*gpus: tuple[str, int]) -> DeclaredProbe:
    return DeclaredProbe([SimulatedGpus(type=t, count=n) for t, n in gpus], catalogue(Settings()))


# The stand-in driver


class TalkingProbe(NvmlProbe):
    """Its attributes as methods, for the other process."""

    def what_is_wrong(self) -> str | None:
        return self.problem

    def why(self) -> dict[str, str]:
        return self.reasons

    @cached_property
    def hearing(self) -> Iterator[GpuFault]:
        return self.faults()

    def next_fault(self) -> GpuFault | None:
        """The next one heard of; None once the probe is closed."""
        return next(self.hearing, None)


class DriverProcess(BaseManager):
    """A process with the stand-in library. Each call of a probe there has a thread of its own."""

    probe: Callable[..., Any]


DriverProcess.register("probe", TalkingProbe)


@pytest.fixture(scope="session")
def nvml_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the stand-in libnvidia-ml.so.1: made here, or by tests/run."""
    if made := os.environ.get("PODD_TEST_NVML"):
        return Path(made)
    gcc = shutil.which("gcc")
    if gcc is None:
        pytest.skip("needs gcc, or the directory of the stand-in library in PODD_TEST_NVML")
    directory = tmp_path_factory.mktemp("nvml")
    source = Path(__file__).parents[1] / "testbed" / "fake_nvml.c"
    options = "-shared -fPIC -O1 -Wall -Werror -pthread -Wl,-soname,libnvidia-ml.so.1".split()
    subprocess.run([gcc, *options, "-o", directory / "libnvidia-ml.so.1", source], check=True)
    return directory


class Driver:
    """The stand-in driver: `says` changes its hardware, also while a probe looks."""

    def __init__(self, config: Path, process: DriverProcess) -> None:
        self._config = config
        self._process = process
        self._probes: list[Any] = []

    def says(self, text: str) -> None:
        new = self._config.with_suffix(".new")
        new.write_text(text)
        new.replace(self._config)

    def is_gone(self) -> None:
        self._config.unlink(missing_ok=True)

    def probe(self, patience: float = 10.0) -> Any:
        self._probes.append(self._process.probe(patience))
        return self._probes[-1]

    def close(self) -> None:
        self.says("")
        for probe in self._probes:
            probe.close()


@pytest.fixture(scope="session")
def driver_process(
    nvml_library: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, DriverProcess]]:
    config = tmp_path_factory.mktemp("driver") / "gpus.conf"
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("LD_LIBRARY_PATH", str(nvml_library))
        monkeypatch.setenv("FAKE_NVML_CONFIG", str(config))
        process = DriverProcess(ctx=get_context("spawn"))
        process.start()
    with process:
        yield config, process


@pytest.fixture
def driver(driver_process: tuple[Path, DriverProcess]) -> Iterator[Driver]:
    driver = Driver(*driver_process)
    driver.says(TWO_GPUS)
    yield driver
    driver.close()


# Every probe: two GPUs, an A6000 and a 4090


@pytest.fixture(params=["declared", "fake", "joined", pytest.param("nvml", marks=pytest.mark.e2e)])
def probe(request: pytest.FixtureRequest) -> GpuProbe:
    match request.param:
        case "nvml":
            driver: Driver = request.getfixturevalue("driver")
            nvml: GpuProbe = driver.probe()
            return nvml
        case "fake":
            return FakeGpuProbe(IN_SIMULATION)
        case "joined":
            return JoinedProbe(declared((A6000, 1)), declared((RTX4090, 1)))
        case _:
            return declared((A6000, 1), (RTX4090, 1))


@pytest.fixture(params=["declared", "fake", "joined", pytest.param("nvml", marks=pytest.mark.e2e)])
def empty_probe(request: pytest.FixtureRequest) -> GpuProbe:
    match request.param:
        case "nvml":
            driver: Driver = request.getfixturevalue("driver")
            driver.says("cuda 12040")
            nvml: GpuProbe = driver.probe()
            return nvml
        case "fake":
            return FakeGpuProbe()
        case "joined":
            return JoinedProbe(declared())
        case _:
            return declared()


def test_gpus_come_in_index_order_from_zero(probe: GpuProbe) -> None:
    assert [gpu.index for gpu in probe.gpus()] == [0, 1]


def test_gpus_have_their_type_their_memory_and_are_healthy(probe: GpuProbe) -> None:
    assert [(gpu.type_id, gpu.memory, gpu.state) for gpu in probe.gpus()] == [
        (A6000, 48 * 1024, GpuState.HEALTHY),
        (RTX4090, 24 * 1024, GpuState.HEALTHY),
    ]


def test_each_gpu_has_a_uuid_of_its_own_that_the_container_toolkit_understands(probe: GpuProbe) -> None:
    uuids = [gpu.uuid for gpu in probe.gpus()]
    assert len(set(uuids)) == 2
    assert all(re.fullmatch(r"GPU-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", uuid) for uuid in uuids)


def test_looking_twice_gives_the_same(probe: GpuProbe) -> None:
    assert probe.gpus() == probe.gpus()


def test_the_list_belongs_to_the_caller(probe: GpuProbe) -> None:
    probe.gpus().clear()
    assert len(probe.gpus()) == 2


def test_utilisation_is_percent_of_gpus_that_are_there(probe: GpuProbe) -> None:
    uses = probe.utilisation()
    assert uses.keys() <= {gpu.uuid for gpu in probe.gpus()}
    assert all(0 <= (use.gpu_percent or 0) <= 100 for use in uses.values())
    assert all(0 <= use.memory_percent <= 100 for use in uses.values())


def test_the_cuda_version_is_major_and_minor(probe: GpuProbe) -> None:
    assert re.fullmatch(r"\d+\.\d+", probe.cuda_version() or "none")


def test_a_machine_without_gpus_has_an_empty_list(empty_probe: GpuProbe) -> None:
    assert empty_probe.gpus() == []
    assert empty_probe.utilisation() == {}


# Declared GPUs


def test_declared_gpus_are_marked_as_simulated() -> None:
    assert all(gpu.simulated for gpu in declared((A6000, 2)).gpus())


def test_a_declared_gpu_keeps_its_uuid_whatever_else_is_declared() -> None:
    (one,) = declared((A6000, 1)).gpus()
    others = declared((RTX4090, 3), (A6000, 1), (A6000, 1)).gpus()
    assert others[3].uuid == one.uuid
    assert len({gpu.uuid for gpu in others}) == 5
    assert (
        one.uuid == "GPU-c8cbd74f-e2ed-5da6-b5d4-18e033154509"
    )  # containers that run hold it: never change it


def test_a_declared_type_nobody_lists_has_24_gib() -> None:
    assert [gpu.memory for gpu in declared(("NVIDIA TITAN RTX", 1)).gpus()] == [24 * 1024]


def test_another_spelling_of_a_listed_type_declares_that_type() -> None:
    assert [gpu.type_id for gpu in declared(("NVIDIA  RTX A4500", 1)).gpus()] == ["NVIDIA RTX A4500"]


def test_without_declared_gpus_there_is_no_cuda_version() -> None:
    assert declared().cuda_version() is None


# Joined probes


def test_joined_probes_follow_each_other_numbered_anew() -> None:
    real = FakeGpuProbe(IN_SIMULATION, {FIRST: GpuUse(1, 2)})
    joined = JoinedProbe(real, declared((A6000, 1)))
    assert [(gpu.index, gpu.simulated) for gpu in joined.gpus()] == [(0, False), (1, False), (2, True)]
    assert joined.gpus()[:2] == IN_SIMULATION
    assert joined.utilisation().keys() == {FIRST, joined.gpus()[2].uuid}


def test_the_cuda_version_is_that_of_the_first_probe_with_a_driver() -> None:
    none, first, second = (FakeGpuProbe(cuda=version) for version in (None, "12.4", "13.0"))
    assert JoinedProbe(none, first, second).cuda_version() == "12.4"
    assert JoinedProbe(none).cuda_version() is None


# NVML without a driver: nothing is raised, and there is a reason


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, "the NVIDIA driver is not installed"),
        (pynvml.NVML_ERROR_DRIVER_NOT_LOADED, "not loaded"),
        (pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH, "reboot"),
        (pynvml.NVML_ERROR_FUNCTION_NOT_FOUND, "too old"),
        (pynvml.NVML_ERROR_NO_PERMISSION, "may not use"),
        (pynvml.NVML_ERROR_MEMORY, "cannot be used: Insufficient Memory"),
    ],
)
def test_a_driver_that_cannot_be_used_is_no_gpus_and_a_reason(
    code: int, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise pynvml.NVMLError(code)

    monkeypatch.setattr(pynvml, "nvmlInit", fail)
    probe = NvmlProbe()
    assert (probe.gpus(), probe.utilisation(), probe.cuda_version()) == ([], {}, None)
    assert reason in (probe.problem or "")
    probe.close()


# NVML with a driver


@pytest.mark.e2e
def test_the_driver_says_what_is_there(driver: Driver) -> None:
    probe = driver.probe()
    assert [gpu.uuid for gpu in probe.gpus()] == [FIRST, SECOND]
    assert not any(gpu.simulated for gpu in probe.gpus())
    assert probe.cuda_version() == "12.4"
    assert probe.utilisation() == {FIRST: GpuUse(37, 25, 25.0, 40), SECOND: GpuUse(0, 0, 300.5, 81)}
    assert probe.what_is_wrong() is None


@pytest.mark.e2e
def test_gpus_appear_when_the_driver_is_loaded_later(driver: Driver) -> None:
    probe = driver.probe()
    driver.is_gone()
    assert probe.gpus() == []
    assert "not loaded" in probe.what_is_wrong()
    driver.says("init_error 18\n" + TWO_GPUS)
    assert probe.gpus() == []
    assert "reboot" in probe.what_is_wrong()
    driver.says(TWO_GPUS)
    assert len(probe.gpus()) == 2
    assert probe.what_is_wrong() is None


@pytest.mark.e2e
@pytest.mark.parametrize("error", [15, 16, 999])
def test_a_gpu_that_fails_is_unhealthy_until_it_is_back(error: int, driver: Driver) -> None:
    probe = driver.probe()
    before = probe.gpus()
    driver.says(TWO_GPUS.replace("util=37", f"err={error}"))
    sick, well = probe.gpus()
    (why,) = probe.why().values()
    assert (sick, well) == (replace(before[0], state=GpuState.UNHEALTHY, reason=why), before[1])
    assert probe.utilisation().keys() == {SECOND}
    assert probe.why().keys() == {FIRST}
    assert f"GPU 0 ({FIRST}): the driver says: " in probe.what_is_wrong()
    driver.says(TWO_GPUS)
    assert probe.gpus() == before
    assert (probe.what_is_wrong(), probe.why()) == (None, {})


@pytest.mark.e2e
def test_a_gpu_that_fell_off_the_bus_stays_in_its_place_unhealthy(driver: Driver) -> None:
    probe = driver.probe()
    before = probe.gpus()
    driver.says(f"gpu uuid={SECOND} name=NVIDIA_GeForce_RTX_4090 mem={24 << 30}")
    why = "it is no longer there"
    assert probe.gpus() == [replace(before[0], state=GpuState.UNHEALTHY, reason=why), before[1]]
    assert probe.why() == {FIRST: why}


@pytest.mark.e2e
def test_a_gpu_that_never_worked_is_told_but_not_listed(driver: Driver) -> None:
    driver.says(TWO_GPUS.replace("util=37", "err=15"))
    probe = driver.probe()
    assert [gpu.uuid for gpu in probe.gpus()] == [SECOND]
    assert probe.what_is_wrong() == "GPU 0: the driver says: GPU is lost"


@pytest.mark.e2e
def test_a_new_gpu_never_takes_the_index_of_another(driver: Driver) -> None:
    probe = driver.probe()
    before = probe.gpus()
    driver.says(f"gpu uuid={THIRD} name=NVIDIA_L4\n" + TWO_GPUS)
    assert [(gpu.uuid, gpu.index) for gpu in probe.gpus()] == [(FIRST, 0), (SECOND, 1), (THIRD, 2)]
    assert probe.gpus()[:2] == before


@pytest.mark.e2e
def test_nobody_knows_how_the_gpus_are_while_the_driver_is_away(driver: Driver) -> None:
    probe = driver.probe()
    before = probe.gpus()
    probe.close()
    driver.is_gone()
    assert [(gpu.uuid, gpu.state) for gpu in probe.gpus()] == [(gpu.uuid, GpuState.UNKNOWN) for gpu in before]
    assert (probe.utilisation(), probe.cuda_version()) == ({}, None)
    assert "not loaded" in probe.why()[FIRST]
    driver.says(TWO_GPUS)
    assert probe.gpus() == before


@pytest.mark.e2e
def test_a_driver_that_hangs_holds_up_one_caller_only(driver: Driver) -> None:
    probe = driver.probe(patience=0.05)
    before = probe.gpus()
    driver.says("hang 1\n" + TWO_GPUS)
    answers: Queue[list[Gpu]] = Queue()
    callers = [threading.Thread(target=lambda: answers.put(probe.gpus())) for _ in range(2)]
    for caller in callers:
        caller.start()
    assert {gpu.state for gpu in answers.get(timeout=10)} == {GpuState.UNKNOWN}
    assert "has not answered" in probe.what_is_wrong()
    assert (probe.utilisation(), probe.cuda_version()) == ({}, None)
    driver.says(TWO_GPUS)
    assert answers.get(timeout=10) == before
    assert probe.gpus() == before
    for caller in callers:
        caller.join()


@pytest.mark.e2e
def test_many_callers_at_once_all_get_the_whole_list(driver: Driver) -> None:
    probe = driver.probe()
    found: list[list[Gpu]] = []
    callers = [threading.Thread(target=lambda: found.append(probe.gpus())) for _ in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert [len(gpus) for gpus in found] == [2] * 8


# MIG

SMALL, LARGE, SLICE = (f"MIG-{digit * 8}-2222-3333-4444-555555555555" for digit in "789")
A100 = "NVIDIA A100 80GB PCIe"
CUT = f"""
cuda 12040
gpu uuid={FIRST} name={A100.replace(" ", "_")} mem={80 << 30} mig=1
gpu uuid={SECOND} name=NVIDIA_GeForce_RTX_4090 mem={24 << 30}
mig card={FIRST} uuid={SMALL} gi=9 slices=1 compute=1 mem={9728 << 20} used={4864 << 20}
mig card={FIRST} uuid={LARGE} gi=2 slices=3 compute=3 mem={40192 << 20}
mig card={FIRST} uuid={SLICE} gi=3 slices=3 compute=1 mem={40192 << 20}
"""


@pytest.mark.e2e
def test_mig_instances_take_the_place_of_their_card(driver: Driver) -> None:
    driver.says(CUT)
    probe = driver.probe()
    assert [(gpu.uuid, gpu.type_id, gpu.memory, gpu.parent) for gpu in probe.gpus()] == [
        (SMALL, f"{A100} MIG 1g.10gb", 9728, FIRST),
        (LARGE, f"{A100} MIG 3g.40gb", 40192, FIRST),
        (SLICE, f"{A100} MIG 1c.3g.40gb", 40192, FIRST),
        (SECOND, RTX4090, 24 * 1024, ""),
    ]
    assert [gpu.index for gpu in probe.gpus()] == [0, 1, 2, 3]
    assert probe.utilisation()[SMALL] == GpuUse(None, 50, 25.0, 40)
    assert probe.what_is_wrong() is None


@pytest.mark.e2e
def test_a_card_that_is_cut_or_joined_again_is_listed_as_it_is_now(driver: Driver) -> None:
    whole = CUT.replace("mig=1", "mig=0")
    driver.says(whole)
    probe = driver.probe()
    assert [gpu.uuid for gpu in probe.gpus()] == [FIRST, SECOND]
    driver.says(CUT)
    assert {gpu.uuid for gpu in probe.gpus()} == {SMALL, LARGE, SLICE, SECOND}
    driver.says(whole)
    assert {gpu.uuid for gpu in probe.gpus()} == {FIRST, SECOND}
    assert probe.trouble() is None


@pytest.mark.e2e
def test_a_card_with_mig_on_but_no_instance_is_told(driver: Driver) -> None:
    driver.says(TWO_GPUS.replace("util=37", "mig=1"))
    probe = driver.probe()
    assert [gpu.uuid for gpu in probe.gpus()] == [SECOND]
    assert "has MIG on but no instance" in probe.what_is_wrong()
    assert probe.trouble() is None


@pytest.mark.e2e
def test_the_instances_of_a_lost_card_are_unhealthy(driver: Driver) -> None:
    driver.says(CUT)
    probe = driver.probe()
    probe.gpus()
    driver.says(CUT.replace("mig=1", "mig=1 err=15"))
    sick = {gpu.uuid: gpu.reason for gpu in probe.gpus() if gpu.state is GpuState.UNHEALTHY}
    assert sick == dict.fromkeys((SMALL, LARGE, SLICE), "the driver says: GPU is lost")


# Faults


@pytest.mark.e2e
def test_memory_errors_are_counted_and_rows_that_cannot_be_replaced_are_a_sickness(driver: Driver) -> None:
    driver.says(TWO_GPUS.replace("util=37", "ecc=3 remap=1"))
    first, second = driver.probe().gpus()
    assert (first.ecc, first.state) == (3, GpuState.UNHEALTHY)
    assert "could not be remapped" in first.reason
    assert (second.ecc, second.state, second.reason) == (0, GpuState.HEALTHY, "")


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("said", "fault"),
    [
        (f"uuid={SECOND} xid=79", GpuFault((SECOND,), "Xid 79: the GPU has fallen off the bus", True)),
        (f"uuid={SECOND} xid=1234", GpuFault((SECOND,), "Xid 1234", True)),
        (
            f"uuid={SECOND} xid=31",
            GpuFault(
                (SECOND,), "Xid 31: a program accessed memory it must not (GPU memory page fault)", False
            ),
        ),
        (f"uuid={FIRST} xid=48 gi=2", GpuFault((LARGE,), "Xid 48: a double-bit memory error (ECC)", True)),
        (f"uuid={FIRST}", GpuFault((FIRST,), "a double-bit memory error (ECC)", True)),
    ],
)
def test_what_the_driver_reports_is_heard(said: str, fault: GpuFault, driver: Driver) -> None:
    driver.says(CUT)
    probe = driver.probe()
    probe.gpus()
    heard: Queue[GpuFault] = Queue()

    def listen() -> None:
        while (heard_of := probe.next_fault()) is not None:
            heard.put(heard_of)

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    for number in range(1, 200):  # an event set hears only of what happens after it was made
        driver.says(f"{CUT}event {number} {said}")
        with suppress(Empty):
            assert heard.get(timeout=0.05) == fault
            break
    else:
        raise AssertionError("nothing was heard")
    probe.close()
    listener.join(20)
    assert not listener.is_alive()


def test_xids_that_the_operator_ignores_are_not_fatal() -> None:
    assert xid.fatal(79)
    assert not xid.fatal(79, ignored=(79,))
