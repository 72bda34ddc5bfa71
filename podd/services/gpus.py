"""The GPUs of the machine: looked at, found faulty, and taken out of and back into service.

A sick GPU gets nobody new. Pods on it go on and are shown as affected: only their owner knows whether what
they do still works. Workers move away. When the driver does not answer, that says nothing about the GPUs
it knew: they get nobody new either, but nobody moves.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from podd.domain.account import Caller, require
from podd.domain.errors import NotFound
from podd.domain.gpu import Claim, Duty, Gpu, GpuFault, GpuState
from podd.domain.workload import Kind, Workload
from podd.services import pods, workers
from podd.services.platform import AUTOSCALE, Platform
from podd.store import events, gpus, workloads
from podd.store.db import Reader, Tx


@dataclass(frozen=True, slots=True)
class Held:
    """A GPU, and who holds it. `bid` as in Claim."""

    gpu: Gpu
    holder: Workload | None = None
    bid: int | None = None


def listed(db: Reader, caller: Caller) -> list[Held]:
    """All GPUs with their holders, for the operator."""
    require(caller, "gpu.read")
    return _with_holders(db, gpus.all_present(db))


def look(tx: Tx, podd: Platform, found: Sequence[Gpu], problem: str | None, now: int) -> None:
    """What the probe sees. `problem` keeps it from seeing everything: what it does not see is then unknown,
    not gone. A GPU that is gone stays listed while somebody holds it."""
    before = {gpu.uuid: gpu for gpu in gpus.all_present(tx)}
    held = {claim.gpu_uuid for claim in gpus.claims(tx)}
    seen = {gpu.uuid for gpu in found}
    unseen = [gpu for gpu in before.values() if gpu.uuid not in seen and not gpu.simulated]
    kept = [_unseen(gpu, problem) for gpu in unseen if problem or gpu.uuid in held]
    gpus.put_all(tx, [*found, *kept])
    for gpu in found:
        was = before.get(gpu.uuid)
        if was is not None and gpu.ecc > was.ecc:
            text = f"{gpu.ecc - was.ecc} memory errors that could not be corrected (ECC)"
            note_fault(tx, podd, GpuFault((gpu.uuid,), text, fatal=True), now)
    for gpu in gpus.all_present(tx):
        was = before.get(gpu.uuid)
        if (was.state if was else GpuState.HEALTHY) is not gpu.state:
            _note_state(tx, podd, gpu, now)


def note_fault(tx: Tx, podd: Platform, fault: GpuFault, now: int) -> None:
    """Something happened to GPUs. A fatal fault takes them out of service until they are returned."""
    for uuid in fault.uuids:
        for gpu in gpus.named(tx, uuid):
            kind = "fault" if fault.fatal else "warning"
            events.add(tx, gpu.uuid, kind, fault.text, now)
            for holder in _holders(tx, gpu):
                events.add(tx, holder.id, f"gpu {kind}", f"GPU {gpu.index} ({gpu.uuid}): {fault.text}", now)
            if fault.fatal:
                gpus.put_fault(tx, gpu.uuid, fault.text)
                _move_workers(tx, podd, gpu, f"Its GPU is faulty: {fault.text}.", now)


def note_reboot(tx: Tx) -> None:
    """The machine, and every card in it, has been reset: what had happened to them is over."""
    gpus.clear_faults(tx)


def cordon(tx: Tx, caller: Caller, uuid: str, now: int) -> list[Held]:
    """Nobody new gets the GPU (all instances of a card with MIG on); who holds it keeps it. Raises
    NotFound."""
    return _put_duty(tx, caller, uuid, Duty.CORDONED, now)


def drain(tx: Tx, podd: Platform, caller: Caller, uuid: str, force: bool, now: int) -> list[Held]:
    """As `cordon`, and whoever can move away does: spot pods stop as if outbid, workers go when they have
    done what they hold. On-demand pods stay until they stop by themselves. With `force` these stop as
    well, and workers give their jobs back to the queue. Raises NotFound."""
    for found in _put_duty(tx, caller, uuid, Duty.DRAINING, now):
        for holder in _holders(tx, found.gpu):
            _move(tx, podd, holder, found.bid is not None, force, now)
    tx.ring(AUTOSCALE)
    return _with_holders(tx, gpus.named(tx, uuid))


def give_back(tx: Tx, caller: Caller, uuid: str, now: int) -> list[Held]:
    """Back into service, its faults forgiven. What a look can see is wrong with it stays. Raises
    NotFound."""
    for found in _put_duty(tx, caller, uuid, Duty.SERVING, now):
        gpus.put_fault(tx, found.gpu.uuid, "")
    tx.ring(AUTOSCALE)
    return _with_holders(tx, gpus.named(tx, uuid))


# Private


def _unseen(gpu: Gpu, problem: str | None) -> Gpu:
    if problem:
        return replace(gpu, state=GpuState.UNKNOWN, reason=problem)
    return replace(gpu, state=GpuState.UNHEALTHY, reason="it is no longer there")


def _note_state(tx: Tx, podd: Platform, gpu: Gpu, now: int) -> None:
    text = f"{gpu.state}: {gpu.reason}" if gpu.reason else str(gpu.state)
    events.add(tx, gpu.uuid, str(gpu.state), text, now)
    for holder in _holders(tx, gpu):
        events.add(tx, holder.id, f"gpu {gpu.state}", f"GPU {gpu.index} ({gpu.uuid}) is {text}", now)
    if gpu.state is GpuState.UNHEALTHY:
        _move_workers(tx, podd, gpu, f"Its GPU is unhealthy: {gpu.reason}.", now)
    tx.ring(AUTOSCALE)


def _move_workers(tx: Tx, podd: Platform, gpu: Gpu, why: str, now: int) -> None:
    for holder in _holders(tx, gpu):
        worker = workloads.worker(tx, holder.id)
        if worker is not None:
            workers.remove(tx, podd, worker, why, now)


def _move(tx: Tx, podd: Platform, holder: Workload, spot: bool, force: bool, now: int) -> None:
    why = "Its GPU is taken out of service."
    if holder.kind is Kind.POD:
        if spot or force:
            pods.make_way(tx, podd, holder.id, "Drained", why, now)
        return
    worker = workloads.worker(tx, holder.id)
    assert worker is not None, "a workload of kind worker has its row"
    if force:
        workers.remove(tx, podd, worker, why, now)
    else:
        workers.see_off(tx, podd, worker, why, now)


def _put_duty(tx: Tx, caller: Caller, uuid: str, duty: Duty, now: int) -> list[Held]:
    require(caller, "gpu.change")
    named = gpus.named(tx, uuid)
    if not named:
        raise NotFound(f"There is no GPU {uuid} on this machine; `podd gpus` lists those there are.")
    for gpu in named:
        if gpu.duty is not duty or duty is Duty.SERVING:
            gpus.put_duty(tx, gpu.uuid, duty)
            events.add(tx, gpu.uuid, str(duty), f"{duty} by the operator", now)
    return _with_holders(tx, gpus.named(tx, uuid))


def _holders(db: Reader, gpu: Gpu) -> list[Workload]:
    """Nobody, or the one who holds it."""
    held = [workloads.get(db, claim.workload_id) for claim in gpus.claims(db) if claim.gpu_uuid == gpu.uuid]
    return [workload for workload in held if workload is not None]


def _with_holders(db: Reader, named: Sequence[Gpu]) -> list[Held]:
    claims: dict[str, Claim] = {claim.gpu_uuid: claim for claim in gpus.claims(db)}
    books = {workload.id: workload for workload in workloads.every(db)}
    found = []
    for gpu in named:
        claim = claims.get(gpu.uuid)
        found.append(Held(gpu, books.get(claim.workload_id), claim.bid) if claim else Held(gpu))
    return found
