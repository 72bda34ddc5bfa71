"""Endpoints on CPUs: placed by cores and memory, shared out apart from GPUs, charged by the vCPU."""

from podd.domain.account import Caller
from podd.domain.billing import SERVERLESS_CPU
from podd.domain.endpoint import Endpoint
from podd.services import explain_endpoint
from podd.services.platform import Host
from podd.store import ledger
from tests.services.conftest import NewLab
from tests.services.lab import Lab

SMALL = Host(vcpus=8, memory=16 * 1024)


def cpu_endpoint(
    lab: Lab, instance_ids: str = "cpu3c-2-4", caller: Caller | None = None, **how: int
) -> Endpoint:
    mine, lab.caller = lab.caller, caller or lab.caller
    endpoint = lab.endpoint(gpu_ids=None, instance_ids=instance_ids, **how)
    lab.caller = mine
    return endpoint


def load(lab: Lab, endpoint: Endpoint, caller: Caller, count: int = 20) -> None:
    mine, lab.caller = lab.caller, caller
    for _ in range(count):
        lab.submit(endpoint)
    lab.caller = mine


def test_a_worker_has_the_cores_and_memory_of_its_instance_and_no_gpu(new_lab: NewLab) -> None:
    lab = new_lab("", host=SMALL)
    endpoint = cpu_endpoint(lab)
    job = lab.submit(endpoint)
    lab.settle()
    worker = lab.worker(endpoint)
    assert (worker.workload.needs.cpus, worker.workload.needs.memory) == (2, 4096)
    assert (worker.instance_id, worker.workload.gpus) == ("cpu3c-2-4", ())
    assert lab.take_one(worker).id == job.id


def test_the_first_instance_that_there_is_room_for_is_taken(new_lab: NewLab) -> None:
    lab = new_lab("", host=SMALL)
    endpoint = cpu_endpoint(lab, "cpu3c-32-64,cpu5g-4-16,cpu3c-2-4", workers_min=1)
    lab.settle()
    assert lab.worker(endpoint).instance_id == "cpu5g-4-16"
    other = cpu_endpoint(lab, "cpu5g-4-16,cpu3c-2-4", workers_min=1)
    lab.settle()
    assert (lab.workers(other), lab.see(other).throttled) == ([], 1)


def test_workers_end_where_the_memory_does_and_the_owner_is_told(new_lab: NewLab) -> None:
    lab = new_lab("", host=SMALL)
    endpoint = cpu_endpoint(lab, workers_max=9, scaler_value=1)
    lab.change(endpoint, scaler="REQUEST_COUNT")
    load(lab, endpoint, lab.caller, 9)
    lab.settle()
    assert len(lab.workers(endpoint)) == 4
    assert lab.see(endpoint).throttled == 5
    said = " ".join(lab.ask(explain_endpoint.endpoint, lab.podd, lab.caller, endpoint.id, lab.now))
    assert "5 more workers are wanted and find no room" in said
    assert "cpu3c-2-4 wants 2 vCPUs and 4 GB of memory" in said
    assert "0 of 16 GB are not promised" in said


def test_an_instance_that_the_machine_never_has_is_explained(new_lab: NewLab) -> None:
    lab = new_lab("", host=SMALL)
    endpoint = cpu_endpoint(lab, "cpu3c-32-64")
    lab.submit(endpoint)
    lab.settle()
    said = " ".join(lab.ask(explain_endpoint.endpoint, lab.podd, lab.caller, endpoint.id, lab.now))
    assert "this machine has 8 vCPUs" in said


def test_memory_that_is_scarce_is_shared_out_between_accounts(new_lab: NewLab) -> None:
    lab = new_lab("", host=SMALL, workers_quota=50)
    bob = lab.account("bob@example.org")
    endpoints = []
    for caller in (lab.caller, bob):
        endpoint = cpu_endpoint(lab, caller=caller, workers_max=9, workers_min=0)
        endpoints.append(endpoint)
        load(lab, endpoint, caller)
    lab.pass_time(seconds=10)
    lab.settle()
    assert [len(lab.workers_of(endpoint.id)) for endpoint in endpoints] == [2, 2]


def test_cores_do_not_count_against_an_accounts_share_of_gpus(new_lab: NewLab) -> None:
    lab = new_lab("aa", workers_quota=50)
    bob = lab.account("bob@example.org")
    cpu = cpu_endpoint(lab, workers_min=3)
    lab.settle()
    assert len(lab.workers(cpu)) == 3
    mine = lab.endpoint(scaler="REQUEST_COUNT", scaler_value=1)
    load(lab, mine, lab.caller)
    lab.caller, me = bob, lab.caller
    theirs = lab.endpoint(scaler="REQUEST_COUNT", scaler_value=1)
    lab.caller = me
    load(lab, theirs, bob)
    lab.settle()
    assert [len(lab.workers_of(one.id)) for one in (mine, theirs)] == [1, 1]


def test_a_worker_is_charged_for_its_vcpus_by_the_second(new_lab: NewLab) -> None:
    lab = new_lab("", host=SMALL)
    endpoint = cpu_endpoint(lab, "cpu3c-4-8", idle_timeout_s=5)
    worker = lab.ready_worker(endpoint)
    lab.pass_time(seconds=5.2)
    lab.settle()
    assert lab.workers(endpoint) == []
    (one,) = lab.ask(ledger.spent, lab.caller.account_id, 0, lab.now, (SERVERLESS_CPU,))
    flavour = lab.podd.catalogue.flavour("cpu3c")
    assert flavour is not None
    assert (one.resource, one.group, one.gpu_type_id) == (worker.id, endpoint.id, "cpu3c")
    assert one.amount == 6 * 4 * flavour.serverless_second


def test_an_unhealthy_worker_comes_back_as_an_instance_there_is_room_for(new_lab: NewLab) -> None:
    lab = new_lab("", host=SMALL, unhealthy_retry_seconds=60)
    endpoint = cpu_endpoint(lab, "cpu5g-4-16,cpu3c-2-4", workers_min=1, workers_max=1)
    lab.settle()
    worker = lab.worker(endpoint)
    lab.engine.crash(lab.engine.running()[0])
    lab.settle()
    pod = lab.pod(gpu_type_ids=(), gpu_count=0, cpu_flavor_ids=("cpu3c",), vcpus=4)
    lab.pass_time(seconds=61)
    lab.settle()
    back = lab.worker(endpoint)
    assert (back.id, back.instance_id, back.workload.needs.memory) == (worker.id, "cpu3c-2-4", 4096)
    assert lab.look(pod).workload.needs.memory == 8192
