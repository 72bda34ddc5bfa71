"""Explains one pod to its owner or to the operator: what is going on, and what it would need."""

from podd.domain import explain as rules
from podd.domain.account import Caller, reaches, require
from podd.domain.errors import NotFound
from podd.domain.pod import Pod
from podd.domain.workload import Desired, Phase
from podd.services import capacity
from podd.services.platform import Platform
from podd.services.telemetry import Telemetry
from podd.store import events, workloads
from podd.store.db import Reader

RECENT = 5
HOUR = 3_600_000


def pod(
    db: Reader,
    podd: Platform,
    caller: Caller,
    pod_id: str,
    now: int,
    telemetry: Telemetry | None = None,
    engine_answers: bool = True,
) -> list[str]:
    """Sentences, the most important first. `telemetry` is how busy it is. Raises NotFound."""
    require(caller, "pod.explain")
    found = workloads.pod(db, pod_id)
    if found is None or not reaches(caller, found.workload.account_id, found.id):
        raise NotFound("pod not found")
    patience = int(podd.settings.limits.start_give_up_seconds * 1000)
    sentences = [
        rules.state_sentence(found.workload, now),
        rules.engine_sentence(engine_answers),
        rules.handover_sentence(found.workload, workloads.stopping(db), now),
        found.workload.trouble,
        f"Reason: {found.workload.reason}" if found.workload.reason else "",
        rules.patience_sentence(found.workload, patience, now),
    ]
    sentences = [sentence for sentence in sentences if sentence]
    if found.workload.desired in (Desired.STOPPED, Desired.FAILED):
        sentences += _what_it_needs(db, podd, found)
    if telemetry is not None and found.workload.phase is Phase.RUNNING:
        sample = telemetry.containers.get(found.id)
        used = [
            rules.use_sentence(gpu.uuid, telemetry.history.mean(gpu.uuid, "gpu_percent", now - HOUR))
            for gpu in found.workload.gpus
        ]
        deaf = rules.deaf_sentence(sample.deaf if sample else None)
        sentences += [sentence for sentence in [deaf, *used] if sentence]
    recent = events.of(db, found.id, RECENT)
    return sentences + [f"Earlier: {event.kind}: {event.text}" for event in reversed(recent)]


def _what_it_needs(db: Reader, podd: Platform, pod: Pod) -> list[str]:
    sentences = []
    if pod.own_gpu_count:
        found = capacity.gpu_census(db, pod.gpu_type_id)
        sentences.append(rules.gpu_sentence(pod.gpu_type_id, pod.own_gpu_count, found))
    free = podd.host.memory - workloads.reserved_memory(db)
    sentences.append(rules.memory_sentence(free, podd.host.memory))
    left = capacity.disk_left(db, podd)
    room, total = left.disk, podd.host.disk
    if left.containers is not None and podd.host.container_disk is not None:
        room, total = left.containers, podd.host.container_disk
    return [*sentences, rules.disk_sentence(room, total, pod.workload.needs.disk)]
