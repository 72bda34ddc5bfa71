"""Serverless workers: added and stopped by the autoscaler, restarted, and mourned when they crash."""

from collections import Counter
from contextlib import suppress
from dataclasses import replace
from itertools import chain
from typing import Any

from podd import ids
from podd.domain import pod as pods
from podd.domain import words
from podd.domain.container import Container
from podd.domain.endpoint import VOLUME_PATH, Endpoint, EndpointType
from podd.domain.errors import Invalid, NoCapacity
from podd.domain.gpu import GpuRequest
from podd.domain.pod import PodRequest
from podd.domain.template import Template
from podd.domain.worker import Worker, WorkerState, forgiven, gives_up, unhealthy_delay
from podd.domain.workload import Desired, Kind, Needs, Phase, Workload
from podd.services import capacity, jobs
from podd.services.platform import AUTOSCALE, RECONCILE, Platform, worker_bell
from podd.store import endpoints, events, gpus, templates, workloads
from podd.store.db import Reader, Tx

BY_PODD = "Runpod"
NO_GPU = GpuRequest((), 0, may_preempt=False)
IDLE_STOP_GRACE = 30  # an idle worker leaves within a second or two; this is for one that hangs


def add(tx: Tx, podd: Platform, endpoint: Endpoint, now: int) -> Worker:
    """One more worker that should run. Raises NoCapacity when there is no room for it."""
    template = templates.get(tx, endpoint.template_id)
    assert template is not None, "endpoints keep their template from being deleted"
    needs = _needs(template, endpoint)
    room, instance_id = _room(tx, podd, endpoint, needs.disk)
    make_room(tx, podd, room, now)
    workload = Workload(
        id=ids.new_id(),
        kind=Kind.WORKER,
        account_id=endpoint.account_id,
        desired=Desired.RUNNING,
        phase=Phase.NONE,
        generation=1,
        needs=replace(needs, cpus=room.share.vcpus, memory=room.share.memory),
        grace=IDLE_STOP_GRACE,
        created_at=now,
        changed_at=now,
        changed_by=f"Created by {BY_PODD}",
    )
    worker = Worker(
        workload=workload, endpoint_id=endpoint.id, version=endpoint.version, instance_id=instance_id
    )
    workloads.insert_worker(tx, worker)
    workloads.publish(tx, worker.id, capacity.host_ports(tx, podd, needs.ports))
    gpus.claim(tx, worker.id, room.gpu_uuids, now)
    events.add(tx, worker.id, "created", f"created for endpoint {endpoint.id}", now)
    tx.ring(RECONCILE)
    return worker


def note_running(tx: Tx, worker_id: str, now: int) -> None:
    """Its container is up, so the image of its endpoint is here."""
    worker = workloads.worker(tx, worker_id)
    if worker is not None:
        workloads.change_worker(tx, worker.id, awaited_since=now)
        endpoints.change(tx, worker.endpoint_id, image_ready=1, image_trouble="")
    tx.ring(AUTOSCALE)


def stop(tx: Tx, podd: Platform, worker: Worker, why: str, now: int) -> bool:
    """Let go of a worker that holds no job; False if it got one meanwhile.

    Its door closes in the same transaction, so no job can be handed to it once this is decided. One of a
    load-balancing endpoint only gets its door closed, and goes when it is asked again with no request left.
    """
    fresh = workloads.worker(tx, worker.id)
    if fresh is None or fresh.held or podd.traffic.busy(worker.id):
        return False
    endpoint = endpoints.get(tx, fresh.endpoint_id)
    if endpoint is not None and endpoint.type is EndpointType.LB and not fresh.doors_closed:
        # A request may be on its way to it at this very moment. The next look finds it empty, or waits.
        workloads.change_worker(tx, fresh.id, leaving=why)
        close_door(tx, fresh)
        events.add(tx, fresh.id, "closed", f"gets no more requests: {why}", now)
        tx.ring(AUTOSCALE)
        return True
    remove(tx, podd, fresh, why, now)
    return True


