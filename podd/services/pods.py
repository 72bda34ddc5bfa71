"""Pods: created, stopped, resumed and terminated by their owner, displaced by others, and followed
through the ends of their containers."""

from dataclasses import replace
from typing import Any

from podd import ids
from podd.domain import account as who
from podd.domain import pod as rules
from podd.domain.account import Caller
from podd.domain.catalogue import CpuFlavour, GpuType
from podd.domain.container import Container
from podd.domain.errors import NOT_ENOUGH_FREE_GPUS, OUT_OF_STOCK, Conflict, Invalid, NoCapacity, NotFound
from podd.domain.gpu import GpuRequest
from podd.domain.pod import Pod, PodChange, PodRequest
from podd.domain.template import Template, checked_name
from podd.domain.words import Port, check_ports
from podd.domain.workload import Desired, Kind, Needs, Phase, Workload, ran_steadily, retry_delay
from podd.services import capacity, funds, registries, secrets, volumes, workers
from podd.services.capacity import Room
from podd.services.platform import RECONCILE, Platform
from podd.store import events, gpus, templates, workloads
from podd.store.db import Reader, Tx

BY_USER = "User"
BY_PODD = "Runpod"
JUPYTER = "JUPYTER_PASSWORD"


def listed(db: Reader, caller: Caller) -> list[Pod]:
    who.require(caller, "pod.list")
    return workloads.pods_of(db, caller.account_id)


def own(db: Reader, caller: Caller, pod_id: str, operation: str = "read", to: str = "") -> Pod:
    """The caller's pod, if it may do `pod.<operation>`. Raises NotFound in the words clients know."""
    who.require(caller, f"pod.{operation}")
    missing = f"pod not found to {to}" if to else "pod not found"
    pod = workloads.pod(db, pod_id)
    if pod is None:
        raise NotFound(missing)
    who.require_own(caller, pod.workload.account_id, pod.id, missing)
    return pod


def create(tx: Tx, podd: Platform, caller: Caller, request: PodRequest, now: int) -> Pod:
    """A new pod that should run, with its GPUs, ports and part of the machine.

    Spot pods that bid less may be displaced for it. Raises Invalid, NotFound for a template, NoCapacity.
    """
    who.require(caller, "pod.create")
    template = _template(tx, caller, request)
    needs, args, ports = rules.complete(request, template, podd.settings.limits.container_disk_gb)
    _check_things(tx, podd, caller, needs)
    flavour = _flavour(podd, request)
    count = (
        0 if flavour else rules.checked_gpu_count(request.gpu_count, least=1 if request.gpu_type_ids else 0)
    )
    request = rules.sized(request, flavour)
    machine = podd.facts(tx)
    types = podd.gpu_types(tx)
    type_ids = tuple(t for t in request.gpu_type_ids if t in types) if request.gpu_type_ids else tuple(types)
    if mismatch := rules.mismatch(request, machine):
        raise NoCapacity(OUT_OF_STOCK, mismatch)
    if count and not type_ids:
        raise NoCapacity(
            OUT_OF_STOCK,
            f"{_gpus(count, ' or '.join(request.gpu_type_ids) or 'GPU')} wanted, this machine has none",
        )
    if request.bid is not None:
        type_ids = _affordable(request.bid, [types[type_id] for type_id in type_ids])
    wanted = GpuRequest(type_ids, count, request.bid)
    room = capacity.find(
        tx, podd, wanted, request, no_gpu=OUT_OF_STOCK, disk=needs.disk, volume=needs.own_volume
    )
    gpu_type = types.get(room.type_id)
    price = rules.price_of(gpu_type, count, request.bid, machine.cloud_type)
    if flavour is not None:
        price = flavour.hourly * room.share.vcpus
    if request.max_price and price > request.max_price:
        most, least = request.max_price / 1e9, price / 1e9
        raise NoCapacity(OUT_OF_STOCK, f"at most ${most:.3f} an hour wanted, it costs ${least:.3f}")
    pod_id = _new_id(tx)
    if request.jupyter:
        needs = replace(needs, env={JUPYTER: podd.keys.jupyter_password(pod_id), **needs.env})
    workload = Workload(
        id=pod_id,
        kind=Kind.POD,
        account_id=caller.account_id,
        desired=Desired.RUNNING,
        phase=Phase.NONE,
        generation=1,
        needs=replace(needs, cpus=room.share.vcpus, memory=room.share.memory),
        grace=podd.settings.limits.stop_grace_seconds,
        created_at=now,
        changed_at=now,
        changed_by=f"Rented by {BY_USER}",
    )
    pod = Pod(
        workload=workload,
        name=(request.name or "").strip() or rules.default_name(needs.image),
        template_id=template.id if template else "",
        args=args,
        ports=ports,
        gpu_type_id=room.type_id,
        gpu_count=count,
        own_gpu_count=count,
        min_vcpus=None if flavour else request.min_vcpus,
        min_memory=None if flavour else request.min_memory,
        bid=request.bid,
        price=price,
        cloud_type=machine.cloud_type,
        cpu_flavor_id=flavour.id if flavour else "",
        locked=request.locked,
        stop_after=request.stop_after,
        terminate_after=request.terminate_after,
        global_networking=request.global_networking,
    )
    workloads.insert_pod(tx, pod)
    workloads.publish(tx, pod.id, capacity.host_ports(tx, podd, needs.ports))
    _take_room(tx, podd, pod.id, room, now)
    made = _again(tx, pod.id)
    funds.check_start(tx, podd, made)
    events.add(tx, pod.id, "created", f"created with {_gpus(count, room.type_id)}", now)
    tx.ring(RECONCILE)
    return made


