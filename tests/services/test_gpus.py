"""GPUs that fall sick, vanish, and are taken out of service and back."""

from dataclasses import replace

import pytest

from podd.domain.account import OPERATOR
from podd.domain.errors import Forbidden, NoCapacity, NotFound
from podd.domain.gpu import Duty, Gpu, GpuFault, GpuState
from podd.domain.workload import Desired
from podd.services import gpus
from podd.services.gpus import Held
from tests.services.lab import A6000, DOLLAR, RTX4090, Lab, machine

CENT = DOLLAR // 100
XID = GpuFault(("g0",), "Xid 79: the GPU has fallen off the bus", fatal=True)


def look(lab: Lab, found: list[Gpu], problem: str | None = None) -> None:
    lab.do(gpus.look, lab.podd, found, problem, lab.now)


def fault(lab: Lab, what: GpuFault = XID) -> None:
    lab.do(gpus.note_fault, lab.podd, what, lab.now)


def seen(lab: Lab) -> dict[str, Held]:
    return {held.gpu.uuid: held for held in lab.ask(gpus.listed, OPERATOR)}


def drain(lab: Lab, uuid: str, force: bool = False) -> None:
    lab.do(gpus.drain, lab.podd, OPERATOR, uuid, force, lab.now)


# Faults


def test_a_faulty_gpu_leaves_service_with_its_reason_until_the_operator_returns_it(lab: Lab) -> None:
    fault(lab)
    look(lab, machine("aab"))
    assert seen(lab)["g0"].gpu.state is GpuState.UNHEALTHY
    assert "Xid 79" in seen(lab)["g0"].gpu.reason
    assert lab.pod().workload.gpu_uuids == ("g1",)
    with pytest.raises(NoCapacity):
        lab.pod()
    lab.do(gpus.give_back, OPERATOR, "g0", lab.now)
    assert lab.pod().workload.gpu_uuids == ("g0",)
    assert lab.events("g0") == ["fault", "serving"]


def test_a_reboot_heals_what_a_reset_heals(lab: Lab) -> None:
    fault(lab)
    lab.do(gpus.note_reboot)
    assert seen(lab)["g0"].gpu.state is GpuState.HEALTHY


def test_a_fault_of_a_program_is_told_and_costs_nobody_the_gpu(lab: Lab) -> None:
    pod = lab.pod()
    fault(lab, replace(XID, text="Xid 31", fatal=False))
    assert seen(lab)["g0"].gpu.state is GpuState.HEALTHY
    assert "gpu warning" in lab.events(pod.id)


def test_a_pod_on_a_faulty_gpu_goes_on_and_is_shown_as_affected(lab: Lab) -> None:
    pod = lab.pod()
    lab.settle()
    fault(lab)
    lab.settle()
    now = lab.look(pod).workload
    assert now.desired is Desired.RUNNING
    assert "Xid 79" in now.trouble
    assert "gpu fault" in lab.events(pod.id)


def test_a_worker_leaves_a_faulty_gpu_for_another(lab: Lab) -> None:
    endpoint = lab.endpoint(workers_min=1)
    lab.settle()
    assert lab.worker(endpoint).workload.gpu_uuids == ("g0",)
    fault(lab)
    lab.settle()
    assert lab.worker(endpoint).workload.gpu_uuids == ("g1",)


def test_new_uncorrected_memory_errors_are_a_fault_and_old_ones_are_not(lab: Lab) -> None:
    two = [replace(gpu, ecc=2) for gpu in machine("aab")]
    lab.plug_in("")
    lab.do(lambda tx: tx.run("DELETE FROM gpus"))
    look(lab, two)
    assert seen(lab)["g0"].gpu.state is GpuState.HEALTHY
    look(lab, [replace(two[0], ecc=3), *two[1:]])
    assert "1 memory errors" in seen(lab)["g0"].gpu.reason
    lab.do(gpus.give_back, OPERATOR, "g0", lab.now)
    look(lab, [replace(two[0], ecc=3), *two[1:]])
    assert seen(lab)["g0"].gpu.state is GpuState.HEALTHY


# Looks