def remove(tx: Tx, podd: Platform, worker: Worker, why: str, now: int) -> None:
    """Let go of a worker, whatever it does: jobs it still has go back to the queue, uncounted."""
    jobs.give_back(tx, podd, worker.id, counted=False, now=now)
    close_door(tx, worker)
    workloads.change(
        tx,
        worker.id,
        desired=Desired.TERMINATED,
        frozen_at=None,
        grace=0 if worker.state is WorkerState.FROZEN else IDLE_STOP_GRACE,
        retry_at=0,
        changed_at=now,
        changed_by=f"Stopped by {BY_PODD}",
    )
    gpus.release(tx, worker.id)
    workloads.unpublish(tx, worker.id)
    endpoints.change(tx, worker.endpoint_id, served_at=now)
    events.add(tx, worker.id, "stopped", why, now)
    tx.ring(RECONCILE)
    tx.ring(AUTOSCALE)


def see_off(tx: Tx, podd: Platform, worker: Worker, why: str, now: int) -> None:
    """Let go of a worker as soon as it holds no job, which may be now; until then it gets no more."""
    if not stop(tx, podd, worker, why, now) and not worker.leaving:
        workloads.change_worker(tx, worker.id, leaving=why)
        close_door(tx, worker)
        events.add(tx, worker.id, "leaving", f"{why}; it finishes the jobs it has", now)


def make_room(tx: Tx, podd: Platform, room: capacity.Room, now: int) -> None:
    """The frozen workers that are in the way go."""
    for worker_id in room.frozen:
        worker = workloads.worker(tx, worker_id)
        if worker is not None:
            remove(tx, podd, worker, "its place was wanted while it was frozen", now)


def close_door(tx: Tx, worker: Worker) -> None:
    """No more jobs for this worker; polls it has open are answered at once."""
    workloads.change_worker(tx, worker.id, doors_closed=1)
    tx.ring(worker_bell(worker.id))


def restart(
    tx: Tx, podd: Platform, worker: Worker, why: str, now: int, *, grace: float = IDLE_STOP_GRACE
) -> None:
    """A fresh container for the same worker; jobs it still has go back to the queue, uncounted. One that is
    leaving, that is frozen, or whose GPU is to be left, makes place for another worker instead."""
    if any(gpu.leaving for gpu in gpus.held_by(tx, worker.id)):
        remove(tx, podd, worker, f"{why} Its GPU is out of service.", now)
        return
    if worker.leaving or worker.state is WorkerState.FROZEN:
        remove(tx, podd, worker, why, now)
        return
    jobs.give_back(tx, podd, worker.id, counted=False, now=now)
    _renew(tx, worker, grace=grace)
    events.add(tx, worker.id, "restarted", why, now)
    tx.ring(RECONCILE)
    tx.ring(worker_bell(worker.id))


def overfull(tx: Tx, podd: Platform, workload: Workload, reason: str, now: int) -> None:
    """It has filled its container disk, and the engine does not stop it: a fresh container for it, at once.
    Its jobs go back as lost, or one that always does this would go round for ever."""
    worker = workloads.worker(tx, workload.id)
    assert worker is not None, "a workload of kind worker has its row"
    jobs.give_back(tx, podd, worker.id, counted=True, now=now)
    restart(tx, podd, worker, reason, now, grace=0)


def move_on_when_empty(tx: Tx, podd: Platform, worker_id: str, now: int) -> None:
    """A worker whose door is closed and that holds no job any more: one that is leaving goes, and if it is
    outdated its replacement comes at once; one that asked for a refresh starts afresh."""
    worker = workloads.worker(tx, worker_id)
    if not worker or not worker.doors_closed or worker.held:
        return
    if worker.workload.desired is not Desired.RUNNING:
        return
    endpoint = endpoints.get(tx, worker.endpoint_id)
    assert endpoint is not None, "an endpoint's workers are gone before it is"
    outdated = worker.version != endpoint.version
    if not outdated and not worker.leaving:
        restart(tx, podd, worker, "refreshed on the worker's own wish", now)
        return
    remove(tx, podd, worker, worker.leaving or outdated_by(endpoint), now)
    if outdated and len(workloads.workers_of(tx, endpoint.id)) < endpoint.workers_max:
        with suppress(NoCapacity):  # the autoscaler sees to it
            add(tx, podd, endpoint, now)


def outdated_by(endpoint: Endpoint) -> str:
    return f"outdated by version {endpoint.version}"