def create_at_lowest_bid(tx: Tx, podd: Platform, caller: Caller, request: PodRequest, now: int) -> Pod:
    """`create` of a spot pod that does not name its bid: it bids the least that the first of its GPU types
    with room for it takes."""
    types = podd.gpu_types(tx)
    refusal = NoCapacity(OUT_OF_STOCK)
    for type_id in request.gpu_type_ids or types:
        if type_id in types:
            try:
                bid = types[type_id].lowest_bid
                return create(tx, podd, caller, replace(request, gpu_type_ids=(type_id,), bid=bid), now)
            except NoCapacity as error:
                refusal = error
    raise refusal


def resume(
    tx: Tx,
    podd: Platform,
    caller: Caller,
    pod_id: str,
    gpu_count: int | None,
    now: int,
    *,
    bid: int | None = None,
) -> Pod:
    """Start a stopped pod again, on its volume, with its GPUs or `gpu_count` of them. 0 is to reach the
    data: the pod has its own number again the next time, and less than its least memory and cores will do.
    A spot pod resumes at its bid or the one given. Raises Conflict, NoCapacity, NoFunds, NotFound."""
    pod = own(tx, caller, pod_id, "start", to="resume")
    if pod.workload.desired not in (Desired.STOPPED, Desired.FAILED):
        raise Conflict("Cannot resume a pod that is not in exited state")
    if bid is not None and not pod.spot:
        raise Invalid("This pod is not a spot pod; resume it without a bid.")
    bid = pod.bid if bid is None else bid
    gpu_type = podd.gpu_types(tx).get(pod.gpu_type_id)
    if bid is not None and gpu_type is not None:
        rules.checked_bid(bid, gpu_type)
    count = rules.checked_gpu_count(gpu_count, default=pod.own_gpu_count, least=0)
    if count and gpu_type is None:
        none = f"{_gpus(count, pod.gpu_type_id)} wanted, this machine has none"
        raise NoCapacity(NOT_ENOUGH_FREE_GPUS, none)
    wanted = GpuRequest((pod.gpu_type_id,), count, bid)
    flavour, request = None, PodRequest()
    if count or not pod.own_gpu_count:
        request = PodRequest(min_vcpus=pod.min_vcpus, min_memory=pod.min_memory)
    if pod.cpu_flavor_id:
        request = PodRequest(cpu_flavor_ids=(pod.cpu_flavor_id,), vcpus=pod.workload.needs.cpus)
        flavour = _flavour(podd, request)
        request = rules.sized(request, flavour)
    disk = pod.workload.needs.disk
    room = capacity.find(tx, podd, wanted, request, no_gpu=NOT_ENOUGH_FREE_GPUS, disk=disk)
    workloads.renew(
        tx,
        pod.workload,
        desired=Desired.RUNNING,
        cpus=room.share.vcpus,
        memory=room.share.memory,
        grace=podd.settings.limits.stop_grace_seconds,
        failures=0,
        retry_at=0,
        reason="",
        changed_at=now,
        changed_by=f"Resumed by {BY_USER}",
    )
    workloads.change_pod(
        tx,
        pod.id,
        gpu_count=count,
        own_gpu_count=count or pod.own_gpu_count,
        bid=bid,
        price=flavour.hourly * room.share.vcpus
        if flavour
        else rules.price_of(gpu_type, count, bid, podd.settings.machine.cloud_type),
    )
    _take_room(tx, podd, pod.id, room, now)
    resumed = _again(tx, pod.id)
    funds.check_start(tx, podd, resumed)
    events.add(tx, pod.id, "resumed", f"resumed with {_gpus(count, pod.gpu_type_id)}", now)
    tx.ring(RECONCILE)
    return resumed