def test_gpus_are_unknown_but_there_while_the_driver_does_not_answer(lab: Lab) -> None:
    """The daemon has started anew, and knows the GPUs from its books alone."""
    pod, endpoint = lab.pod(), lab.endpoint(workers_min=1)
    lab.settle()
    look(lab, [], "the NVIDIA driver was updated")
    lab.settle()
    assert {held.gpu.state for held in seen(lab).values()} == {GpuState.UNKNOWN}
    assert lab.look(pod).workload.desired is Desired.RUNNING
    assert "the NVIDIA driver was updated" in lab.look(pod).workload.trouble
    assert lab.worker(endpoint).workload.desired is Desired.RUNNING
    with pytest.raises(NoCapacity):
        lab.pod(gpu_type_ids=(RTX4090,))
    look(lab, machine("aab"))
    assert lab.look(pod).workload.trouble == ""
    assert lab.pod(gpu_type_ids=(RTX4090,)).workload.gpu_uuids == ("g2",)


def test_a_gpu_that_is_gone_is_listed_for_as_long_as_it_is_held(lab: Lab) -> None:
    pod = lab.pod()
    left = machine("aab")[1:]
    look(lab, left)
    assert seen(lab)["g0"].gpu.reason == "it is no longer there"
    lab.stop(pod)
    look(lab, left)
    assert seen(lab).keys() == {"g1", "g2"}


# The operator


def test_a_cordoned_gpu_stays_with_its_holder_and_goes_to_nobody_else(lab: Lab) -> None:
    spot = lab.pod(bid=30 * CENT)
    lab.do(gpus.cordon, OPERATOR, "g0", lab.now)
    lab.pod()
    with pytest.raises(NoCapacity):  # what the spot pod has would not help
        lab.pod()
    assert lab.look(spot).workload.desired is Desired.RUNNING
    lab.stop(spot)
    with pytest.raises(NoCapacity):
        lab.resume(spot)


def test_a_drain_moves_spot_pods_and_idle_workers_and_leaves_on_demand_pods(lab: Lab) -> None:
    spot, endpoint = lab.pod(bid=30 * CENT), lab.endpoint(workers_min=1)
    firm = lab.pod(gpu_type_ids=(RTX4090,))
    lab.settle()
    first = lab.worker(endpoint)
    for uuid in ("g0", "g1", "g2"):
        drain(lab, uuid)
    lab.settle()
    assert lab.look(spot).workload.desired is Desired.STOPPED
    assert "out of service" in lab.look(spot).workload.reason
    assert lab.workload(first.id) is None
    assert lab.look(firm).workload.desired is Desired.RUNNING
    drain(lab, "g2", force=True)
    assert lab.look(firm).workload.desired is Desired.STOPPED
    assert lab.claims() == {}


def test_a_busy_worker_on_a_draining_gpu_goes_when_its_job_is_done(lab: Lab) -> None:
    endpoint = lab.endpoint(workers_max=1)
    job, later = lab.submit(endpoint), lab.submit(endpoint)
    lab.settle()
    worker = lab.worker(endpoint)
    assert lab.take_one(worker).id == job.id
    drain(lab, "g0")
    assert lab.workload(worker.id) is not None
    lab.done(worker, job)
    lab.settle()
    (other,) = lab.workers(endpoint)
    assert other.id != worker.id
    assert other.workload.gpu_uuids == ("g1",)
    assert lab.take_one(other).id == later.id


def test_the_card_stands_for_all_its_instances(lab: Lab) -> None:
    parts = [Gpu(f"MIG-{n}", n, f"{A6000} MIG 1g.12gb", 12288, parent="GPU-card") for n in range(2)]
    look(lab, parts)
    lab.do(gpus.cordon, OPERATOR, "GPU-card", lab.now)
    assert {held.gpu.duty for held in seen(lab).values()} == {Duty.CORDONED}
    lab.do(gpus.give_back, OPERATOR, "MIG-1", lab.now)
    assert seen(lab)["MIG-0"].gpu.duty is Duty.CORDONED
    pod = lab.pod(gpu_type_ids=(f"{A6000} MIG 1g.12gb",))
    assert pod.workload.gpu_uuids == ("MIG-1",)
    assert pod.price == 49 * CENT * 12 // 48
    fault(lab, GpuFault(("GPU-card",), "Xid 79", fatal=True))
    assert {held.gpu.state for held in seen(lab).values()} == {GpuState.UNHEALTHY}


def test_only_the_operator_sees_and_changes_gpus(lab: Lab) -> None:
    with pytest.raises(Forbidden):
        lab.ask(gpus.listed, lab.caller)
    with pytest.raises(Forbidden):
        lab.do(gpus.cordon, lab.caller, "g0", lab.now)
    with pytest.raises(NotFound):
        lab.do(gpus.cordon, OPERATOR, "GPU-none", lab.now)