def exited(
    tx: Tx, podd: Platform, workload: Workload, container: Container | None, log: str, now: int
) -> None:
    """The worker's main process ended while it should run."""
    worker = workloads.worker(tx, workload.id)
    assert worker is not None, "a workload of kind worker has its row"
    code = container.exit_code if container else None
    workloads.change(tx, worker.id, exited_at=container.finished_at if container else now)
    if worker.leaving or worker.state is WorkerState.FROZEN:
        jobs.give_back(tx, podd, worker.id, counted=True, now=now)
        remove(tx, podd, worker, worker.leaving or "its frozen container ended", now)
        return
    if worker.doors_closed and code == 0:
        restart(tx, podd, worker, "refreshed on the worker's own wish", now)
        return
    how = f"exit {code}" if code is not None else "its container vanished"
    reason = f"The worker's main process ended: {how}."
    started_at = (container.started_at if container else None) or workload.started_at
    if forgiven(worker.ready_at, started_at, now):
        jobs.give_back(tx, podd, worker.id, counted=True, now=now)
        restart(tx, podd, worker, reason, now)
        return
    crashed(tx, podd, workload, reason, now, private=f" Last lines: {log}" if log else "")


def crashed(tx: Tx, podd: Platform, workload: Workload, reason: str, now: int, *, private: str = "") -> None:
    """The worker is unhealthy: its jobs go back, its GPUs are free, it rests before the next try."""
    worker = workloads.worker(tx, workload.id)
    assert worker is not None, "a workload of kind worker has its row"
    jobs.give_back(tx, podd, worker.id, counted=True, now=now)
    limits = podd.settings.limits
    crashes = worker.crashes + 1
    first = int(limits.unhealthy_retry_seconds * 1000)
    rest = unhealthy_delay(first, crashes)
    over = gives_up(first, crashes, int(limits.unhealthy_give_up_seconds * 1000))
    workloads.change_worker(
        tx,
        worker.id,
        crashes=crashes,
        doors_closed=1,
        ready_at=None,
        idle_since=None,
        unhealthy_until=None if over else now + rest,
        gave_up=over,
    )
    workloads.change(tx, worker.id, desired=Desired.FAILED, grace=0, reason=reason + private, changed_at=now)
    gpus.release(tx, worker.id)
    events.add(tx, worker.id, "unhealthy", reason, now, private=private)
    if over:
        _give_up_endpoint(tx, worker.endpoint_id, reason, now)
    tx.ring(worker_bell(worker.id))
    tx.ring(RECONCILE)
    tx.ring(AUTOSCALE)


def rebooted(tx: Tx, podd: Platform, worker: Worker, now: int) -> None:
    """The machine was down, and its container with it: it starts afresh, its jobs go back uncounted. Of a
    frozen one nothing is left to keep."""
    if worker.state is WorkerState.FROZEN:
        remove(tx, podd, worker, "the machine was restarted while it was frozen", now)
        return
    jobs.give_back(tx, podd, worker.id, counted=False, now=now)
    _renew(tx, worker)


def revive(tx: Tx, podd: Platform, worker: Worker, endpoint: Endpoint, now: int) -> None:
    """Try an unhealthy worker again. Raises NoCapacity when there is no room for it now."""
    room, instance_id = _room(tx, podd, endpoint, worker.workload.needs.disk)
    make_room(tx, podd, room, now)
    _renew(
        tx,
        worker,
        desired=Desired.RUNNING,
        cpus=room.share.vcpus,
        memory=room.share.memory,
        grace=IDLE_STOP_GRACE,
        failures=0,
        retry_at=0,
        reason="",
    )
    workloads.change_worker(tx, worker.id, unhealthy_until=None, instance_id=instance_id)
    gpus.claim(tx, worker.id, room.gpu_uuids, now)
    events.add(tx, worker.id, "retried", "tried again after its rest", now)
    tx.ring(RECONCILE)


def misfit(db: Reader, podd: Platform, endpoint: Endpoint) -> str:
    """What the endpoint wants its workers to run on and this machine never is; "" when it fits."""
    wish = PodRequest(
        data_center_ids=tuple(words.comma_list(endpoint.data_center_ids)),
        cuda_versions=() if endpoint.on_cpus else tuple(words.comma_list(endpoint.cuda_versions)),
        min_cuda_version=None if endpoint.on_cpus else endpoint.min_cuda_version,
    )
    try:
        return pods.mismatch(wish, podd.facts(db))
    except Invalid as error:  # said before versions were checked
        return error.message