def stop(tx: Tx, podd: Platform, caller: Caller, pod_id: str, now: int) -> Pod:
    """Stop a pod: its GPUs are free at once in the books, its volume stays. Stopping twice is fine. Raises
    Conflict while it is locked."""
    pod = own(tx, caller, pod_id, "stop", to="stop")
    _check_unlocked(pod, "stopped")
    if pod.workload.desired is Desired.RUNNING:
        grace = podd.settings.limits.stop_grace_seconds
        _halt(tx, pod.id, Desired.STOPPED, f"Stopped by {BY_USER}", "", grace, now)
        events.add(tx, pod.id, "stopped", "stopped by its owner", now)
    return _again(tx, pod.id)


def terminate(tx: Tx, podd: Platform, caller: Caller, pod_id: str, now: int) -> None:
    """Destroy a pod and its volume. From here on it is gone for every caller."""
    pod = own(tx, caller, pod_id, "terminate", to="terminate")
    grace = podd.settings.limits.stop_grace_seconds
    _halt(tx, pod.id, Desired.TERMINATED, f"Terminated by {BY_USER}", "", grace, now)
    workloads.unpublish(tx, pod.id)


def restart(tx: Tx, podd: Platform, caller: Caller, pod_id: str, now: int) -> Pod:
    """Restart the same container, on its own disk. Raises Conflict unless the pod should run."""
    pod = own(tx, caller, pod_id, "change", to="restart")
    _check_running(pod, "restart")
    grace = podd.settings.limits.stop_grace_seconds
    workloads.change(
        tx,
        pod.id,
        restart_of=pod.workload.started_at or 0,
        failures=0,
        retry_at=0,
        grace=grace,
        **_changed("Restarted", now),
    )
    events.add(tx, pod.id, "restarted", "restarted by its owner", now)
    tx.ring(RECONCILE)
    return _again(tx, pod.id)


def reset(tx: Tx, podd: Platform, caller: Caller, pod_id: str, now: int) -> Pod:
    """A fresh container on the same volume. Raises Conflict while it is locked or should not run."""
    pod = own(tx, caller, pod_id, "change", to="reset")
    _check_running(pod, "reset")
    _check_unlocked(pod, "reset")
    _reset(tx, podd, pod, now)
    return _again(tx, pod.id)


def edit(tx: Tx, podd: Platform, caller: Caller, pod_id: str, change: PodChange, now: int) -> Pod:
    """Change a pod. Its name, its lock and its credential change in place; all else takes a fresh
    container, at once if it should run. Raises Invalid, NotFound, NoCapacity for a larger disk, and Conflict
    while it is locked."""
    pod = own(tx, caller, pod_id, "change", to="edit")
    needs = rules.changed(pod.workload.needs, change)
    _check_things(tx, podd, caller, needs)
    _check_disk(tx, podd, pod, needs)
    workloads.change_needs(tx, pod.id, needs)
    workloads.change_pod(
        tx,
        pod.id,
        name=pod.name if change.name is None else checked_name(change.name),
        locked=pod.locked if change.locked is None else change.locked,
        global_networking=(
            pod.global_networking if change.global_networking is None else change.global_networking
        ),
        args=pod.args if change.args is None else change.args,
        ports=pod.ports if change.ports is None else change.ports,
    )
    if change.resets:
        _check_unlocked(pod, "reset")
        if needs.ports != pod.workload.needs.ports:
            _publish_anew(tx, podd, pod, needs)
        if pod.workload.desired is Desired.RUNNING:
            _reset(tx, podd, pod, now)
    return _again(tx, pod.id)


def halt(tx: Tx, podd: Platform, pod: Pod, reason: str, now: int) -> None:
    """Stop a pod on podd's own account, for a reason its owner is told; fine if it does not run."""
    if pod.workload.desired is Desired.RUNNING:
        grace = podd.settings.limits.stop_grace_seconds
        _halt(tx, pod.id, Desired.STOPPED, f"Stopped by {BY_PODD}", reason, grace, now)
        events.add(tx, pod.id, "stopped", reason, now)


def tick(tx: Tx, podd: Platform, now: int) -> None:
    """Stop and terminate the pods whose time has come."""
    for pod in workloads.pods_due(tx, now):
        grace = podd.settings.limits.stop_grace_seconds
        if pod.terminate_after is not None and pod.terminate_after <= now:
            _halt(tx, pod.id, Desired.TERMINATED, f"Terminated by {BY_PODD}", "", grace, now)
            workloads.unpublish(tx, pod.id)
            continue
        workloads.change_pod(tx, pod.id, stop_after=None)
        halt(tx, podd, pod, "It was to be stopped at this time.", now)


def make_way(tx: Tx, podd: Platform, workload_id: str, verb: str, reason: str, now: int) -> None:
    """Take the GPUs of a pod that has to yield them: it stops, its volume and the reason stay."""
    grace = podd.settings.limits.spot_grace_seconds
    _halt(tx, workload_id, Desired.STOPPED, f"{verb} by {BY_PODD}", reason, grace, now)
    events.add(tx, workload_id, verb.lower(), reason, now)


# What the reconciler tells


def exited(
    tx: Tx, podd: Platform, workload: Workload, container: Container | None, log: str, now: int
) -> None:
    """The main process ended by itself: start it again with back-off, and give up on one that never gets
    going."""
    code = container.exit_code if container else None
    ended_at = (container.finished_at if container else None) or now
    started_at = (container.started_at if container else None) or workload.started_at
    failures = 1 if ran_steadily(started_at, ended_at) else workload.failures + 1
    reason, private = _end_reason(code), last_lines(log)
    workloads.change(
        tx,
        workload.id,
        phase=Phase.EXITED,
        exited_at=container.finished_at if container else now,
        exit_code=code,
        restarts=workload.restarts + 1,
        failures=failures,
        retry_at=now + retry_delay(failures),
        reason=reason + private,
    )
    events.add(tx, workload.id, "exited", reason, now, private=private)
    if failures >= podd.settings.limits.pod_start_failures:
        reason = f"{reason} podd gave up after {failures} quick ends in a row."
        give_up(tx, podd, workload, reason, now, private=private)


def give_up(
    tx: Tx,
    podd: Platform,
    workload: Workload,
    reason: str,
    now: int,
    *,
    private: str = "",
    grace: float | None = None,
) -> None:
    """This pod cannot run as it is: free what it holds and keep the reason for its owner."""
    if grace is None:
        grace = podd.settings.limits.stop_grace_seconds
    _halt(tx, workload.id, Desired.FAILED, f"Stopped by {BY_PODD}", reason + private, grace, now)
    events.add(tx, workload.id, "failed", reason, now, private=private)


def last_lines(log: str) -> str:
    return f" Last lines: {log}" if log else ""


def move_ports(tx: Tx, podd: Platform, workload: Workload, now: int) -> None:
    """A host port of the pod is in use by something else: give it others."""
    highest = max((port.host for port in workload.published), default=0)
    published = capacity.host_ports(tx, podd, workload.needs.ports, above=highest)
    workloads.unpublish(tx, workload.id)
    workloads.publish(tx, workload.id, published)
    workloads.renew(tx, workload)
    events.add(tx, workload.id, "ports", "a host port was in use; others were chosen", now)
    tx.ring(RECONCILE)


# Private


def _template(db: Reader, caller: Caller, request: PodRequest) -> Template | None:
    """The template the request names. An unknown one does no harm to a request that names an image: old
    clients send ids of RunPod's own templates. Raises NotFound, Invalid."""
    if not request.template_id:
        return None
    template = templates.get(db, request.template_id)
    if template is None or not (template.public or template.account_id == caller.account_id):
        if request.image:
            return None
        raise NotFound("template not found")
    if template.serverless and not request.image:
        raise Invalid("templateId: this template is for serverless workers; a pod needs a pod template.")
    return template


def _flavour(podd: Platform, request: PodRequest) -> CpuFlavour | None:
    """The CPU flavour of a CPU pod. Raises Invalid."""
    if not request.cpu_flavor_ids:
        return None
    for flavor_id in request.cpu_flavor_ids:
        flavour = podd.catalogue.flavour(flavor_id)
        if flavour is not None:
            return flavour
    known = ", ".join(flavour.id for flavour in podd.catalogue.cpus)
    raise Invalid(f"There is no CPU flavor {request.cpu_flavor_ids[0]!r}; known are {known}.")