def gpu_request(db: Reader, podd: Platform, endpoint: Endpoint) -> GpuRequest:
    """The GPUs of the next worker, of the endpoint's pools in their order as far as this machine has them;
    none on CPUs. An endpoint with many workers has them of all its pools, as many of each."""
    if endpoint.on_cpus:
        return NO_GPU
    here = podd.gpu_types(db)
    wanted = podd.catalogue.with_gpus(gpus.all_present(db)).gpu_priorities(endpoint.gpu_ids)
    priorities = tuple(tuple(id for id in type_ids if id in here) for type_ids in wanted)
    if endpoint.workers_max >= podd.settings.limits.spread_gpus_from_workers:
        priorities = _least_used_first(db, endpoint, priorities)
    type_ids = tuple(chain.from_iterable(priorities))
    return GpuRequest(type_ids, endpoint.gpu_count, may_preempt=False)


# Private


def _give_up_endpoint(tx: Tx, endpoint_id: str, reason: str, now: int) -> None:
    """Once all its workers were given up, an endpoint has none any more until its owner says so again."""
    endpoint = endpoints.get(tx, endpoint_id)
    if endpoint is None or not endpoint.workers_max:
        return
    if all(worker.gave_up for worker in workloads.workers_of(tx, endpoint_id)):
        endpoints.change(tx, endpoint_id, workers_min=0, workers_max=0)
        why = f"workersMax {endpoint.workers_max} lowered to 0: all its workers were given up. {reason}"
        events.add(tx, endpoint_id, "lowered", why, now)


def _least_used_first(
    db: Reader, endpoint: Endpoint, priorities: tuple[tuple[str, ...], ...]
) -> tuple[tuple[str, ...], ...]:
    """The endpoint's priorities, those first of which fewest workers are made; else in their order."""
    types = {gpu.uuid: gpu.type_id for gpu in gpus.all_present(db)}
    used = Counter(
        types[worker.workload.gpu_uuids[0]]
        for worker in workloads.workers_of(db, endpoint.id)
        if worker.workload.gpu_uuids and worker.workload.gpu_uuids[0] in types
    )
    return tuple(sorted(priorities, key=lambda type_ids: sum(used[type_id] for type_id in type_ids)))


def _room(tx: Tx, podd: Platform, endpoint: Endpoint, disk: int) -> tuple[capacity.Room, str]:
    """Room for one more worker, and which CPU instance it is; "" with GPUs. Of several instances it is the
    first that there is room for."""
    if wrong := misfit(tx, podd, endpoint):
        raise NoCapacity("no room for another worker", wrong)
    if not endpoint.on_cpus:
        request = gpu_request(tx, podd, endpoint)
        none = "no free GPU for another worker"
        return capacity.find(tx, podd, request, PodRequest(), no_gpu=none, disk=disk), ""
    refusal = NoCapacity("no room for another worker")
    for flavour, vcpus in podd.catalogue.parse_instance_ids(endpoint.instance_ids):
        wish = pods.sized(PodRequest(cpu_flavor_ids=(flavour.id,), vcpus=vcpus), flavour)
        if mismatch := pods.mismatch(wish, podd.facts(tx)):
            refusal = NoCapacity(refusal.message, mismatch)
            continue
        with suppress(NoCapacity):
            room = capacity.find(tx, podd, NO_GPU, wish, no_gpu=refusal.message, disk=disk)
            return room, flavour.instance_id(vcpus)
    raise refusal


def _needs(template: Template, endpoint: Endpoint) -> Needs:
    entrypoint, command = words.parse_command(template.args)
    return Needs(
        image=template.image,
        entrypoint=entrypoint,
        command=command,
        env=template.env,
        ports=words.parse_ports(template.ports),
        registry_auth_id=template.registry_auth_id,
        cpus=0,
        memory=0,
        disk=template.disk,
        volume_path=VOLUME_PATH,
        network_volume_id=endpoint.network_volume_id,
    )


def _renew(tx: Tx, worker: Worker, **values: Any) -> None:
    workloads.change_worker(
        tx, worker.id, doors_closed=0, leaving="", ready_at=None, idle_since=None, thawed_at=None
    )
    workloads.renew(tx, worker.workload, **values)