def _check_things(db: Reader, podd: Platform, caller: Caller, needs: Needs) -> None:
    """What a pod names must be its owner's, and not too much. Raises NotFound, Invalid."""
    check_ports(needs.ports, podd.settings.limits.ports)
    registries.check_own(db, caller, needs.registry_auth_id)
    if needs.network_volume_id:
        volumes.own(db, caller, needs.network_volume_id)
    secrets.check_known(db, caller.account_id, needs.env)


def _check_disk(db: Reader, podd: Platform, pod: Pod, needs: Needs) -> None:
    """Room for what its disk, if it runs, and its volume grow by. Raises NoCapacity."""
    before = pod.workload.needs
    disk = needs.disk - before.disk if pod.workload.desired is Desired.RUNNING else 0
    capacity.check_disk(db, podd, disk=disk, volume=needs.own_volume - before.own_volume)


def _check_unlocked(pod: Pod, verb: str) -> None:
    if pod.locked:
        raise Conflict(f"This pod is locked and cannot be {verb}; unlock it first.")


def _check_running(pod: Pod, verb: str) -> None:
    if pod.workload.desired is not Desired.RUNNING:
        raise Conflict(f"Cannot {verb} a pod that is not running; start it instead.")


def _reset(tx: Tx, podd: Platform, pod: Pod, now: int) -> None:
    workloads.renew(
        tx,
        pod.workload,
        grace=podd.settings.limits.stop_grace_seconds,
        failures=0,
        retry_at=0,
        reason="",
        **_changed("Reset", now),
    )
    events.add(tx, pod.id, "reset", "reset by its owner", now)
    tx.ring(RECONCILE)


def _publish_anew(tx: Tx, podd: Platform, pod: Pod, needs: Needs) -> None:
    """Host ports for the new set of ports; those that stay keep theirs."""
    kept = tuple(p for p in pod.workload.published if Port(p.container, p.protocol) in needs.ports)
    have = {Port(port.container, port.protocol) for port in kept}
    workloads.unpublish(tx, pod.id)
    workloads.publish(tx, pod.id, kept)
    missing = tuple(port for port in needs.ports if port not in have)
    workloads.publish(tx, pod.id, capacity.host_ports(tx, podd, missing))


def _changed(verb: str, now: int) -> dict[str, Any]:
    return {"changed_at": now, "changed_by": f"{verb} by {BY_USER}"}


def _new_id(tx: Tx) -> str:
    while workloads.get(tx, new := ids.new_id()) is not None or new in ids.RESERVED:
        pass
    return new


def _affordable(bid: int, types: list[GpuType]) -> tuple[str, ...]:
    """The types whose lowest bid this bid reaches. Raises Invalid when it reaches none."""
    within = tuple(gpu_type.id for gpu_type in types if bid >= gpu_type.lowest_bid)
    if types and not within:
        rules.checked_bid(bid, min(types, key=lambda gpu_type: gpu_type.lowest_bid))
    return within


def _take_room(tx: Tx, podd: Platform, pod_id: str, room: Room, now: int) -> None:
    workers.make_room(tx, podd, room, now)
    for victim in room.victims:
        make_way(tx, podd, victim, "Outbid", "Its GPU went to an on-demand pod or a higher bid.", now)
    gpus.claim(tx, pod_id, room.gpu_uuids, now)


def _halt(
    tx: Tx, workload_id: str, desired: Desired, changed_by: str, reason: str, grace: float, now: int
) -> None:
    workloads.change(
        tx,
        workload_id,
        desired=desired,
        grace=grace,
        reason=reason,
        retry_at=0,
        changed_at=now,
        changed_by=changed_by,
    )
    gpus.release(tx, workload_id)
    tx.ring(RECONCILE)


def _again(db: Reader, pod_id: str) -> Pod:
    pod = workloads.pod(db, pod_id)
    assert pod is not None, "read back inside the transaction that wrote it"
    return pod


def _end_reason(code: int | None) -> str:
    how = f"with exit code {code}" if code is not None else "because its container vanished"
    return f"The container's main process ended {how}."


def _gpus(count: int, type_id: str) -> str:
    return f"{count} x {type_id}" if count else "no GPU"
